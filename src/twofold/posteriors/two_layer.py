r"""A posterior of two layers of codes, the upper inferred from the lower.

Notation: z = (z1, z2) side by side, z1 of D1 dimensions and z2 of D2.

.. math:: q(z|x) = q(z_1|x) \, q(z_2|z_1)

References:
    Importance Weighted Autoencoders (Burda, Grosse and Salakhutdinov, 2016), equation 1 and
    section 5, https://arxiv.org/abs/1509.00519
"""

from typing import Any

import torch
from torch import Tensor, nn

from twofold.distributions import DiagonalGaussian
from twofold.errors import UsageError
from twofold.posteriors.base import Posterior
from twofold.posteriors.memory import DrawMemory
from twofold.registry import make, register
from twofold.settings import Count

__all__ = ["TwoGaussians", "TwoLayerPosterior"]


class TwoGaussians(DrawMemory):
    """A Gaussian, and above each of its draws another.

    Arguments:
        lower: q(z1|x), parameters (B, D1).
        network: From z1 (B, D1) to means and log-variances of z2, (B, 2 D2).
        top_dim: D2.

    Example:
        >>> lower = DiagonalGaussian(torch.zeros(5, 2), torch.zeros(5, 2))
        >>> q = TwoGaussians(lower, nn.Identity(), top_dim=1)
        >>> q.log_prob(q.rsample(num_samples=3)).shape, q.mean.shape
        (torch.Size([3, 5]), torch.Size([5, 3]))
    """

    def __init__(self, lower: DiagonalGaussian, network: nn.Module, top_dim: int) -> None:
        super().__init__(lower.mu, lower.mu.shape[1] + top_dim)
        self.lower, self.network, self.lower_dim = lower, network, lower.mu.shape[1]

    def above(self, z1: Tensor) -> DiagonalGaussian:
        """q(z2|z1) for z1 (..., B, D1)."""
        output = self.network(z1.flatten(0, -2)).unflatten(0, z1.shape[:-1])
        return DiagonalGaussian(*output.chunk(2, dim=-1))

    @property
    def mean(self) -> Tensor:
        """The mean of q(z1|x) and that of q(z2|z1) at this z1; of z2, not the mean over all z1."""
        z1 = self.lower.mean
        return torch.cat([z1, self.above(z1).mean], dim=-1)

    def transform(self, eps: Tensor) -> tuple[Tensor, Tensor]:
        eps1, eps2 = eps.tensor_split([self.lower_dim], dim=-1)
        z1 = self.lower.mu + (0.5 * self.lower.logvar).exp() * eps1
        q2 = self.above(z1)
        z2 = q2.mu + (0.5 * q2.logvar).exp() * eps2
        return torch.cat([z1, z2], dim=-1), self.lower.log_prob(z1) + q2.log_prob(z2)

    def density(self, z: Tensor) -> Tensor:
        z1, z2 = z.tensor_split([self.lower_dim], dim=-1)
        return self.lower.log_prob(z1) + self.above(z1).log_prob(z2)


@register("posterior", "two-layer", title="q(z1|x) q(z2|z1)", paper="Burda et al., 2016")
class TwoLayerPosterior(Posterior):
    """The encoder gives q(z1|x), and a network of its own q(z2|z1).

    Arguments:
        network: From z1 (B, D1) to means and log-variances of z2, (B, 2 D2).
        top_dim: D2, of the D1 + D2 dimensions of a code.

    Raises:
        UsageError: If that leaves none for z1.

    Example:
        >>> from twofold.models import VAE
        >>> family = TwoLayerPosterior("fc-8", top_dim=1)
        >>> vae = VAE("fc-8", "fc-8", latent_dim=3, image_shape=(1, 4, 4), posterior=family)
        >>> family.outputs, vae.posterior(torch.rand(5, 1, 4, 4)).mean.shape
        (4, torch.Size([5, 3]))
    """

    def __init__(self, network: nn.Module | str = "fc-64", top_dim: Count = 8) -> None:
        super().__init__()
        self.network: Any = network
        self.top_dim = top_dim

    def join(self, model: Any) -> None:
        if model.latent_dim <= self.top_dim:
            raise UsageError(
                f"top_dim={self.top_dim} of latent_dim={model.latent_dim} leaves nothing below; "
                "use a smaller top_dim"
            )
        super().join(model)
        sizes = {"input_shape": (self.lower_dim,), "output_shape": (2 * self.top_dim,)}
        self.network = make("network", self.network, **sizes, condition_dim=0)

    @property
    def lower_dim(self) -> int:
        """D1."""
        return self.latent_dim - self.top_dim

    @property
    def outputs(self) -> int:
        return 2 * self.lower_dim

    def forward(self, output: Tensor) -> TwoGaussians:
        lower = DiagonalGaussian(*output.chunk(2, dim=-1))
        return TwoGaussians(lower, self.network, self.top_dim)
