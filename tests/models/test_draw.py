"""DRAW against a VAE, a loop of its own equations, and cases whose ln p(x) is known."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models.draw import DRAW
from twofold.models.vae import VAE
from twofold.objectives import ELBO

T, D, HIDDEN, K = 4, 3, 7, 3  # T and D differ, or a constant of one would pass for the other's


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make_draw(
    channels: int = 1,
    num_classes: int = 0,
    num_steps: int = T,
    glimpse: int | None = None,
    **settings,
) -> DRAW:
    model = DRAW(
        D,
        num_steps,
        HIDDEN,
        glimpse,
        glimpse,
        condition="class" if num_classes else "none",
        image_shape=(channels, 4, 5),
        num_classes=num_classes,
        **settings,
    )
    with torch.no_grad():
        for parameter in (model.first_canvas, model.first_encoder, model.first_decoder):
            parameter.normal_(0, 0.5)
    return model


def images(count: int, channels: int = 1) -> Tensor:
    return torch.rand(count, channels, 4, 5).round()


def labels(count: int) -> Tensor:
    return torch.arange(count) % K


def with_posterior(model: DRAW, mu: float, logvar: float) -> DRAW:
    """Every q(z_t|...) = N(mu, exp(logvar)), whatever the image."""
    with torch.no_grad():
        model.posterior_head.weight.zero_()
        model.posterior_head.bias.copy_(torch.tensor([mu] * D + [logvar] * D))
    return model


def deaf_to_codes(model: DRAW) -> DRAW:
    with torch.no_grad():
        model.decoder.weight_ih[:, :D] = 0
    return model


def assert_same_gradients(mine: Tensor, reference: Tensor, parameters: list[nn.Parameter]) -> None:
    found = torch.autograd.grad(mine, parameters)
    expected = torch.autograd.grad(reference, parameters)
    for gradient, target in zip(found, expected, strict=True):
        assert target.abs().max() > 0
        torch.testing.assert_close(gradient, target, rtol=1e-6, atol=1e-9)


# --- the loss -------------------------------------------------------------------------------------


def by_hand(model: DRAW, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Equations 3 to 11 in the order of the paper: -ln p(x|c_T), the KL and ln w, each (B,)."""
    told = torch.zeros(len(x), 0) if y is None else F.one_hot(y, K).double()
    canvas = model.first_canvas.expand(len(x), -1, -1, -1)
    h_enc = model.first_encoder.expand(len(x), -1)
    h_dec = model.first_decoder.expand(len(x), -1)
    memory_enc, memory_dec = torch.zeros_like(h_enc), torch.zeros_like(h_dec)
    kl, ratio = torch.zeros(len(x)), torch.zeros(len(x))
    for _ in range(model.num_steps):
        error = x - torch.sigmoid(canvas)
        if model.read.glimpse is None:
            r = torch.cat([x.flatten(1), error.flatten(1)], dim=1)
        else:
            r = model.read(x, error, h_dec)
        h_enc, memory_enc = model.encoder(torch.cat([r, h_dec, told], dim=1), (h_enc, memory_enc))
        mu, logvar = model.posterior_head(h_enc).split(D, dim=1)
        q, prior = Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)
        z = mu + q.stddev * torch.randn(len(x), D)
        kl = kl + kl_divergence(q, prior).sum(dim=1)
        ratio = ratio + (prior.log_prob(z) - q.log_prob(z)).sum(dim=1)
        h_dec, memory_dec = model.decoder(torch.cat([z, told], dim=1), (h_dec, memory_dec))
        canvas = canvas + model.write(h_dec)
    log_p = Bernoulli(logits=canvas).log_prob(x).sum(dim=(1, 2, 3))
    return -log_p, kl, log_p + ratio


@pytest.mark.parametrize("num_classes", [0, K])
@pytest.mark.parametrize(("glimpse", "channels"), [(None, 1), (2, 1), (3, 3)])
def test_loss_and_gradients_are_those_of_the_equations(glimpse, channels, num_classes):
    model, x = make_draw(channels, num_classes, glimpse=glimpse), images(5, channels)
    y = labels(5) if num_classes else None
    torch.manual_seed(3)
    terms = model.loss(Batch(x, y))
    torch.manual_seed(3)
    recon_nll, kl, log_w = by_hand(model, x, y)
    torch.testing.assert_close(terms.terms["recon_nll"], recon_nll.mean())
    torch.testing.assert_close(terms.terms["kl"], kl.mean())
    assert_same_gradients(terms.total, (recon_nll + kl).mean(), list(model.parameters()))
    torch.manual_seed(3)
    torch.testing.assert_close(model.log_weights(x, y), log_w[None])
    torch.manual_seed(3)
    torch.testing.assert_close(model.elbo(x, y), -(recon_nll + kl))


