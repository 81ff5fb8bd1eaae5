"""The game: who sees what, who moves whom, penalties, and the moving average."""

import math

import pytest
import torch
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models.adversary import Adversary
from twofold.models.gan import GAN
from twofold.models.heads import Shown
from twofold.networks import build_network
from twofold.registry import entries, make

SHAPE = (1, 3, 4)
D = 5
PIXELS = math.prod(SHAPE)
LOSSES = [entry.name for entry in entries("loss")]


def make_gan(num_classes: int = 0, norm: str = "none", output: str = "tanh", **of_adversary) -> GAN:
    discriminator = build_network("fc-16", SHAPE, (1,), num_classes, activation="leaky-0.2")
    return GAN(
        build_network("fc-16", (D,), SHAPE, num_classes, norm=norm),
        Adversary(discriminator, **of_adversary),
        D,
        "class" if num_classes else "none",
        output=output,
        image_shape=SHAPE,
        num_classes=num_classes,
    )


def make_stubbed(
    generator: nn.Module,
    discriminator: nn.Module,
    dim: int = D,
    output: str = "tanh",
    **of_adversary,
) -> GAN:
    """Players of a few lines."""
    adversary = Adversary(discriminator, **of_adversary)
    return GAN(generator, adversary, dim, output=output, image_shape=SHAPE)


class Linear(nn.Module):
    """D(x) = w·x, with the images it saw."""

    def __init__(self, norm: float = 1.0) -> None:
        super().__init__()
        weight = torch.randn(PIXELS)
        self.weight = nn.Parameter(weight * norm / weight.norm())
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor, _: Tensor | None = None) -> Tensor:
        self.seen.append(x.detach())
        return (x.flatten(1) @ self.weight)[:, None]


class Constant(nn.Module):
    """G(z) = one number everywhere, before `output`."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, z: Tensor, _: Tensor | None = None) -> Tensor:
        return self.value.expand(len(z), *SHAPE)


def images(count: int) -> Tensor:
    """Bright on the left, dark on the right: nothing that an untrained generator makes."""
    x = 0.2 * torch.rand(count, *SHAPE)
    x[..., :2] += 0.8
    return x


def labels(count: int) -> Tensor:
    return torch.arange(count) % 3


def play(model: GAN, phase: int, batch: Batch, lr: float = 1e-2) -> None:
    """One plain gradient step of a player."""
    player = model.phases[phase]
    gradients = torch.autograd.grad(player.loss(batch).total, player.parameters)
    with torch.no_grad():
        for parameter, gradient in zip(player.parameters, gradients, strict=True):
            parameter -= lr * gradient
    if player.after_step is not None:
        player.after_step()


# --- who moves whom -------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "swapped"])
def test_the_discriminator_learns_to_tell(loss):
    """Trap: swapped real/fake targets. After some steps real scores are above fake ones."""
    model = make_gan(loss=loss)
    for _ in range(30):
        play(model, 0, Batch(images(32)), lr=0.02)
    x_fake = model.generate(model.sample_latent(64))
    assert model.realness(images(64)).min() > model.realness(x_fake).max()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_generator_step_raises_the_score_of_the_same_fakes(loss):
    """Trap: a flipped sign in the generator's loss."""
    model, x = make_gan(loss=loss), images(16)
    for step in range(10):
        scores = []
        for batch in (Batch(x), Batch(x)):
            torch.manual_seed(step)  # the same noise before the step and after it
            scores.append(model.adversary.score(model._fake(batch)).mean())
            if len(scores) == 1:
                play(model, 1, batch)
        assert scores[1] > scores[0]


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("loss", ["non-saturating", "relativistic", "wasserstein"])
def test_losses_of_a_batch_by_hand(loss, num_classes):
    """The batch mean of the pair's losses, on logits: image i paired with fake i and label i."""
    model = make_gan(num_classes, loss=loss, label_smoothing=0.0)
    batch = Batch(images(6), labels(6) if num_classes else None)
    c = torch.eye(3)[labels(6)] if num_classes else None
    torch.manual_seed(7)
    found = [model.discriminator_loss(batch), model.generator_loss(batch)]
    torch.manual_seed(7)
    x_fake = torch.tanh(model.generator(torch.randn(6, D), c))
    real = model.adversary.discriminator(batch.x * 2 - 1, c).squeeze(1)
    fake = model.adversary.discriminator(x_fake, c).squeeze(1)
    asked = make("loss", loss)
    told = fake - real if asked.paired else fake
    expected = [(asked.real(real, 0.0) + asked.fake(told)).mean(), asked.generator(told).mean()]
    for terms, value in zip(found, expected, strict=True):
        assert list(terms.terms) == ["adversarial"]
        torch.testing.assert_close(terms.total, value)


