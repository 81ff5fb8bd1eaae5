"""Every adversarial loss against its formula, its known values and the way it pushes."""

import math

import pytest
import torch
from torch import Tensor, nn

from twofold.errors import UsageError
from twofold.models.adversarial import (
    AdversarialLoss,
    check_smoothing,
    gradient_penalty,
    squared_gradient_norm,
)
from twofold.models.gan import GAN
from twofold.models.heads import Shown
from twofold.registry import entries, make

REAL = torch.tensor([-2.0, -0.5, 0.0, 0.3, 1.0, 4.0], dtype=torch.float64)
FAKE = torch.tensor([1.5, -0.7, 0.0, 2.0, -1.0, 3.0], dtype=torch.float64)


def sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


# (real, fake, smoothing) -> D's loss, (real, fake) -> G's, as the papers print them, to minimize.
BY_HAND = {
    "minimax": (
        lambda r, f, s: (
            -((1 - s) * math.log(sigmoid(r)) + s * math.log(1 - sigmoid(r)))
            - math.log(1 - sigmoid(f))
        ),
        lambda r, f: math.log(1 - sigmoid(f)),
    ),
    "non-saturating": (
        lambda r, f, s: (
            -((1 - s) * math.log(sigmoid(r)) + s * math.log(1 - sigmoid(r)))
            - math.log(1 - sigmoid(f))
        ),
        lambda r, f: -math.log(sigmoid(f)),
    ),
    "least-squares": (
        lambda r, f, s: ((r - (1 - s)) ** 2 + f**2) / 2,
        lambda r, f: (f - 1) ** 2 / 2,
    ),
    "hinge": (lambda r, f, s: max(0, 1 - r) + max(0, 1 + f), lambda r, f: -f),
    "wasserstein": (lambda r, f, s: -(r - f), lambda r, f: -f),
    "relativistic": (
        lambda r, f, s: -math.log(sigmoid(r - f)),
        lambda r, f: -math.log(sigmoid(f - r)),
    ),
}


