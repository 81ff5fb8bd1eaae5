"""p(x|z) and q(z|x) against torch.distributions, sums and integrals, and their own samples.

Sums of a few hundred float64 terms are good to 1e-9; a float32 log-probability of an image is good
to a few units of its sixth digit. Monte Carlo has five standard errors, computed from its samples:
a right formula fails once in two million draws of the seed, and the seed is fixed.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import (
    AffineTransform,
    SigmoidTransform,
    TransformedDistribution,
    Uniform,
    kl_divergence,
)
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import ContinuousBernoulli as TorchContinuousBernoulli
from torch.distributions import Normal as TorchNormal

from twofold.distributions import (
    Bernoulli,
    ContinuousBernoulli,
    DiagonalGaussian,
    DiscretizedLogistic,
    Gaussian,
    bits_per_dim,
    gaussian_kl,
    gaussian_kl_per_dim,
    log_mean_exp,
    standard_normal_log_prob,
)

LOGITS = [0.0, 1e-6, 0.01, 0.0499, 0.0501, 0.5, 3.0, 20.0, 90.0]
LOGITS = [*LOGITS, *(-logit for logit in LOGITS[1:])]
HALF = [torch.bfloat16, torch.float16]


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


# --- p(x|z): formulas -----------------------------------------------------------------------------


def test_bernoulli_is_torchs():
    x, logits = images(5, 3, 4, 4).round(), 4 * normals(5, 3, 4, 4)
    reference = TorchBernoulli(logits=logits).log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(Bernoulli(logits).log_prob(x), reference)


def test_bernoulli_keeps_gray_targets_soft():
    """Trap: integer cast of soft targets."""
    x, probs = torch.full((1, 1, 1, 1), 0.3), torch.full((1, 1, 1, 1), 0.8)
    expected = 0.3 * math.log(0.8) + 0.7 * math.log(0.2)
    log_prob = Bernoulli(torch.logit(probs)).log_prob(x)
    torch.testing.assert_close(log_prob, torch.tensor([expected]))


def test_bernoulli_applies_one_sigmoid():
    """Trap: sigmoid applied before a cross-entropy that applies its own: 5 nats would be 0.7."""
    log_prob = Bernoulli(torch.full((1, 1, 1, 1), -5.0)).log_prob(torch.ones(1, 1, 1, 1))
    assert log_prob.item() == pytest.approx(-5 - math.log1p(math.exp(-5)), rel=1e-6)


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_is_torchs(logit):
    """torch's own normalizer is a Taylor series near one half, good to 1e-5."""
    x, logits = images(50, 1, 1, 1).double(), torch.full((50, 1, 1, 1), logit).double()
    reference = TorchContinuousBernoulli(logits=logits).log_prob(x).sum(dim=(1, 2, 3))
    if abs(logit) < 30:  # beyond, torch clamps its probabilities
        mine = ContinuousBernoulli(logits).log_prob(x)
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)


def test_gaussian_is_torchs():
    x, mean, logvar = images(5, 3, 4, 4), normals(5, 3, 4, 4), normals(5, 3, 4, 4, seed=1)
    reference = TorchNormal(mean, (logvar / 2).exp()).log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(Gaussian(mean, logvar).log_prob(x), reference)


def test_gaussian_keeps_its_constant():
    """A perfect reconstruction of MNIST with sigma 1 costs 720 nats, not 0."""
    x = images(2, 1, 28, 28)
    log_prob = Gaussian(x, torch.zeros(())).log_prob(x)
    torch.testing.assert_close(log_prob, torch.full((2,), -784 / 2 * math.log(2 * math.pi)))


@pytest.mark.parametrize("log_scale", [-6.0, -3.0, -1.0, 1.0])
def test_discretized_logistic_is_a_difference_of_the_cdf(log_scale):
    """Against torch's logistic in float64, where the difference of near-equals is harmless."""
    level = torch.arange(256, dtype=torch.float64)
    mean = torch.tensor(0.4, dtype=torch.float64)
    scale = torch.tensor(log_scale, dtype=torch.float64)
    unit = Uniform(torch.zeros_like(mean), torch.ones_like(mean))
    logistic = TransformedDistribution(
        unit, [SigmoidTransform().inv, AffineTransform(mean, scale.exp())]
    )
    upper = torch.where(level < 255, logistic.cdf((level + 0.5) / 255), 1.0)
    lower = torch.where(level > 0, logistic.cdf((level - 0.5) / 255), 0.0)
    reference = (upper - lower).clamp(min=1e-300).log()
    mine = DiscretizedLogistic(mean, scale).pixel_log_prob(level / 255)
    sharp = reference > math.log(1e-9)  # below, it is the reference that loses its digits
    assert sharp.sum() >= 3
    torch.testing.assert_close(mine[sharp], reference[sharp], rtol=1e-6, atol=1e-6)


