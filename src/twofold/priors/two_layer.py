r"""A prior of two layers of codes: the upper is N(0, I), and says where to look for the lower.

Notation: z = (z1, z2) side by side, z1 of D1 dimensions and z2 of D2.

.. math:: p(z) = N(z_2; 0, I) \, N(z_1; \mu(z_2), \mathrm{diag}(\sigma^2(z_2)))

References:
    Importance Weighted Autoencoders (Burda, Grosse and Salakhutdinov, 2016), section 5, the models
    with two stochastic layers, https://arxiv.org/abs/1509.00519
"""

from typing import Any

import torch
from torch import Tensor, nn

from twofold.distributions import DiagonalGaussian, standard_normal_log_prob
from twofold.errors import UsageError
from twofold.priors.base import Prior
from twofold.registry import make, register
from twofold.settings import Count

__all__ = ["TwoLayerPrior"]


@register("prior", "two-layer", title="p(z1|z2) p(z2)", paper="Burda et al., 2016")
class TwoLayerPrior(Prior):
    """p(z1|z2) p(z2), the last columns of a code being z2.

    Arguments:
        network: From z2 (B, D2) to means and log-variances of z1, (B, 2 D1).
        top_dim: D2, of the D1 + D2 dimensions of a code.

    Raises:
        UsageError: If that leaves none for z1.

    Example:
        >>> from twofold.models import VAE
        >>> prior = TwoLayerPrior("fc-8", top_dim=1)
        >>> vae = VAE("fc-8", "fc-8", latent_dim=3, image_shape=(1, 4, 4), prior=prior)
        >>> vae.prior.sample(5).shape, vae.prior.below(torch.zeros(5, 1)).mean.shape
        (torch.Size([5, 3]), torch.Size([5, 2]))
    """

    def __init__(self, network: nn.Module | str = "fc-64", top_dim: Count = 8) -> None:
        super().__init__()
        self.network: Any = network
        self.top_dim = top_dim

    def join(self, model: Any) -> None:
        lower_dim = model.latent_dim - self.top_dim
        if lower_dim < 1:
            raise UsageError(
                f"top_dim={self.top_dim} of latent_dim={model.latent_dim} leaves nothing below; "
                "use a smaller top_dim"
            )
        super().join(model)
        self.network = make(
            "network",
            self.network,
            input_shape=(self.top_dim,),
            output_shape=(2 * lower_dim,),
            condition_dim=0,
        )

    def below(self, z2: Tensor) -> DiagonalGaussian:
        """p(z1|z2), for z2 (B, D2)."""
        return DiagonalGaussian(*self.network(z2).chunk(2, dim=-1))

    def log_prob(self, z: Tensor) -> Tensor:
        flat = z.reshape(-1, z.shape[-1])
        z1, z2 = flat[:, : -self.top_dim], flat[:, -self.top_dim :]
        log_p = self.below(z2).log_prob(z1) + standard_normal_log_prob(z2)
        return log_p.view(z.shape[:-1])

    def sample(
        self, n: int, generator: torch.Generator | None = None, scale: float = 1.0
    ) -> Tensor:
        eps = self.noise(n, generator, scale)
        z2 = eps[:, -self.top_dim :]
        p = self.below(z2)
        z1 = p.mu + (0.5 * p.logvar).exp() * eps[:, : -self.top_dim]
        return torch.cat([z1, z2], dim=1)
