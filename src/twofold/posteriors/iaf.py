r"""The inverse autoregressive flow: a posterior that an invertible network has bent.

Notation: mu, sigma and a context h come from the encoder; eps ~ N(0, I), z codes (S, B, D).

.. math:: z_0 = \mu + \sigma \epsilon, \quad z = f(z_0; h), \quad
          \ln q(z|x) = \ln N(z_0; \mu, \sigma^2) - \ln \Big| \det \frac{\partial f}{\partial z_0}
          \Big|

f runs from noise to codes, so that a draw and its density take one pass of each step, and the
density of any other code D.

References:
    Improving Variational Inference with Inverse Autoregressive Flow (Kingma, Salimans, Jozefowicz,
    Chen, Sutskever and Welling, 2016), algorithm 1, https://arxiv.org/abs/1606.04934
"""

from typing import Any

from torch import Tensor

from twofold.distributions import DiagonalGaussian
from twofold.networks.flows import Autoregressive
from twofold.posteriors.base import Posterior
from twofold.posteriors.memory import DrawMemory
from twofold.registry import register
from twofold.settings import Count, Natural

__all__ = ["BentGaussian", "IAFPosterior"]


class BentGaussian(DrawMemory):
    """A diagonal Gaussian seen through a flow.

    Arguments:
        base: N(mu, sigma²), parameters (B, D).
        flow: f.
        h: What f is given, shape (B, H); None for nothing.

    Example:
        >>> import torch
        >>> base = DiagonalGaussian(torch.zeros(5, 2), torch.zeros(5, 2))
        >>> q = BentGaussian(base, Autoregressive(2))
        >>> q.log_prob(q.rsample(num_samples=3)).shape, q.mean.shape
        (torch.Size([3, 5]), torch.Size([5, 2]))
    """

    def __init__(
        self, base: DiagonalGaussian, flow: Autoregressive, h: Tensor | None = None
    ) -> None:
        super().__init__(base.mu, base.mu.shape[1])
        self.base, self.flow, self.h = base, flow, h

    @property
    def mean(self) -> Tensor:
        """f(mu; h), the code at the middle of the noise; the mean of the codes has no formula."""
        return self.flow(self.base.mu, self.h)[0]

    def transform(self, eps: Tensor) -> tuple[Tensor, Tensor]:
        z0 = self.base.mu + (0.5 * self.base.logvar).exp() * eps
        z, log_det = self.flow(z0, self.h)
        return z, self.base.log_prob(z0) - log_det

    def density(self, z: Tensor) -> Tensor:
        z0 = self.flow.inverse(z, self.h)
        return self.base.log_prob(z0) - self.flow(z0, self.h)[1]


@register(
    "posterior",
    "iaf",
    title="inverse autoregressive flow",
    paper="Kingma et al., 2016, arXiv 1606.04934",
)
class IAFPosterior(Posterior):
    """A mean, a log-variance and a context for a flow, which starts as the identity.

    Note:
        A step is z' = exp(s) z + m with m and s of the codes before and of h. The paper's algorithm
        has a gate, sigmoid(s) z + (1 - sigmoid(s)) m, which cannot stretch and starts open.

    Arguments:
        transforms: Steps of the flow, each in the order opposite to the last.
        hidden_dim: Units of each of the two hidden layers of a step's network.
        context_dim: Of h, what the encoder says to every step; 0 for none.

    Example:
        >>> import torch
        >>> from twofold.models import VAE
        >>> family = IAFPosterior(context_dim=8)
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), posterior=family)
        >>> family.outputs, vae.elbo(torch.rand(5, 1, 4, 4)).shape
        (12, torch.Size([5]))
    """

    def __init__(
        self, transforms: Count = 2, hidden_dim: Count = 64, context_dim: Natural = 32
    ) -> None:
        super().__init__()
        self.transforms = transforms
        self.hidden_dim = hidden_dim
        self.context_dim = context_dim

    def join(self, model: Any) -> None:
        super().join(model)
        self.flow = Autoregressive(
            self.latent_dim, self.context_dim, "maf", self.transforms, self.hidden_dim
        )

    @property
    def outputs(self) -> int:
        return 2 * self.latent_dim + self.context_dim

    def forward(self, output: Tensor) -> BentGaussian:
        D = self.latent_dim
        mu, logvar, h = output.split([D, D, self.context_dim], dim=-1)
        return BentGaussian(
            DiagonalGaussian(mu, logvar), self.flow, h if self.context_dim else None
        )
