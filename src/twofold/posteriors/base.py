"""What every posterior is: it turns an encoder's output into q(z|x).

Notation: z latent codes (B, D), or (S, B, D) with S draws for each image.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from twofold.errors import UsageError

__all__ = ["LatentDistribution", "Posterior"]


class LatentDistribution(Protocol):
    """q(z|x) of a batch: codes are drawn from it, and its density is known where they are."""

    @property
    def mean(self) -> Tensor:
        """The code in the middle, shape (B, D)."""
        ...

    def rsample(self, num_samples: int | None = None) -> Tensor:
        """Differentiable draws, shape (B, D), or (S, B, D)."""
        ...

    def log_prob(self, z: Tensor) -> Tensor:
        """ln q(z|x) in nats, (..., B, D) -> (..., B); cheap at the codes drawn last."""
        ...


class Posterior(nn.Module, ABC):
    """A family of q(z|x), made by itself and completed by the model that it joins.

    Attributes:
        is_gaussian: Whether q(z|x) is one diagonal Gaussian for an image.
        latent_dim: D; 0 before it has joined a model.

    Example:
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), posterior="gaussian")
        >>> vae.posterior_family.outputs
        4
    """

    registry_kind: ClassVar[str] = "posterior"
    is_gaussian: ClassVar[bool] = False
    latent_dim: int = 0

    def __init__(self) -> None:
        super().__init__()

    def join(self, model: Any) -> None:
        """Takes its place in a model, whose size it has from then on.

        Raises:
            UsageError: If it has one already, or the two do not go together.
        """
        if self.latent_dim:
            raise UsageError(f"this {type(self).__name__} is part of a model already; make another")
        self.latent_dim = model.latent_dim

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers the encoder must give for an image."""

    @abstractmethod
    def forward(self, output: Tensor) -> LatentDistribution:
        """q(z|x) from the encoder's output, shape (B, outputs)."""