def of_d(loss: AdversarialLoss, real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
    """What the discriminator minimizes of a real image and a fake, per image."""
    return loss.real(real, smoothing) + loss.fake(fake - real if loss.paired else fake)


def of_g(loss: AdversarialLoss, real: Tensor, fake: Tensor) -> Tensor:
    """What the generator minimizes beside a real image, per image."""
    return loss.generator(fake - real if loss.paired else fake)


NAMES = [entry.name for entry in entries("loss")]
OPPOSED = [name for name in NAMES if name != "swapped"]


def test_every_loss_is_here():
    """Each under the name that it is registered by."""
    assert set(BY_HAND) == set(OPPOSED)
    assert [make("loss", name).name for name in NAMES] == NAMES


@pytest.mark.parametrize("fake", [-3.0, 0.0, 3.0])
def test_swapped_targets_set_nobody_against_anybody(fake: float):
    """Trap, kept by name to show what it does: both players push the fakes' score upwards."""
    swapped = make("loss", "swapped")
    score = torch.full((1,), fake, requires_grad=True)
    (by_d,) = torch.autograd.grad(of_d(swapped, torch.zeros(1), score).sum(), score)
    (by_g,) = torch.autograd.grad(of_g(swapped, torch.zeros(1), score).sum(), score)
    torch.testing.assert_close(by_d, by_g)
    assert by_d < 0


@pytest.mark.parametrize("name", OPPOSED)
def test_losses_are_the_papers(name):
    """Also the pairing: image i of the reals with image i of the fakes, one value per image."""
    loss = make("loss", name)
    of_discriminator, of_generator = BY_HAND[name]
    pairs = list(zip(REAL.tolist(), FAKE.tolist(), strict=True))
    discriminator, generator = of_d(loss, REAL, FAKE), of_g(loss, REAL, FAKE)
    assert discriminator.shape == generator.shape == (6,)
    assert discriminator.tolist() == pytest.approx([of_discriminator(r, f, 0) for r, f in pairs])
    assert generator.tolist() == pytest.approx([of_generator(r, f) for r, f in pairs])


@pytest.mark.parametrize(
    ("name", "score", "discriminator", "generator"),
    [
        ("minimax", 0.0, math.log(4), -math.log(2)),
        ("non-saturating", 0.0, math.log(4), math.log(2)),
        ("least-squares", 0.5, 1 / 4, 1 / 8),
        ("hinge", 0.0, 2.0, 0.0),
        ("wasserstein", 0.7, 0.0, -0.7),
        ("relativistic", 0.7, math.log(2), math.log(2)),
    ],
)
def test_at_the_equilibrium(name, score, discriminator, generator):
    """Where D cannot tell, D = 1/2: the values that a log should show in the end."""
    same, loss = torch.full((3,), score), make("loss", name)
    assert of_d(loss, same, same).tolist() == pytest.approx([discriminator] * 3)
    assert of_g(loss, same, same).tolist() == pytest.approx([generator] * 3)


def slopes(name: str, real: float, fake: float, player: str) -> tuple[float, float]:
    r, f = torch.tensor(real, requires_grad=True), torch.tensor(fake, requires_grad=True)
    loss = make("loss", name)
    value = of_d(loss, r, f) if player == "D" else of_g(loss, r, f)
    value.backward()
    of_real, of_fake = (0.0 if t.grad is None else float(t.grad) for t in (r, f))
    return of_real, of_fake


@pytest.mark.parametrize("name", OPPOSED)
@pytest.mark.parametrize(("real", "fake"), [(0.1, 0.4), (0.4, 0.1), (-0.5, -0.6)])
def test_the_players_push_against_each_other(name, real, fake):
    """Trap: swapped real/fake targets. D raises reals and lowers fakes; G raises fakes."""
    of_real, of_fake = slopes(name, real, abs(fake), "D")
    assert of_real < 0 < of_fake
    assert slopes(name, real, fake, "G")[1] < 0


@pytest.mark.parametrize("score", [-8.0, -1.0, 0.0, 1.0, 8.0])
def test_minimax_pushes_as_non_saturating_does_but_weakly_where_it_loses(score):
    minimax, other = (slopes(name, 0.0, score, "G")[1] for name in ("minimax", "non-saturating"))
    assert minimax < 0
    assert other < 0
    assert minimax / other == pytest.approx(math.exp(score), rel=1e-3)  # σ(s)/σ(-s)


@pytest.mark.parametrize("name", ["minimax", "non-saturating", "least-squares"])
def test_smoothing_is_one_sided(name):
    """The best real score becomes that of 1 - s; the loss of fakes does not know s."""
    loss = make("loss", name)
    check_smoothing(loss, 0.1)
    of_discriminator = BY_HAND[name][0]
    smoothed = of_d(loss, REAL, FAKE, 0.1)
    expected = [
        of_discriminator(r, f, 0.1) for r, f in zip(REAL.tolist(), FAKE.tolist(), strict=True)
    ]
    assert smoothed.tolist() == pytest.approx(expected)
    change = smoothed - of_d(loss, REAL, FAKE)
    torch.testing.assert_close(of_d(loss, REAL, REAL, 0.1) - of_d(loss, REAL, REAL), change)
    torch.testing.assert_close(loss.real(REAL, 0.1) - loss.real(REAL, 0.0), change)
    best = torch.tensor(math.log(9.0) if name != "least-squares" else 0.9, requires_grad=True)
    of_d(loss, best, torch.zeros(()), 0.1).backward()
    assert best.grad.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["hinge", "wasserstein", "relativistic"])
def test_without_labels_there_is_nothing_to_smooth(name):
    with pytest.raises(UsageError, match=f"{name} has no labels to smooth.*minimax"):
        check_smoothing(make("loss", name), 0.1)
    check_smoothing(make("loss", name), 0.0)


def test_unknown_loss():
    with pytest.raises(UsageError, match="unknown loss 'waserstein'; did you mean 'wasserstein'"):
        make("loss", "waserstein")


