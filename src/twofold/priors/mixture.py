r"""A mixture of Gaussians as the prior, learned with the rest of the model.

.. math:: p(z) = \sum_{k=1}^K \pi_k \, N(z; \mu_k, \mathrm{diag}(\sigma_k^2))

References:
    Approximate Inference for Deep Latent Gaussian Mixtures (Nalisnick, Hertel and Smyth, 2016)
    VAE with a VampPrior (Tomczak and Welling, 2018), section 4, where it is the "MoG" that the
    VampPrior is compared with, https://arxiv.org/abs/1705.07120
    DeLiGAN (Gurumurthy, Sarvadevabhatla and Babu, 2017), for a GAN,
    https://arxiv.org/abs/1706.02071
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from twofold.distributions import DiagonalGaussian
from twofold.priors.base import Prior
from twofold.registry import register
from twofold.settings import Count

__all__ = ["Components", "Mixture"]

NUMBERS = 1 << 24  # of codes times components times dimensions at a time


class Components(NamedTuple):
    """K Gaussians and what each counts.

    Example:
        >>> q = DiagonalGaussian(torch.zeros(1, 2), torch.zeros(1, 2))
        >>> Components(torch.zeros(1), q).log_prob(torch.zeros(3, 2))  # of one, N(0, I): -ln 2π
        tensor([-1.8379, -1.8379, -1.8379])
    """

    log_weights: Tensor  # (K,), normalized
    q: DiagonalGaussian  # parameters (K, D)

    def log_prob(self, z: Tensor) -> Tensor:
        """ln of the weighted sum of densities, so many codes at a time: (..., D) -> (...)."""
        rows = max(1, NUMBERS // self.q.mu.numel())
        parts = [
            (self.q.log_prob(part[:, None]) + self.log_weights).logsumexp(dim=1)  # (N, K) -> (N,)
            for part in z.reshape(-1, z.shape[-1]).split(rows)
        ]
        return torch.cat(parts).view(z.shape[:-1])

    def sample(self, eps: Tensor, generator: torch.Generator | None) -> Tensor:
        """A component for each row of the noise, and its code: (n, D) to (n, D)."""
        u = torch.rand(len(eps), generator=generator, dtype=torch.float64)
        ends = self.log_weights.detach().cpu().double().exp().cumsum(dim=0)  # (K,)
        k = torch.searchsorted(ends, u).clamp(max=len(ends) - 1).to(eps.device)  # (n,)
        return self.q.mu[k] + (0.5 * self.q.logvar[k]).exp() * eps


@register("prior", "mixture", title="mixture of Gaussians", paper="Nalisnick et al., 2016")
class Mixture(Prior):
    """A learned mixture of Gaussians.

    It starts with equal weights and σ = 1, the means about one σ apart, so that no component is
    out of reach of the codes. What a GAN samples says nothing of the weights, which stay equal.

    Arguments:
        components: K.

    Example:
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), prior=Mixture(3))
        >>> vae.elbo(torch.rand(5, 1, 4, 4)).shape, vae.prior.means.shape
        (torch.Size([5]), torch.Size([3, 2]))
    """

    def __init__(self, components: Count = 10) -> None:
        super().__init__()
        self.components = components

    def join(self, model: Any) -> None:
        super().join(model)
        K, D = self.components, self.latent_dim
        self.logits = nn.Parameter(torch.zeros(K))
        self.means = nn.Parameter(torch.randn(K, D) / D**0.5)
        self.logvars = nn.Parameter(torch.zeros(K, D))

    @property
    def mixed(self) -> Components:
        """The components as they are now."""
        return Components(
            self.logits.log_softmax(dim=0), DiagonalGaussian(self.means, self.logvars)
        )

    def log_prob(self, z: Tensor) -> Tensor:
        return self.mixed.log_prob(z)

    def sample(
        self, n: int, generator: torch.Generator | None = None, scale: float = 1.0
    ) -> Tensor:
        return self.mixed.sample(self.noise(n, generator, scale), generator)
