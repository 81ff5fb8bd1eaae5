"""The adversary by hand: gradients of both players, heads, penalties, averages, augmentation."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.errors import DataError, UsageError
from twofold.models import ACGAN, GAN, M2, VAE, Adversary, Hybrid
from twofold.models.diffaugment import augment
from twofold.models.heads import Binary, PlusOne, Projection, Shown
from twofold.registry import entries

SHAPE, D, B, K = (1, 4, 4), 3, 6, 3
LOSSES = [entry.name for entry in entries("loss")]


# What either player minimizes of scores of pairs, written out with logarithms of sigmoids.
def ln(score: Tensor) -> Tensor:
    return torch.sigmoid(score).log()


Pair = Callable[[Tensor, Tensor], Tensor]
BY_HAND: dict[str, tuple[Callable[[Tensor], Tensor], Pair, Pair]] = {  # real, fake, generator
    "minimax": (lambda r: -ln(r), lambda r, f: -ln(-f), lambda r, f: ln(-f)),
    "non-saturating": (lambda r: -ln(r), lambda r, f: -ln(-f), lambda r, f: -ln(f)),
    "least-squares": (
        lambda r: (r - 1) ** 2 / 2, lambda r, f: f**2 / 2, lambda r, f: (f - 1) ** 2 / 2,
    ),
    "swapped": (lambda r: -ln(-r), lambda r, f: -ln(f), lambda r, f: -ln(f)),
    "hinge": (lambda r: (1 - r).clamp(min=0), lambda r, f: (1 + f).clamp(min=0), lambda r, f: -f),
    "wasserstein": (lambda r: -r, lambda r, f: f, lambda r, f: -f),
    "relativistic": (lambda r: 0 * r, lambda r, f: -ln(r - f), lambda r, f: -ln(f - r)),
}  # fmt: skip


def test_all_losses_are_asked():
    assert set(BY_HAND) == set(LOSSES)


def make_gan(adversary: Adversary | str = "fc-8", **settings) -> GAN:
    torch.manual_seed(0)
    return GAN("fc-8", adversary, latent_dim=D, image_shape=SHAPE, **settings)


def make_hybrid(adversary: Adversary | str = "fc-8", objective="elbo", **settings) -> Hybrid:
    torch.manual_seed(0)
    vae = VAE("fc-8", "fc-8", latent_dim=D, image_shape=SHAPE, objective=objective)
    return Hybrid(vae, adversary, **settings)


def make_m2_hybrid(adversary: Adversary, **settings) -> Hybrid:
    torch.manual_seed(0)
    m2 = M2("fc-8", "fc-8", "fc-8", latent_dim=D, image_shape=SHAPE, num_classes=K)
    return Hybrid(m2, adversary, num_classes=K, **settings)


def partly_labeled() -> Batch:
    y = torch.tensor([0, 2, -1, -1, -1, -1])
    return Batch(torch.rand(B, *SHAPE), y, num_labeled=2, labeled_share=0.25)


def phase_gradients(model, batch: Batch, seed: int = 1) -> dict[str, tuple[Tensor, ...]]:
    torch.manual_seed(seed)
    found = {}
    for phase in model.phases:
        total = phase.loss(batch).total
        found[phase.name] = torch.autograd.grad(total, phase.parameters, retain_graph=True)
    return found


def assert_same(found, expected, **tolerance) -> None:
    assert len(found) == len(expected)
    assert max(mine.abs().max() for mine in found) > 1e-3
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, **(tolerance or {"rtol": 1e-4, "atol": 1e-6}))


# --- gradients of both players --------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_a_gan_are_those_written_out(name):
    gan, x = make_gan(Adversary("fc-8", loss=name)), torch.rand(B, *SHAPE)
    found = phase_gradients(gan, Batch(x))
    torch.manual_seed(1)
    critic = gan.adversary.discriminator
    x_fake = torch.tanh(gan.generator(torch.randn(B, D)))
    real, of_fake, of_generator = BY_HAND[name]
    r = critic(2 * x - 1)[:, 0]
    f, f_held = critic(x_fake)[:, 0], critic(x_fake.detach())[:, 0]
    by_d = (real(r) + of_fake(r, f_held)).mean()
    assert_same(found["discriminator"], torch.autograd.grad(by_d, list(critic.parameters())))
    by_g = of_generator(r.detach(), f).mean()
    assert_same(found["generator"], torch.autograd.grad(by_g, list(gan.generator.parameters())))


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_a_hybrid_are_those_written_out(name):
    """Two draws for each image: reconstruction s of image b is row s B + b, and pairs with b."""
    weight = 0.7
    hybrid = make_hybrid(
        Adversary("fc-8", loss=name), {"name": "elbo", "num_samples": 2}, adversarial_weight=weight
    )
    x, vae, critic = torch.rand(B, *SHAPE), hybrid.autoencoder, hybrid.adversary.discriminator
    found = phase_gradients(hybrid, Batch(x))
    torch.manual_seed(1)
    mu, logvar = vae.encoder(x).chunk(2, dim=1)
    z = mu + (0.5 * logvar).exp() * torch.randn(2, B, D)
    logits = vae.decoder(z.flatten(0, 1))  # (2 B, C, H, W)
    x_prior = 2 * torch.sigmoid(vae.decoder(torch.randn(B, D))) - 1
    x_recon = 2 * torch.sigmoid(logits) - 1
    real, of_fake, of_generator = BY_HAND[name]
    r = critic(2 * x - 1)[:, 0]
    pairs = ((r, x_prior), (torch.cat([r, r]), x_recon))
    by_d = real(r).mean()
    by_g = torch.zeros(())
    for beside, fakes in pairs:
        by_d = by_d + of_fake(beside, critic(fakes.detach())[:, 0]).mean()
        by_g = by_g + of_generator(beside.detach(), critic(fakes)[:, 0]).mean()
    assert_same(found["discriminator"], torch.autograd.grad(by_d, list(critic.parameters())))
    nll = F.binary_cross_entropy_with_logits(logits, torch.cat([x, x]), reduction="sum") / (2 * B)
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum() / B
    expected = torch.autograd.grad(nll + kl + weight * by_g, list(vae.parameters()))
    assert_same(found["autoencoder"], expected, rtol=1e-4, atol=1e-5)


def test_relativistic_pairs_set_each_fake_against_its_own_image():
    """Scores that name the image: rows of M2, K for each unlabeled one, in any order of classes."""

    class Names(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, :1]  # the first pixel

    adversary = Adversary(Names(), loss="relativistic")
    adversary.join(make_gan(), SHAPE, 0)
    x = torch.zeros(4, *SHAPE)
    x[:, 0, 0, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    rows, weight = torch.tensor([3, 0, 0, 1, 2]), torch.tensor([0.4, 0.1, 0.1, 0.2, 0.2])
    fakes = torch.zeros(5, *SHAPE)
    fakes[:, 0, 0, 0] = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.0])
    gaps = fakes[:, 0, 0, 0] - torch.tensor([4.0, 1.0, 1.0, 2.0, 3.0])
    shown = Shown(fakes, rows=rows, weight=weight)
    by_d = adversary.discriminator_terms(Shown(x), {"recon": shown}).terms["adversarial"]
    torch.testing.assert_close(by_d, -(weight * ln(-gaps)).sum())
    by_g = adversary.generator_terms([(shown, adversary.judge(shown))], Shown(x))
    torch.testing.assert_close(by_g.terms["adversarial"], -(weight * ln(gaps)).sum())


def test_an_adversary_without_weight_leaves_the_autoencoders_gradients_alone():
    hybrid = make_hybrid(adversarial_weight=0.0)
    batch = Batch(torch.rand(B, *SHAPE))
    torch.manual_seed(1)
    hybrid.discriminator_loss(batch)
    _, phase = hybrid.phases
    found = torch.autograd.grad(phase.loss(batch).total, phase.parameters)
    torch.manual_seed(1)
    total = hybrid.autoencoder.loss(batch.afresh()).total
    assert_same(found, torch.autograd.grad(total, phase.parameters), rtol=0, atol=1e-6)


def test_nothing_of_the_discriminators_phase_reaches_the_autoencoder():
    """Nor of the auto-encoder's weights q(y|x), by which M2 weighs its reconstructions."""
    hybrid = make_m2_hybrid(Adversary("fc-8", r1=1.0, r2=1.0, gp_weight=1.0))
    total = hybrid.discriminator_loss(partly_labeled()).total
    gradients = torch.autograd.grad(total, list(hybrid.autoencoder.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


# --- heads ----------------------------------------------------------------------------------------


def plus_one(asks_class: bool = True, **settings) -> Adversary:
    adversary = Adversary(nn.Flatten(), head=PlusOne(asks_class=asks_class), **settings)
    adversary.join(None, (K + 1, 1, 1), K)
    return adversary


def outputs() -> Tensor:
    return torch.randn(B, K + 1, 1, 1, requires_grad=True)


def test_k_plus_one_classes_are_one_softmax():
    """Score and class together are the cross-entropy over K + 1, for both players (Salimans)."""
    adversary, x, x_fake = plus_one(), outputs(), outputs()
    y, wanted = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([2, 0, 1, 1, 0, 2])
    real = Shown(x, targets=F.one_hot(y, K).float())
    fake = Shown(x_fake, targets=F.one_hot(wanted, K).float())
    said, opinion = adversary.judge(real), adversary.judge(fake)
    loss, head = adversary.loss, adversary.head
    found = {
        "real": loss.real(said.score, 0.0).mean()
        + head.terms(said, real, "discriminator", True)["class_real"],
        "fake": loss.fake(opinion.score).mean(),
        "generator": adversary.generator_terms([(fake, opinion)], real).total,
    }
    last = torch.full((B,), K)
    expected = {
        "real": F.cross_entropy(x[:, :, 0, 0], y),
        "fake": F.cross_entropy(x_fake[:, :, 0, 0], last),
        "generator": F.cross_entropy(x_fake[:, :, 0, 0], wanted),
    }
    assert head.terms(opinion, fake, "discriminator", False) == {}
    for name, at in (("real", x), ("fake", x_fake), ("generator", x_fake)):
        torch.testing.assert_close(found[name], expected[name])
        slopes = [torch.autograd.grad(value[name], at, retain_graph=True)[0]
                  for value in (found, expected)]  # fmt: skip
        torch.testing.assert_close(*slopes)
    whole = adversary.discriminator_terms(real, {"prior": fake}).total
    torch.testing.assert_close(whole, expected["real"] + expected["fake"])


def test_minimax_without_a_class_lowers_the_probability_of_fake():
    adversary, x_fake = plus_one(asks_class=False, loss="minimax"), outputs()
    fake = Shown(x_fake)
    found = adversary.generator_terms([(fake, adversary.judge(fake))], fake)
    assert list(found.terms) == ["adversarial"]
    log_fake = x_fake[:, :, 0, 0].log_softmax(dim=1)[:, K].mean()
    torch.testing.assert_close(found.total, log_fake)
    slopes = [torch.autograd.grad(value, x_fake, retain_graph=True)[0]
              for value in (found.total, log_fake)]  # fmt: skip
    torch.testing.assert_close(*slopes)


def test_a_real_image_of_no_known_class_is_only_real():
    """Rows of zeros ask for no class: -ln p(real), and a soft guess for that mixture."""
    adversary, x = plus_one(), outputs()
    soft = torch.tensor([[0.5, 0.3, 0.2]]).expand(B, K)
    log_p = x[:, :, 0, 0].log_softmax(dim=1)
    for targets, expected in (
        (torch.zeros(B, K), -log_p[:, :K].logsumexp(dim=1).mean()),
        (soft, -(soft * log_p[:, :K]).sum(dim=1).mean()),
    ):
        real = Shown(x, targets=targets)
        said = adversary.judge(real)
        found = adversary.loss.real(said.score, 0.0).mean()
        found = found + adversary.head.terms(said, real, "discriminator", True)["class_real"]
        torch.testing.assert_close(found, expected)


def test_a_projection_on_nothing_is_the_binary_head_behind_its_linear_layer():
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(16, 5))
    cgan = GAN("fc-8", Adversary(trunk, head=Projection(5)), latent_dim=D, condition="class",
               image_shape=SHAPE, num_classes=K)  # fmt: skip
    head = cgan.adversary.head
    binary = Adversary(nn.Sequential(trunk, nn.ReLU(), head.linear), head=Binary())
    binary.join(cgan, SHAPE, K)
    x, targets = torch.randn(B, *SHAPE), torch.eye(K).repeat(2, 1)
    shown = Shown(x, targets=targets)
    assert (cgan.adversary.score(shown) - binary.score(shown)).abs().min() > 1e-3
    projected = cgan.adversary.score(shown) - binary.score(shown)
    phi = torch.relu(trunk(x))
    torch.testing.assert_close(projected, (head.embedding.weight.T[targets.argmax(1)] * phi).sum(1))
    nn.init.zeros_(head.embedding.weight)
    torch.testing.assert_close(cgan.adversary.score(shown), binary.score(shown))


# --- whom the batch holds -------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_images_count_as_in_the_data_however_many_labeled_ones_are_in_a_batch(loss):
    """A quarter of the data is labeled and white, the rest black: by hand, for every mix.

    The critic reads the mean pixel, fakes of the prior are all gray, and so are reconstructions.
    """
    found = []
    for labeled, others in ((1, 5), (3, 3), (5, 1), (20, 1)):
        x = torch.cat([torch.ones(labeled, *SHAPE), torch.zeros(others, *SHAPE)])
        y = torch.cat([torch.zeros(labeled), -torch.ones(others)]).long()
        batch = Batch(x, y, num_labeled=labeled, labeled_share=0.25)
        critic = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
        nn.init.constant_(critic[1].weight, 0.25)
        nn.init.constant_(critic[1].bias, 0.5)
        hybrid = make_m2_hybrid(Adversary(critic, loss=loss))
        for parameter in hybrid.autoencoder.decoder.parameters():
            nn.init.zeros_(parameter)
        found.append(hybrid.discriminator_loss(batch))
    of_real, of_fake, _ = BY_HAND[loss]
    white, black, gray = torch.tensor(4.5), torch.tensor(-3.5), torch.tensor(0.5)

    def counted(value: Callable[[Tensor], Tensor]) -> Tensor:
        return 0.25 * value(white) + 0.75 * value(black)

    by_hand = counted(of_real) + 2 * counted(lambda real: of_fake(real, gray))
    for one in found:
        torch.testing.assert_close(one.terms["adversarial"], by_hand)
        watched = one.watch.get("accuracy_real", torch.tensor(0.25)).item()
        assert watched == pytest.approx(0.25)


# --- penalties ------------------------------------------------------------------------------------


class Quadratic(nn.Module):
    """D(x) = a ‖x‖² / 2, whose gradient is a x."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.5))

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * self.a * x.flatten(1).square().sum(dim=1, keepdim=True)


def linear(norm: float) -> nn.Sequential:
    layer = nn.Linear(16, 1)
    with torch.no_grad():
        layer.weight.mul_(norm / layer.weight.norm())
    return nn.Sequential(nn.Flatten(), layer)


PENALTIES = {"r1": 2.0, "r2": 3.0, "gp_weight": 10.0}


@pytest.mark.parametrize("norm", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("kind", ["gan", "vae", "m2"])
def test_penalties_of_a_linear_critic(kind, norm):
    """‖w‖² / 2 and (‖w‖ - 1)² for each set of fakes, however its rows are weighted."""
    adversary = Adversary(linear(norm), loss="wasserstein", **PENALTIES)
    make = {"gan": make_gan, "vae": make_hybrid, "m2": make_m2_hybrid}[kind]
    model, sets = make(adversary), 1 if kind == "gan" else 2
    found = model.discriminator_loss(
        partly_labeled() if kind == "m2" else Batch(torch.rand(B, *SHAPE))
    )
    assert found.weights == {"r1": 2.0, "r2": 3.0, "gp": 10.0}
    assert found.terms["r1"].item() == pytest.approx(norm**2 / 2, rel=1e-5)
    assert found.terms["r2"].item() == pytest.approx(sets * norm**2 / 2, rel=1e-5)
    assert found.terms["gp"].item() == pytest.approx(sets * (norm - 1) ** 2, rel=1e-4, abs=1e-6)
    total = found.terms["adversarial"] + 2 * found.terms["r1"] + 3 * found.terms["r2"]
    torch.testing.assert_close(found.total, total + 10 * found.terms["gp"])


def test_penalties_of_a_quadratic_critic_around_m2():
    """a² ‖x‖² / 2 at real images and, by weight, at fakes; a ‖x̂‖ between each and its own."""
    critic = Quadratic()
    hybrid = make_m2_hybrid(Adversary(critic, loss="wasserstein", **PENALTIES))
    batch = partly_labeled()
    torch.manual_seed(1)
    shown = hybrid.shown
    shown.bound(batch)
    real = shown.real(batch)
    sets = [replace(shown.prior(batch), weight=real.weight), shown.recon(batch)]
    assert len(sets[1].x) == 2 + 4 * K
    assert sets[1].weight.sum().item() == pytest.approx(1)
    torch.manual_seed(2)
    found = hybrid.discriminator_loss(batch)
    torch.manual_seed(2)
    a, square = 1.5, lambda x: x.flatten(1).square().sum(dim=1)
    mean = lambda s, v: v.mean() if s.weight is None else (s.weight * v).sum()  # noqa: E731
    gp = torch.zeros(())
    for fake in sets:
        mix = torch.rand(len(fake.x), 1, 1, 1)
        own = real.x if fake.rows is None else real.x[fake.rows]
        between = mix * own + (1 - mix) * fake.x
        gp = gp + mean(fake, (a * square(between).sqrt() - 1) ** 2)
    torch.testing.assert_close(found.terms["r1"], a**2 / 2 * mean(real, square(real.x)))
    r2 = sum(mean(fake, square(fake.x)) for fake in sets)
    torch.testing.assert_close(found.terms["r2"], a**2 / 2 * r2)
    torch.testing.assert_close(found.terms["gp"], gp)
    (slope,) = torch.autograd.grad(found.terms["r1"], critic.a)
    torch.testing.assert_close(slope, a * mean(real, square(real.x)))


def test_penalties_may_be_watched_while_nobody_learns():
    """A diagnosis of held-out images, for which no gradient is kept."""
    hybrid = make_hybrid(Adversary("fc-8", **PENALTIES))
    numbers = hybrid.diagnose([Batch(torch.rand(B, *SHAPE))])
    assert 0 <= numbers["accuracy_real"] <= 1


@pytest.mark.parametrize("name", ["minimax", "non-saturating", "least-squares"])
def test_smoothing_adds_s_times_the_score_of_real_images(name):
    """-(1-s) ln σ - s ln(1-σ) is -ln σ + s D; of squares (D - (1-s))² / 2. Fakes do not change."""
    plain, smooth = (make_gan(Adversary("fc-8", loss=name, label_smoothing=s)) for s in (0.0, 0.2))
    x = torch.rand(B, *SHAPE)
    found = []
    for gan in (plain, smooth):
        batch = Batch(x)
        torch.manual_seed(1)
        found.append((gan.discriminator_loss(batch).total, gan.generator_loss(batch).total))
    score = plain.adversary.score(Shown(2 * x - 1))
    change = 0.2 * score
    if name == "least-squares":
        change = ((score - 0.8) ** 2 - (score - 1) ** 2) / 2
    torch.testing.assert_close(found[1][0] - found[0][0], change.mean(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found[1][1], found[0][1])


# --- the moving average ---------------------------------------------------------------------------


def test_the_average_of_a_hybrid_is_its_recursion_and_makes_its_images():
    decay, hybrid = 0.75, make_hybrid(Adversary("fc-8", ema=0.75))
    vae, average = hybrid.autoencoder, hybrid.autoencoder_ema
    expected = [p.detach().clone() for p in vae.parameters()]
    optimizer = torch.optim.SGD(hybrid.phases[1].parameters, lr=0.1)
    for _ in range(3):
        hybrid.phases[1].loss(Batch(torch.rand(B, *SHAPE))).total.backward()
        optimizer.step()
        hybrid.after_step()
        expected = [
            decay * e + (1 - decay) * p for e, p in zip(expected, vae.parameters(), strict=True)
        ]
    for mean, by_hand in zip(average.parameters(), expected, strict=True):
        torch.testing.assert_close(mean, by_hand)
    x, z = torch.rand(2, *SHAPE), hybrid.sample_latent(2, seed=3)
    assert torch.equal(hybrid.sample(2, seed=3), average.generate(z))
    assert not torch.allclose(hybrid.sample(2, seed=3), vae.generate(z))
    assert hybrid.answering(object)[1] is average
    torch.testing.assert_close(hybrid.answering(object)[1].reconstruct(x), average.reconstruct(x))
    trained = {id(p) for phase in hybrid.phases for p in phase.parameters}
    assert trained.isdisjoint(id(p) for p in average.parameters())


# --- augmentation ---------------------------------------------------------------------------------

MANY = 20_000


def test_a_translation_moves_what_lies_inside_and_loses_nothing():
    """8×8 by at most one pixel: inside a margin of one, the sum stays, and each place is even."""
    x = torch.full((1, 1, 8, 8), -1.0)
    x[:, :, 1:7, 1:7] = torch.rand(6, 6)
    moved = augment(x.expand(MANY, -1, -1, -1), ["translation"])
    torch.testing.assert_close(moved.sum(dim=(1, 2, 3)), x.sum().expand(MANY), rtol=0, atol=1e-4)
    dark = F.pad(x, (1, 1, 1, 1), value=-1.0)
    shifts = torch.stack([dark[:, :, i : i + 8, j : j + 8] for i in range(3) for j in range(3)])
    expected, error = shifts.mean(dim=0)[0], shifts.std(dim=0)[0] / MANY**0.5
    assert ((moved.mean(dim=0) - expected).abs() <= 5 * error + 1e-6).all()
    shares = torch.stack(
        [(moved == shift).flatten(1).all(dim=1).float().mean() for shift in shifts]
    )
    assert (shares - 1 / 9).abs().max() < 5 * (8 / 81 / MANY) ** 0.5


def test_brightness_adds_nothing_in_expectation_and_the_same_to_all_pixels():
    x = torch.rand(1, 2, 3, 3).expand(MANY, -1, -1, -1)
    added = augment(x, ["brightness"]) - x
    torch.testing.assert_close(added, added[:, :1, :1, :1].expand_as(added), rtol=0, atol=1e-6)
    b = added[:, 0, 0, 0]
    assert (b.min() >= -0.5 - 1e-6) & (b.max() <= 0.5 + 1e-6)
    assert abs(b.mean()) < 5 * (1 / 12 / MANY) ** 0.5
    assert abs(b.var() - 1 / 12) < 5 * ((1 / 80 - 1 / 144) / MANY) ** 0.5


def test_a_cutout_hides_the_share_counted_by_hand():
    """Of 9 middles, row 0 of 8 is cut by 0, 1, 2, row 1 by 0..3, row 2 by 1..4 and so on."""
    hidden = (augment(torch.ones(MANY, 1, 8, 8), ["cutout"]) == 0).float()[:, 0]
    side = torch.tensor([3.0, 4, 4, 4, 4, 4, 4, 3]) / 9
    expected = side[:, None] * side
    error = (expected * (1 - expected) / MANY).sqrt()
    assert ((hidden.mean(dim=0) - expected).abs() < 5 * error).all()
    assert hidden.sum(dim=(1, 2)).max() == 16


@pytest.mark.parametrize("name", ["brightness", "translation", "cutout"])
def test_each_image_is_changed_by_chance_of_its_own_and_lets_gradients_through(name):
    x = torch.rand(1, 1, 8, 8).repeat(50, 1, 1, 1).requires_grad_()
    changed = augment(x, [name])
    assert len(changed.detach().flatten(1).unique(dim=0)) > 5
    assert not torch.equal(changed, augment(x, [name]))
    (slope,) = torch.autograd.grad(changed.sum(), x)
    kept = (changed != 0).sum() if name == "cutout" else None
    assert torch.isfinite(slope).all()
    assert set(slope.unique().tolist()) <= {0.0, 1.0}  # of each pixel that is still in sight
    if kept is not None:
        assert slope.sum() == kept
    if name == "brightness":
        assert (slope == 1).all()


def test_players_see_augmented_images_and_evaluation_does_not():
    names = ("brightness", "translation", "cutout")
    adversary = Adversary("fc-8", head="class", augment=names)
    torch.manual_seed(0)
    acgan = ACGAN("fc-8", adversary, latent_dim=D, image_shape=SHAPE, num_classes=K).eval()
    x, c = torch.rand(B, *SHAPE), torch.tensor([0, 1, 2, 0, 1, 2])
    shown = Shown(2 * x - 1)
    output = acgan.adversary.discriminator(2 * x - 1)
    torch.testing.assert_close(acgan.adversary.score(shown), output[:, 0])
    torch.testing.assert_close(acgan.realness(x, c), output[:, 0])
    torch.testing.assert_close(acgan.adversary.classify(x), output[:, 1:].log_softmax(dim=1))
    one, other = (acgan.adversary.judge(shown).score for _ in range(2))
    assert not torch.allclose(one, other)
    assert not torch.allclose(one, output[:, 0])
    hybrid = make_hybrid(Adversary("fc-8", augment=names))
    raw = hybrid.adversary.discriminator(2 * x - 1)[:, 0]
    torch.testing.assert_close(hybrid.realness(x), raw)


def test_generator_gradients_flow_through_the_augmentation():
    gan = make_gan(Adversary("fc-8", augment=("brightness", "translation", "cutout")))
    gradients = phase_gradients(gan, Batch(torch.rand(B, *SHAPE)))["generator"]
    assert all(torch.isfinite(g).all() and g.abs().max() > 0 for g in gradients)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hinge", "wasserstein", "relativistic", "swapped"])
def test_smoothing_needs_targets(name):
    with pytest.raises(UsageError, match=f"{name} has no labels to smooth"):
        Adversary("fc-8", loss=name, label_smoothing=0.1)


def test_what_cannot_be():
    used = Adversary("fc-8")
    make_gan(used)
    with pytest.raises(UsageError, match="part of a model already; make another"):
        make_gan(used)
    for head in ("class", "plus-one", "projection"):
        with pytest.raises(DataError, match="labels of at least 2"):
            make_gan(Adversary("fc-8", head=head))
    with pytest.raises(UsageError, match="unknown head 'klass'; did you mean 'class'"):
        make_gan(Adversary("fc-8", head="klass"))
    gan = make_gan(Adversary(nn.Sequential(nn.Flatten(), nn.Linear(16, 2))))
    with pytest.raises(
        UsageError, match=r"gives a shape of \(6, 2\) for a batch, expected \(B, 1\)"
    ):
        gan.discriminator_loss(Batch(torch.rand(B, *SHAPE)))


@pytest.mark.parametrize("penalty", ["r1", "r2", "gp_weight"])
def test_penalties_are_of_single_images_and_refuse_batch_norm(penalty):
    """With it the gradient of the sum of scores is that of no image's own score."""
    asked = {"discriminator": {"layers": "fc-8", "norm": "batch"}, penalty: 1.0}
    words = rf"{penalty} penalizes .*batch norm.*norm=none or norm=spectral"
    with pytest.raises(UsageError, match=words):
        make_gan(Adversary(**asked))
    with pytest.raises(UsageError, match=words):
        make_hybrid(Adversary(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16)), **{penalty: 1.0}))
    for norm in ("none", "spectral"):
        make_gan(Adversary(**{**asked, "discriminator": {"layers": "fc-8", "norm": norm}}))
    make_gan(Adversary(**{**asked, penalty: 0.0}))


def test_options_without_effect():
    weak = {"adversarial_weight": 0.0}
    with pytest.raises(UsageError, match="routing=larsen has no effect at adversarial_weight=0"):
        make_hybrid(routing="larsen", **weak)
    with pytest.raises(UsageError, match="asks_class=false has no effect at adversarial_weight=0"):
        make_m2_hybrid(Adversary("fc-8", head=PlusOne(asks_class=False)), **weak)
    for half in ({"feature_weight": 0.5}, {"feature_layer": "fc-8"}):
        with pytest.raises(UsageError, match="need each other"):
            make_hybrid(**half)
    with pytest.raises(UsageError, match="unlabeled=real has no effect in CGAN, which learns from"):
        make_gan(
            Adversary("fc-8", head=PlusOne(unlabeled="real")), condition="class", num_classes=K
        )
