"""The VAE's bounds where the exact answer is known: a linear model with Gaussian noise.

z ~ N(0, I), x = W z + b + s eps. With orthogonal columns of W the posterior is a diagonal Gaussian,
so an encoder can hold it exactly, and ln p(x) = ln N(x; b, W Wᵀ + s² I). Everything is float64.
Monte Carlo has five standard errors, computed from its samples.
"""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from twofold.data.batches import Batch
from twofold.distributions import Gaussian, log_mean_exp
from twofold.likelihoods import LearnedGaussianLikelihood
from twofold.models.vae import VAE
from twofold.objectives import ELBO, IWAE, DReG

SHAPE = (1, 2, 3)
SIGMA = 0.6


class PlainGaussian(LearnedGaussianLikelihood):
    """p(x|z) around the decoder's output itself, without a sigmoid."""

    def __init__(self) -> None:
        super().__init__(1, SIGMA)

    def forward(self, output: Tensor) -> Gaussian:
        return Gaussian(output, 2 * self.log_sigma)


class Affine(nn.Module):
    """z -> W z + b as an image."""

    def __init__(self) -> None:
        super().__init__()
        orthonormal = torch.linalg.qr(torch.randn(6, 2))[0]
        self.weight = nn.Parameter(orthonormal * torch.tensor([1.5, 0.7]))
        self.bias = nn.Parameter(torch.randn(6))

    def forward(self, z: Tensor, _: Tensor | None = None) -> Tensor:
        return (z @ self.weight.T + self.bias).unflatten(1, SHAPE)


class ExactEncoder(nn.Module):
    """The posterior N(V Wᵀ(x - b)/s², V) with V = 1/(1 + |w|²/s²), or one that is off."""

    def __init__(self, decoder: Affine, shift: float = 0.0, widen: float = 0.0) -> None:
        super().__init__()
        weight, self.bias = decoder.weight.detach().clone(), decoder.bias.detach().clone()
        variance = 1 / (1 + weight.square().sum(dim=0) / SIGMA**2)  # (D,)
        self.map = (weight * variance / SIGMA**2).T  # (D, 6)
        self.logvar = variance.log() + widen
        self.shift = shift

    def forward(self, x: Tensor, _: Tensor | None = None) -> Tensor:
        mu = (x.flatten(1) - self.bias) @ self.map.T + self.shift
        return torch.cat([mu, self.logvar.expand_as(mu)], dim=1)


