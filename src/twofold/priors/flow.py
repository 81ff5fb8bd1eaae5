r"""A normalizing flow as the prior: codes are noise that an invertible network has bent.

.. math:: \epsilon = f(z), \quad
          \ln p(z) = \ln N(f(z); 0, I) + \ln \Big| \det \frac{\partial f}{\partial z} \Big|

f runs from codes to noise, so that the density, which training asks for, takes one pass, and a
sample D.

References:
    Variational Lossy Autoencoder (Chen et al., 2017), section 3.2, for the autoregressive prior,
    https://arxiv.org/abs/1611.02731
    Masked Autoregressive Flow for Density Estimation (Papamakarios, Pavlakou and Murray, 2017),
    https://arxiv.org/abs/1705.07057
    Neural Spline Flows (Durkan et al., 2019), https://arxiv.org/abs/1906.04032
"""

from typing import Any

import torch
from torch import Tensor

from twofold.distributions import standard_normal_log_prob
from twofold.networks.flows import Autoregressive, FlowKind
from twofold.priors.base import Prior
from twofold.registry import register
from twofold.settings import Count

__all__ = ["FlowPrior"]


@register("prior", "flow", title="autoregressive normalizing flow", paper="Chen et al., 2017")
class FlowPrior(Prior):
    """An autoregressive flow, which starts as N(0, I).

    Arguments:
        kind: `maf`, whose steps are affine, or `nsf`, whose steps are splines.
        transforms: How many steps.
        hidden_dim: Units of each of the two hidden layers of a step's network.

    Example:
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), prior=FlowPrior("nsf"))
        >>> vae.prior.log_prob(torch.zeros(3, 2))  # untrained, N(0, I): -ln 2π
        tensor([-1.8379, -1.8379, -1.8379], grad_fn=<AddBackward0>)
    """

    def __init__(
        self, kind: FlowKind = "maf", transforms: Count = 3, hidden_dim: Count = 64
    ) -> None:
        super().__init__()
        self.kind: FlowKind = kind
        self.transforms = transforms
        self.hidden_dim = hidden_dim

    def join(self, model: Any) -> None:
        super().join(model)
        self.flow = Autoregressive(self.latent_dim, 0, self.kind, self.transforms, self.hidden_dim)

    def log_prob(self, z: Tensor) -> Tensor:
        eps, log_det = self.flow(z)
        return standard_normal_log_prob(eps) + log_det

    def sample(
        self, n: int, generator: torch.Generator | None = None, scale: float = 1.0
    ) -> Tensor:
        return self.flow.inverse(self.noise(n, generator, scale))
