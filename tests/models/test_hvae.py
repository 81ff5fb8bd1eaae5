"""Two layers of codes: what is composed is what the equations say."""

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.evaluation.annealed import annealed_likelihood
from twofold.models import HVAE, VAE
from twofold.models.capabilities import Encodes, HasLikelihood, Reconstructs
from twofold.registry import settings_of

SHAPE, D1, D2 = (1, 3, 3), 3, 2


def make_hvae(**settings) -> HVAE:
    torch.manual_seed(0)
    network = {"layers": "fc-8", "activation": "tanh", "init": "normal-0.5"}
    networks = dict.fromkeys(("encoder", "decoder", "top_encoder", "top_decoder"), network)
    return HVAE(**networks, latent_dim=D1, top_dim=D2, image_shape=SHAPE, **settings)


def gaussian(output: torch.Tensor) -> Normal:
    mu, logvar = output.chunk(2, dim=-1)
    return Normal(mu, (0.5 * logvar).exp())


def test_the_weights_are_those_of_a_second_implementation():
    """ln p(x|z1) + ln p(z1|z2) + ln p(z2) - ln q(z1|x) - ln q(z2|z1), at given noise."""
    hvae, x = make_hvae(), torch.rand(4, *SHAPE).round()
    torch.manual_seed(3)
    found = hvae.log_weights(x, num_samples=2)  # (2, 4)
    torch.manual_seed(3)
    eps1, eps2 = torch.randn(2, 4, D1 + D2).split([D1, D2], dim=-1)
    for s in range(2):
        q1 = gaussian(hvae.encoder(x))
        z1 = q1.mean + q1.stddev * eps1[s]
        q2 = gaussian(hvae.posterior_family.network(z1))
        z2 = q2.mean + q2.stddev * eps2[s]
        p1, p2 = gaussian(hvae.prior.network(z2)), Normal(0.0, 1.0)
        log_p = Bernoulli(logits=hvae.decoder.network(z1)).log_prob(x).sum(dim=(1, 2, 3))
        codes = (p1.log_prob(z1) - q1.log_prob(z1)).sum(dim=1)
        codes = codes + (p2.log_prob(z2) - q2.log_prob(z2)).sum(dim=1)
        torch.testing.assert_close(found[s], log_p + codes)


def test_a_loss_reaches_every_network():
    hvae = make_hvae()
    hvae.loss(Batch(torch.rand(5, *SHAPE))).total.backward()
    assert len(list(hvae.parameters())) == 4 * 4  # weight and bias of two layers each
    assert all(parameter.grad.abs().max() > 0 for parameter in hvae.parameters())


@torch.no_grad()
def test_the_upper_layer_reaches_the_image_through_the_lower_alone():
    hvae = make_hvae()
    z = torch.randn(5, D1 + D2)
    moved = z + torch.cat([torch.zeros(D1), torch.ones(D2)])
    assert torch.equal(hvae.generate(z), hvae.generate(moved))
    assert not torch.allclose(hvae.prior.log_prob(z), hvae.prior.log_prob(moved))
    assert not torch.allclose(
        hvae.prior.below(z[:, D1:]).mean, hvae.prior.below(moved[:, D1:]).mean
    )


@torch.no_grad()
def test_without_its_top_it_is_a_vae():
    """A top that says nothing, p(z1|z2) = N(0, I) and q(z2|z1) = N(0, I), costs nothing."""
    hvae, x = make_hvae(), torch.rand(4, *SHAPE).round()
    for network in (hvae.prior.network, hvae.posterior_family.network):
        for parameter in network.parameters():
            parameter.zero_()
    vae = VAE(hvae.encoder, hvae.decoder.network, D1, image_shape=SHAPE)
    torch.manual_seed(2)
    weights = hvae.log_weights(x)
    torch.manual_seed(2)
    z1 = vae.posterior(x).mu + (0.5 * vae.posterior(x).logvar).exp() * torch.randn(4, 5)[:, :D1]
    log_p = vae.decode(z1).log_prob(x)
    expected = log_p + vae.prior.log_prob(z1) - vae.posterior(x).log_prob(z1)
    torch.testing.assert_close(weights[0], expected)


def test_annealing_finds_what_draws_of_the_prior_find():
    """ln p(x) of eight images of nine binary pixels, by 400 000 draws: within 5 standard errors."""
    hvae, x = make_hvae(), torch.rand(8, *SHAPE).round()
    with torch.no_grad():
        p = hvae.decode(hvae.prior.sample(400_000))
        each = torch.stack([p.log_prob(image) for image in x], dim=1).double().exp()  # (S, 8)
    mean, spread = each.mean(dim=0), each.std(dim=0) / len(each) ** 0.5
    assert (spread < 0.05 * mean).all()
    ais = annealed_likelihood(hvae, x, chains=64, temperatures=100)
    error = (ais.error.square() + (spread / mean).square()).sqrt()
    assert ((ais.log_likelihood - mean.log()).abs() < 5 * error).all()
    assert (error < 0.15).all()


@torch.no_grad()
def test_what_it_can_do_is_what_a_vae_can():
    hvae, x = make_hvae(), torch.rand(4, *SHAPE)
    for kind in (Encodes, Reconstructs, HasLikelihood):
        assert hvae.capability(kind) is hvae
    assert hvae.title == "HVAE"
    assert hvae.latent_dim == D1 + D2
    assert hvae.codes(x).shape == hvae.sample_latent(4).shape == (4, D1 + D2)
    assert hvae.sample(4).shape == hvae.reconstruct(x).shape == x.shape
    assert set(hvae.diagnose([Batch(x)])) == {"active_units"}


def test_it_can_be_written_down_and_refuses_a_formula():
    assert settings_of(make_hvae()).latent_dim == D1
    with pytest.raises(UsageError, match="prior=standard-normal"):
        make_hvae(objective={"name": "elbo", "kl": "closed"})