def test_discretized_logistic_in_single_precision():
    mean, log_scale = images(7, 1, 8, 8), torch.full((1, 1, 1), -4.0)
    x = (images(7, 1, 8, 8, seed=1) * 255).round() / 255
    single = DiscretizedLogistic(mean, log_scale).log_prob(x)
    double = DiscretizedLogistic(mean.double(), log_scale.double()).log_prob(x.double())
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=0)


# --- p(x|z): sums and integrals -------------------------------------------------------------------


@pytest.mark.parametrize("logit", LOGITS)
def test_bernoulli_sums_to_one(logit):
    space = as_images(torch.tensor([0.0, 1.0], dtype=torch.float64))
    logits = torch.full((2, 1, 1, 1), logit, dtype=torch.float64)
    assert Bernoulli(logits).log_prob(space).exp().sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_integrates_to_one(logit):
    """Its Taylor series near 0 is good to l⁶/2880 < 1e-11 at the seam."""
    x, weights = quadrature(0, 1)
    density = ContinuousBernoulli(torch.tensor(logit, dtype=torch.float64)).pixel_log_prob(x).exp()
    assert (density * weights).sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_mean_is_its_first_moment(logit):
    """The series of the mean is good to l³/720 < 2e-7 at the seam."""
    x, weights = quadrature(0, 1)
    p = ContinuousBernoulli(torch.tensor(logit, dtype=torch.float64))
    moment = (x * p.pixel_log_prob(x).exp() * weights).sum().item()
    assert p.mean.item() == pytest.approx(moment, abs=3e-7)


