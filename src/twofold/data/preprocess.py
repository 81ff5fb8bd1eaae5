"""What happens to pixels between the file and the model, all of it on the device.

There are four binarized MNISTs in the literature and they must never be mixed, so the choice is
part of the experiment: `none` keeps gray values x/255; `dynamic` draws a fresh Bernoulli(x/255)
every time an image is used; `static` draws once, with a seed, and keeps it; `threshold` is x > 0.5.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from twofold.errors import unknown_name

__all__ = ["BINARIZE", "fix_binary", "shift_randomly", "to_unit"]

BINARIZE = ("none", "dynamic", "static", "threshold")


def to_unit(images: Tensor, binarize: str = "none") -> Tensor:
    """uint8 images as floats in [0, 1], drawn as Bernoulli if `binarize` is `dynamic`.

    Example:
        >>> to_unit(torch.tensor([0, 51, 255], dtype=torch.uint8))
        tensor([0.0000, 0.2000, 1.0000])
    """
    x = images.to(torch.float32).mul_(1 / 255)
    return torch.bernoulli(x) if binarize == "dynamic" else x


def fix_binary(images: Tensor, binarize: str, seed: int = 0) -> Tensor:
    """Applies the binarizations that happen once: uint8 in, uint8 out (0 or 255).

    `static` is drawn on the CPU whatever the device, so a seed names one data set everywhere.

    Raises:
        UsageError: If there is no such binarization.

    Example:
        >>> fix_binary(torch.tensor([0, 127, 128, 255], dtype=torch.uint8), "threshold")
        tensor([  0,   0, 255, 255], dtype=torch.uint8)
    """
    if binarize not in BINARIZE:
        raise unknown_name("binarization", binarize, BINARIZE)
    if binarize == "threshold":
        return (images > 127).to(torch.uint8).mul_(255)
    if binarize == "static":
        generator = torch.Generator().manual_seed(seed)
        chunks = [
            torch.bernoulli(to_unit(chunk.cpu()), generator=generator).to(torch.uint8).mul_(255)
            for chunk in images.split(10_000)
        ]
        return torch.cat(chunks).to(images.device)
    return images


def shift_randomly(x: Tensor, pixels: int) -> Tensor:
    """Moves each image by up to `pixels` both ways, edges filled with zeros: (B, C, H, W).

    Example:
        >>> x = torch.zeros(16, 1, 5, 5)
        >>> x[..., 2, 2] = 1.0
        >>> shift_randomly(x, 2).sum(dim=(1, 2, 3)).eq(1.0).all().item()
        True
    """
    count, _, height, width = x.shape
    padded = F.pad(x, (pixels, pixels, pixels, pixels))
    offset = torch.randint(0, 2 * pixels + 1, (2, count, 1), device=x.device)
    rows = offset[0] + torch.arange(height, device=x.device)  # (B, H)
    columns = offset[1] + torch.arange(width, device=x.device)  # (B, W)
    image = torch.arange(count, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )
