"""What a VAE minimizes, in which units, and what it answers."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models.vae import VAE
from twofold.networks import build_network
from twofold.objectives import ELBO, IWAE, LatentObjective
from twofold.registry import make

SHAPE = (1, 4, 4)
D = 3


def make_vae(num_classes: int = 0, likelihood: str = "bernoulli", **settings) -> VAE:
    channels = 2 if likelihood == "gaussian-map" else 1
    return VAE(
        build_network("fc-12", SHAPE, (2 * D,), num_classes, activation="tanh"),
        build_network("fc-12", (D,), (channels, 4, 4), num_classes, activation="tanh"),
        D,
        "class" if num_classes else "none",
        likelihood,
        image_shape=SHAPE,
        num_classes=num_classes,
        **settings,
    )


class Stub(nn.Module):
    """A network that gives a fixed row, whatever it sees."""

    def __init__(self, row: Tensor) -> None:
        super().__init__()
        self.row = nn.Parameter(row)

    def forward(self, x: Tensor, _: Tensor | None = None) -> Tensor:
        return self.row.expand(len(x), *self.row.shape)


class Rows(nn.Module):
    """A network that gives each image a row of its own."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows)

    def forward(self, _x: Tensor, _c: Tensor | None = None) -> Tensor:
        return self.rows


def without_noise(model: VAE) -> VAE:
    """q becomes a point: only the mean of the encoder counts, and the KL stays finite."""
    with torch.no_grad():
        last = model.encoder.after[-1]
        last.weight[D:] = 0
        last.bias[D:] = -60
    return model


def binary(count: int) -> Tensor:
    return torch.rand(count, *SHAPE).round()


# --- the loss -------------------------------------------------------------------------------------


def loss_by_hand(model: VAE, x: Tensor, y: Tensor | None, seed: int) -> Tensor:
    """A second implementation, of torch.distributions and F alone."""
    c = None if y is None else F.one_hot(y, 3).float()
    mu, logvar = model.encoder(x, c).chunk(2, dim=1)
    q, prior = Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0)
    torch.manual_seed(seed)
    log_w, nll, sampled = [], 0.0, 0.0
    asked = model.objective
    noise = torch.randn(asked.num_samples, *mu.shape)
    for eps in noise:
        z = mu + q.stddev * eps
        log_p = Bernoulli(logits=model.decoder(z, c)).log_prob(x).sum(dim=(1, 2, 3))
        ratio = (q.log_prob(z) - prior.log_prob(z)).sum(dim=1)
        nll, sampled = nll - log_p / len(noise), sampled + ratio / len(noise)
        log_w.append(log_p - ratio)
    if isinstance(asked, IWAE):
        return -(torch.stack(log_w).exp().mean(dim=0)).log().mean()
    kl = sampled if asked.kl == "sampled" else kl_divergence(q, prior).sum(dim=1)
    return (nll + asked.beta * kl).mean()


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize(
    "objective",
    [
        "elbo",
        ELBO(num_samples=4),
        ELBO(kl="closed", num_samples=3),
        ELBO(kl="sampled", num_samples=2),
        ELBO(beta=0.25),
        ELBO(beta=4.0, kl="sampled"),
        "iwae",
        IWAE(num_samples=2),
    ],
)
def test_loss_and_gradients_are_those_of_a_second_implementation(objective, num_classes):
    """Float32: five digits. The condition is repeated for every draw in the image's own order."""
    model, x = make_vae(num_classes, objective=objective), binary(6)
    y = torch.tensor([0, 1, 2, 2, 1, 0]) if num_classes else None
    torch.manual_seed(5)
    mine = model.loss(Batch(x, y)).total
    reference = loss_by_hand(model, x, y, seed=5)
    torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)
    parameters = list(model.parameters())
    pairs = zip(
        torch.autograd.grad(mine, parameters),
        torch.autograd.grad(reference, parameters),
        strict=True,
    )
    for gradient, expected in pairs:
        assert expected.abs().max() > 0
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