@pytest.mark.parametrize("logvar", [-8.0, 0.0, 3.0])
def test_gaussian_integrates_to_one(logvar):
    sigma = math.exp(logvar / 2)
    x, weights = quadrature(0.3 - 12 * sigma, 0.3 + 12 * sigma)
    p = Gaussian(torch.tensor(0.3, dtype=torch.float64), torch.tensor(logvar))
    assert (p.pixel_log_prob(x).exp() * weights).sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("mean", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("log_scale", [-9.0, -5.0, -2.0, 0.0, 3.0])
def test_discretized_logistic_sums_to_one(mean, log_scale):
    levels = torch.arange(256, dtype=torch.float64) / 255
    p = DiscretizedLogistic(
        torch.tensor(mean, dtype=torch.float64), torch.tensor(log_scale, dtype=torch.float64)
    )
    assert p.pixel_log_prob(levels).exp().sum().item() == pytest.approx(1, abs=1e-9)


# --- p(x|z): samples and means --------------------------------------------------------------------


@pytest.mark.parametrize("logit", [0.0, 0.03, -0.049, 2.0, -60.0])
def test_continuous_bernoulli_samples_near_zero_are_not_uniform(logit):
    """A logit of 0.049 moves the mean by 0.004, which 500 000 samples see (5 errors: 0.002)."""
    p = ContinuousBernoulli(torch.full((500_000,), logit))
    samples = p.sample(torch.Generator().manual_seed(0))
    assert samples.min() >= 0
    assert samples.max() <= 1
    assert agrees(samples, ContinuousBernoulli(torch.tensor(logit)).mean.item())


@pytest.mark.parametrize("mean", [0.0, 0.04, 0.5, 0.97])
@pytest.mark.parametrize("log_scale", [-7.0, -4.0, -2.0, 0.0])
def test_discretized_logistic_mean_knows_the_tails(mean, log_scale):
    """Levels end at 0 and 255, so the mean of a wide logistic is not its location.

    The closed form integrates over gray values; the half-level of rounding may remain.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    location = torch.tensor(mean, dtype=torch.float64)
    p = DiscretizedLogistic(location, torch.tensor(log_scale, dtype=torch.float64))
    moment = (levels * p.pixel_log_prob(levels).exp()).sum().item()
    assert p.mean.item() == pytest.approx(moment, abs=0.5 / 255)


# --- q(z|x) ---------------------------------------------------------------------------------------

MU = torch.tensor([[0.0, 1.0, -2.0], [0.5, 3.0, 0.0]])
LOGVAR = torch.tensor([[0.0, -1.0, 1.0], [-4.0, 0.5, 2.0]])


def test_kl_is_torchs():
    normal = TorchNormal(MU, (LOGVAR / 2).exp())
    standard = TorchNormal(torch.zeros(3), torch.ones(3))
    reference = kl_divergence(normal, standard)
    torch.testing.assert_close(gaussian_kl_per_dim(MU, LOGVAR), reference)
    torch.testing.assert_close(gaussian_kl(MU, LOGVAR), reference.sum(dim=1))
    torch.testing.assert_close(DiagonalGaussian(MU, LOGVAR).kl(), reference.sum(dim=1))


def test_kl_is_zero_only_at_the_prior():
    assert gaussian_kl(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0
    assert gaussian_kl(MU, LOGVAR).min() > 1


def test_kl_is_the_mean_log_ratio_of_samples():
    q = DiagonalGaussian(MU.double(), LOGVAR.double())
    z = q.rsample(100_000, torch.Generator().manual_seed(0))
    ratio = q.log_prob(z) - standard_normal_log_prob(z)  # (S, B)
    assert ratio.shape == (100_000, 2)
    assert agrees(ratio, q.kl())


def test_log_probs_are_torchs():
    z = normals(7, 2, 3)
    reference = TorchNormal(MU, (LOGVAR / 2).exp()).log_prob(z).sum(dim=-1)
    torch.testing.assert_close(DiagonalGaussian(MU, LOGVAR).log_prob(z), reference)
    standard = TorchNormal(0.0, 1.0).log_prob(z).sum(dim=-1)
    torch.testing.assert_close(standard_normal_log_prob(z), standard)


def test_noise_enters_once():
    """Trap: noise multiplied twice in the reparameterization (eps² moves the mean by sigma)."""
    z = DiagonalGaussian(MU, LOGVAR).rsample(200_000, torch.Generator().manual_seed(0))
    assert agrees(z, MU)
    assert agrees((z - MU).square(), LOGVAR.exp())
    assert agrees(((z - MU) / (LOGVAR / 2).exp()).pow(3), 0.0)
    assert agrees(((z - MU) / (LOGVAR / 2).exp()).pow(4), 3.0)


def test_rsample_is_mu_plus_sigma_eps():
    z = DiagonalGaussian(MU, LOGVAR).rsample(generator=torch.Generator().manual_seed(3))
    eps = normals(2, 3, seed=3)
    torch.testing.assert_close(z, MU + (LOGVAR / 2).exp() * eps)


def test_rsample_shapes():
    q = DiagonalGaussian(MU, LOGVAR)
    assert q.rsample().shape == (2, 3)
    assert q.rsample(1).shape == (1, 2, 3)
    assert q.rsample(5).shape == (5, 2, 3)
    assert q.log_prob(q.rsample(5)).shape == (5, 2)
    assert q.kl().shape == (2,)


def test_rsample_differs_between_images_and_draws():
    z = DiagonalGaussian(torch.zeros(4, 2), torch.zeros(4, 2)).rsample(
        6, torch.Generator().manual_seed(0)
    )
    assert len(z.flatten().unique()) == 6 * 4 * 2


def test_gradient_of_a_sample():
    """dz/dmu = 1 and dz/dlogvar = sigma eps / 2."""
    mu, logvar = MU.clone().requires_grad_(), LOGVAR.clone().requires_grad_()
    q = DiagonalGaussian(mu, logvar)
    z = q.rsample(generator=torch.Generator().manual_seed(0))
    z.sum().backward()
    torch.testing.assert_close(mu.grad, torch.ones_like(mu))
    torch.testing.assert_close(logvar.grad, (z - mu).detach() / 2)
    assert not q.detach().rsample().requires_grad


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_posterior_is_computed_in_single(dtype):
    q = DiagonalGaussian(MU.to(dtype), LOGVAR.to(dtype))
    assert q.rsample().dtype == q.kl().dtype == torch.float32
    torch.testing.assert_close(q.kl(), gaussian_kl(MU.to(dtype).float(), LOGVAR.to(dtype).float()))


# --- units ----------------------------------------------------------------------------------------


def test_log_mean_exp():
    values = normals(6, 3)
    torch.testing.assert_close(log_mean_exp(values), values.exp().mean(dim=0).log())
    torch.testing.assert_close(log_mean_exp(values, dim=1), values.exp().mean(dim=1).log())
    torch.testing.assert_close(log_mean_exp(values - 1000), log_mean_exp(values) - 1000)
    assert log_mean_exp(values[:1]).tolist() == pytest.approx(values[0].tolist())


def test_log_mean_exp_lies_between_mean_and_maximum():
    values = 10 * normals(6, 50)
    assert (log_mean_exp(values) >= values.mean(dim=0)).all()
    assert (log_mean_exp(values) <= values.amax(dim=0)).all()


def test_bits_per_dim():
    """Certain coin flips cost one bit; a uniform density on 256 levels costs eight."""
    assert bits_per_dim(3072 * math.log(2), (3, 32, 32)) == pytest.approx(1)
    assert bits_per_dim(0.0, (1, 28, 28), density=True) == pytest.approx(8)
    assert bits_per_dim(784 * math.log(256), (1, 28, 28)) == pytest.approx(8)