def test_scores_are_per_image():
    """(B,), never (B, 1), which beside (B,) would silently become (B, B)."""
    model, batch = make_gan(3), Batch(images(4), labels(4))
    c = model.condition(batch.y)
    scores = model.adversary.score(Shown(batch.x * 2 - 1, c))
    assert scores.shape == (4,)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(model.realness(batch.x, batch.y), scores, rtol=0, atol=0)
    expected = model.adversary.discriminator(batch.x * 2 - 1, c)[:, 0]
    torch.testing.assert_close(scores, expected, rtol=0, atol=0)


def test_smoothing_reaches_the_loss():
    batch, gap = Batch(images(6)), []
    for smoothing in (0.0, 0.2):
        torch.manual_seed(0)
        model = make_gan(label_smoothing=smoothing)
        gap.append(model.discriminator_loss(Batch(batch.x)).total)
    real = model.realness(batch.x)
    torch.testing.assert_close(gap[1] - gap[0], 0.2 * real.mean(), rtol=1e-3, atol=1e-5)


def test_relativistic_pairing_gives_the_discriminator_no_gradient_from_the_generators_phase():
    model = make_gan(loss="relativistic")
    phase = model.phases[1]
    phase.loss(Batch(images(4))).total.backward(inputs=phase.parameters)
    assert all(p.grad is not None for p in model.generator.parameters())
    assert all(p.grad is None for p in model.adversary.discriminator.parameters())


def test_twice_the_same_images_change_nothing():
    """Trap: batch-sum in one loss term, batch-mean in another, penalties included."""
    terms = []
    for times in (1, 2):
        torch.manual_seed(0)
        model = make_gan(r1=1.0, r2=1.0, loss="relativistic")
        x = images(5).repeat(times, 1, 1, 1)
        batch = Batch(x)
        fakes = model._signed(model.generator(torch.ones(5, D))).repeat(times, 1, 1, 1)
        batch.once("x_fake", lambda fakes=fakes: Shown(fakes))
        both = (model.discriminator_loss(batch), model.generator_loss(batch))
        terms.append([value for loss in both for value in loss.terms.values()])
    assert len(terms[0]) == 4
    for once, twice in zip(*terms, strict=True):
        assert once.shape == ()
        torch.testing.assert_close(once, twice)


# --- fakes ----------------------------------------------------------------------------------------


def test_fakes_are_generated_once_a_step_and_seen_by_both():
    model = make_gan()
    calls: list[Tensor] = []
    model.generator.register_forward_hook(lambda _m, _i, output: calls.append(output.detach()))
    model.adversary.discriminator = Linear()
    batch = Batch(images(4))
    for phase in model.phases:
        phase.loss(batch)
    assert len(calls) == 1
    real, fake_of_d, fake_of_g = model.adversary.discriminator.seen
    torch.testing.assert_close(real, batch.x * 2 - 1)
    torch.testing.assert_close(fake_of_d, torch.tanh(calls[0]), rtol=0, atol=0)
    torch.testing.assert_close(fake_of_g, fake_of_d, rtol=0, atol=0)
    model.discriminator_loss(Batch(batch.x))
    assert len(calls) == 2
    assert not torch.equal(calls[0], calls[1])


@pytest.mark.parametrize("settings", [{}, {"r2": 1.0}, {"gp_weight": 10.0}, {"r1": 1.0}])
def test_the_discriminator_sees_fakes_detached(settings):
    """Even a careless backward of D's loss gives G nothing."""
    model = make_gan(**settings)
    model.discriminator_loss(Batch(images(4))).total.backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad is not None for p in model.adversary.discriminator.parameters())


def test_the_generator_still_learns_after_the_discriminators_penalties():
    """The fakes that both share keep their graph although D's penalty works on a detached copy."""
    model = make_gan(r1=1.0, r2=1.0, gp_weight=1.0)
    batch = Batch(images(4))
    play(model, 0, batch)
    phase = model.phases[1]
    phase.loss(batch).total.backward(inputs=phase.parameters)
    assert all(p.grad.abs().max() > 0 for p in model.generator.parameters())


