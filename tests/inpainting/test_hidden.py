"""What is hidden, given what is visible, where the answer is known in closed form."""

import math

import pytest
import torch
from torch import Tensor, nn

from twofold.conditions import ClassCondition
from twofold.evaluation.annealed import annealed_likelihood
from twofold.inpainting.hidden import Chains, PartOf, codes_given, hidden_bound, hidden_by_prior

VISIBLE = torch.zeros(3, 4, dtype=torch.bool)
VISIBLE[:, :2] = True
QUICK = {"chains": 40, "temperatures": 60}


def z_score(values: Tensor) -> float:
    """The mean in its own standard errors: shape (N,)."""
    return (values.mean() / (values.std() / math.sqrt(len(values)))).item()


def posterior(model, x: Tensor, part: Tensor, y: int = 0) -> tuple[Tensor, Tensor]:
    """Mean (N, D) and covariance (D, D) of p(z|part): by the precision I + WᵀW / s² of its rows."""
    W = model.weight.detach().double()[part.flatten()]
    bias = model.bias.detach().double()[y, part.flatten()]
    covariance = torch.linalg.inv(torch.eye(W.shape[1]) + W.T @ W / model.sigma**2)
    residual = x.double().flatten(1)[:, part.flatten()] - bias
    return residual @ W @ covariance / model.sigma**2, covariance


def marginal(model, x: Tensor, part: Tensor, y: int = 0) -> Tensor:
    """ln p(part), shape (N,)."""
    W = model.weight.detach().double()[part.flatten()]
    covariance = W @ W.T + model.sigma**2 * torch.eye(len(W), dtype=torch.float64)
    p = torch.distributions.MultivariateNormal(
        model.bias.detach().double()[y, part.flatten()], covariance
    )
    return p.log_prob(x.double().flatten(1)[:, part.flatten()])


def test_draws_have_the_posterior_of_the_visible_pixels(linear_gaussian):
    """Mean and covariance, whitened by the closed form; each image is one independent trial."""
    model = linear_gaussian()
    x = model.draw(300)
    mean, covariance = posterior(model, x, VISIBLE)
    whole, _ = posterior(model, x, torch.ones_like(VISIBLE))
    assert (mean - whole).abs().mean() > 0.2  # the hidden pixels would have said more
    z, c = codes_given(model, x, None, VISIBLE, **QUICK).resampled(20)
    assert c is None
    assert z.shape == (20, 300, 3)
    whitened = (z.double() - mean) @ torch.linalg.inv(torch.linalg.cholesky(covariance)).T
    products = torch.einsum("snd,sne->nde", whitened, whitened) / 20
    for d in range(3):
        assert abs(z_score(whitened[..., d].mean(dim=0))) < 3
        for e in range(d, 3):
            assert abs(z_score(products[:, d, e] - int(d == e))) < 3
    assert products.std(dim=0).max() / math.sqrt(300) < 0.05


def test_what_is_hidden_is_not_looked_at(linear_gaussian):
    model, found = linear_gaussian(), []
    x = model.draw(4)
    for other in (x, torch.where(VISIBLE, x, torch.rand_like(x))):
        torch.manual_seed(1)
        found.append(codes_given(model, other, None, VISIBLE, chains=4, temperatures=10))
    assert torch.equal(found[0].z, found[1].z)
    assert torch.equal(found[0].log_weights, found[1].log_weights)


def test_the_hidden_part_by_annealing_twice(linear_gaussian):
    model = linear_gaussian()
    x, everything = model.draw(100), torch.ones_like(VISIBLE)
    whole = codes_given(model, x, None, everything, **QUICK).log_likelihood
    seen = codes_given(model, x, None, VISIBLE, **QUICK).log_likelihood
    exact = marginal(model, x, everything) - marginal(model, x, VISIBLE)
    gap = whole - seen - exact
    assert abs(z_score(gap)) < 3
    assert gap.std() < 0.2
    assert exact.std() > 1


