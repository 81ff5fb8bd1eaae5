"""InfoGAN: its prior's density and draws, the head's terms by hand, and who minimizes them."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models import AAE, DRAW, GAN, VAE, Adversary, Hybrid, InfoGAN
from twofold.models.code_reader import CodeReader
from twofold.models.heads import Judged, Shown
from twofold.priors import Coded
from twofold.registry import make
from twofold.verbs.paths import path_between

SHAPE = (1, 4, 4)


def joined(prior: Coded, latent_dim: int) -> Coded:
    prior.join(GAN("fc-4", "fc-4", latent_dim=latent_dim, image_shape=SHAPE))
    return prior


def make_infogan(adversary: Adversary | str = "fc-16", **settings) -> InfoGAN:
    torch.manual_seed(0)
    return InfoGAN("fc-16", adversary, latent_dim=16, image_shape=SHAPE, **settings)


# --- the prior ------------------------------------------------------------------------------------


def test_the_prior_is_a_distribution():
    """Over two categories, a uniform code and one noise: sums and integrates to 1."""
    prior = joined(Coded(2, 1), 4)
    edges, noise = torch.linspace(-1.5, 1.5, 301), torch.linspace(-8, 8, 321)
    middle = (edges[1:] + edges[:-1]) / 2
    grid = torch.cartesian_prod(middle, noise)
    total = 0.0
    for category in torch.eye(2):
        z = torch.cat([category.expand(len(grid), 2), grid], dim=1)
        total += prior.log_prob(z).exp().sum().item() * 0.01 * 0.05
    assert total == pytest.approx(1, abs=1e-3)
    for wrong in ([0.5, 0.5, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1.2, 0]):
        assert prior.log_prob(torch.tensor([wrong])).item() == -math.inf


def test_draws_follow_it():
    """Shares of categories, mean and variance of codes and noise within five standard errors."""
    prior, n = joined(Coded(4, 2), 9), 40_000
    z = prior.sample(n, torch.Generator().manual_seed(0))
    category, continuous, noise = prior.split(z)
    assert torch.isfinite(prior.log_prob(z)).all()
    assert (category.sum(dim=1) == 1).all()
    assert (category.mean(dim=0) - 0.25).abs().max() < 5 * (0.25 * 0.75 / n) ** 0.5
    assert continuous.mean(dim=0).abs().max() < 5 * (1 / 3 / n) ** 0.5
    assert (continuous.square().mean(dim=0) - 1 / 3).abs().max() < 5 * (4 / 45 / n) ** 0.5
    assert (continuous.min() < -0.99) & (continuous.max() > 0.99)
    assert noise.shape == (n, 3)
    assert (noise.square().mean(dim=0) - 1).abs().max() < 5 * (2 / n) ** 0.5
    again = prior.sample(n, torch.Generator().manual_seed(0), scale=0.5)
    torch.testing.assert_close(prior.split(again)[0], category)
    torch.testing.assert_close(again[:, 4:], 0.5 * z[:, 4:])


def test_quantiles_are_those_of_draws_and_make_valid_codes():
    prior = joined(Coded(4, 2), 9)
    levels = torch.tensor([0.1, 0.3, 0.5, 0.9])
    found = prior.quantiles(levels)
    drawn = torch.quantile(prior.sample(50_000)[:, 4:], levels, dim=0)
    torch.testing.assert_close(found[:, 4:], drawn, rtol=0, atol=0.05)
    assert found[:, :4].argmax(dim=1).tolist() == [0, 1, 2, 3]
    assert torch.isfinite(prior.log_prob(found)).all()
    extremes = prior.quantiles(torch.tensor([1e-4, 1 - 1e-6]))[:, :4]
    assert extremes.argmax(dim=1).tolist() == [0, 3]


@pytest.mark.parametrize(("categories", "continuous"), [(0, 3), (3, 0)])
def test_either_part_may_be_left_out(categories, continuous):
    prior = joined(Coded(categories, continuous), 4)
    z = prior.sample(100)
    assert z.shape == (100, 4)
    assert torch.isfinite(prior.log_prob(z)).all()
    assert prior.quantiles(torch.tensor([0.5])).shape == (1, 4)
    gan = make_infogan(prior=Coded(categories, continuous))
    terms = gan.generator_loss(Batch(torch.rand(3, *SHAPE))).terms
    assert set(terms) == {"adversarial", "category" if categories else "continuous"}


def test_the_way_between_two_codes_is_straight_and_that_of_noise_an_arc():
    prior = joined(Coded(4, 2), 9)
    a, b = prior.sample(5), prior.sample(5)
    path = path_between(a, b, 11, "spherical", prior.code_dim)
    torch.testing.assert_close(path[:, 5, :6], (a + b)[:, :6] / 2)
    torch.testing.assert_close(path[..., :4].sum(dim=2), torch.ones(5, 11))
    torch.testing.assert_close(path[..., 6:], path_between(a[:, 6:], b[:, 6:], 11, "spherical"))
    torch.testing.assert_close(path[:, [0, -1]], torch.stack([a, b], dim=1))


def test_where_it_has_no_place():
    for family, settings in ((VAE, ("fc-4", "fc-4")), (DRAW, ())):
        with pytest.raises(UsageError, match="partly discrete"):
            family(*settings, latent_dim=16, image_shape=SHAPE, prior="coded")
    with pytest.raises(UsageError, match="latent_dim=8 has no room for a code of 12"):
        InfoGAN("fc-4", "fc-4", latent_dim=8, image_shape=SHAPE)
    with pytest.raises(UsageError, match="at least 2"):
        Coded(1, 2)
    vae = VAE("fc-4", "fc-4", latent_dim=16, image_shape=SHAPE)
    for around in (Hybrid, AAE):
        with pytest.raises(UsageError, match="this prior has none; use prior=coded"):
            around(vae, Adversary("fc-4", head="code"))
    with pytest.raises(UsageError, match="this prior has none; use prior=coded"):
        GAN("fc-4", Adversary("fc-4", head="code"), image_shape=SHAPE)


# --- the head -------------------------------------------------------------------------------------


def test_terms_are_the_cross_entropies_written_out():
    gan = make_infogan()
    head, z, output = gan.adversary.head, gan.prior.sample(7), torch.randn(7, 13)
    judged, shown = head(output, None), Shown(torch.zeros(7, *SHAPE), z=z)
    torch.testing.assert_close(judged.score, output[:, 0])
    terms = head.terms(judged, shown, "generator", real=False)
    category = F.cross_entropy(output[:, 1:11], z[:, :10].argmax(dim=1))
    normal = torch.distributions.Normal(output[:, 11:], 1.0)
    torch.testing.assert_close(terms["category"], category)
    torch.testing.assert_close(terms["continuous"], -normal.log_prob(z[:, 10:12]).sum(dim=1).mean())
    assert head.terms(judged, shown, "discriminator", real=True) == {}
    assert head.terms(judged, Shown(shown.x), "discriminator", real=False) == {}


def test_a_head_that_reads_nothing_knows_the_entropy_and_one_that_reads_all_the_code():
    """I >= H - E[-ln Q]: ln 10 at even logits, 0 at certain ones."""
    gan = make_infogan()
    head, z = gan.adversary.head, gan.prior.sample(50)
    shown = Shown(torch.zeros(50, *SHAPE), z=z)
    blind, sure = torch.zeros(50, 12), torch.cat([100 * z[:, :10], z[:, 10:12]], dim=1)
    found = [head.terms(Judged(z[:, 0], code=code), shown, "generator", False)
             for code in (blind, sure)]  # fmt: skip
    assert found[0]["category"].item() == pytest.approx(math.log(10))
    assert found[1]["category"].item() == pytest.approx(0, abs=1e-6)
    assert found[1]["continuous"].item() == pytest.approx(math.log(2 * math.pi))


def test_both_players_minimize_it_with_its_weight():
    gan = make_infogan(adversary=Adversary("fc-16", head=CodeReader(weight=0.5)))
    batch = Batch(torch.rand(6, *SHAPE))
    for phase in gan.phases:
        terms = phase.loss(batch)
        assert list(terms.terms) == ["adversarial", "category", "continuous"]
        assert terms.weights == {"category": 0.5, "continuous": 0.5}
        for name in ("category", "continuous"):
            slopes = torch.autograd.grad(
                terms.terms[name], phase.parameters, retain_graph=True, allow_unused=True
            )
            assert any(s is not None and s.abs().max() > 0 for s in slopes), (phase.name, name)


def test_it_learns_to_tell_its_categories():
    """On two kinds of images, 300 steps of Adam bring ln Q far above chance, and make both."""
    gan = make_infogan(prior=Coded(2, 0), adversary=Adversary("fc-32"))
    kinds = torch.zeros(2, *SHAPE)
    kinds[0, :, :2], kinds[1, :, 2:] = 1, 1
    optimizers = [torch.optim.Adam(p.parameters, lr=3e-3, betas=(0.5, 0.99)) for p in gan.phases]
    terms = gan.generator_loss(Batch(kinds))
    assert terms.terms["category"] > 0.5  # of ln 2 = 0.69
    for _ in range(300):
        batch = Batch(kinds[torch.randint(2, (32,))])
        for phase, optimizer in zip(gan.phases, optimizers, strict=True):
            optimizer.zero_grad(set_to_none=True)
            terms = phase.loss(batch)
            terms.total.backward(inputs=phase.parameters)
            optimizer.step()
    assert terms.terms["category"] < 0.3


def test_by_name_and_by_class():
    settings = {"family": "infogan", "generator": "fc-16", "latent_dim": 16,
                "adversary": {"discriminator": "fc-16"}}  # fmt: skip
    torch.manual_seed(0)
    made = make("model", settings, image_shape=SHAPE, num_classes=0)
    other = make_infogan()
    assert made.title == other.title == "InfoGAN"
    assert type(made.prior) is type(other.prior) is Coded
    assert torch.equal(made.sample(3, seed=2), other.sample(3, seed=2))
    assert made.labels == "none"
    assert isinstance(other.adversary.discriminator, nn.Module)
