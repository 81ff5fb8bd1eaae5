"""What every prior is: a density of codes that can be drawn from.

Notation: z latent codes (..., D); a sample axis, where there is one, comes first: (S, B, D).
"""

from abc import ABC, abstractmethod
from statistics import NormalDist
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from twofold.errors import UsageError

__all__ = ["Prior"]

DRAWS = 5_000  # codes from which quantiles are read where there is no formula
ONE_SIGMA = NormalDist().cdf(1.0)


class Prior(nn.Module, ABC):
    """p(z), made by itself and completed by the model that it joins.

    Attributes:
        latent_dim: D; 0 before it has joined a model.
        closed_kl: Whether KL(q(z|x) || p(z)) has a formula for a Gaussian q.
        spherical: Whether draws of many dimensions lie close to a sphere about 0, so that the way
            from one to another is an arc.
        code_dim: How many coordinates, the first ones, are no noise, so that their length says
            nothing and the way between two of them is straight.

    Example:
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), prior="standard-normal")
        >>> vae.prior.sample(3).shape, vae.prior.log_prob(torch.zeros(5, 3, 2)).shape
        (torch.Size([3, 2]), torch.Size([5, 3]))
    """

    registry_kind: ClassVar[str] = "prior"
    closed_kl: ClassVar[bool] = False
    spherical: ClassVar[bool] = False
    latent_dim: int = 0
    code_dim: int = 0
    _place: Tensor

    def __init__(self) -> None:
        super().__init__()

    def join(self, model: Any) -> None:
        """Takes its place in a model, of which it has the size and the device from then on.

        Raises:
            UsageError: If it has one already, or the two do not go together.
        """
        if self.latent_dim:
            raise UsageError(f"this {type(self).__name__} is part of a model already; make another")
        self.latent_dim = model.latent_dim
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """ln p(z) in nats, (..., D) -> (...)."""

    @abstractmethod
    def sample(
        self, n: int, generator: torch.Generator | None = None, scale: float = 1.0
    ) -> Tensor:
        """Codes z ~ p(z), shape (n, D).

        Arguments:
            n: How many.
            generator: On the CPU, for the same codes on every device; None for torch's own.
            scale: Of the noise that codes are made of; below 1 they keep to the middle of p(z).
        """

    def energy(self, z: Tensor) -> Tensor:
        """-2 ln p(z) up to a constant, (..., D) -> (...): the squared length of z for N(0, I)."""
        return -2.0 * self.log_prob(z)

    @torch.no_grad()
    def quantiles(self, levels: Tensor) -> Tensor:
        """Where each coordinate of z has these levels of its distribution, (L,) -> (L, D)."""
        z = self.sample(DRAWS, torch.Generator().manual_seed(0)).float()
        return torch.quantile(z.T.contiguous(), levels.to(z), dim=1)

    def spread(self) -> tuple[Tensor, Tensor]:
        """The median of each coordinate, and how far above it one σ of a Gaussian is: (D,) each."""
        median, above = self.quantiles(torch.tensor([0.5, ONE_SIGMA]))
        return median, above - median

    def noise(self, n: int, generator: torch.Generator | None, scale: float) -> Tensor:
        """s ε with ε ~ N(0, I), shape (n, D)."""
        if generator is None:
            return scale * torch.randn(n, self.latent_dim, device=self._place.device)
        eps = torch.randn(n, self.latent_dim, generator=generator)
        return scale * eps.to(self._place.device)
