"""What every prior is: a density that is one, codes that follow it, and a part of its model."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models import DRAW, GAN, M2, VAE
from twofold.objectives import ELBO, IWAE
from twofold.priors import FlowPrior, Mixture, Prior, StandardNormal, TwoLayerPrior, VampPrior
from twofold.registry import make, settings_of

SHAPE = (1, 3, 3)
PRIORS = {
    "standard-normal": StandardNormal,
    "mixture": lambda: Mixture(3),
    "vamp": lambda: VampPrior(4),
    "maf": lambda: FlowPrior("maf", transforms=2, hidden_dim=8),
    "nsf": lambda: FlowPrior("nsf", transforms=2, hidden_dim=8),
    "two-layer": lambda: TwoLayerPrior("fc-8", top_dim=1),
}
LEARNED = [name for name in PRIORS if name != "standard-normal"]
every = pytest.mark.parametrize("name", PRIORS)
learned = pytest.mark.parametrize("name", LEARNED)


def make_vae(prior: Prior | str, latent_dim: int = 2, **settings) -> VAE:
    torch.manual_seed(0)
    networks = {"layers": "fc-8", "activation": "tanh"}
    return VAE(networks, networks, latent_dim, prior=prior, image_shape=SHAPE, **settings)


def disturbed(name: str, latent_dim: int = 2) -> VAE:
    """A VAE whose prior is far from N(0, I)."""
    vae = make_vae(PRIORS[name](), latent_dim)
    size = 0.3 if isinstance(vae.prior, FlowPrior) else 0.5  # and yet inside the plane
    with torch.no_grad():
        for parameter in vae.prior.parameters():
            parameter.add_(size * torch.randn_like(parameter))
        if name == "vamp":  # posteriors that lie apart
            for parameter in vae.encoder.parameters():
                parameter.mul_(2)
    return vae


def plane(ends: float = 14.0, cells: int = 500) -> tuple[Tensor, float]:
    """Midpoints of a grid, (cells², 2), and the area of a cell."""
    side = (torch.arange(cells) + 0.5) * 2 * ends / cells - ends
    return torch.cartesian_prod(side, side), (2 * ends / cells) ** 2


# --- densities ------------------------------------------------------------------------------------


@every
@torch.no_grad()
def test_the_density_is_one_and_codes_follow_it(name):
    """Of 20 000 codes the mean of ln p, and both moments, within 5 standard errors of integrals."""
    prior = disturbed(name).prior
    z, area = plane()
    log_p = prior.log_prob(z).double()
    p = log_p.exp() * area
    assert abs(p.sum().item() - 1) < 2e-3
    drawn = prior.sample(20_000, torch.Generator().manual_seed(1))
    functions = (
        (log_p, prior.log_prob(drawn)),
        *((z[:, i].double().pow(k), drawn[:, i].pow(k)) for i in (0, 1) for k in (1, 2)),
    )
    for exact, values in functions:
        error = values.std().item() / math.sqrt(len(values))
        assert abs(values.mean().item() - (p * exact).sum().item()) < 5 * error
        assert error < 0.1  # or five of them would allow anything


@learned
@torch.no_grad()
def test_a_disturbed_prior_is_not_the_standard_normal(name):
    """What the test above would not see of a prior that ignores its parameters."""
    drawn = torch.randn(500, 2)
    assert (disturbed(name).prior.log_prob(drawn) - StandardNormal().log_prob(drawn)).std() > 0.1


@pytest.mark.parametrize("name", [n for n in LEARNED if n != "vamp"])
@torch.no_grad()
def test_each_has_the_standard_normal_in_it(name):
    """Exactly: a mixture of one, a flow as it starts, and a network of zeros."""
    prior = make_vae(Mixture(1) if name == "mixture" else PRIORS[name](), 3).prior
    if name in ("mixture", "two-layer"):
        for parameter in prior.parameters():
            parameter.zero_()
    z = 2 * torch.randn(7, 5, 3)
    torch.testing.assert_close(prior.log_prob(z), StandardNormal().log_prob(z), rtol=0, atol=2e-5)
    drawn, noise = (
        prior.sample(9, torch.Generator().manual_seed(2), 0.7),
        make_vae("standard-normal", 3).prior.sample(9, torch.Generator().manual_seed(2), 0.7),
    )
    torch.testing.assert_close(drawn, noise, rtol=0, atol=2e-5)


@torch.no_grad()
def test_a_vamp_prior_whose_posterior_is_the_standard_normal_is_that():
    vae = make_vae(VampPrior(1))
    for parameter in vae.encoder.parameters():
        parameter.zero_()
    z = torch.randn(7, 5, 2)
    torch.testing.assert_close(vae.prior.log_prob(z), StandardNormal().log_prob(z))


@torch.no_grad()
def test_a_mixture_is_that_of_torch():
    prior = disturbed("mixture").prior
    distributions = torch.distributions
    mixture = distributions.MixtureSameFamily(
        distributions.Categorical(logits=prior.logits),
        distributions.Independent(
            distributions.Normal(prior.means, (0.5 * prior.logvars).exp()), 1
        ),
    )
    z = torch.randn(4, 6, 2)
    torch.testing.assert_close(prior.log_prob(z), mixture.log_prob(z))


@torch.no_grad()
def test_a_vamp_prior_is_the_mean_of_the_posteriors_of_its_pseudo_inputs():
    vae = disturbed("vamp")
    u = vae.prior.pseudo_inputs
    assert u.min() > 0
    assert u.max() < 1
    z = torch.randn(6, 2)
    each = torch.stack([vae.posterior(u[k : k + 1]).log_prob(z) for k in range(4)])  # (K, 6)
    torch.testing.assert_close(vae.prior.log_prob(z), each.exp().mean(dim=0).log())


@torch.no_grad()
def test_many_codes_at_a_time_are_few_codes_many_times(monkeypatch):
    from twofold.priors import mixture

    prior, z = disturbed("mixture").prior, torch.randn(3, 7, 2)
    whole = prior.log_prob(z)
    monkeypatch.setattr(mixture, "NUMBERS", 12)
    torch.testing.assert_close(prior.log_prob(z), whole)


# --- draws ----------------------------------------------------------------------------------------


@every
@torch.no_grad()
def test_draws_are_those_of_the_seed_and_none_are_none(name):
    prior = disturbed(name).prior
    first, again, other = (prior.sample(5, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert prior.sample(0).shape == (0, 2)
    torch.manual_seed(3)
    unseeded = prior.sample(5)
    torch.manual_seed(3)
    assert torch.equal(unseeded, prior.sample(5))


@every
@torch.no_grad()
def test_the_scale_is_that_of_the_noise(name):
    """At 0 there are as many codes as there are components, and at ½ codes are likelier."""
    prior = disturbed(name).prior
    middles = prior.sample(2000, torch.Generator().manual_seed(1), scale=0.0).unique(dim=0)
    assert len(middles) == {"mixture": 3, "vamp": 4}.get(name, 1)
    half, whole = (
        prior.log_prob(prior.sample(2000, torch.Generator().manual_seed(1), scale)).mean()
        for scale in (0.5, 1.0)
    )
    assert half > whole + 0.1


@every
@torch.no_grad()
def test_quantiles_and_spread_are_those_of_draws(name):
    """Within what 5 000 draws know."""
    prior = disturbed(name).prior
    drawn = prior.sample(20_000, torch.Generator().manual_seed(5))
    levels = torch.tensor([0.1, 0.5, 0.9])
    shares = (drawn[None] < prior.quantiles(levels)[:, None]).double().mean(dim=1)  # (3, 2)
    assert (shares - levels[:, None]).abs().max() < 0.03
    median, sigma = prior.spread()
    assert ((drawn < median + sigma).double().mean(dim=0) - 0.8413).abs().max() < 0.03


# --- in a model -----------------------------------------------------------------------------------


@learned
@pytest.mark.parametrize("objective", [ELBO(), IWAE(3)], ids=["elbo", "iwae"])
def test_training_reaches_every_parameter(name, objective):
    vae = disturbed(name)
    vae.objective = objective
    vae.loss(Batch(torch.rand(6, *SHAPE))).total.backward()
    for parameter in vae.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    assert all(parameter.grad.abs().max() > 0 for parameter in vae.prior.parameters())


@pytest.mark.parametrize("name", ["maf", "nsf"])
def test_a_sampled_kl_is_the_closed_one_in_expectation(name):
    """Of an untrained flow, N(0, I): within 5 standard errors of the formula, image by image."""
    vae, reference = make_vae(PRIORS[name]()), make_vae("standard-normal")
    reference.load_state_dict(vae.state_dict(), strict=False)
    x = torch.rand(4, *SHAPE)
    with torch.no_grad():
        drawn = vae.infer(x, None, 4000)
        values = drawn.log_q - vae.prior.log_prob(drawn.z)  # (S, B)
        _, closed = reference.elbo_terms(x)
    error = values.std(dim=0) / math.sqrt(len(values))
    assert ((values.mean(dim=0) - closed).abs() < 5 * error).all()
    assert (error < 0.1 * closed + 0.01).all()


@learned
@torch.no_grad()
def test_more_samples_bound_higher(name):
    vae, x = disturbed(name), torch.rand(40, *SHAPE).round()
    one, many = vae.elbo(x, num_samples=200), vae.log_likelihood(x, num_samples=200)
    assert (many > one - 0.05).all()
    assert (many - one).mean() > 1e-3


@learned
def test_a_state_dict_is_all_there_is(name):
    vae, other = disturbed(name), make_vae(PRIORS[name]())
    z = torch.randn(5, 2)
    assert not torch.allclose(vae.prior.log_prob(z), other.prior.log_prob(z))
    other.load_state_dict(vae.state_dict())
    assert torch.equal(vae.prior.log_prob(z), other.prior.log_prob(z))


@learned
def test_a_copy_of_the_model_has_a_prior_of_its_own(name):
    vae = disturbed(name)
    z = torch.randn(5, 2)
    before, twin = vae.prior.log_prob(z), copy.deepcopy(vae)
    assert torch.equal(before, twin.prior.log_prob(z))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(before, vae.prior.log_prob(z))
    assert not torch.allclose(before, twin.prior.log_prob(z))


@every
def test_it_is_in_one_model_and_can_be_written_down(name):
    prior = PRIORS[name]()
    make_vae(prior)
    with pytest.raises(UsageError, match="part of a model already"):
        make_vae(prior)
    settings = settings_of(prior)
    assert settings is not None
    again = make("prior", settings.model_dump())
    assert type(again) is type(prior)


# --- the VampPrior's encoder ----------------------------------------------------------------------


def test_a_vamp_prior_holds_no_model_and_shares_its_parameters():
    vae = make_vae(VampPrior(4))
    assert list(dict(vae.prior.named_parameters())) == ["logits"]
    assert not any("_model" in name for name in vae.state_dict())
    log_p = vae.prior.log_prob(torch.randn(5, 2)).sum()
    gradients = torch.autograd.grad(log_p, list(vae.encoder.parameters()))
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_pseudo_inputs_are_encoded_in_evaluation_mode_and_leave_no_trace():
    """No dropout, so p(z) is one density; batch norm by its running statistics, which stay."""
    network = {"layers": "fc-8", "norm": "batch", "dropout": 0.5}
    vae = VAE(network, "fc-8", 2, prior=VampPrior(4), image_shape=SHAPE).train()
    z, buffers = torch.randn(5, 2), [buffer.clone() for buffer in vae.encoder.buffers()]
    assert torch.equal(vae.prior.log_prob(z), vae.prior.log_prob(z))
    assert all(map(torch.equal, buffers, vae.encoder.buffers()))
    assert all(module.training for module in vae.encoder.modules())
    in_training = vae.prior.log_prob(z)
    assert torch.equal(in_training, vae.eval().prior.log_prob(z))


NETWORKS = {"encoder": "fc-8", "decoder": "fc-8"}


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda p: GAN("fc-8", "fc-8", prior=p, image_shape=SHAPE), "prior=mixture in this GAN"),
        (lambda p: DRAW(2, 2, 8, prior=p, image_shape=SHAPE), "prior=mixture in this DRAW"),
        (
            lambda p: M2("fc-8", **NETWORKS, prior=p, image_shape=SHAPE, num_classes=3),
            "prior=mixture in this M2",
        ),
        (
            lambda p: VAE(**NETWORKS, prior=p, posterior="iaf", image_shape=SHAPE),
            "one Gaussian",
        ),
        (
            lambda p: VAE(**NETWORKS, prior=p, condition="class", image_shape=SHAPE, num_classes=3),
            "needs the class of u too",
        ),
        (lambda p: VAE(nn.Identity(), nn.Identity(), 2, prior=p), "image_shape="),
    ],
)
def test_a_vamp_prior_says_what_it_cannot_be_made_of(build, words):
    with pytest.raises(UsageError, match=words):
        build(VampPrior(2))


@pytest.mark.parametrize("name", ["mixture", "maf", "two-layer"])
def test_other_models_have_priors_too(name):
    """A GAN samples it, DRAW and M2 measure it."""
    x, y = torch.rand(6, *SHAPE), torch.tensor([0, 1, 2] * 2)
    adversarial = GAN("fc-8", "fc-8", latent_dim=2, prior=PRIORS[name](), image_shape=SHAPE)
    adversarial.generator_loss(Batch(x)).total.backward()
    reached = [p.grad for p in adversarial.prior.parameters() if p.grad is not None]
    assert any(gradient.abs().max() > 0 for gradient in reached)
    for model in (
        DRAW(2, 2, 8, prior=PRIORS[name](), image_shape=SHAPE),
        M2(
            "fc-8", **NETWORKS, latent_dim=2, prior=PRIORS[name](), image_shape=SHAPE, num_classes=3
        ),
    ):
        model.loss(
            Batch(x, y, num_labeled=3) if isinstance(model, M2) else Batch(x)
        ).total.backward()
        assert any(p.grad.abs().max() > 0 for p in model.prior.parameters())


def test_without_zuko_a_flow_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(UsageError, match=r"pip install 'twofold\[flows\]'"):
        make_vae("flow")


@pytest.mark.parametrize("kind", ["maf", "nsf"])
def test_a_flow_of_one_dimension(kind):
    prior = make_vae(FlowPrior(kind), 1).prior
    z = torch.randn(6, 1)
    torch.testing.assert_close(prior.log_prob(z), StandardNormal().log_prob(z), rtol=0, atol=1e-5)
    assert any(p.requires_grad for p in prior.parameters())


def test_two_layers_leave_something_below():
    with pytest.raises(UsageError, match="leaves nothing below"):
        make_vae(TwoLayerPrior(top_dim=2))
