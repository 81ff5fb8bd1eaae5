"""Annealed importance sampling where the likelihood is known: in closed form or by integration."""

import math

import pytest
import torch
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.evaluation import observation
from twofold.evaluation.annealed import (
    Annealed,
    annealed_likelihood,
    sigmoid_schedule,
)
from twofold.evaluation.likelihood import iwae_bounds
from twofold.evaluation.observation import GaussianObservation, fit_sigma
from twofold.models.vae import VAE
from twofold.networks import build_network
from twofold.priors import StandardNormal

QUICK = {"chains": 16, "temperatures": 100}


def z_score(values: Tensor) -> float:
    """The mean in its own standard errors: shape (N,)."""
    return (values.mean() / (values.std() / math.sqrt(len(values)))).item()


# --- the estimate ---------------------------------------------------------------------------------


def test_the_estimate_is_the_exact_likelihood(linear_gaussian):
    """100 images: on average, and each within the standard error it claims."""
    model = linear_gaussian()
    x = model.draw(100)
    found = annealed_likelihood(model, x, **QUICK)
    gap = found.log_likelihood - model.exact(x)
    assert gap.dtype == torch.float64
    assert gap.shape == found.error.shape == found.acceptance.shape == (100,)
    assert abs(z_score(gap + found.error.square() / 2)) < 3  # ln of a mean is low by var / 2
    assert gap.std() < 0.2
    assert 0.8 < (gap / found.error).square().mean().sqrt() < 1.3
    assert ((found.acceptance > 0.4) & (found.acceptance < 0.95)).all()


@pytest.mark.parametrize("temperatures", [2, 10])
def test_the_weights_are_unbiased_however_few_the_temperatures(linear_gaussian, temperatures):
    """E w = p(x), two-sided: what adapting the steps on the counting chains would break."""
    model = linear_gaussian(sigma=1.0)
    x = model.draw(1).expand(1000, -1, -1, -1)
    found = annealed_likelihood(model, x, chains=4, temperatures=temperatures, leapfrogs=2)
    ratio = (found.log_weights - model.exact(x)).exp().mean(dim=0)
    assert abs(z_score(ratio - 1)) < 3
    assert ratio.std() / math.sqrt(1000) < 0.1


def test_more_temperatures_bring_it_nearer(linear_gaussian):
    model = linear_gaussian(sigma=0.1)
    x = model.draw(30)
    exact = model.exact(x).mean()
    few, many = (
        annealed_likelihood(model, x, chains=8, temperatures=t).log_weights.mean() - exact
        for t in (10, 100)
    )
    assert few < 3 * many < 0


def test_it_does_not_need_a_good_proposal(linear_gaussian):
    """An encoder six standard deviations off misleads the IWAE bound, and AIS not at all."""
    model = linear_gaussian(shift=6.0)
    x = model.draw(30)
    exact = model.exact(x)
    iwae = iwae_bounds(model, [Batch(x)], 1000)[1000]
    ais = annealed_likelihood(model, x, **QUICK).log_likelihood
    assert (iwae - exact).mean() < -5
    assert abs(z_score(ais - exact)) < 3
    assert (ais - exact).std() < 0.2


