"""A model whose likelihood is known in closed form."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from twofold.conditions import NoCondition
from twofold.distributions import (
    DiagonalGaussian,
    Gaussian,
    standard_normal_log_prob,
)
from twofold.likelihoods import GaussianLikelihood
from twofold.models.base import Generative

SHAPE, D = (1, 3, 4), 3


class LinearGaussian(Generative):
    """p(x|z, y) = N(W z + b_y, s² I), so that ln p(x|y) = ln N(x; b_y, W Wᵀ + s² I).

    Its proposal q(z|x, y) is the exact posterior's mean, moved, with its own scale in every
    direction.
    """

    def __init__(self, sigma: float, shift: float, proposal_scale: float) -> None:
        super().__init__()
        self.image_shape, self.latent_dim = SHAPE, D
        self.condition = NoCondition()
        self.likelihood = GaussianLikelihood(1)
        pixels = math.prod(SHAPE)
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(pixels, D))[0])  # WᵀW = I
        self.bias = nn.Parameter(torch.randn(2, pixels))
        self.sigma, self.shift, self.proposal_scale = sigma, shift, proposal_scale

    @property
    def phases(self) -> list:
        return []

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return (z @ self.weight.T + self.bias[self._class(c, len(z))]).unflatten(-1, SHAPE)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Gaussian:
        return Gaussian(self.generate(z, c), torch.tensor(2 * math.log(self.sigma)))

    def draw(self, count: int, c: Tensor | None = None) -> Tensor:
        return self.decode(torch.randn(count, D), c).sample().detach()

    def posterior(self, x: Tensor, c: Tensor | None = None) -> DiagonalGaussian:
        """With W orthonormal, N(Wᵀ(x - b) / (1 + s²), s² / (1 + s²) I), but moved and scaled."""
        variance = self.sigma**2 / (1 + self.sigma**2)
        mean = (
            (x.flatten(1) - self.bias[self._class(c, len(x))]) @ self.weight / (1 + self.sigma**2)
        )
        logvar = math.log(variance * self.proposal_scale**2)
        return DiagonalGaussian(
            mean + self.shift * math.sqrt(variance), torch.full_like(mean, logvar)
        )

    def elbo_terms(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1):
        raise NotImplementedError

    elbo = log_likelihood = elbo_terms

    def log_weights(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        q = self.posterior(x, c)
        z = q.rsample(num_samples)
        p = torch.stack([self.decode(code, c).log_prob(x) for code in z])
        return p + standard_normal_log_prob(z) - q.log_prob(z)

    @torch.no_grad()
    def exact(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """ln p(x|y), float64, shape (N,)."""
        W = self.weight.double()
        covariance = W @ W.T + self.sigma**2 * torch.eye(len(W), dtype=torch.float64)
        mean = self.bias[self._class(c, len(x))].double()
        p = torch.distributions.MultivariateNormal(mean, covariance)
        return p.log_prob(x.double().flatten(1))

    @staticmethod
    def _class(c: Tensor | None, count: int) -> Tensor:
        return torch.zeros(count, dtype=torch.long) if c is None else c


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def linear_gaussian(seeded: None) -> Callable[..., LinearGaussian]:
    def make(sigma: float = 0.5, shift: float = 0.0, proposal_scale: float = 1.0) -> LinearGaussian:
        return LinearGaussian(sigma, shift, proposal_scale)

    return make
