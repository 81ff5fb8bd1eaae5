r"""The maximum mean discrepancy of two sets of codes, by pairs of them.

Notation: z_i ~ q(z) and z'_i ~ p(z), B codes (B, D) of either; C = 2 D σ², for σ = 1 the mean
squared distance of two draws of N(0, I).

.. math::
    \mathrm{MMD}^2 &\approx \tfrac{1}{B(B-1)} \sum_{i \ne j} \big( k(z_i, z_j) + k(z'_i, z'_j) \big)
        - \tfrac{2}{B^2} \sum_{ij} k(z_i, z'_j) \\
    k(a, b) &= \frac{C}{C + \|a - b\|^2} \quad \mathrm{or} \quad e^{-\|a - b\|^2 / C}

The estimate is unbiased, and so below 0 about half of the time where q and p are one. The first
kernel, inverse multiquadratic, has tails that reach codes far out; the second is the Gaussian one.

References:
    A Kernel Two-Sample Test (Gretton et al., 2012), equation 3
    Wasserstein Auto-Encoders (Tolstikhin, Bousquet, Gelly and Schölkopf, 2018), algorithm 2 and
    section 4, for C, https://arxiv.org/abs/1711.01558
"""

from typing import Literal

from torch import Tensor

__all__ = ["Kernel", "kernel_matrix", "mmd_squared"]

Kernel = Literal["inverse-multiquadratic", "rbf"]


def mmd_squared(a: Tensor, b: Tensor, kernel: Kernel, scale: float = 1.0) -> Tensor:
    """The unbiased estimate from codes (B, D) of either distribution, shape (); 0 where B = 1.

    Example:
        >>> import torch
        >>> codes = torch.tensor([[0.0], [1.0]])
        >>> round(mmd_squared(codes, codes + 100, "rbf").item(), 4)  # 2 exp(-1/2)
        1.2131
    """
    B = len(a)
    if B == 1:  # there are no pairs
        return 0.0 * a.sum()
    within = [kernel_matrix(z, z, kernel, scale) for z in (a, b)]
    pairs = sum((k.sum() - k.diagonal().sum()) / (B * (B - 1)) for k in within)
    return pairs - 2.0 * kernel_matrix(a, b, kernel, scale).mean()


def kernel_matrix(a: Tensor, b: Tensor, kernel: Kernel, scale: float = 1.0) -> Tensor:
    """k(a_i, b_j), (B, D) and (B, D) to (B, B).

    Example:
        >>> import torch
        >>> kernel_matrix(torch.zeros(1, 2), torch.ones(1, 2), "inverse-multiquadratic").item()
        0.6666666865348816
    """
    c = 2 * a.shape[1] * scale**2
    squared = (a[:, None] - b).square().sum(dim=-1)
    return c / (c + squared) if kernel == "inverse-multiquadratic" else (-squared / c).exp()
