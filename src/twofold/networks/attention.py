r"""DRAW's grid of Gaussian filters, through which a network reads and writes a part of an image.

Notation: image A wide and B high, glimpse N × N, patch (batch, C, N, N); center (g_X, g_Y), stride
delta, isotropic variance sigma², intensity gamma; F_X (batch, N, A) and F_Y (batch, N, B).

References:
    DRAW: A Recurrent Neural Network For Image Generation (Gregor et al., 2015), section 3.2,
    equations 19 to 27, https://arxiv.org/abs/1502.04623
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["NUM_PARAMETERS", "Grid", "attend", "filterbank", "read_patch", "write_patch"]

NUM_PARAMETERS = 5


@dataclass(frozen=True)
class Grid:
    """Where a glimpse looks.

    Attributes:
        F_X: Filters along the width, shape (B, N, W); every row sums to 1.
        F_Y: Filters along the height, shape (B, N, H).
        gamma: Intensity, shape (B, 1, 1, 1).

    Example:
        >>> grid = attend(torch.zeros(1, 5), 2, 4, 6)
        >>> grid.F_Y.shape, grid.gamma.flatten()
        (torch.Size([1, 2, 4]), tensor([1.]))
    """

    F_X: Tensor
    F_Y: Tensor
    gamma: Tensor


def attend(parameters: Tensor, glimpse: int, height: int, width: int) -> Grid:
    """The grid that a network asks for (equations 21 to 24).

    Arguments:
        parameters: g̃_X, g̃_Y, ln σ², ln δ̃ and ln γ, shape (B, 5).
        glimpse: N.
        height, width: Of the image.

    Example:
        >>> grid = attend(torch.zeros(1, 5), 2, 4, 6)
        >>> grid.F_X.shape, round(grid.F_X.sum().item(), 4)
        (torch.Size([1, 2, 6]), 2.0)
    """
    at_least_single = torch.promote_types(parameters.dtype, torch.float32)
    g_x, g_y, log_var, log_delta, log_gamma = parameters.to(at_least_single).unbind(dim=1)
    g_x = 0.5 * (width + 1) * (g_x + 1)
    g_y = 0.5 * (height + 1) * (g_y + 1)
    delta = (max(height, width) - 1) / max(glimpse - 1, 1) * log_delta.exp()
    precision = 0.5 * (-log_var).exp()
    return Grid(
        filterbank(g_x, delta, precision, glimpse, width),
        filterbank(g_y, delta, precision, glimpse, height),
        log_gamma.exp()[:, None, None, None],
    )


def filterbank(center: Tensor, delta: Tensor, precision: Tensor, glimpse: int, size: int) -> Tensor:
    r"""N Gaussian filters along one side of the image (equations 19, 25 and 26).

    .. math:: \mu^i = g + (i - N/2 - 0.5) \delta, \qquad
              F[i, a] = \frac{1}{Z} \exp\left(-\frac{(a - \mu^i)^2}{2\sigma^2}\right)

    Both i and the pixels a count from 1, so that g = (size + 1) / 2 is the middle of the image. The
    normalization by Z is a softmax over a, which stays finite where the whole filter lies outside.

    Arguments:
        center: g, shape (B,).
        delta: Distance between filters in pixels, shape (B,).
        precision: 1 / 2σ², shape (B,).
        glimpse: N.
        size: Pixels along the side.

    Returns:
        F, shape (B, N, size).

    Example:
        >>> sharp, far = torch.full((1,), 1e4), torch.full((1,), 2.0)
        >>> filterbank(torch.full((1,), 2.0), far, sharp, 2, 3)
        tensor([[[1., 0., 0.],
                 [0., 0., 1.]]])
    """
    i = torch.arange(1, glimpse + 1, device=center.device, dtype=center.dtype)
    a = torch.arange(1, size + 1, device=center.device, dtype=center.dtype)
    mu = center[:, None] + (i - glimpse / 2 - 0.5) * delta[:, None]  # (B, N)
    squared = (a - mu[:, :, None]).square()  # (B, N, size)
    return (-squared * precision[:, None, None]).softmax(dim=2)


def read_patch(grid: Grid, image: Tensor) -> Tensor:
    """γ F_Y x F_Xᵀ (equation 27): (B, C, H, W) to (B, C, N, N).

    Example:
        >>> grid = attend(torch.zeros(1, 5), 2, 4, 6)
        >>> read_patch(grid, torch.ones(1, 3, 4, 6)).shape
        torch.Size([1, 3, 2, 2])
    """
    return grid.gamma * (grid.F_Y[:, None] @ image @ grid.F_X[:, None].mT)


def write_patch(grid: Grid, patch: Tensor) -> Tensor:
    """F_Yᵀ w F_X / γ (equation 29): (B, C, N, N) to (B, C, H, W).

    Example:
        >>> grid = attend(torch.zeros(1, 5), 2, 4, 6)
        >>> write_patch(grid, torch.ones(1, 3, 2, 2)).shape
        torch.Size([1, 3, 4, 6])
    """
    return (grid.F_Y[:, None].mT @ patch @ grid.F_X[:, None]) / grid.gamma