def test_beta_one_is_the_vae():
    model, x = make_vae(objective=ELBO(beta=1.0)), binary(5)
    torch.manual_seed(1)
    terms = model.loss(Batch(x))
    torch.manual_seed(1)
    elbo = model.elbo(x)
    torch.testing.assert_close(terms.total, -elbo.mean())
    assert set(terms.terms) == {"recon_nll", "kl"}


@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_beta_weighs_the_kl_alone(beta):
    terms = make_vae(objective=ELBO(beta=beta)).loss(Batch(binary(5)))
    expected = terms.terms["recon_nll"] + beta * terms.terms["kl"]
    torch.testing.assert_close(terms.total, expected)


@pytest.mark.parametrize(
    ("epoch", "weight"), [(0.0, 0.0), (1.0, 0.5), (3.0, 1.5), (4.0, 2.0), (9.0, 2.0)]
)
def test_kl_warmup_rises_linearly_to_beta(epoch, weight):
    model, x = make_vae(objective=ELBO(beta=2.0, kl_warmup=4.0)), binary(5)
    terms = model.loss(Batch(x, epoch=epoch))
    expected = terms.terms["recon_nll"] + weight * terms.terms["kl"]
    torch.testing.assert_close(terms.total, expected)


def test_kl_warmup_is_over_when_nobody_trains():
    """A batch outside training has no epoch; its loss has the full KL."""
    terms = make_vae(objective=ELBO(kl_warmup=4.0)).loss(Batch(binary(5)))
    torch.testing.assert_close(terms.total, sum(terms.terms.values()))


def test_free_bits_leave_small_kls_in_peace():
    """A dimension whose batch mean is below the limit counts as the limit and is not pushed."""
    limit = 0.2
    model, x = make_vae(objective=ELBO(free_bits=limit)), binary(6)
    mu = torch.tensor([[0.0, 0.0, 3.0], [0.1, 2.0, 3.0]]).repeat(3, 1)  # KL: mu²/2
    model.encoder = Rows(torch.cat([mu, torch.zeros_like(mu)], dim=1))
    kl = model.loss(Batch(x)).terms["kl"]
    # The second dimension counts by its mean, 1, although half of its images are below the limit.
    assert kl.item() == pytest.approx(limit + 1.0 + 4.5)
    kl.backward()
    gradient = model.encoder.rows.grad
    assert gradient[:, 0].abs().max() == gradient[:, D].abs().max() == 0
    torch.testing.assert_close(gradient[:, 1:D], mu[:, 1:] / 6)


def test_free_bits_of_zero_are_the_vae():
    x, losses = binary(5), []
    model = make_vae()
    for free_bits in (0.0, 1e-9):
        model.objective = ELBO(free_bits=free_bits)
        torch.manual_seed(1)
        losses.append(model.loss(Batch(x)).total)
    torch.testing.assert_close(losses[0], losses[1])


