"""Differentiable augmentation: what a discriminator sees of real and fake images alike.

Notation: x images (B, C, H, W) in [-1, 1]; each image is changed by random numbers of its own.

References:
    Differentiable Augmentation for Data-Efficient GAN Training (Zhao et al., 2020), section 3.1,
    https://arxiv.org/abs/2006.10738
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Augmentation", "augment"]

Augmentation = Literal["brightness", "translation", "cutout"]


def augment(x: Tensor, names: Sequence[Augmentation]) -> Tensor:
    """The images, each changed by the augmentations in turn, through which gradients flow.

    Example:
        >>> x = torch.ones(2, 1, 8, 8)
        >>> torch.equal(augment(x, []), x), augment(x, ["cutout"]).shape
        (True, torch.Size([2, 1, 8, 8]))
    """
    for name in names:
        x = _AUGMENTATIONS[name](x)
    return x


def brightness(x: Tensor) -> Tensor:
    """x + b, b uniform in [-1/2, 1/2]."""
    return x + torch.rand(len(x), 1, 1, 1, device=x.device) - 0.5


def translation(x: Tensor) -> Tensor:
    """Moved by up to an eighth of the side, dark where nothing is."""
    B, C, H, W = x.shape
    up, left = (max(1, side // 8) for side in (H, W))
    dark = F.pad(x, (left, left, up, up), value=-1.0)  # (B, C, H + 2 up, W + 2 left)
    rows = torch.randint(2 * up + 1, (B, 1), device=x.device) + torch.arange(H, device=x.device)
    columns = torch.randint(2 * left + 1, (B, 1), device=x.device)
    columns = columns + torch.arange(W, device=x.device)
    moved = dark.gather(2, rows[:, None, :, None].expand(-1, C, -1, dark.shape[3]))
    return moved.gather(3, columns[:, None, None, :].expand(-1, C, H, -1))


def cutout(x: Tensor) -> Tensor:
    """A rectangle of half the height and half the width is gray."""
    B, _, H, W = x.shape

    def inside(side: int) -> Tensor:
        """Whether each row, or column, lies in the cut of each image, (B, side)."""
        middle = torch.randint(side + 1, (B, 1), device=x.device)
        return (torch.arange(side, device=x.device) - middle + 0.5).abs() < side / 4

    cut = inside(H)[:, None, :, None] & inside(W)[:, None, None, :]  # (B, 1, H, W)
    return x * ~cut


_AUGMENTATIONS = {"brightness": brightness, "translation": translation, "cutout": cutout}