@pytest.mark.parametrize(
    ("output", "value", "signed"),
    [
        ("tanh", 50.0, 1.0),
        ("tanh", -50.0, -1.0),
        ("tanh", 0.5, math.tanh(0.5)),
        ("sigmoid", 50.0, 1.0),
        ("sigmoid", -50.0, -1.0),
        ("sigmoid", 0.5, 2 / (1 + math.exp(-0.5)) - 1),
        ("linear", 50.0, 50.0),
        ("linear", 0.5, 0.5),
    ],
)
def test_ranges(output, value, signed):
    """D sees pixels in [-1, 1], real and fake alike; people see [0, 1]."""
    model = make_stubbed(Constant(value), Linear(), output=output)
    model.discriminator_loss(Batch(torch.cat([torch.zeros(1, *SHAPE), torch.ones(1, *SHAPE)])))
    real, fake = model.adversary.discriminator.seen
    assert (real.min(), real.max()) == (-1, 1)
    torch.testing.assert_close(fake, torch.full_like(fake, signed))
    shown = model.sample(2)
    torch.testing.assert_close(shown, torch.full_like(shown, min(1.0, (signed + 1) / 2)))


# --- penalties ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["r1", "r2"])
@pytest.mark.parametrize("gamma", [0.1, 10.0])
def test_r1_and_r2_of_a_linear_discriminator(name, gamma):
    """γ/2 ||w||², and its gradient γ w beside the adversarial one."""
    model = make_stubbed(Constant(0.3), Linear(norm=3.0), loss="wasserstein", **{name: gamma})
    terms = model.discriminator_loss(Batch(images(4)))
    assert terms.terms[name].item() == pytest.approx(9 / 2, rel=1e-5)
    penalty = terms.total - terms.terms["adversarial"]
    assert penalty.item() == pytest.approx(gamma * 9 / 2, rel=1e-5)
    (gradient,) = torch.autograd.grad(penalty, model.adversary.discriminator.weight)
    torch.testing.assert_close(gradient, gamma * model.adversary.discriminator.weight.detach())


def test_r1_looks_at_real_images_and_r2_at_fake_ones():
    """D(x) = |x|²/2 in pixels from -1 to 1 has |∇D|² = |x|²: 12 at reals of ±1, 3 at fakes of ½."""

    class Square(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor, _: Tensor | None = None) -> Tensor:
            return self.scale * x.square().sum(dim=(1, 2, 3))[:, None] / 2

    model = make_stubbed(Constant(0.5), Square(), output="linear", r1=1.0, r2=1.0)
    terms = model.discriminator_loss(Batch(images(4).round())).terms
    assert terms["r1"].item() == pytest.approx(12 / 2)
    assert terms["r2"].item() == pytest.approx(3 / 2)


@pytest.mark.parametrize(("norm", "penalty"), [(1.0, 0.0), (3.0, 4.0)])
def test_gradient_penalty_of_a_linear_critic(norm, penalty):
    model = make_stubbed(Constant(0.3), Linear(norm), loss="wasserstein", gp_weight=10.0)
    terms = model.discriminator_loss(Batch(images(4)))
    assert terms.terms["gp"].item() == pytest.approx(penalty, abs=1e-5)
    expected = terms.terms["adversarial"] + 10 * penalty
    torch.testing.assert_close(terms.total, expected, rtol=1e-4, atol=1e-4)


def test_without_weights_there_are_no_penalties():
    assert set(make_gan().discriminator_loss(Batch(images(4))).terms) == {"adversarial"}