class FreeEncoder(nn.Module):
    """One posterior for each row of the batch, all starting alike: phi of shape (B, 2 D)."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.phi = nn.Parameter(start.clone())

    def forward(self, _x: Tensor, _c: Tensor | None = None) -> Tensor:
        return self.phi


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def decoder() -> Affine:
    return Affine()


def make_vae(decoder: Affine, encoder: nn.Module, **settings) -> VAE:
    given = {"likelihood": PlainGaussian(), "image_shape": SHAPE}
    return VAE(encoder, decoder, latent_dim=2, **given, **settings)


def draw(decoder: Affine, count: int) -> Tensor:
    x = decoder(torch.randn(count, 2))
    return (x + SIGMA * torch.randn_like(x)).detach()


def exact_log_likelihood(decoder: Affine, x: Tensor) -> Tensor:
    weight, bias = decoder.weight.detach(), decoder.bias.detach()
    covariance = weight @ weight.T + SIGMA**2 * torch.eye(6)
    return MultivariateNormal(bias, covariance).log_prob(x.flatten(1))


def agrees(samples: Tensor, expected: Tensor | float) -> bool:
    """Whether the mean over the first axis is within five standard errors, everywhere."""
    error = samples.std(dim=0) / math.sqrt(len(samples))
    return bool(((samples.mean(dim=0) - expected).abs() <= 5 * error + 1e-9).all())


# --- ELBO -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_samples", [1, 7])
def test_with_the_exact_posterior_every_draw_gives_the_log_likelihood(decoder, num_samples):
    """ln p(x, z) - ln q(z|x) = ln p(x) for all z: to rounding, not on average."""
    model, x = make_vae(decoder, ExactEncoder(decoder)), draw(decoder, 5)
    exact = exact_log_likelihood(decoder, x)
    weights = model.log_weights(x, num_samples=num_samples)
    torch.testing.assert_close(weights, exact.expand(num_samples, 5))
    torch.testing.assert_close(model.log_likelihood(x, num_samples=num_samples), exact)
    objectives = (ELBO(kl="sampled", num_samples=num_samples), IWAE(num_samples), DReG(num_samples))
    for objective in objectives:
        trained = make_vae(decoder, ExactEncoder(decoder), objective=objective)
        torch.testing.assert_close(trained.loss(Batch(x)).total, -exact.mean())


def test_with_the_exact_posterior_the_elbo_is_the_log_likelihood(decoder):
    """With the KL by formula only the mean over draws is exact."""
    model, x = make_vae(decoder, ExactEncoder(decoder)), draw(decoder, 1)
    elbos = model.elbo(x.expand(20_000, -1, -1, -1))
    assert agrees(elbos, exact_log_likelihood(decoder, x))


@pytest.mark.parametrize(("shift", "widen"), [(0.3, 0.0), (0.0, 0.8), (-0.2, -0.5)])
@pytest.mark.parametrize("kl", ["closed", "sampled"])
def test_a_wrong_posterior_costs_its_kl_from_the_right_one(decoder, shift, widen, kl):
    """Trap: a KL of the wrong sign or size. ELBO = ln p(x) - KL(q || p(z|x)), both ways."""
    x = draw(decoder, 1)
    right = make_vae(decoder, ExactEncoder(decoder)).posterior(x)
    model = make_vae(decoder, ExactEncoder(decoder, shift, widen))
    wrong = model.posterior(x)
    gap = kl_divergence(
        Normal(wrong.mu, (wrong.logvar / 2).exp()), Normal(right.mu, (right.logvar / 2).exp())
    ).sum()
    assert gap > 0.05
    many = x.expand(50_000, -1, -1, -1)
    elbos = model.elbo(many) if kl == "closed" else model.log_likelihood(many)
    assert agrees(elbos, exact_log_likelihood(decoder, x) - gap)
    error = elbos.std() / math.sqrt(len(elbos))
    assert error < gap / 20  # the test above can tell


# --- IWAE -----------------------------------------------------------------------------------------


def test_the_iwae_bound_reaches_the_log_likelihood(decoder):
    """Within three standard errors of the mean weight; its bias, Var(w)/(2k), is far less."""
    model = make_vae(decoder, ExactEncoder(decoder, shift=0.2, widen=0.5))
    x = draw(decoder, 8)
    weights = model.log_weights(x, num_samples=20_000)  # (S, B)
    bound, exact = log_mean_exp(weights), exact_log_likelihood(decoder, x)
    ratio = (weights - bound).exp()
    error = ratio.std(dim=0) / math.sqrt(len(ratio))
    assert (error < 0.02).all()
    assert ((bound - exact).abs() < 3 * error).all()


def test_the_bound_rises_with_the_number_of_samples(decoder):
    """ELBO = L_1 <= L_2 <= ... <= ln p(x) in expectation, each step by more than its noise."""
    model = make_vae(decoder, ExactEncoder(decoder, shift=0.5, widen=0.8))
    x = draw(decoder, 1)
    exact = exact_log_likelihood(decoder, x).item()
    weights = model.log_weights(x.expand(4000, -1, -1, -1), num_samples=64)  # (S, B)
    bounds = torch.stack([log_mean_exp(weights[:k]) for k in (1, 2, 4, 16, 64)])  # (5, B)
    rise = bounds.diff(dim=0)
    error = rise.std(dim=1) / math.sqrt(rise.shape[1])
    assert (rise.mean(dim=1) > 3 * error).all()
    error = bounds[-1].std() / math.sqrt(bounds.shape[1])
    assert bounds[-1].mean() < exact + 5 * error
    assert bounds[-1].mean() > exact - 0.1
    assert bounds[0].mean() < exact - 0.3


def test_iwae_with_one_sample_is_the_sampled_elbo_of_the_same_draw(decoder):
    x = draw(decoder, 5)
    losses = []
    for objective in (IWAE(1), DReG(1), ELBO(kl="sampled")):
        torch.manual_seed(3)
        model = make_vae(decoder, ExactEncoder(decoder, shift=0.4), objective=objective)
        losses.append(model.loss(Batch(x)).total)
    torch.testing.assert_close(losses[0], losses[2])
    torch.testing.assert_close(losses[1], losses[2])


def test_iwae_is_tighter_than_the_elbo_of_the_same_draws(decoder):
    """Jensen, draw by draw: the log of a mean is above the mean of logs."""
    x = draw(decoder, 5)
    losses = []
    for objective in (IWAE(6), ELBO(kl="sampled", num_samples=6)):
        torch.manual_seed(3)
        model = make_vae(decoder, ExactEncoder(decoder, 0.4), objective=objective)
        losses.append(model.loss(Batch(x)).total.item())
    assert losses[0] < losses[1] - 0.01


# --- DReG -----------------------------------------------------------------------------------------


def gradients(decoder: Affine, start: Tensor, x: Tensor, objective: str, seed: int = 0):
    """Loss, gradient of each row's posterior (B, 2 D), and gradients of decoder and sigma."""
    asked = {"name": objective, "num_samples": 5}
    model = make_vae(decoder, FreeEncoder(start), objective=asked)
    torch.manual_seed(seed)
    loss = model.loss(Batch(x)).total
    others = [*decoder.parameters(), *model.likelihood.parameters()]
    phi, *rest = torch.autograd.grad(loss, [*model.encoder.parameters(), *others])
    return loss, phi * len(x), rest