class Ring(nn.Module):
    """A decoder of two pixels from codes of one or two dimensions, far from linear."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.prior = StandardNormal()
        self.prior.join(self)
        self.scale = nn.Parameter(torch.tensor(2.0))

    @property
    def device(self) -> torch.device:
        return self.scale.device

    def decode(self, z: Tensor, _: Tensor | None = None):
        mean = torch.stack([torch.sin(self.scale * z[:, 0]), z[:, -1].square()], dim=1)
        return GaussianPixels(mean[:, None, None])


class GaussianPixels:
    def __init__(self, mean: Tensor) -> None:
        self.mean = mean

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.distributions.Normal(self.mean, 0.2).log_prob(x).sum(dim=(1, 2, 3))


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_against_numerical_integration(latent_dim):
    """In one and two dimensions, by the rule of midpoints."""
    model, x = Ring(latent_dim), torch.tensor([[0.5, 0.2], [0.9, 0.6], [-0.7, 0.1]])
    x = x[:, None, None].repeat(10, 1, 1, 1)  # (30, 1, 1, 2)
    ends, cells = 6.0, (20_000 if latent_dim == 1 else 400)
    grid = (torch.arange(cells, dtype=torch.float64) + 0.5) * 2 * ends / cells - ends
    z = torch.cartesian_prod(*[grid] * latent_dim).view(-1, latent_dim)
    log_prior = -z.square().sum(dim=1) / 2 - latent_dim / 2 * math.log(2 * math.pi)
    cell = latent_dim * math.log(2 * ends / cells)
    terms = [model.decode(z).log_prob(image) + log_prior + cell for image in x[:3].double()]
    exact = torch.stack(terms).logsumexp(dim=1).repeat(10)
    found = annealed_likelihood(model, x, chains=32, temperatures=80)
    gap = found.log_likelihood + found.error.square() / 2 - exact
    assert abs(z_score(gap)) < 3
    assert gap.std() / math.sqrt(30) < 0.05


def test_the_schedule_is_slow_at_both_ends():
    betas = torch.tensor(sigmoid_schedule(50), dtype=torch.float64)
    assert (betas[0], betas[-1], len(betas)) == (0.0, 1.0, 51)
    torch.testing.assert_close(betas.flip(0), 1 - betas)
    steps = betas.diff()
    assert (steps > 0).all()
    assert steps.argmax() in (24, 25)
    assert steps[0] < steps.max() / 10


# --- what it says of itself -----------------------------------------------------------------------


def test_the_error_of_chains_that_agree_and_of_one_that_has_it_all():
    log_weights = torch.tensor([[0.0, 0.0], [0.0, -900.0], [0.0, -900.0]], dtype=torch.float64)
    found = Annealed(torch.zeros(3, 2, 1), log_weights - 5000, torch.ones(2))
    assert found.log_likelihood.tolist() == pytest.approx([-5000, -5000 - math.log(3)])
    assert found.effective.tolist() == pytest.approx([3.0, 1.0])
    assert found.error.tolist() == pytest.approx([0.0, 1.0])


def test_the_error_is_that_of_the_delta_method():
    log_weights = torch.randn(20, 5, dtype=torch.float64)
    w = log_weights.exp()
    expected = w.std(dim=0) / math.sqrt(20) / w.mean(dim=0)
    found = Annealed(torch.zeros(20, 5, 1), log_weights, torch.ones(5)).error
    torch.testing.assert_close(found, expected)


def test_the_chains_end_in_the_posterior(linear_gaussian):
    """Mean and variance of the weighted codes against the closed form."""
    model = linear_gaussian()
    x = model.draw(50)
    found = annealed_likelihood(model, x, chains=40, temperatures=60)
    weights, q = found.weights[..., None], model.posterior(x)
    deviation = (found.z - q.mean) / (0.5 * q.logvar).exp()
    assert abs(z_score((weights * deviation).sum(dim=0).mean(dim=1))) < 3
    variance = (weights * deviation.square()).sum(dim=0).mean().item()
    assert variance == pytest.approx(1.0, abs=0.1)


def test_one_chain_has_no_error(linear_gaussian):
    model = linear_gaussian()
    with pytest.raises(ValueError, match="at least two chains, got 1"):
        annealed_likelihood(model, model.draw(2), chains=1)


# --- batches, seeds, and the model ----------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 5 * 16, 10_000])
def test_memory_does_not_change_the_estimate(linear_gaussian, rows, monkeypatch):
    """Twelve images, one, five or all at a time; each keeps to its own condition."""
    model, decoded = linear_gaussian(), []
    c = torch.arange(12) % 2
    x = model.draw(12, c)
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda z, c: decoded.append(len(z)) or decode(z, c))
    found = annealed_likelihood(model, x, c, temperatures=40, rows=rows)
    assert max(decoded) == min(12 * 16, max(rows, 16))
    assert ((found.log_likelihood - model.exact(x, c)).abs() < 5 * found.error + 0.01).all()
    assert ((model.exact(x, c) - model.exact(x, 1 - c)).abs() > 1).all()


def test_a_seed_reproduces_the_estimate(linear_gaussian):
    model = linear_gaussian()
    x, found = model.draw(4), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(annealed_likelihood(model, x, **QUICK).log_weights)
    assert torch.equal(found[0], found[1])
    assert (found[0] != found[2]).all()


@pytest.mark.parametrize("mode", [True, False])
def test_the_model_is_left_as_it_was(mode):
    """Batch statistics, gradients, mode; dropout would make the estimate depend on its mode."""
    model = VAE(
        build_network("fc-8", (1, 3, 4), (4,)),
        build_network("fc-8", (2,), (1, 3, 4), norm="batch", dropout=0.5),
        2,
        image_shape=(1, 3, 4),
    ).train(mode)
    x = torch.rand(5, 1, 3, 4).round()
    before = [value.clone() for value in model.state_dict().values()]
    torch.manual_seed(0)
    found = annealed_likelihood(model, x, chains=4, temperatures=10)
    assert model.training == model.decoder.training == mode
    assert all(map(torch.equal, model.state_dict().values(), before))
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not found.log_weights.requires_grad
    assert not found.z.requires_grad
    torch.manual_seed(0)
    again = annealed_likelihood(model.train(not mode), x, chains=4, temperatures=10)
    assert torch.equal(found.log_weights, again.log_weights)


def test_a_decoder_that_ignores_the_code_is_exact():
    """No gradient at all: every chain weighs p(x|z) = p(x)."""

    class Deaf(Ring):
        def decode(self, z: Tensor, _: Tensor | None = None):
            return GaussianPixels(self.scale.expand(len(z), 1, 1, 2))

    x = torch.rand(3, 1, 1, 2)
    found = annealed_likelihood(Deaf(2), x, chains=3, temperatures=5)
    expected = torch.distributions.Normal(2.0, 0.2).log_prob(x.double()).sum(dim=(1, 2, 3))
    torch.testing.assert_close(found.log_likelihood, expected, rtol=1e-5, atol=1e-5)
    assert (found.error < 1e-5).all()


# --- a generator's noise --------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_the_fitted_noise_is_the_true_noise(linear_gaussian, sigma, monkeypatch):
    """100 images of 12 pixels: a standard error of 2 %, and more by the codes. From far off."""
    monkeypatch.setattr(observation, "DRAWS", 1)
    model = linear_gaussian(sigma=sigma)
    c = torch.arange(100) % 2
    sigmas = fit_sigma(model, model.draw(100, c), c, rounds=5, chains=8, temperatures=60)
    assert len(sigmas) == 6
    assert sigmas[-1] == pytest.approx(sigma, rel=0.1)
    assert sigmas[0] > 1.3 * sigma
    assert all(p.grad is None for p in model.parameters())


def test_noise_is_never_below_the_rounding_of_pixels(linear_gaussian):
    model = linear_gaussian(sigma=1e-4)
    with torch.no_grad():
        model.weight.zero_()
    sigmas = fit_sigma(model, model.draw(3), rounds=1, chains=2, temperatures=3)
    assert sigmas == pytest.approx([1 / (255 * math.sqrt(12))] * 2)


def test_an_observed_generator_has_the_density_of_its_noise(linear_gaussian):
    model = linear_gaussian(sigma=0.4)
    x, z = model.draw(6), torch.randn(6, 3)
    observed = GaussianObservation(model.train(False), 0.4)
    assert not observed.training
    torch.testing.assert_close(observed.decode(z).log_prob(x), model.decode(z).log_prob(x))
