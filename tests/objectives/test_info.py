"""The MMD against loops and its expectation; InfoVAE against its special cases."""

import math

import pytest
import torch

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models import DRAW, VAE, Hybrid
from twofold.objectives import ELBO, InfoVAE
from twofold.objectives.mmd import kernel_matrix, mmd_squared
from twofold.registry import make

KERNELS = ("inverse-multiquadratic", "rbf")


def by_loops(a, b, kernel: str, scale: float) -> float:
    c = 2 * a.shape[1] * scale**2

    def k(u, v) -> float:
        r = sum((p - q) ** 2 for p, q in zip(u.tolist(), v.tolist(), strict=True))
        return c / (c + r) if kernel == "inverse-multiquadratic" else math.exp(-r / c)

    B, total = len(a), 0.0
    for i in range(B):
        for j in range(B):
            if i != j:
                total += (k(a[i], a[j]) + k(b[i], b[j])) / (B * (B - 1))
            total -= 2 * k(a[i], b[j]) / B**2
    return total


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("scale", [0.3, 1.0, 2.0])
def test_the_estimate_against_loops(kernel, scale):
    a, b = torch.randn(6, 3).double(), 1 + 2 * torch.randn(6, 3).double()
    found = mmd_squared(a, b, kernel, scale)
    assert found.shape == ()
    assert found.item() == pytest.approx(by_loops(a, b, kernel, scale), abs=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_equal_distributions_have_none_in_expectation_and_shifted_ones_have_more(kernel):
    """Unbiased: on both sides of 0, within five standard errors of 2000 draws."""
    draws = torch.stack([
        mmd_squared(torch.randn(8, 2), torch.randn(8, 2), kernel) for _ in range(2000)
    ])  # fmt: skip
    error = draws.std() / len(draws) ** 0.5
    assert abs(draws.mean()) < 5 * error
    assert (draws < 0).float().mean() > 0.2
    assert (draws > 0).float().mean() > 0.2
    a, b = torch.randn(1000, 2), torch.randn(1000, 2)
    shifted = [mmd_squared(a, b + shift, kernel).item() for shift in (0.0, 0.5, 1.0, 3.0)]
    assert shifted == sorted(shifted)
    assert shifted[1] > 0.01


def test_the_rbf_of_two_gaussians_has_a_formula():
    """E k(a, b) = (C / (C + 2 s))^(D/2) exp(-m² / (C + 2 s)), s the sum of variances."""
    D, shift = 2, 1.0
    c = 2.0 * D

    def expected(variances: float, squared: float) -> float:
        width = c + 2 * variances
        return (c / width) ** (D / 2) * math.exp(-squared / width)

    truth = 2 * expected(2.0, 0.0) - 2 * expected(2.0, shift**2 * D)
    draws = torch.stack([
        mmd_squared(torch.randn(50, D).double(), shift + torch.randn(50, D).double(), "rbf")
        for _ in range(500)
    ])  # fmt: skip
    assert abs(draws.mean().item() - truth) < 5 * draws.std().item() / len(draws) ** 0.5


def test_kernels_are_one_where_codes_are_one_and_gradients_are_finite_there():
    z = torch.randn(4, 3, requires_grad=True)
    for kernel in KERNELS:
        torch.testing.assert_close(kernel_matrix(z, z, kernel).diagonal(), torch.ones(4))
        (slope,) = torch.autograd.grad(mmd_squared(z, torch.randn(4, 3), kernel), z)
        assert torch.isfinite(slope).all()
        assert slope.abs().max() > 0
    assert mmd_squared(z[:1], z[1:2], "rbf").item() == 0  # the last image of a validation set


def loss_and_gradients(objective, dtype=torch.float64):
    torch.manual_seed(0)
    vae = VAE("fc-8", "fc-8", latent_dim=3, image_shape=(1, 4, 4), objective=objective).to(dtype)
    batch = Batch(torch.rand(7, 1, 4, 4, dtype=dtype))
    torch.manual_seed(1)
    terms = vae.loss(batch)
    return terms, torch.autograd.grad(terms.total, list(vae.parameters()))


def test_without_the_mmd_it_is_the_elbo():
    (mine, gradients), (elbo, others) = map(
        loss_and_gradients, (InfoVAE(alpha=0, lambda_=1), ELBO())
    )
    assert mine.terms.keys() == elbo.terms.keys()
    torch.testing.assert_close(mine.total, elbo.total, rtol=0, atol=1e-10)
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_at_alpha_one_it_is_the_wasserstein_autoencoder():
    """Reconstruction and λ MMD²; the KL is logged and moves nothing."""
    terms, _ = loss_and_gradients("wae-mmd")
    assert list(terms.terms) == ["recon_nll", "mmd"]
    assert terms.weights == {"mmd": 100.0}
    assert terms.watch["kl"] > 0
    expected = terms.terms["recon_nll"] + 100 * terms.terms["mmd"]
    torch.testing.assert_close(terms.total, expected, rtol=0, atol=1e-10)
    named = make("objective", "wae-mmd")
    assert (named.kl_weight, named.mmd_weight) == (0.0, 100.0)
    assert InfoVAE(alpha=0.25, lambda_=3).kl_weight == 0.75
    assert InfoVAE(alpha=0.25, lambda_=3).mmd_weight == 2.25


@pytest.mark.parametrize(("alpha", "lambda_"), [(1.5, 10.0), (0.0, 0.5), (-2.0, 1.0)])
def test_weights_below_zero_are_refused(alpha, lambda_):
    with pytest.raises(UsageError, match="must not be negative"):
        InfoVAE(alpha, lambda_)


def test_any_posterior_will_do_and_a_hybrid_too():
    shape = (1, 4, 4)
    draw = DRAW(latent_dim=2, num_steps=2, hidden_dim=8, image_shape=shape, objective="info")
    x = torch.rand(5, 1, 4, 4)
    assert torch.isfinite(draw.loss(Batch(x)).total)
    vae = VAE("fc-8", "fc-8", latent_dim=3, image_shape=shape, objective="wae-mmd")
    assert "mmd" in Hybrid(vae, "fc-8").autoencoder_loss(Batch(x)).terms


def test_it_pulls_codes_that_lie_elsewhere_to_the_prior():
    """Means of 2 and σ of 0.1: 300 steps on the MMD alone bring mean and variance near 0 and 1."""
    mu = torch.nn.Parameter(2 + 0.1 * torch.randn(200, 2))
    adam = torch.optim.Adam([mu], lr=0.05)
    for _ in range(300):
        adam.zero_grad()
        (200 * mmd_squared(mu, torch.randn(200, 2), "inverse-multiquadratic")).backward()
        adam.step()
    assert mu.mean(dim=0).abs().max() < 0.2
    assert ((mu.var(dim=0) > 0.6) & (mu.var(dim=0) < 1.4)).all()