class FirstLook(nn.Module):
    """The encoder of a DRAW of one step, as a VAE's."""

    def __init__(self, draw: DRAW) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        draw = self.draw
        h_enc, h_dec = (h.expand(len(x), -1) for h in (draw.first_encoder, draw.first_decoder))
        error = x - torch.sigmoid(draw.first_canvas)
        seen = [x.flatten(1), error.flatten(1), h_dec] + ([] if c is None else [c])
        h, _ = draw.encoder(torch.cat(seen, dim=1), (h_enc, torch.zeros_like(h_enc)))
        return draw.posterior_head(h)


class OnlyStroke(nn.Module):
    """The decoder of a DRAW of one step, as a VAE's."""

    def __init__(self, draw: DRAW) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        draw, h_dec = self.draw, self.draw.first_decoder.expand(len(z), -1)
        told = z if c is None else torch.cat([z, c], dim=1)
        h, _ = draw.decoder(told, (h_dec, torch.zeros_like(h_dec)))
        return draw.first_canvas + draw.write.patch(h).unflatten(1, draw.first_canvas.shape)


@pytest.mark.parametrize("num_classes", [0, K])
def test_one_step_without_attention_is_a_vae(num_classes):
    draw, x = make_draw(num_classes=num_classes, num_steps=1), images(6)
    y = labels(6) if num_classes else None
    vae = VAE(
        FirstLook(draw),
        OnlyStroke(draw),
        D,
        draw.condition,
        draw.likelihood,
        image_shape=draw.image_shape,
    )
    losses = []
    for model in (draw, vae):
        torch.manual_seed(2)
        losses.append(model.loss(Batch(x, y)))
    for name, value in losses[1].terms.items():
        torch.testing.assert_close(losses[0].terms[name], value)
    assert_same_gradients(losses[0].total, losses[1].total, list(draw.parameters()))


@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_beta_weighs_the_kl_alone(beta):
    terms = make_draw(objective=ELBO(beta=beta)).loss(Batch(images(4)))
    expected = terms.terms["recon_nll"] + beta * terms.terms["kl"]
    torch.testing.assert_close(terms.total, expected)


# --- the KL ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_steps", [1, 2, D, 5])
def test_the_constant_of_the_kl_is_half_a_nat_per_step_and_dimension(num_steps):
    """Trap: T/2 per step, which is right only where T = D. At the prior the KL is nothing."""
    model = with_posterior(make_draw(num_steps=num_steps), 0.0, 0.0)
    kl = model.loss(Batch(images(4))).terms["kl"]
    assert kl.item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("num_steps", [1, 5])
def test_every_step_and_latent_costs_its_nats(num_steps):
    model = with_posterior(make_draw(num_steps=num_steps), 1.5, -0.4)
    each = 0.5 * (1.5**2 + math.exp(-0.4) - 1 + 0.4)
    _, kl = model.elbo_terms(images(4), num_samples=2)
    torch.testing.assert_close(kl, torch.full((4,), num_steps * D * each))


def test_diagnosis_tells_the_kl_of_each_step():
    model = with_posterior(make_draw(), 2.0, 0.0)
    found = model.diagnose([Batch(images(5)), Batch(images(3))])
    assert found["kl_per_step"] == pytest.approx([2.0 * D] * T, abs=1e-3)
    assert found["active_units"] == 0


