"""q(z|x) = N(mu(x), diag(σ²(x)))."""

from torch import Tensor

from twofold.distributions import DiagonalGaussian
from twofold.posteriors.base import Posterior
from twofold.registry import register

__all__ = ["GaussianPosterior"]


@register("posterior", "gaussian", title="diagonal Gaussian", paper="Kingma and Welling, 2014")
class GaussianPosterior(Posterior):
    """A mean and a log-variance for each dimension of z.

    Example:
        >>> import torch
        >>> GaussianPosterior()(torch.zeros(5, 4)).mean.shape
        torch.Size([5, 2])
    """

    is_gaussian = True

    @property
    def outputs(self) -> int:
        return 2 * self.latent_dim

    def forward(self, output: Tensor) -> DiagonalGaussian:
        mu, logvar = output.chunk(2, dim=-1)
        return DiagonalGaussian(mu, logvar)
