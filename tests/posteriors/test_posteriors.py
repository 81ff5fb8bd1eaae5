"""What every posterior is: codes that follow its density, drawn or not."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.distributions import DiagonalGaussian
from twofold.errors import UsageError
from twofold.models import VAE
from twofold.objectives import ELBO, IWAE
from twofold.posteriors import GaussianPosterior, IAFPosterior, Posterior, TwoLayerPosterior
from twofold.registry import make, settings_of

SHAPE = (1, 3, 3)
POSTERIORS = {
    "gaussian": GaussianPosterior,
    "iaf": lambda: IAFPosterior(transforms=2, hidden_dim=8, context_dim=3),
    "iaf-alone": lambda: IAFPosterior(transforms=2, hidden_dim=8, context_dim=0),
    "two-layer": lambda: TwoLayerPosterior("fc-8", top_dim=1),
}
every = pytest.mark.parametrize("name", POSTERIORS)
beyond = pytest.mark.parametrize("name", [n for n in POSTERIORS if n != "gaussian"])
flows = pytest.mark.parametrize("name", ["iaf", "iaf-alone"])


def make_vae(posterior: Posterior | str, latent_dim: int = 2, **settings) -> VAE:
    torch.manual_seed(0)
    networks = {"layers": "fc-8", "activation": "tanh"}
    return VAE(networks, networks, latent_dim, posterior=posterior, image_shape=SHAPE, **settings)


def disturbed(name: str, latent_dim: int = 2) -> VAE:
    """A VAE whose posterior is far from what it starts as."""
    vae = make_vae(POSTERIORS[name](), latent_dim)
    with torch.no_grad():
        for parameter in vae.posterior_family.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for parameter in vae.encoder.parameters():
            parameter.mul_(2)
    return vae


def by_hand(vae: VAE, x: Tensor, z: Tensor) -> Tensor:
    """ln q of codes of which nothing is remembered, (S, B)."""
    return vae.posterior(x).log_prob(z.clone())


@every
@torch.no_grad()
def test_the_density_is_one_and_codes_follow_it(name):
    """Of 20 000 codes the mean of ln q, and both moments, within 5 standard errors of integrals."""
    vae, x = disturbed(name), torch.rand(1, *SHAPE)
    ends, cells = 14.0, 500
    side = (torch.arange(cells) + 0.5) * 2 * ends / cells - ends
    z = torch.cartesian_prod(side, side)[:, None]  # (cells², 1, 2)
    log_q = by_hand(vae, x, z)[:, 0].double()
    q = log_q.exp() * (2 * ends / cells) ** 2
    assert abs(q.sum().item() - 1) < 2e-3
    posterior = vae.posterior(x)
    drawn = posterior.rsample(20_000)
    functions = (
        (log_q, posterior.log_prob(drawn)[:, 0]),
        *((z[:, 0, i].double().pow(k), drawn[:, 0, i].pow(k)) for i in (0, 1) for k in (1, 2)),
    )
    for exact, values in functions:
        error = values.std().item() / math.sqrt(len(values))
        assert abs(values.mean().item() - (q * exact).sum().item()) < 5 * error
        assert error < 0.1


@beyond
@torch.no_grad()
def test_a_disturbed_posterior_is_no_gaussian_with_independent_dimensions(name):
    vae, x = disturbed(name), torch.rand(1, *SHAPE)
    drawn = vae.posterior(x).rsample(20_000)[:, 0]
    gaussian = DiagonalGaussian(drawn.mean(dim=0, keepdim=True), drawn.var(dim=0).log()[None])
    gap = by_hand(vae, x, drawn[:, None])[:, 0] - gaussian.log_prob(drawn)
    assert gap.mean() > 0.01  # their KL


@every
@pytest.mark.parametrize("num_samples", [None, 3])
def test_the_density_of_codes_just_drawn_is_that_of_any_codes(name, num_samples):
    """Values, and gradients to everything, by the draw's own log-determinant and by inversion."""
    vae, x = disturbed(name, latent_dim=4), torch.rand(5, *SHAPE)
    q = vae.posterior(x)
    z = q.rsample(num_samples)
    assert z.shape == (5, 4) if num_samples is None else (3, 5, 4)
    remembered, found = q.log_prob(z), by_hand(vae, x, z)
    assert remembered.shape == z.shape[:-1]
    torch.testing.assert_close(remembered, found, rtol=1e-4, atol=1e-4)
    parameters = [*vae.encoder.parameters(), *vae.posterior_family.parameters()]
    gradients = [
        torch.autograd.grad(value.sum(), parameters, retain_graph=True, allow_unused=True)
        for value in (remembered, found)
    ]
    for one, other in zip(*gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3)


@flows
@torch.no_grad()
def test_codes_just_drawn_need_no_inversion_and_others_do(name, monkeypatch):
    vae, x = disturbed(name), torch.rand(5, *SHAPE)
    q = vae.posterior(x)
    first, z = q.rsample(2), q.rsample(3)
    inverted = []
    inverse = vae.posterior_family.flow.inverse
    monkeypatch.setattr(
        vae.posterior_family.flow, "inverse", lambda *a: inverted.append(a) or inverse(*a)
    )
    q.log_prob(z)
    assert not inverted
    q.log_prob(first)
    assert len(inverted) == 1
    before = q.log_prob(z)
    z.add_(0.5)  # no longer what was drawn
    assert not torch.allclose(q.log_prob(z), before)
    assert len(inverted) == 2


