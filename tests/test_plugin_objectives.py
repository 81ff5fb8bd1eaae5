"""The example plugins of this page's parts: an objective, a prior and a loss, by their formulas."""

from pathlib import Path

import pytest
import torch
import yaml
from scipy.stats import t as student

import twofold as tf
from twofold.data.batches import Batch
from twofold.experiments.resolve import parse_experiment, resolve
from twofold.models import GAN, VAE, Adversary, Hybrid
from twofold.registry import load_plugin, make

PLUGINS = Path(__file__).parents[1] / "examples" / "plugins"
SHAPE = (1, 4, 4)


@pytest.fixture(scope="module", autouse=True)
def plugins():
    for path in sorted((PLUGINS / "src" / "twofold_examples").glob("[!_]*.py")):
        load_plugin(path)


def test_the_capacity_grows_and_the_kl_is_held_at_it():
    vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=SHAPE,
              objective={"name": "capacity", "capacity": 10, "gamma": 3, "epochs": 4})  # fmt: skip
    x = torch.rand(5, *SHAPE)
    for epoch, capacity in ((0, 0.0), (1, 2.5), (4, 10.0), (9, 10.0)):
        terms = vae.loss(Batch(x, epoch=epoch))
        kl = vae.posterior(x).kl().mean()
        torch.testing.assert_close(terms.watch["kl"], kl)
        torch.testing.assert_close(terms.terms["distance"], (kl - capacity).abs())
        assert terms.weights == {"distance": 3.0}
    assert kl < 10
    adam = torch.optim.Adam(vae.parameters(), lr=0.02)
    for _ in range(300):
        adam.zero_grad()
        vae.loss(Batch(x, epoch=9)).total.backward()
        adam.step()
    assert abs(vae.posterior(x).kl().mean().item() - 10) < 1
    assert "distance" in Hybrid(vae, "fc-8").autoencoder_loss(Batch(x)).terms


@pytest.mark.parametrize("degrees", [2, 5])
def test_the_prior_is_students(degrees):
    prior = make("prior", {"name": "student-t", "degrees": degrees})
    VAE("fc-8", "fc-8", latent_dim=3, image_shape=SHAPE, prior=prior)
    z = torch.randn(10, 3) * 3
    expected = torch.as_tensor(student(degrees).logpdf(z.double().numpy())).sum(dim=1)
    torch.testing.assert_close(prior.log_prob(z).double(), expected, rtol=1e-5, atol=1e-5)
    n = 50_000
    drawn = prior.sample(n, torch.Generator().manual_seed(0))
    for level in (0.05, 0.3, 0.5, 0.9):
        share = (drawn < student(degrees).ppf(level)).float().mean(dim=0)
        assert (share - level).abs().max() < 5 * (level * (1 - level) / n) ** 0.5


def test_a_vae_takes_it_with_a_sampled_kl():
    vae = VAE("fc-8", "fc-8", latent_dim=3, image_shape=SHAPE, prior="student-t")
    assert "closed KL" not in vae.offers
    assert torch.isfinite(vae.loss(Batch(torch.rand(5, *SHAPE))).total)
    assert vae.sample(4).shape == (4, *SHAPE)


def test_the_best_critic_of_pearsons_losses_gives_their_divergence():
    """Two distributions on four points: D = 2 (p/q - 1) is a minimum, and -L_D is χ²."""
    p, q = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0.4, 0.3, 0.2, 0.1])
    loss = make("loss", "pearson")
    best = (2 * (p / q - 1)).requires_grad_()
    value = (p * loss.real(best, 0.0)).sum() + (q * loss.fake(best)).sum()
    (slope,) = torch.autograd.grad(value, best)
    torch.testing.assert_close(slope, torch.zeros(4))
    torch.testing.assert_close(-value.detach(), ((p - q) ** 2 / q).sum())
    gan = GAN("fc-8", Adversary("fc-8", loss="pearson"), latent_dim=2, image_shape=SHAPE)
    x_fake = torch.zeros(3, requires_grad=True)
    (push,) = torch.autograd.grad(loss.generator(x_fake).sum(), x_fake)
    assert (push < 0).all()
    assert all(torch.isfinite(ph.loss(Batch(torch.rand(5, *SHAPE))).total) for ph in gan.phases)


def test_they_go_into_an_experiment_by_name(tmp_path, silent):
    path = PLUGINS / "gratings-vae.yaml"
    changes = {"objective": "capacity", "prior": "student-t", "epochs": 1, "count": 200}
    few = resolve(parse_experiment(yaml.safe_load(path.read_text()), path.name), changes)
    run = tf.train(few, out=tmp_path / "run", progress=silent)
    assert tf.sample(run, 4).images.shape == (4, 1, 16, 16)
