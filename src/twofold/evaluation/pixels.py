"""How near images are to others: pixel by pixel, and by structure.

Notation: images x, shape (..., C, H, W), and `target` of a shape that broadcasts with it; `where`,
boolean (H, W), says which pixels count, all by default. Figures have shape (...).

References:
    Image Quality Assessment: From Error Visibility to Structural Similarity (Wang, Bovik, Sheikh
    and Simoncelli, 2004), section III, for SSIM: through a Gaussian window of 11 pixels with a
    standard deviation of 1.5, averaged over the image, which is reflected at its edges
"""

import torch
from torch import Tensor

from twofold.errors import NotMeasured

__all__ = ["mse", "psnr", "ssim"]

ROUNDING = 1 / (12 * 255**2)  # the squared error of rounding to 8 bits
ROWS = 500  # images at a time that SSIM looks at, in several copies
REACH = 5  # pixels to either side that SSIM's window sees


def mse(x: Tensor, target: Tensor, where: Tensor | None = None) -> Tensor:
    """Mean squared error over channels and pixels, in float64 on the CPU."""
    squared = (x.cpu().double() - target.cpu().double()).square()  # not every device has doubles
    chosen = squared.flatten(-2) if where is None else squared[..., where.cpu()]
    return chosen.mean(dim=(-2, -1))


def psnr(x: Tensor, target: Tensor, where: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio -10 log10(mse) of images in [0, 1], in dB.

    Images that agree to within the rounding of 8-bit pixels count as differing by that: 58.9 dB.
    In float64 on the CPU.

    Example:
        >>> psnr(torch.full((1, 2, 2), 0.6), torch.full((1, 2, 2), 0.5)).round(decimals=3)
        tensor(20., dtype=torch.float64)
    """
    return -10 * mse(x, target, where).clamp(min=ROUNDING).log10()


def ssim(x: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of images in [0, 1], 1 where they are the same.

    Raises:
        NotMeasured: If the images are smaller than what is reflected at their edges.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    H, W = x.shape[-2:]
    if min(H, W) <= REACH:
        raise NotMeasured(f"SSIM needs images of {REACH + 1} pixels or more, and these are {H}×{W}")
    x, target = torch.broadcast_tensors(x, target)
    parts = (images.reshape(-1, *x.shape[-3:]).float().split(ROWS) for images in (x, target))
    pairs = zip(*parts, strict=True)
    found = [
        structural_similarity_index_measure(*pair, reduction="none", data_range=1.0)
        for pair in pairs
    ]
    return torch.cat([part for part in found if isinstance(part, Tensor)]).view(x.shape[:-3])