# --- what is watched ------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "middle"), [("non-saturating", 0.0), ("least-squares", 0.5)])
def test_accuracies_count_from_the_middle(loss, middle):
    """Reals at 1 and fakes at -1 per pixel; D scores a little above or below the middle."""

    class Half(nn.Module):
        """A little above the middle for bright images and a little below for others."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor, _: Tensor | None = None) -> Tensor:
            return middle + 0.01 * x.mean(dim=(1, 2, 3))[:, None].sign() + self.weight

    model = make_stubbed(Constant(-9.0), Half(), loss=loss)
    x = torch.ones(4, *SHAPE)
    x[0] = 0
    watch = model.discriminator_loss(Batch(x)).watch
    assert watch["accuracy_real"].item() == 0.75
    assert watch["accuracy_fake"].item() == 1.0


def test_critics_watch_the_gap():
    model = make_stubbed(Constant(-9.0), Linear(), loss="wasserstein")
    watch = model.discriminator_loss(Batch(torch.ones(4, *SHAPE))).watch
    gap = 2 * model.adversary.discriminator.weight.sum()
    torch.testing.assert_close(watch["score_gap"], gap.detach())
    assert not watch["score_gap"].requires_grad


def test_diagnosis_sees_collapse():
    """Every fake alike: no diversity. Fakes as diverse as the data: about 1."""
    x = torch.rand(40, *SHAPE)
    collapsed = make_stubbed(Constant(0.3), Linear())
    assert collapsed.diagnose([Batch(x)])["diversity"] == pytest.approx(0, abs=1e-3)

    class Uniform(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, z: Tensor, _: Tensor | None = None) -> Tensor:
            return self.scale * torch.special.ndtr(z).unflatten(1, SHAPE) * 2 - 1

    honest = make_stubbed(Uniform(), Linear(), PIXELS, output="linear")
    assert honest.diagnose([Batch(x)])["diversity"] == pytest.approx(1, abs=0.1)


# --- the moving average ---------------------------------------------------------------------------


def test_the_average_follows_the_weights():
    """ema ← 0.9 ema + 0.1 weights after every step of G, none after a step of D."""
    model = make_gan(ema=0.9, norm="batch")
    start = [p.clone() for p in model.generator_ema.parameters()]
    batch = Batch(images(8))
    play(model, 0, batch)
    assert all(map(torch.equal, model.generator_ema.parameters(), start))
    expected = start
    for _ in range(3):
        play(model, 1, Batch(images(8)), lr=0.5)
        weights = [p.detach() for p in model.generator.parameters()]
        expected = [0.9 * e + 0.1 * w for e, w in zip(expected, weights, strict=True)]
    for average, value, first in zip(
        model.generator_ema.parameters(), expected, start, strict=True
    ):
        torch.testing.assert_close(average.detach(), value.detach())
        assert not average.requires_grad
        assert average.grad is None
        if first.dim() > 1:
            assert not torch.equal(average, first)


def test_batch_norm_statistics_of_the_average_are_the_generators():
    model = make_gan(ema=0.9, norm="batch")
    play(model, 0, Batch(images(8)))
    play(model, 1, Batch(images(8)))
    buffers = dict(model.generator.named_buffers())
    assert {"after.1.running_mean", "after.1.num_batches_tracked"} <= set(buffers)
    assert buffers["after.1.num_batches_tracked"] > 0
    for name, value in model.generator_ema.named_buffers():
        assert torch.equal(value, buffers[name])


def test_samples_come_from_the_average():
    model = make_gan(ema=0.9)
    before = model.sample(4)
    with torch.no_grad():
        for parameter in model.generator.parameters():
            parameter.zero_()
    torch.testing.assert_close(model.sample(4), before, rtol=0, atol=0)
    with torch.no_grad():
        for parameter in model.generator_ema.parameters():
            parameter.zero_()
    torch.testing.assert_close(model.sample(4), torch.full((4, *SHAPE), 0.5))


def test_nobody_minimizes_the_average():
    model = make_gan(ema=0.9)
    trained = {id(p) for phase in model.phases for p in phase.parameters}
    assert not trained & {id(p) for p in model.generator_ema.parameters()}
    assert trained == {
        id(p) for n in (model.generator, model.adversary.discriminator) for p in n.parameters()
    }


def test_training_does_not_depend_on_the_average():
    losses = []
    for ema in (0.0, 0.99):
        torch.manual_seed(0)
        model = make_gan(ema=ema)
        for _ in range(3):
            batch = Batch(images(8))
            play(model, 0, batch)
            play(model, 1, batch)
        losses.append(model.generator_loss(Batch(images(8))).total)
    torch.testing.assert_close(losses[0], losses[1], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ema": 1.0}, "ema: got 1.0; input should be less than 1"),
        ({"ema": -0.1}, "ema: got -0.1; input should be greater than or equal to 0"),
        ({"label_smoothing": 1.0}, "label_smoothing: got 1.0; input should be less than 1"),
        ({"r1": -1.0}, "r1: got -1.0; input should be greater than or equal to 0"),
        ({"output": "relu"}, "output: got 'relu'; .*'tanh', 'sigmoid' or 'linear'"),
        ({"loss": "hinges"}, "did you mean 'hinge'"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "no labels to smooth"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(UsageError, match=words):
        make_gan(**settings)