@pytest.mark.parametrize("num_classes", [0, K])
@pytest.mark.parametrize("num_samples", [1, 3])
def test_what_is_inferred_are_whole_paths(num_samples, num_classes):
    """q of every path is what its own codes led to, and p is what these codes paint."""
    model, x = make_draw(num_classes=num_classes), images(4)
    y = labels(4) if num_classes else None
    torch.manual_seed(3)
    drawn = model.infer(x, y, num_samples)
    torch.manual_seed(3)
    log_w = torch.stack([by_hand(model, x, y)[2] for _ in range(num_samples)])
    assert drawn.z.shape == drawn.q.mu.shape == (num_samples, 4, T * D)
    assert drawn.log_q.shape == drawn.log_p.shape == (num_samples, 4)
    prior = Normal(0.0, 1.0).log_prob(drawn.z).sum(dim=-1)
    torch.testing.assert_close(drawn.log_p + prior - drawn.log_q, log_w)
    painted = torch.cat([model.decode(z, y).mean for z in drawn.z])
    torch.testing.assert_close(drawn.p.mean, painted)
    torch.manual_seed(3)
    torch.testing.assert_close(model.log_weights(x, y, num_samples), log_w)


def test_iwae_of_draw_is_the_mean_of_its_weights():
    model, x = make_draw(objective="iwae"), images(4)
    torch.manual_seed(3)
    terms = model.loss(Batch(x))
    torch.manual_seed(3)
    log_w = torch.stack([by_hand(model, x, None)[2] for _ in range(5)])
    expected = -log_w.exp().mean(dim=0).log().mean()
    assert_same_gradients(terms.total, expected, list(model.parameters()))
    torch.testing.assert_close(terms.total, expected)


def test_dreg_needs_one_gaussian_which_draw_has_not():
    """A posterior depends on the codes of the steps before, through which DReG must not go."""
    with pytest.raises(UsageError, match=r"objective=dreg needs one Gaussian.*this is a DRAW"):
        make_draw(objective="dreg")


# --- noise ----------------------------------------------------------------------------------------


def test_noise_is_fresh_at_every_step():
    """Trap: one draw for all steps. Here the codes are the noise, whose steps are uncorrelated."""
    drawn = with_posterior(make_draw(), 0.0, 0.0).infer(images(500), None)
    steps = drawn.z[0].unflatten(1, (T, D)).transpose(0, 1).flatten(1)  # (T, B D)
    error = 5 / math.sqrt(steps.shape[1])
    torch.testing.assert_close(steps.corrcoef(), torch.eye(T), rtol=0, atol=error)
    torch.testing.assert_close(steps.std(dim=1), torch.ones(T), rtol=0, atol=error)


# --- codes and canvases ---------------------------------------------------------------------------


@pytest.mark.parametrize("num_classes", [0, K])
@pytest.mark.parametrize("glimpse", [None, 2])
def test_the_codes_of_an_image_paint_its_canvas_again(glimpse, num_classes):
    model, x = make_draw(num_classes=num_classes, glimpse=glimpse), images(4)
    c = labels(4) if num_classes else None
    path = model._encode(x, c)
    z = torch.cat(list(path.codes), dim=1)
    assert z.shape == (4, model.latent_dim) == (4, T * D)
    torch.testing.assert_close(model.decode(z, c).mean, torch.sigmoid(path.canvas))
    painted = model.canvases(z, c)
    assert painted.shape == (T, 4, 1, 4, 5)
    torch.testing.assert_close(painted[-1], model.generate(z, c), rtol=0, atol=0)


def test_a_canvas_is_the_one_before_and_a_stroke():
    """Step t depends on the codes up to t and on no later one."""
    model, z = make_draw(), torch.randn(3, T * D)
    changed = z.clone()
    changed[:, 2 * D : 3 * D] += 1.0
    before, after = model.canvases(z), model.canvases(changed)
    torch.testing.assert_close(before[:2], after[:2], rtol=0, atol=0)
    for t in (2, 3):
        assert not torch.allclose(before[t], after[t])
    h = model.first_decoder.expand(3, -1)
    h, _ = model.decoder(z[:, :D], (h, torch.zeros_like(h)))
    torch.testing.assert_close(before[0].logit(), model.first_canvas + model.write(h))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian-map", "discretized-logistic"])
def test_color_and_two_numbers_per_pixel(likelihood):
    model = DRAW(D, T, HIDDEN, 2, 2, likelihood=likelihood, image_shape=(3, 4, 5))
    x = torch.rand(4, 3, 4, 5)
    assert model.canvases(torch.randn(4, T * D)).shape == (T, 4, 3, 4, 5)
    assert model.elbo(x).shape == (4,)
    shown = model.reconstruct(x)
    assert shown.shape == x.shape
    assert 0 <= shown.min() <= shown.max() <= 1