@flows
def test_a_flow_starts_as_the_gaussian_in_it(name):
    vae, x = make_vae(POSTERIORS[name](), 3), torch.rand(5, *SHAPE)
    q = vae.posterior(x)
    torch.manual_seed(1)
    z = q.rsample(2)
    torch.manual_seed(1)
    torch.testing.assert_close(z, q.base.rsample(2))
    torch.testing.assert_close(q.log_prob(z), q.base.log_prob(z))
    assert torch.equal(q.mean, q.base.mean)


@beyond
@torch.no_grad()
def test_the_mean_is_the_code_of_no_noise(name):
    vae, x = disturbed(name), torch.rand(5, *SHAPE)
    q = vae.posterior(x)
    middle, _ = q.transform(torch.zeros(5, 2))
    torch.testing.assert_close(q.mean, middle)
    torch.testing.assert_close(vae.codes(x), middle)


@torch.no_grad()
def test_the_context_is_for_its_own_image():
    """Permuting the images permutes the codes; and it matters: another context bends otherwise."""
    vae, x = disturbed("iaf"), torch.rand(5, *SHAPE)
    order = torch.tensor([3, 1, 4, 0, 2])
    z = torch.randn(2, 5, 2)
    torch.testing.assert_close(by_hand(vae, x[order], z[:, order]), by_hand(vae, x, z)[:, order])
    q = vae.posterior(x)
    other = type(q)(q.base, q.flow, q.h[order])
    assert not torch.allclose(other.log_prob(z), q.log_prob(z))


@beyond
@pytest.mark.parametrize("objective", [ELBO(), IWAE(3)], ids=["elbo", "iwae"])
def test_training_reaches_every_parameter(name, objective):
    vae = disturbed(name)
    vae.objective = objective
    vae.loss(Batch(torch.rand(6, *SHAPE))).total.backward()
    for parameter in vae.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0
    inside = {id(parameter) for parameter in vae.encoder_parameters}
    assert {id(parameter) for parameter in vae.posterior_family.parameters()} <= inside


@beyond
@torch.no_grad()
def test_more_samples_bound_higher(name):
    vae, x = disturbed(name), torch.rand(40, *SHAPE).round()
    one, many = vae.elbo(x, num_samples=200), vae.log_likelihood(x, num_samples=200)
    assert (many > one - 0.05).all()
    assert (many - one).mean() > 1e-3


@torch.no_grad()
def test_the_importance_weights_of_any_posterior_have_one_mean():
    """p(x) by 20 000 weights of each, of one decoder and prior: within 5 standard errors."""
    x, found = torch.rand(4, *SHAPE).round(), {}
    for name in POSTERIORS:
        vae = disturbed(name)
        reference = make_vae("gaussian")
        vae.decoder.load_state_dict(reference.decoder.state_dict())
        weights = vae.log_weights(x, num_samples=20_000).double().exp()
        found[name] = weights.mean(dim=0), weights.std(dim=0) / math.sqrt(20_000)
    mean, error = found["gaussian"]
    for other, its in found.values():
        assert ((other - mean).abs() <= 5 * (error.square() + its.square()).sqrt()).all()
        assert (its < 0.1 * other).all()


@every
def test_a_state_dict_is_all_there_is_and_a_copy_is_its_own(name):
    vae, other, x = disturbed(name), make_vae(POSTERIORS[name]()), torch.rand(5, *SHAPE)
    other.load_state_dict(vae.state_dict())
    twin = copy.deepcopy(vae)
    z = torch.randn(2, 5, 2)
    before = by_hand(vae, x, z)
    assert torch.equal(before, by_hand(other, x, z))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(before, by_hand(vae, x, z))


@every
def test_it_is_in_one_model_and_can_be_written_down(name):
    family = POSTERIORS[name]()
    make_vae(family)
    with pytest.raises(UsageError, match="part of a model already"):
        make_vae(family)
    settings = settings_of(family)
    assert settings is not None
    assert type(make("posterior", settings.model_dump())) is type(family)


@pytest.mark.parametrize("objective", ["dreg", ELBO(kl="closed"), ELBO(free_bits=0.1)])
def test_what_needs_a_gaussian_is_refused(objective):
    with pytest.raises(UsageError, match="posterior=gaussian"):
        make_vae("iaf", objective=objective)


def test_without_zuko_a_flow_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(UsageError, match=r"pip install 'twofold\[flows\]'"):
        make_vae("iaf")


def test_two_layers_leave_something_below():
    with pytest.raises(UsageError, match="leaves nothing below"):
        make_vae(TwoLayerPosterior(nn.Identity(), top_dim=2))


def test_inside_mixed_precision_a_flow_computes_in_single():
    vae, x = disturbed("iaf", 4), torch.rand(5, *SHAPE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        q = vae.posterior(x)
        z = q.rsample(3)
        remembered = q.log_prob(z)
        assert z.dtype == remembered.dtype == torch.float32
        torch.testing.assert_close(remembered, q.log_prob(z.clone()), rtol=1e-3, atol=1e-3)