class Weighted(nn.Module):
    """D(x) = w·x, which tells how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return (x.flatten(1) @ self.weight)[:, None]


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_says_whether_its_generator_reads_real_scores(name):
    """Only a loss of pairs looks at real images in the generator's turn; it has no others."""
    loss = make("loss", name)
    assert torch.equal(loss.real(REAL, 0.0), torch.zeros(6).double()) == loss.paired
    critic = Weighted()
    gan = GAN("fc-8", {"discriminator": critic, "loss": name}, 2, image_shape=(1, 2, 2))
    fake, values = Shown(torch.rand(5, 1, 2, 2)), []
    judged = [(fake, gan.adversary.judge(fake))]
    for real in (Shown(torch.rand(5, 1, 2, 2)), Shown(torch.rand(5, 1, 2, 2) - 1)):
        values.append(gan.adversary.generator_terms(judged, real).total)
        expected = of_g(loss, gan.adversary.score(real), judged[0][1].score)
        torch.testing.assert_close(values[-1], expected.mean())
    assert torch.equal(*values) == (not loss.paired)
    assert critic.calls == 1 + 2 + (2 if loss.paired else 0)


@pytest.mark.parametrize("name", NAMES)
def test_extreme_scores_are_finite(name):
    """No sigmoid and logarithm apart: a score of 200 must not be ln 0."""
    scores = torch.tensor([-200.0, 200.0, -200.0, 200.0], requires_grad=True)
    loss = make("loss", name)
    other = scores.flip(0)
    total = (of_d(loss, scores, other) + of_g(loss, scores, other)).sum()
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(scores.grad).all()


# --- penalties ------------------------------------------------------------------------------------


def linear_critic(norm: float) -> tuple[nn.Parameter, Tensor]:
    weight = torch.randn(2, 3, 4)
    return nn.Parameter(weight * norm / weight.norm()), torch.randn(5, 2, 3, 4)


@pytest.mark.parametrize("norm", [0.5, 1.0, 3.0])
def test_squared_gradient_norm_of_a_linear_critic(norm):
    """||w||² for each image, and 2 w as its own gradient: differentiable again."""
    weight, x = linear_critic(norm)
    x.requires_grad_()
    squared = squared_gradient_norm((x * weight).sum(dim=(1, 2, 3)), x)
    assert squared.tolist() == pytest.approx([norm**2] * 5, rel=1e-5)
    squared.mean().backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_squared_gradient_norm_is_per_image():
    """D(x) = |x|²/2 has the gradient x: every image has its own, and none reaches another."""
    x = torch.randn(5, 2, 3, 4, requires_grad=True)
    squared = squared_gradient_norm(x.square().sum(dim=(1, 2, 3)) / 2, x)
    torch.testing.assert_close(squared, x.square().sum(dim=(1, 2, 3)))


@pytest.mark.parametrize(("norm", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.5, 0.25), (0.0, 1.0)])
def test_gradient_penalty_of_a_linear_critic(norm, penalty):
    """(||w|| - 1)²: nothing at a unit gradient, and finite gradients at a dead critic."""
    weight, x = linear_critic(norm)
    found = gradient_penalty(lambda x: (x * weight).sum(dim=(1, 2, 3)), x, torch.randn_like(x))
    assert found.shape == (5,)
    assert found.tolist() == pytest.approx([penalty] * 5, abs=1e-5)
    found.mean().backward()
    assert torch.isfinite(weight.grad).all()


def test_gradient_penalty_looks_between_real_and_fake():
    """One point for each image, uniformly on its segment: mean 1/2, variance 1/12."""
    seen = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.sum(dim=(1, 2, 3))

    count = 4000
    gradient_penalty(critic, torch.ones(count, 1, 2, 2), torch.full((count, 1, 2, 2), 3.0))
    (between,) = seen
    share = (between - 1) / 2
    assert torch.equal(share, share[:, :, :1, :1].expand_as(share))
    share = share[:, 0, 0, 0]
    assert 0 <= share.min() < 0.01
    assert 0.99 < share.max() <= 1
    assert share.mean().item() == pytest.approx(0.5, abs=5 * math.sqrt(1 / 12 / count))
    # The variance of a uniform's sample variance is (1/80 - 1/144)/n.
    assert share.var().item() == pytest.approx(
        1 / 12, abs=5 * math.sqrt((1 / 80 - 1 / 144) / count)
    )