@pytest.mark.parametrize("name", ["read_glimpse", "write_glimpse"])
@pytest.mark.parametrize("size", [0, 5])
def test_a_glimpse_larger_than_the_image(name, size):
    with pytest.raises(UsageError, match=f"{name}={size}: a glimpse of images of 4×5"):
        DRAW(D, T, HIDDEN, image_shape=(1, 4, 5), **{name: size})


# --- the condition --------------------------------------------------------------------------------


def test_the_class_changes_encoder_and_decoder():
    model, x = make_draw(num_classes=K), images(4)
    first, second = torch.zeros(4, dtype=torch.int64), torch.ones(4, dtype=torch.int64)
    means = [model._encode(x, y).mu[0] for y in (first, second)]  # step 1: no decoder before it
    assert not torch.allclose(*means)
    z = torch.randn(4, T * D)
    assert not torch.allclose(model.generate(z, first), model.generate(z, second))


def test_the_encoders_parameters_are_those_that_no_sample_needs():
    model = make_draw(glimpse=2)
    encoder = model.encoder_parameters
    gradients = torch.autograd.grad(
        model.generate(torch.randn(3, T * D)).sum(), list(model.parameters()), allow_unused=True
    )
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert (gradient is None) == any(parameter is own for own in encoder)


# --- likelihood -----------------------------------------------------------------------------------


def exact_log_likelihood(model: DRAW, x: Tensor) -> Tensor:
    """ln p(x) of a decoder that does not listen to the codes."""
    return model.decode(torch.zeros(len(x), T * D)).log_prob(x).detach()


def test_at_the_prior_every_weight_of_a_deaf_decoder_is_the_likelihood():
    model, x = with_posterior(deaf_to_codes(make_draw()), 0.0, 0.0), images(4)
    exact = exact_log_likelihood(model, x)
    torch.testing.assert_close(model.log_weights(x, num_samples=3), exact.expand(3, 4))
    torch.testing.assert_close(model.elbo(x), exact)


def test_the_weights_of_a_deaf_decoder_average_to_the_likelihood():
    """E[w] = p(x) within five standard errors; the ELBO lies below ln p(x) by the KL."""
    model, x = with_posterior(deaf_to_codes(make_draw()), 0.2, 0.2), images(1)
    exact = exact_log_likelihood(model, x)
    kl = T * D * 0.5 * (0.04 + math.exp(0.2) - 1 - 0.2)
    torch.testing.assert_close(model.elbo(x), exact - kl)
    with torch.no_grad():
        weights = (model.log_weights(x.repeat(5000, 1, 1, 1)) - exact).exp().flatten()
    error = weights.std() / math.sqrt(len(weights))
    assert abs(weights.mean() - 1) < 5 * error < 0.1
    assert abs(-weights.log().mean() - kl) < 5 * weights.log().std() / math.sqrt(len(weights))


def test_more_samples_bound_better():
    """IWAE ≥ ELBO on average, for a decoder that listens."""
    model, x = make_draw(), images(4)
    with torch.no_grad():
        elbo = model.elbo(x, num_samples=150).mean()
        assert model.log_likelihood(x, num_samples=150).mean() > elbo + 1e-4


def test_measures_are_per_image():
    model, x = make_draw(), images(4)
    recon, kl = model.elbo_terms(x, num_samples=2)
    assert recon.shape == kl.shape == model.elbo(x).shape == (4,)
    assert model.log_weights(x, num_samples=3).shape == (3, 4)
    assert model.log_likelihood(x, num_samples=3).dtype == torch.float64


def test_codes_at_the_means_are_the_same_every_time_and_paint_the_image():
    model, x = make_draw(), images(3)
    first, again = model.codes(x), model.codes(x)
    assert first.shape == (3, model.latent_dim)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    path = model._encode(x, None, at_means=True)
    torch.testing.assert_close(torch.cat(list(path.mu), dim=1), first)
    painted = model.likelihood(path.canvas).mean.clamp(0, 1)
    torch.testing.assert_close(model.generate(first), painted)
    torch.testing.assert_close(model.reconstruct(x), painted)


def test_a_reconstruction_is_told_the_class():
    model, x, y = make_draw(num_classes=K), images(3), labels(3)
    torch.testing.assert_close(model.reconstruct(x, y), model.generate(model.codes(x, y), y))
    assert not torch.allclose(model.reconstruct(x, y), model.reconstruct(x, (y + 1) % K))
