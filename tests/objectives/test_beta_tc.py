"""The three parts of the KL against loops, each other and the KL by formula."""

import math

import pytest
import torch
from torch.distributions import Normal

from twofold.data.batches import Batch, Batches, PartlyLabeled
from twofold.data.dataset import ImageDataset
from twofold.distributions import DiagonalGaussian
from twofold.errors import UsageError
from twofold.models import DRAW, VAE, Hybrid
from twofold.objectives import ELBO, BetaTCVAE
from twofold.objectives.beta_tc import log_aggregate

PARTS = ("mutual_information", "total_correlation", "dimension_kl")


def make_vae(**settings) -> VAE:
    torch.manual_seed(0)
    return VAE("fc-8", "fc-8", latent_dim=3, image_shape=(1, 4, 4), **settings).double()


def a_batch(count: int = 7, **facts) -> Batch:
    return Batch(torch.rand(count, 1, 4, 4, dtype=torch.float64), **facts)


def test_the_aggregate_posterior_against_loops_over_torch_distributions():
    M, D, N = 5, 3, 40
    q = DiagonalGaussian(torch.randn(M, D).double(), torch.randn(M, D).double())
    z = q.rsample()
    log_q, log_q_dims = log_aggregate(q, z, N)
    assert log_q.shape == log_q_dims.shape == (M,)
    for i in range(M):
        densities = [Normal(q.mu[j], (0.5 * q.logvar[j]).exp()).log_prob(z[i]).exp()
                     for j in range(M)]  # fmt: skip
        joint = sum(d.prod() for d in densities) / (N * M)
        dims = math.prod((sum(d[k] for d in densities) / (N * M)).item() for k in range(D))
        assert log_q[i].item() == pytest.approx(math.log(joint), abs=1e-10)
        assert log_q_dims[i].item() == pytest.approx(math.log(dims), abs=1e-10)


@pytest.mark.parametrize("num_images", [None, 1000])
def test_with_weights_of_one_it_is_the_elbo_with_a_sampled_kl(num_images):
    """Values and gradients, whatever N."""
    batch, gradients, totals = a_batch(num_images=num_images), [], []
    for objective in (BetaTCVAE(beta=1), ELBO(kl="sampled")):
        vae = make_vae(objective=objective)
        torch.manual_seed(1)
        total = vae.loss(batch).total
        totals.append(total)
        gradients.append(torch.autograd.grad(total, list(vae.parameters())))
    torch.testing.assert_close(*totals, rtol=0, atol=1e-9)
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9)


def test_the_parts_add_up_to_the_kl_by_formula():
    """In expectation, within five standard errors of 400 draws; not less, not more."""
    vae, batch = make_vae(objective=BetaTCVAE()), a_batch()
    with torch.no_grad():
        draws = []
        for _ in range(400):
            terms = vae.loss(batch).terms
            draws.append(torch.stack([terms[name] for name in PARTS]).sum())
        drawn = torch.stack(draws)
        expected = vae.posterior(batch.x).kl().mean()
    error = drawn.std() / len(drawn) ** 0.5
    assert 0 < error < 0.2
    assert abs(drawn.mean() - expected) < 5 * error


def test_n_moves_the_log_and_no_gradient():
    found = []
    for num_images in (7, 7000):
        vae, batch = make_vae(objective=BetaTCVAE(beta=6, alpha=2, gamma=0.5)), a_batch()
        batch.num_images = num_images
        batch.x = torch.linspace(0, 1, 7 * 16, dtype=torch.float64).view(7, 1, 4, 4)
        torch.manual_seed(1)
        terms = vae.loss(batch)
        found.append((terms.terms, torch.autograd.grad(terms.total, list(vae.parameters()))))
    (few, one), (many, other) = found
    for name, per_log in zip(PARTS, (1, 2, -3), strict=True):  # D = 3 marginals, one joint
        assert (many[name] - few[name]).item() == pytest.approx(per_log * math.log(1000))
    for mine, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9)


def test_weights_are_those_of_the_paper():
    weights = make_vae(objective=BetaTCVAE(beta=6, alpha=2, gamma=0.5)).loss(a_batch()).weights
    assert weights == {"mutual_information": 2, "total_correlation": 6, "dimension_kl": 0.5}


def test_codes_that_depend_on_each_other_have_a_total_correlation():
    """z_1 = z_2 up to little noise, against independent ones: N and M are the same."""
    M, small = 500, torch.full((500, 2), -4.0)
    shared, apart = torch.randn(M, 1).expand(M, 2), torch.randn(M, 2)
    correlations = []
    for mu in (shared, apart):
        q = DiagonalGaussian(mu, small)
        log_q, log_q_dims = log_aggregate(q, q.rsample(), M)
        correlations.append((log_q - log_q_dims).mean().item())
    assert correlations[0] - correlations[1] > 1.0


def test_every_batch_says_how_many_images_there_are():
    images = torch.zeros(10, 1, 4, 4, dtype=torch.uint8).numpy()
    batches = Batches(ImageDataset(images, None), batch_size=4)
    assert batches.training_batch(1).num_images == 10
    assert [batch.num_images for batch in batches.in_order()] == [10, 10, 10]
    labels = torch.tensor([0, 1, 0] + 7 * [-1]).numpy()
    partly = PartlyLabeled(Batches(ImageDataset(images, labels), batch_size=4), 2)
    batch = partly.training_batch(0)
    assert (len(batch), batch.num_images, batch.afresh().num_images) == (6, 10, 10)
    assert Batch(torch.zeros(3, 1, 4, 4)).num_images == 3


def test_it_needs_one_gaussian_and_goes_into_a_hybrid():
    with pytest.raises(UsageError, match="objective=beta-tc needs one Gaussian"):
        DRAW(latent_dim=2, num_steps=2, hidden_dim=8, image_shape=(1, 4, 4), objective="beta-tc")
    vae = VAE("fc-8", "fc-8", latent_dim=3, image_shape=(1, 4, 4), objective="beta-tc")
    terms = Hybrid(vae, "fc-8").autoencoder_loss(Batch(torch.rand(5, 1, 4, 4)))
    assert set(PARTS) < set(terms.terms)
    assert terms.weights["total_correlation"] == 6
