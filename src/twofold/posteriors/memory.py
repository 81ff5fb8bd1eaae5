"""Posteriors that know the density of a code as they draw it, and find any other's at more cost.

Notation: eps noise and z latent codes, (B, D), or (S, B, D) with S draws for each image.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

__all__ = ["DrawMemory"]


class DrawMemory(ABC):
    """A q(z|x) that remembers ln q of the codes drawn last.

    Arguments:
        like: A tensor of B rows, of the codes' type and device.
        dim: D.

    Example:
        >>> class Doubled(DrawMemory):
        ...     mean = torch.zeros(1, 1)
        ...     def transform(self, eps: Tensor) -> tuple[Tensor, Tensor]:
        ...         return 2 * eps, torch.distributions.Normal(0.0, 2.0).log_prob(2 * eps).sum(-1)
        ...     def density(self, z: Tensor) -> Tensor:
        ...         return self.transform(z / 2)[1]
        >>> q = Doubled(torch.zeros(1, 1), dim=1)
        >>> z = q.rsample(5)
        >>> torch.allclose(q.log_prob(z), q.density(z))
        True
    """

    def __init__(self, like: Tensor, dim: int) -> None:
        self._like = like.detach()
        self._shape = (like.shape[0], dim)
        self._last: tuple[Tensor, int, Tensor] | None = None

    @abstractmethod
    def transform(self, eps: Tensor) -> tuple[Tensor, Tensor]:
        """Codes made of noise (..., B, D), and ln q(z|x) of each, (..., B)."""

    @abstractmethod
    def density(self, z: Tensor) -> Tensor:
        """ln q(z|x) of any codes, (..., B, D) -> (..., B)."""

    def rsample(self, num_samples: int | None = None) -> Tensor:
        """Differentiable draws, shape (B, D), or (S, B, D)."""
        shape = self._shape if num_samples is None else (num_samples, *self._shape)
        eps = torch.randn(shape, dtype=self._like.dtype, device=self._like.device)
        z, log_q = self.transform(eps)
        self._last = (z, _version(z), log_q)
        return z

    def log_prob(self, z: Tensor) -> Tensor:
        """ln q(z|x) in nats, (..., B, D) -> (..., B)."""
        if self._last is not None:
            drawn, version, log_q = self._last
            if z is drawn and _version(z) == version:  # the very codes, and unchanged
                return log_q
        return self.density(z)


def _version(z: Tensor) -> int:
    """How often a tensor was written to; inference mode does not count."""
    return 0 if z.is_inference() else z._version