def rows(decoder: Affine, count: int, **off: float) -> tuple[Tensor, Tensor]:
    """The same image `count` times, and its posterior for every row, off by `off`."""
    x = draw(decoder, 1)
    start = ExactEncoder(decoder, **off)(x).expand(count, -1)
    return x.expand(count, -1, -1, -1), start


def test_dreg_is_iwae_for_the_decoder(decoder):
    """Same value and same gradients of decoder and likelihood for the same draw."""
    x, start = rows(decoder, 6, shift=0.3, widen=0.4)
    iwae, dreg = (gradients(decoder, start, x, name) for name in ("iwae", "dreg"))
    torch.testing.assert_close(dreg[0], iwae[0])
    for mine, reference in zip(dreg[2], iwae[2], strict=True):
        assert reference.abs().max() > 1e-3
        torch.testing.assert_close(mine, reference)


def test_dreg_is_iwae_for_the_encoder_on_average_and_varies_less(decoder):
    """Each row is an independent draw of the gradient: 40 000 of them in one pass."""
    x, start = rows(decoder, 40_000, shift=0.3, widen=0.4)
    iwae = gradients(decoder, start, x, "iwae", seed=1)[1]
    dreg = gradients(decoder, start, x, "dreg", seed=2)[1]  # (B, 2 D)
    error = ((iwae.var(dim=0) + dreg.var(dim=0)) / len(iwae)).sqrt()
    assert ((iwae.mean(dim=0) - dreg.mean(dim=0)).abs() < 5 * error).all()
    assert (dreg.mean(dim=0).abs() > 10 * error).all()  # there is something to agree on
    assert (dreg.var(dim=0) < iwae.var(dim=0)).all()


def test_dreg_is_still_where_the_posterior_is_exact(decoder):
    """There ln w does not depend on z: DReG's gradient is zero, IWAE's only on average."""
    x, start = rows(decoder, 50)
    assert gradients(decoder, start, x, "dreg")[1].abs().max() < 1e-9
    assert gradients(decoder, start, x, "iwae")[1].abs().max() > 1e-2


def test_dreg_by_hand(decoder):
    """Tucker et al., equation 6: the sum of squared normalized weights times d ln w/dz dz/dphi."""
    x, start = rows(decoder, 3, shift=0.3)
    mine = gradients(decoder, start, x, "dreg")[1]
    phi = start.clone().requires_grad_()
    mu, logvar = phi.chunk(2, dim=1)
    torch.manual_seed(0)
    z = mu + (logvar / 2).exp() * torch.randn(5, 3, 2)
    q = Normal(mu.detach(), (logvar.detach() / 2).exp())
    mean = (z @ decoder.weight.T + decoder.bias).unflatten(2, SHAPE)
    log_w = (
        Normal(mean, SIGMA).log_prob(x).sum(dim=(2, 3, 4))
        + Normal(0.0, 1.0).log_prob(z).sum(dim=2)
        - q.log_prob(z).sum(dim=2)
    )  # (S, B)
    squared = log_w.detach().softmax(dim=0).square()
    (by_hand,) = torch.autograd.grad(-(squared * log_w).sum(), phi)
    torch.testing.assert_close(mine, by_hand, rtol=1e-6, atol=1e-9)
