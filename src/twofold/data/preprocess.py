"""What happens to pixels between the file and the model, all of it on the device.

There are four binarized MNISTs in the literature and they must never be mixed, so the choice is
part of the experiment: `none` keeps gray values x/255; `dynamic` draws a fresh Bernoulli(x/255)
every time an image is used; `static` draws once, with a seed, and keeps it; `threshold` is x > 0.5.

A static draw is a function of the seed and of the image's own pixels, by a hash of both, and of
nothing else: an image is binarized the same in every split and subset, in any order and on any
device, and the draws of different images have nothing in common. Equal images get equal draws.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
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
        drawn = _draw_static(images.cpu().flatten(1).numpy(), seed)
        return torch.from_numpy(drawn).reshape(images.shape).to(images.device)
    return images


def _draw_static(images: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """A Bernoulli(x/255) draw of every pixel, 0 or 255: uint8 (N, D) in and out.

    The number of a pixel is a hash of its place and of its image, so that many are made at once.
    """
    each = np.arange(1, images.shape[1] + 1, dtype=np.uint64)
    place = _hash(each * _GOLDEN + np.uint64(seed * int(_GOLDEN) % 2**64))  # (D,)
    drawn = np.empty_like(images)
    count = max(1, 2**20 // images.shape[1])  # images at a time, for memory's sake
    for start in range(0, len(images), count):
        part = images[start : start + count]
        image = _hash((part * (place | np.uint64(1))).sum(axis=1, dtype=np.uint64))
        number = _hash(image[:, None] + place) >> np.uint64(32)  # uniform below 2³²
        drawn[start : start + count] = (number * np.uint64(255) >> np.uint64(32)) < part
    return drawn * np.uint8(255)


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ over the golden ratio, odd


def _hash(x: NDArray[Any]) -> NDArray[np.uint64]:
    """SplitMix64's mixing of all 64 bits (Steele, Lea and Flood, 2014, figure 15)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


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