def test_an_unknown_class_is_found_by_its_weight(linear_gaussian):
    """p(y|visible) in closed form, and ln p(visible) as the mean over classes."""
    model = linear_gaussian()
    model.condition = ClassCondition(2)
    with torch.no_grad():
        model.bias[1] = model.bias[0] + 0.5 * torch.rand(12)  # near enough to be unsure
    x = model.draw(60, torch.arange(60) % 2)
    each = torch.stack([marginal(model, x, VISIBLE, y) for y in (0, 1)])  # (2, N)
    share = each.softmax(dim=0)[1]
    assert 0.1 < share.mean() < 0.9
    found = codes_given(model, x, None, VISIBLE, **QUICK)
    assert found.z.shape == (40, 60, 3)
    weight = (found.log_weights.softmax(dim=0) * found.c).sum(dim=0)
    assert abs(z_score(weight - share)) < 3
    assert (weight - share).abs().mean() < 0.05
    gap = found.log_likelihood - (each.logsumexp(dim=0) - math.log(2))
    assert abs(z_score(gap)) < 3
    z, c = found.resampled(50)
    assert c.shape == (50, 60)
    drawn = c.double().mean(dim=0) - weight
    assert abs(z_score(drawn)) < 3
    assert drawn.abs().max() < 0.2
    for y in (0, 1):  # a code comes with the class it was drawn for
        mean, _ = posterior(model, x, VISIBLE, y)
        gap = (z.double() - mean)[c == y]
        assert gap.mean().abs() < 0.1


def test_a_known_class_is_kept(linear_gaussian):
    model = linear_gaussian()
    y = torch.arange(30) % 2
    x = model.draw(30, y)
    found = codes_given(model, x, y, VISIBLE, **QUICK)
    assert torch.equal(found.c, y.expand(40, 30))
    exact = torch.where(y == 1, marginal(model, x, VISIBLE, 1), marginal(model, x, VISIBLE, 0))
    assert ((found.log_likelihood - exact).abs() < 1).all()
    _, c = found.resampled(3)
    assert torch.equal(c, y.expand(3, 30))


def test_a_draw_comes_up_as_often_as_its_weight_says():
    weights = torch.tensor([[0.5, 0.0], [0.25, 1.0], [0.25, 0.0]], dtype=torch.float64)
    chains = Chains(torch.arange(3.0)[:, None, None].expand(3, 2, 1), weights.log(), None)
    assert chains.effective.tolist() == pytest.approx([1 / 0.375, 1.0])
    orders = set()
    for _ in range(30):
        z, _ = chains.resampled(4)
        assert sorted(z[:, 0, 0].tolist()) == [0, 0, 1, 2]
        assert z[:, 1, 0].tolist() == [1, 1, 1, 1]
        orders.add(tuple(z[:, 0, 0].tolist()))
    assert len(orders) > 5


class ToldTheVisible(nn.Module):
    """p(hidden|z, c) of a linear model whose offset is the visible part's mean; q is the prior's
    neighbor, so that both estimates have something to correct."""

    def __init__(self, model) -> None:
        super().__init__()
        self.model = model
        self.condition = model.condition
        self.latent_dim = model.latent_dim
        self.prior = model.prior

    @property
    def device(self) -> torch.device:
        return self.model.device

    def decode(self, z: Tensor, c: Tensor | None = None):
        p = self.model.decode(z)
        assert c is not None
        p.mu = p.mu + c.flatten(1)[:, :1, None, None]
        return p

    def posterior(self, x: Tensor, c: Tensor | None = None):
        return self.model.posterior(x)


@pytest.mark.parametrize("rows", [7, 10_000])
def test_both_estimates_with_the_visible_part_as_condition(linear_gaussian, rows):
    """Against ln N(hidden; b + c, W Wᵀ + s² I), two-sided: unbiased before the logarithm."""
    model = linear_gaussian(sigma=1.0, proposal_scale=1.3)
    x = model.draw(200)
    c = torch.randn(200, 1)
    conditional = ToldTheVisible(model)
    exact = marginal(model, x - c[..., None, None], ~VISIBLE)
    for estimate, samples in ((hidden_bound, 2000), (hidden_by_prior, 2000)):
        found = estimate(conditional, x, c, ~VISIBLE, samples if rows > 7 else 40, rows)
        assert found.dtype == torch.float64
        gap = found - exact
        if rows > 7:
            assert abs(z_score(gap.exp() - 1)) < 3
            assert gap.std() < 0.2
        else:
            assert abs(gap.mean()) < 0.3


def test_a_part_of_everything_is_everything(linear_gaussian):
    model = linear_gaussian()
    x, z = model.draw(5), torch.randn(5, 3)
    everything = torch.ones_like(VISIBLE)
    part, rest = PartOf(model, VISIBLE), PartOf(model, ~VISIBLE)
    both = part.decode(z).log_prob(x) + rest.decode(z).log_prob(x)
    torch.testing.assert_close(both, model.decode(z).log_prob(x))
    torch.manual_seed(0)
    first = codes_given(model, x, None, everything, chains=3, temperatures=5)
    torch.manual_seed(0)
    second = annealed_likelihood(model, x, chains=3, temperatures=5, leapfrogs=3)
    torch.testing.assert_close(first.log_weights, second.log_weights)
