"""p(x|z) of every registered likelihood: its samples, its gradients, and what it holds.

Monte Carlo has five standard errors, computed from its samples: a right formula fails once in two
million draws of the seed, and the seed is fixed.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal as TorchNormal

from twofold.errors import UsageError
from twofold.likelihoods import Likelihood
from twofold.registry import entries, make

LIKELIHOODS = [entry.name for entry in entries("likelihood")]
HALF = [torch.bfloat16, torch.float16]


def make_likelihood(name: str, channels: int = 1, sigma: float = 1.0) -> Likelihood:
    """By its name, with the σ where it has one."""
    fields = {"sigma": sigma} if name in ("gaussian", "gaussian-learned") else {}
    return make("likelihood", {"name": name, **fields}, channels=channels)


def agrees(samples: Tensor, expected: Tensor | float) -> bool:
    """Whether the mean over the first axis is within five standard errors, everywhere."""
    samples = samples.double()
    error = samples.std(dim=0) / math.sqrt(len(samples))
    return bool(((samples.mean(dim=0) - expected).abs() <= 5 * error + 1e-12).all())


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def normals(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def quadrature(low: float, high: float, count: int = 400) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes and weights, exact for polynomials of degree 799."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    half = (high - low) / 2
    return torch.tensor(low + half * (nodes + 1)), torch.tensor(half * weights)


def as_images(values: Tensor) -> Tensor:
    """(N,) as N images of one pixel."""
    return values[:, None, None, None]


def outputs_for(likelihood: Likelihood) -> Tensor:
    """Decoder outputs for one 2×2 image, dark, middling and bright."""
    output = torch.tensor([-3.0, -0.04, 0.5, 4.0]).reshape(1, 1, 2, 2)
    return output.repeat(1, likelihood.decoder_channels, 1, 1)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_samples_have_the_mean(name):
    likelihood = make_likelihood(name)
    output = outputs_for(likelihood)
    generator = torch.Generator().manual_seed(0)
    p = likelihood(output.expand(200_000, -1, -1, -1))
    samples = p.sample(generator)
    assert samples.shape == (200_000, 1, 2, 2)
    assert agrees(samples, likelihood(output).mean[0])
    assert samples.std(dim=0).min() > 0.02


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_samples_have_the_log_prob(name):
    """Minus the mean log-probability of samples is the entropy, which quadrature knows too."""
    likelihood = make_likelihood(name)
    output = outputs_for(likelihood).double()
    p = likelihood.double()(output.expand(50_000, -1, -1, -1))
    samples = p.sample(torch.Generator().manual_seed(1))
    if name == "bernoulli":
        x, weights = torch.tensor([0.0, 1.0]), torch.ones(2)
    elif name == "discretized-logistic":
        x, weights = torch.arange(256) / 255, torch.ones(256)
    else:
        x, weights = quadrature(0, 1) if name.startswith("cont") else quadrature(-25, 25)
    x, weights = as_images(x.double()), as_images(weights.double())
    log_p = likelihood(output).pixel_log_prob(x)  # (N, 1, 2, 2)
    entropy = -(log_p.exp() * log_p * weights).sum(dim=0)
    assert agrees(-p.pixel_log_prob(samples), entropy.detach())


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("value", [-200.0, -20.0, 0.0, 20.0, 200.0])
def test_extreme_outputs_have_finite_gradients(name, value):
    likelihood = make_likelihood(name)
    output = torch.full((1, likelihood.decoder_channels, 3, 1), value, requires_grad=True)
    x = torch.tensor([0.0, 51 / 255, 1.0]).reshape(1, 1, 3, 1)
    log_prob = likelihood(output).log_prob(x)
    log_prob.sum().backward()
    assert output.grad is not None
    assert torch.isfinite(log_prob).all()
    assert torch.isfinite(output.grad).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_outputs_are_computed_in_single(name, dtype):
    """The same half-precision numbers, widened first, must give the same: nothing is rounded."""
    likelihood = make_likelihood(name, sigma=0.05)
    output = (2 * normals(4, likelihood.decoder_channels, 3, 3)).to(dtype)
    x = images(4, 1, 3, 3).round()
    narrow, wide = likelihood(output), likelihood(output.float())
    assert narrow.log_prob(x).dtype == torch.float32
    torch.testing.assert_close(narrow.log_prob(x), wide.log_prob(x), rtol=0, atol=0)
    torch.testing.assert_close(narrow.mean, wide.mean, rtol=0, atol=0)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_terms_are_per_image(name):
    """(B,) and (S, B), never (B, 1), and the sample axis only repeats the images."""
    likelihood = make_likelihood(name, 3)
    output = normals(2, 5, likelihood.decoder_channels, 4, 4)  # (S, B, C, H, W)
    x = (images(5, 3, 4, 4) * 255).round() / 255
    both = likelihood(output).log_prob(x)
    assert both.shape == (2, 5)
    assert likelihood(output).mean.shape == (2, 5, 3, 4, 4)
    for s in range(2):
        one = likelihood(output[s]).log_prob(x)
        assert one.shape == (5,)
        torch.testing.assert_close(both[s], one)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_log_prob_sums_over_channels_and_pixels(name):
    """Trap: a mean over pixels beside a KL that is summed. Twice the pixels cost twice."""
    likelihood = make_likelihood(name)
    output = normals(2, likelihood.decoder_channels, 4, 4)
    x = images(2, 1, 4, 4).round()
    twice = likelihood(torch.cat([output, output], dim=2)).log_prob(torch.cat([x, x], dim=2))
    torch.testing.assert_close(twice, 2 * likelihood(output).log_prob(x))


# --- what each holds ------------------------------------------------------------------------------


def test_what_is_learned():
    learned = {
        name: [n for n, _ in make_likelihood(name, 3).named_parameters()] for name in LIKELIHOODS
    }
    assert learned == {
        "bernoulli": [],
        "continuous-bernoulli": [],
        "gaussian": [],
        "gaussian-learned": ["log_sigma"],
        "gaussian-map": [],
        "discretized-logistic": ["log_scale"],
    }


def test_what_is_a_probability_of_pixels():
    made = [make_likelihood(name) for name in LIKELIHOODS]
    assert [p.name for p in made] == LIKELIHOODS
    assert [p.name for p in made if p.is_discrete] == ["bernoulli", "discretized-logistic"]
    assert [p.name for p in made if p.needs_binary] == ["bernoulli"]


@pytest.mark.parametrize("name", ["gaussian", "gaussian-learned"])
def test_sigma_is_a_standard_deviation(name):
    output, x = normals(2, 1, 3, 3), images(2, 1, 3, 3)
    reference = TorchNormal(torch.sigmoid(output), 0.2).log_prob(x).sum(dim=(1, 2, 3))
    mine = make_likelihood(name, sigma=0.2)(output).log_prob(x)
    torch.testing.assert_close(mine, reference)


def test_gaussian_map_reads_means_then_log_variances():
    likelihood = make_likelihood("gaussian-map", 3)
    assert likelihood.decoder_channels == 6
    output, x = normals(2, 6, 4, 4), images(2, 3, 4, 4)
    normal = TorchNormal(torch.sigmoid(output[:, :3]), (output[:, 3:] / 2).exp())
    reference = normal.log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(likelihood(output).log_prob(x), reference)


def test_discretized_logistic_has_a_scale_per_channel():
    likelihood = make_likelihood("discretized-logistic", 2)
    with torch.no_grad():
        likelihood.log_scale[:] = torch.tensor([-5.0, 1.0])[:, None, None]
    output, x = torch.zeros(1, 2, 1, 1), torch.full((1, 2, 1, 1), 127 / 255)
    sharp, wide = likelihood(output).pixel_log_prob(x).flatten().exp().tolist()
    assert sharp > 0.1
    assert wide < 0.01


def test_discretized_logistic_starts_at_its_scale():
    made = make("likelihood", {"name": "discretized-logistic", "scale": 0.5}, channels=2)
    torch.testing.assert_close(made.log_scale.exp().flatten(), torch.full((2,), 0.5))
    torch.testing.assert_close(
        make_likelihood("discretized-logistic").log_scale.exp().item(), 0.1, rtol=1e-6, atol=0
    )


def test_every_likelihood_is_asked():
    assert LIKELIHOODS == [
        "bernoulli",
        "continuous-bernoulli",
        "gaussian",
        "gaussian-learned",
        "gaussian-map",
        "discretized-logistic",
    ]


@pytest.mark.parametrize(
    ("likelihood", "words"),
    [
        ("bernouli", "unknown likelihood 'bernouli'; did you mean 'bernoulli'"),
        ({"name": "gausian", "sigma": 0.3}, "did you mean 'gaussian'"),
        ({"sigma": 0.3}, "name is missing: which likelihood?"),
        ({"name": "bernoulli", "sigma": 0.3}, "unknown field sigma"),
        ({"name": "gaussian-map", "sigma": 0.3}, "unknown field sigma"),
        ({"name": "gaussian", "sigma": 0.0}, "sigma: got 0.0; input should be greater than 0"),
        ({"name": "gaussian-learned", "sigma": -1}, "sigma: got -1; input should be greater"),
        ({"name": "discretized-logistic", "scale": 0}, "scale: got 0; input should be greater"),
    ],
)
def test_a_likelihood_that_cannot_be(likelihood, words):
    with pytest.raises(UsageError, match=words):
        make("likelihood", likelihood, channels=1)
