"""Annealed importance sampling with a prior that is not N(0, I), where the answer is known."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from twofold.conditions import NoCondition
from twofold.distributions import Gaussian
from twofold.evaluation.annealed import annealed_likelihood
from twofold.models import Generative
from twofold.priors import FlowPrior, Mixture, Prior

SHAPE, D, SIGMA = (1, 2, 3), 2, 0.5


class LinearGaussian(Generative):
    """p(x|z) = N(W z, s² I)."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.image_shape, self.latent_dim, self.condition = SHAPE, D, NoCondition()
        self.weight = torch.nn.Parameter(torch.randn(math.prod(SHAPE), D) / 2)
        self.take_prior(prior)

    @property
    def phases(self) -> list:
        return []

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return (z @ self.weight.T).unflatten(-1, SHAPE)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Gaussian:
        return Gaussian(self.generate(z, c), torch.tensor(2 * math.log(SIGMA)))

    @torch.no_grad()
    def draw(self, count: int) -> Tensor:
        return self.decode(self.prior.sample(count)).sample()


@pytest.fixture
def z_score():
    return lambda gap: (gap.mean() / (gap.std() / math.sqrt(len(gap)))).item()


def test_with_a_mixture_it_is_the_mixture_of_marginals(z_score):
    """p(x) = Σ_k π_k N(x; W μ_k, W diag(σ_k²) Wᵀ + s² I): 60 images, on average and each."""
    torch.manual_seed(0)
    model = LinearGaussian(Mixture(3))
    prior = model.prior
    with torch.no_grad():
        prior.means.copy_(torch.tensor([[-2.0, 0.0], [2.0, 1.0], [0.0, -2.0]]))
        prior.logvars.copy_(torch.randn(3, D) - 1)
        prior.logits.copy_(torch.randn(3))
        W = model.weight.double()
        noise = SIGMA**2 * torch.eye(len(W), dtype=torch.float64)
        covariance = torch.einsum("id,kd,jd->kij", W, prior.logvars.double().exp(), W) + noise
        means = prior.means.double() @ W.T
        exact = MixtureSameFamily(
            Categorical(logits=prior.logits.double()), MultivariateNormal(means, covariance)
        )
    x = model.draw(60)
    found = annealed_likelihood(model, x, chains=32, temperatures=150)
    gap = found.log_likelihood - exact.log_prob(x.flatten(1).double())
    assert abs(z_score(gap + found.error.square() / 2)) < 4
    assert gap.std() < 0.4
    wrong = torch.distributions.Normal(0.0, 1.0)  # what it would find of N(0, I)
    assert (prior.log_prob(torch.zeros(1, D)) - wrong.log_prob(torch.zeros(1, D)).sum()).abs() > 0.5


def test_with_a_flow_it_is_the_integral(z_score):
    """By the rule of midpoints on the plane: 30 images."""
    torch.manual_seed(0)
    model = LinearGaussian(FlowPrior("nsf", transforms=1, hidden_dim=8))
    with torch.no_grad():
        for parameter in model.prior.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
        x, (ends, cells) = model.draw(30), (8.0, 400)
        side = (torch.arange(cells) + 0.5) * 2 * ends / cells - ends
        z = torch.cartesian_prod(side, side)
        log_p, p = model.prior.log_prob(z).double(), model.decode(z)
        each = torch.stack([p.log_prob(image).double() + log_p for image in x])  # (30, cells²)
        exact = each.logsumexp(dim=1) + 2 * math.log(2 * ends / cells)
    found = annealed_likelihood(model, x, chains=32, temperatures=60)
    gap = found.log_likelihood - exact
    assert abs(z_score(gap + found.error.square() / 2)) < 4
    assert gap.std() < 0.4
