"""p(z) = N(0, I)."""

import torch
from torch import Tensor

from twofold.distributions import standard_normal_log_prob
from twofold.priors.base import Prior
from twofold.registry import register

__all__ = ["StandardNormal"]


@register("prior", "standard-normal", title="N(0, I)", paper="Kingma and Welling, 2014")
class StandardNormal(Prior):
    """p(z) = N(0, I), which has nothing to learn.

    Example:
        >>> StandardNormal().log_prob(torch.zeros(3, 2))  # -ln 2π
        tensor([-1.8379, -1.8379, -1.8379])
    """

    closed_kl = True
    spherical = True

    def log_prob(self, z: Tensor) -> Tensor:
        return standard_normal_log_prob(z)

    def sample(
        self, n: int, generator: torch.Generator | None = None, scale: float = 1.0
    ) -> Tensor:
        return self.noise(n, generator, scale)

    def energy(self, z: Tensor) -> Tensor:
        return z.square().sum(dim=-1)

    def quantiles(self, levels: Tensor) -> Tensor:
        return torch.special.ndtri(levels.to(self._place))[:, None].expand(-1, self.latent_dim)

    def spread(self) -> tuple[Tensor, Tensor]:
        return self._place.new_zeros(self.latent_dim), self._place.new_ones(self.latent_dim)