@pytest.mark.parametrize("objective", ["elbo", "iwae", "dreg"])
def test_an_objective_is_a_name_its_fields_or_an_object(objective):
    """All three ways to say it are one: the same loss of the same draw."""
    asked = {"name": objective, "num_samples": 3}
    made: LatentObjective = make("objective", asked)
    x, losses = binary(4), []
    model = make_vae()
    for given in (asked, made):
        one = VAE(model.encoder, model.decoder, D, objective=given, image_shape=SHAPE)
        torch.manual_seed(1)
        losses.append(one.loss(Batch(x)).total)
    torch.testing.assert_close(*losses, rtol=0, atol=0)
    assert make_vae(objective=objective).objective.num_samples == (1 if objective == "elbo" else 5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"objective": "iwea"}, "objective: unknown objective 'iwea'; did you mean 'iwae'"),
        ({"objective": "exact-sum"}, "is no LatentObjective; use one of (?=.*dreg).*elbo"),
        ({"objective": {"kl": "close"}}, r"objective\.kl: got 'close'; .*'closed' or 'sampled'"),
        ({"objective": {"beta": -1.0}}, r"objective\.beta: got -1.0; input should be greater than"),
        ({"objective": {"num_samples": 0}}, r"num_samples: got 0; input should be greater than or"),
        ({"likelihood": "bernouli"}, "likelihood: .*did you mean 'bernoulli'"),
        ({"objective": {"kl": "sampled", "free_bits": 0.1}}, "leave kl=sampled out"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(UsageError, match=words):
        make_vae(**settings)


@pytest.mark.parametrize("name", ["iwae", "dreg"])
@pytest.mark.parametrize(
    "field", [{"beta": 2.0}, {"kl": "sampled"}, {"kl_warmup": 1.0}, {"free_bits": 0.1}]
)
def test_a_bound_without_a_kl_has_nothing_to_weigh(name, field):
    """What would have no effect is no field of the objective."""
    (unknown,) = field
    with pytest.raises(UsageError, match=f"unknown field objective.{unknown}"):
        make_vae(objective={"name": name, **field})


@pytest.mark.parametrize("name", ["iwae", "dreg"])
def test_a_bound_without_a_reconstruction_term_says_so(name):
    model = make_vae(objective=name)
    with pytest.raises(UsageError, match=f"objective={name} has no reconstruction term"):
        model.bound(Batch(binary(2)))


# --- units ----------------------------------------------------------------------------------------


def test_terms_are_nats_per_image_whatever_the_batch():
    """Trap: batch-sum in one term, batch-mean in another. Twice the same images change nothing."""
    model, x = without_noise(make_vae()), binary(5)
    once, twice = (model.loss(Batch(images)) for images in (x, torch.cat([x, x])))
    for name, value in once.terms.items():
        assert value.shape == ()
        torch.testing.assert_close(twice.terms[name], value)


def test_every_pixel_costs_its_nats():
    """Trap: a mean over pixels. Sixteen pixels at a logit of 0 cost 16 ln 2 more."""

    class Padded(nn.Module):
        def __init__(self, decoder: nn.Module) -> None:
            super().__init__()
            self.decoder = decoder

        def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
            return F.pad(self.decoder(z, c), (0, 0, 0, 4))  # (B, 1, 8, 4)

    class Cropped(nn.Module):
        def __init__(self, encoder: nn.Module) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
            return self.encoder(x[:, :, :4], c)

    small = without_noise(make_vae())
    large = VAE(Cropped(small.encoder), Padded(small.decoder), D, image_shape=(1, 8, 4))
    x = binary(5)
    before = small.loss(Batch(x)).terms
    after = large.loss(Batch(F.pad(x, (0, 0, 0, 4), value=1.0))).terms
    torch.testing.assert_close(after["recon_nll"], before["recon_nll"] + 16 * math.log(2))
    torch.testing.assert_close(after["kl"], before["kl"])


def test_every_latent_costs_its_nats():
    """KL(N(1, 1) || N(0, 1)) = 1/2 for each of the three."""
    model = make_vae()
    model.encoder = Stub(torch.tensor([1.0] * D + [0.0] * D))
    assert model.loss(Batch(binary(5))).terms["kl"].item() == pytest.approx(1.5)


def test_measures_are_per_image():
    """(B,) or (S, B), never (B, 1)."""
    model, x = make_vae(), binary(5)
    recon, kl = model.elbo_terms(x, num_samples=3)
    assert recon.shape == kl.shape == model.elbo(x).shape == (5,)
    assert model.log_weights(x, num_samples=3).shape == (3, 5)
    assert model.log_likelihood(x, num_samples=3).shape == (5,)
    assert model.log_likelihood(x, num_samples=3).dtype == torch.float64
    assert model.posterior(x).mu.shape == (5, D)
    assert model.decode(torch.randn(2, 5, D)).mean.shape == (2, 5, *SHAPE)


@pytest.mark.parametrize("num_samples", [1, 3])
def test_what_is_inferred_is_the_density_of_what_was_drawn(num_samples):
    """Row s B + b is sample s of image b, by its own condition; log_p and log_q are (S, B)."""
    model, x, y = make_vae(3), binary(4), torch.tensor([0, 1, 2, 1])
    drawn = model.infer(x, y, num_samples)
    q = Normal(model.posterior(x, y).mu, (model.posterior(x, y).logvar / 2).exp())
    assert drawn.z.shape == (num_samples, 4, D)
    assert (drawn.rows is None) == (num_samples == 1)
    torch.testing.assert_close(drawn.log_q, q.log_prob(drawn.z).sum(dim=-1))
    apart = torch.stack([model.decode(z, y).log_prob(x) for z in drawn.z])  # (S, B)
    torch.testing.assert_close(drawn.log_p, apart)
    assert drawn.log_p.std(dim=1).min() > 1e-3


def test_permuting_the_batch_permutes_the_terms():
    model, x, y = without_noise(make_vae(3)), binary(6), torch.tensor([0, 1, 2, 2, 1, 0])
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    before, after = model.elbo_terms(x, y, 2), model.elbo_terms(x[order], y[order], 2)
    for was, now in zip(before, after, strict=True):
        torch.testing.assert_close(now, was[order])
        assert was.std() > 1e-3


def test_draws_keep_to_their_image_and_its_condition():
    """Decoding (S, B, D) at once is decoding each (B, D) with the B conditions."""
    model, y, z = make_vae(3), torch.tensor([0, 1, 2, 1]), torch.randn(5, 4, D)
    together = model.decode(z, y).mean
    apart = torch.stack([model.decode(one, y).mean for one in z])
    torch.testing.assert_close(together, apart)


# --- the condition --------------------------------------------------------------------------------


def test_conditions_change_encoder_and_decoder():
    model, x = make_vae(3), binary(4)
    first, second = torch.zeros(4, dtype=torch.int64), torch.ones(4, dtype=torch.int64)
    assert not torch.allclose(model.posterior(x, first).mu, model.posterior(x, second).mu)
    z = torch.randn(4, D)
    assert not torch.allclose(model.generate(z, first), model.generate(z, second))


def make_completion(**settings) -> VAE:
    """Conditioned on the left half of an image."""
    condition = make("condition", "left-half", image_shape=SHAPE)
    return VAE(
        build_network("fc-12", SHAPE, (2 * D,), condition.dim),
        build_network("fc-12", (D,), SHAPE, condition.dim),
        D,
        condition,
        image_shape=SHAPE,
        **settings,
    )


def test_an_image_part_is_all_that_the_decoder_knows():
    """Completing an image: what is hidden reaches the decoder through z alone."""
    model = make_completion()
    z, x = torch.randn(4, D), binary(4)
    hidden, shown = x.clone(), x.clone()
    hidden[..., 2:] = 1 - hidden[..., 2:]
    shown[..., :2] = 1 - shown[..., :2]
    torch.testing.assert_close(model.generate(z, hidden), model.generate(z, x), rtol=0, atol=0)
    assert not torch.allclose(model.generate(z, shown), model.generate(z, x))


def test_predicting_the_hidden_pixels_costs_nothing_for_the_visible_ones():
    """Sohn et al. (2015): the bound is on ln p(hidden | visible), and the whole one is larger."""
    whole, hidden, x = make_completion(), make_completion(predicts="hidden"), binary(6)
    hidden.load_state_dict(whole.state_dict())
    z = torch.randn(6, D)
    by_pixel = whole.decode(z, x).pixel_log_prob(x)
    torch.testing.assert_close(hidden.decode(z, x).log_prob(x), by_pixel[..., 2:].sum((1, 2, 3)))
    torch.testing.assert_close(hidden.generate(z, x)[..., :2], x[..., :2], rtol=0, atol=0)
    torch.testing.assert_close(hidden.generate(z, x)[..., 2:], whole.generate(z, x)[..., 2:])
    many = hidden.decode(z.expand(5, 6, D), x)
    assert many.log_prob(x).shape == (5, 6)
    terms = hidden.loss(Batch(x)).terms
    assert terms["recon_nll"] < whole.loss(Batch(x)).terms["recon_nll"]


def test_what_a_discriminator_sees_of_a_completion_is_what_was_shown():
    """Trap: pixels that no likelihood trains would give a reconstruction away."""
    model = make_completion(predicts="hidden", objective=ELBO(num_samples=2))
    x = binary(4)
    bound = model.bound(Batch(x))
    assert bound.p.mean.shape == (8, *SHAPE)
    torch.testing.assert_close(bound.p.mean[..., :2], bound.expand(x)[..., :2], rtol=0, atol=0)
    assert not torch.allclose(bound.p.mean[..., 2:], bound.expand(x)[..., 2:])
    drawn = model.decode(torch.randn(3, 4, D), x).sample()
    torch.testing.assert_close(drawn[..., :2], x.expand(3, *x.shape)[..., :2], rtol=0, atol=0)


def test_nothing_is_hidden_where_nothing_is_shown():
    with pytest.raises(UsageError, match="nothing is hidden; use condition=left-half"):
        make_vae(predicts="hidden")
    with pytest.raises(UsageError, match=r"predicts: got 'half'; .*'image' or 'hidden'"):
        make_vae(predicts="half")


def test_no_condition_where_none_is_taken():
    with pytest.raises(UsageError, match="takes no condition"):
        make_vae().posterior(binary(2), torch.tensor([0, 1]))
    with pytest.raises(UsageError, match="give c"):
        make_vae(3).generate(torch.randn(2, D))


# --- networks of one's own ------------------------------------------------------------------------


class Halves(nn.Module):
    """An encoder that gives its means and log-variances as a pair."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder(x).chunk(2, dim=1)


def test_an_encoder_may_give_a_pair():
    model, x = make_vae(), binary(4)
    paired = VAE(Halves(model.encoder), model.decoder, D, image_shape=SHAPE)
    q, mine = model.posterior(x), paired.posterior(x)
    torch.testing.assert_close((mine.mu, mine.logvar), (q.mu, q.logvar))


def test_plain_modules_see_the_image_alone_and_the_condition_where_there_is_one():
    """`nn.Sequential` takes no second argument."""
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 2 * D))
    decoder = nn.Sequential(nn.Linear(D, 16), nn.Unflatten(1, SHAPE))
    model = VAE(encoder, decoder, D, image_shape=SHAPE)
    assert model.loss(Batch(binary(5))).total.isfinite()
    seen = []

    class Sees(Stub):
        def forward(self, x: Tensor, *c: Tensor) -> Tensor:  # type: ignore[override]
            seen.append(c)
            return super().forward(x)

    for condition in ("none", "class"):
        networks = Sees(torch.zeros(2 * D)), Sees(torch.zeros(SHAPE))
        model = VAE(*networks, D, condition, image_shape=SHAPE, num_classes=3)
        model.loss(Batch(binary(2), torch.tensor([2, 0])))
    assert seen[:2] == [(), ()]
    assert [c[0].tolist() for c in seen[2:]] == [[[0, 0, 1], [1, 0, 0]]] * 2


@pytest.mark.parametrize(
    ("encoder", "decoder", "words"),
    [
        (
            Stub(torch.zeros(2 * D + 2)),
            "fc-8",
            r"a shape of \(4, 8\).*expected \(4, 6\) .*latent_dim=3",
        ),
        ("fc-8", Stub(torch.zeros(2, 4, 4)), r"\(2, 4, 4\) an image, expected \(1, 4, 4\)"),
        ("fc-8", Stub(torch.zeros(1, 4, 5)), r"\(1, 4, 5\) an image, expected \(1, 4, 4\)"),
    ],
)
def test_networks_of_the_wrong_size_are_named(encoder, decoder, words):
    """Trap: (B, 1, 4, 5) beside (B, 1, 4, 4) fails far away, or is broadcast and does not."""
    with pytest.raises(UsageError, match=words):
        VAE(encoder, decoder, D, image_shape=SHAPE).loss(Batch(binary(4)))


def test_modules_take_the_shape_of_the_images_they_meet():
    model = make_vae()
    later = VAE(model.encoder, model.decoder, D)
    assert later.image_shape is None
    later.accept_images(SHAPE)
    later.accept_images(SHAPE)
    assert later.image_shape == SHAPE
    torch.testing.assert_close(later.sample(3), model.sample(3), rtol=0, atol=0)
    words = "this VAE was made for images of 1 × 4 × 4 and the data has 3 × 4 × 4 .* resize the"
    with pytest.raises(UsageError, match=words):
        later.accept_images((3, 4, 4))


@pytest.mark.parametrize(("encoder", "decoder"), [("fc-8", Stub), (Stub, "fc-8"), ("fc-8", "fc-8")])
def test_layers_are_made_for_images_of_a_shape(encoder, decoder):
    networks = [n if isinstance(n, str) else n(torch.zeros(1)) for n in (encoder, decoder)]
    with pytest.raises(UsageError, match=r"image_shape=\(channels, height, width\)"):
        VAE(*networks, D)


# --- what a user asks -----------------------------------------------------------------------------


def test_reconstructions_are_the_decoder_at_the_mean():
    model, x = make_vae(), binary(4)
    model.train()
    expected = torch.sigmoid(model.decoder(model.encoder(x).chunk(2, dim=1)[0]))
    torch.testing.assert_close(model.reconstruct(x), expected.detach())
    assert model.training


def test_codes_are_the_means_of_the_posterior():
    model, x = make_vae(), binary(5)
    torch.testing.assert_close(model.codes(x), model.posterior(x).mu)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian-map", "discretized-logistic"])
def test_generated_images_are_in_range(likelihood):
    images = make_vae(likelihood=likelihood).generate(20 * torch.randn(50, D))
    assert images.shape == (50, *SHAPE)
    assert images.min() >= 0
    assert images.max() <= 1


def test_diagnosis_counts_active_units():
    """Active: the posterior mean moves with the image; here only the second one does."""
    model, x = make_vae(), binary(40)

    class OnlyTheSecond(nn.Module):
        def forward(self, x: Tensor, _: Tensor | None = None) -> Tensor:
            mu = torch.zeros(len(x), 2 * D)
            mu[:, 0] = 3.0
            mu[:, 1] = x.mean(dim=(1, 2, 3)) * 10
            return mu

    model.encoder = OnlyTheSecond()
    found = model.diagnose([Batch(x[:30]), Batch(x[30:])])
    assert found["active_units"] == 1
    expected = [4.5, 0.5 * (10 * x.mean(dim=(1, 2, 3))).square().mean().item(), 0.0]
    assert found["kl_per_dim"] == pytest.approx(expected, abs=1e-3)


def test_tiny_overfit():
    """Eight distinct images carry ln 8 = 2.08 nats; chance is 64 ln 2 = 44.

    300 steps reach 11. Below ln 8 on average nothing honest can go: a term would be lost, or a mean
    taken where a sum belongs.
    """
    shape = (1, 8, 8)
    x = torch.rand(8, *shape).round()
    assert len(x.unique(dim=0)) == 8
    model = VAE(
        build_network("fc-64", shape, (16,)),
        build_network("fc-64", (8,), shape),
        latent_dim=8,
        image_shape=shape,
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(300):
        (phase,) = model.phases
        optimizer.zero_grad()
        phase.loss(Batch(x.repeat(4, 1, 1, 1))).total.backward(inputs=phase.parameters)
        optimizer.step()
    with torch.no_grad():
        nll = -model.elbo(x, num_samples=500).mean().item()
        tighter = -model.log_likelihood(x, num_samples=500).mean().item()
    assert math.log(8) <= tighter <= nll < 11
