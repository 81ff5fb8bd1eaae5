r"""p(z) of an InfoGAN: a code that means something, and noise that does not.

Notation: z = (one-hot category, continuous codes, noise), D numbers: the first K, the next U and
the rest,

.. math:: p(z) = \tfrac{1}{K} \cdot \big(\tfrac{1}{2}\big)^U [-1 \le c \le 1]
                 \cdot N(\epsilon; 0, I)

References:
    InfoGAN (Chen, Duan, Houthooft, Schulman, Sutskever and Abbeel, 2016), section 7.1,
    https://arxiv.org/abs/1606.03657
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from twofold.distributions import standard_normal_log_prob
from twofold.errors import UsageError
from twofold.priors.base import Prior
from twofold.registry import register
from twofold.settings import Natural

__all__ = ["Coded"]


@register("prior", "coded", title="a category, uniform codes and noise", paper="Chen et al., 2016")
class Coded(Prior):
    """One of K categories, U codes uniform in [-1, 1], and N(0, I) for the rest of z.

    It has a discrete part, so no posterior can be pulled to it; a GAN only draws from it.

    Arguments:
        categories: K, 0 for none.
        continuous: U, 0 for none.

    Raises:
        UsageError: If there is no code, or z is too short for it.

    Example:
        >>> from twofold.models import GAN
        >>> gan = GAN("fc-8", "fc-8", latent_dim=8, prior=Coded(3, 2), image_shape=(1, 4, 4))
        >>> category, continuous, noise = gan.prior.split(gan.prior.sample(5))
        >>> category.sum(dim=1).tolist(), continuous.shape, noise.shape
        ([1.0, 1.0, 1.0, 1.0, 1.0], torch.Size([5, 2]), torch.Size([5, 3]))
    """

    spherical = True  # what follows the code is

    def __init__(self, categories: Natural = 10, continuous: Natural = 2) -> None:
        super().__init__()
        if categories == 1 or categories + continuous == 0:
            raise UsageError("prior=coded needs continuous codes, or categories, at least 2")
        self.categories = categories
        self.continuous = continuous

    def join(self, model: Any) -> None:
        if hasattr(model, "elbo_terms"):
            raise UsageError("prior=coded is partly discrete, and a posterior is not; use a GAN")
        used = self.categories + self.continuous
        if model.latent_dim < used:
            raise UsageError(f"latent_dim={model.latent_dim} has no room for a code of {used}")
        super().join(model)
        self.code_dim = used

    def split(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Category, continuous codes and noise of codes (..., D)."""
        K, U = self.categories, self.continuous
        return z[..., :K], z[..., K : K + U], z[..., K + U :]

    def log_prob(self, z: Tensor) -> Tensor:
        """As a density of continuous codes and noise times the probability of the category."""
        category, continuous, noise = self.split(z)
        one_hot = ((category == 0) | (category == 1)).all(dim=-1) & (category.sum(dim=-1) == 1)
        inside = (continuous.abs() <= 1).all(dim=-1) & (one_hot | (self.categories == 0))
        log_code = -math.log(max(self.categories, 1)) - self.continuous * math.log(2.0)
        log_prob = log_code + standard_normal_log_prob(noise)
        return log_prob.masked_fill(~inside, -math.inf)

    def sample(
        self, n: int, generator: torch.Generator | None = None, scale: float = 1.0
    ) -> Tensor:
        """Continuous codes and noise are scaled; a category is one of all in any case."""
        K, U = self.categories, self.continuous
        noise = self.noise(n, generator, scale)[:, K + U :]
        place = self._place.device if generator is None else None  # None is the CPU
        uniform = torch.rand(n, U, generator=generator, device=place)
        drawn = torch.randint(max(K, 1), (n,), generator=generator, device=place)
        category = F.one_hot(drawn, max(K, 1))[:, :K]
        code = torch.cat([category, scale * (2 * uniform - 1)], dim=1)
        return torch.cat([code.to(noise), noise], dim=1)

    def energy(self, z: Tensor) -> Tensor:
        """‖ε‖²: flat wherever a code may be, and where a search passes on its way."""
        return self.split(z)[2].square().sum(dim=-1)

    def quantiles(self, levels: Tensor) -> Tensor:
        """Those of codes and noise; a level p of the category is number ⌊p K⌋ of all."""
        levels, K = levels.to(self._place), self.categories
        number = (levels * K).long().clamp(max=max(K - 1, 0))
        category = F.one_hot(number, max(K, 1))[:, :K].to(levels)
        continuous = (2 * levels - 1)[:, None].expand(-1, self.continuous)
        noise = torch.special.ndtri(levels)[:, None]
        return torch.cat(
            [category, continuous, noise.expand(-1, self.latent_dim - K - self.continuous)], dim=1
        )

    def spread(self) -> tuple[Tensor, Tensor]:
        """Those of codes and noise; a category is off at 0 and on at 1."""
        median, sigma = super().spread()
        median[: self.categories], sigma[: self.categories] = 0.0, 1.0
        return median, sigma
