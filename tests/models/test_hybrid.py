"""A hybrid's players: the auto-encoder alone, terms by hand, and whose gradient goes where."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.errors import DataError, UsageError
from twofold.models.adversary import Adversary
from twofold.models.capabilities import Classifies, Encodes
from twofold.models.draw import DRAW
from twofold.models.gan import GAN
from twofold.models.heads import Binary, Judged, PlusOne, Shown
from twofold.models.hybrid import Hybrid
from twofold.models.m2 import M2
from twofold.models.vae import VAE
from twofold.networks import build_network
from twofold.phases import Phase
from twofold.registry import make

SHAPE, D, K, T = (1, 4, 4), 3, 3, 2
KINDS = ("vae", "cvae", "m2", "draw", "cdraw")
FOOLS = ("non-saturating", "minimax")


def make_autoencoder(kind: str) -> VAE | M2 | DRAW:
    told = K if kind in ("cvae", "cdraw") else 0
    images = {"image_shape": SHAPE, "num_classes": K}
    if kind in ("draw", "cdraw"):
        return DRAW(D, T, 8, 2, 2, "class" if told else "none", **images)
    if kind == "m2":
        return M2(
            build_network("fc-6", (8,), (K,)),
            build_network("fc-7", (8,), (2 * D,), K),
            build_network("fc-7", (D,), SHAPE, K),
            D,
            trunk=build_network("fc-8", SHAPE, None, activation="tanh"),
            **images,
        )
    return VAE(
        build_network("fc-12", SHAPE, (2 * D,), told, activation="tanh"),
        build_network("fc-12", (D,), SHAPE, told, activation="tanh"),
        D,
        "class" if told else "none",
        **images,
    )


def make_hybrid(
    kind: str = "vae", classes: bool = False, of_adversary: dict | None = None, **settings
) -> Hybrid:
    """By a discriminator that says real or fake, or one of K classes or fake."""
    outputs = (K + 1,) if classes else (1,)
    network = build_network("fc-10 fc-9", SHAPE, outputs, activation="leaky-0.2")
    asked = {"head": "plus-one" if classes else "binary", **(of_adversary or {})}
    return Hybrid(
        make_autoencoder(kind),
        Adversary(network, **asked),
        image_shape=SHAPE,
        num_classes=K,
        **settings,
    )


def of_fool(fool: str, classes: bool) -> dict:
    """Of the K classes a fake must pass for its own, or under minimax merely not for a fake."""
    head = {"name": "plus-one", "asks_class": fool != "minimax"} if classes else "binary"
    return {"loss": fool, "head": head}


def make_batch(kind: str = "vae", count: int = 6) -> Batch:
    """For M2 the first two images are labeled, which stand for a tenth of the data."""
    x, y = torch.rand(count, *SHAPE).round(), torch.arange(count) % K
    if kind != "m2":
        return Batch(x, y)
    y[2:] = -1
    return Batch(x, y, num_labeled=2, labeled_share=0.1)


def again(batch: Batch) -> Batch:
    """The same images, with nothing drawn yet."""
    return Batch(batch.x, batch.y, batch.epoch, batch.num_labeled, batch.labeled_share)


def gradients(total: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    found = torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True)
    return [torch.zeros(1) if gradient is None else gradient for gradient in found]


def play(phase: Phase, batch: Batch, lr: float = 1e-2) -> None:
    """One plain gradient step of a player, in place as an optimizer takes it."""
    loss = phase.loss(batch).total
    found = torch.autograd.grad(loss, phase.parameters, retain_graph=phase.keeps_graph)
    with torch.no_grad():
        for parameter, gradient in zip(phase.parameters, found, strict=True):
            parameter -= lr * gradient


# --- reductions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_adversary_it_is_the_autoencoder(kind):
    """Terms and gradients, to the bit, D having had its turn before."""
    model, batch = make_hybrid(kind, adversarial_weight=0.0), make_batch(kind)
    torch.manual_seed(3)
    model.discriminator_loss(batch)
    mine = model.autoencoder_loss(batch)
    torch.manual_seed(3)
    plain = model.autoencoder.loss(again(batch))
    assert mine.terms.keys() == plain.terms.keys()
    assert mine.weights == plain.weights
    parameters = list(model.autoencoder.parameters())
    for found, expected in zip(
        gradients(mine.total, parameters), gradients(plain.total, parameters), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_weights_are_those_of_their_terms(weight, classes):
    model = make_hybrid(
        "cvae",
        classes,
        feature_layer="fc-9",
        recon_weight=weight,
        feature_weight=3.0,
        adversarial_weight=0.7,
    )
    loss = model.autoencoder_loss(make_batch())
    t = loss.terms
    assert ("recon_nll" in t) == bool(weight)
    assert ("class_fake" in t) == classes
    expected = t["kl"] + 3 * t["feature"] + 0.7 * (t["adversarial"] + t.get("class_fake", 0.0))
    torch.testing.assert_close(loss.total, expected + weight * t.get("recon_nll", 0.0))


@pytest.mark.parametrize("reconstructions", [False, True])
def test_the_adversary_is_shown_samples_and_reconstructions(reconstructions):
    """L_D and L_G of the two sets by hand, the reconstructions only where they are shown."""
    model, batch = make_hybrid(reconstructions=reconstructions), make_batch()
    of_d = model.discriminator_loss(batch).terms
    of_g = model.autoencoder_loss(batch).terms
    scores = [
        model.adversary.discriminator(x)[:, 0]
        for x in (batch.x * 2 - 1, model.shown.prior(batch).x, model.shown.recon(batch).x)
    ]
    real, fakes = scores[0], scores[1:] if reconstructions else scores[1:2]
    caught = sum(F.softplus(fake).mean() for fake in fakes)
    assert set(of_d) == {"adversarial"}
    assert set(of_g) == {"kl", "recon_nll", "adversarial"}
    torch.testing.assert_close(of_d["adversarial"], F.softplus(-real).mean() + caught)
    torch.testing.assert_close(of_g["adversarial"], sum(F.softplus(-fake).mean() for fake in fakes))


# --- terms by hand --------------------------------------------------------------------------------


def test_the_feature_term_is_half_a_squared_distance_per_image():
    """½‖f(x) - f(x̃)‖², summed over F and averaged over B; the features are after the activation."""
    model, batch = make_hybrid(feature_layer="fc-9", feature_weight=1.0), make_batch()
    found = model.autoencoder_loss(batch).terms["feature"]
    x_recon = model.shown.bound(batch).p.mean
    *layers, _ = model.adversary.discriminator.after  # all but the layer that gives the logit

    def features(x: Tensor) -> Tensor:
        h = x * 2 - 1
        for layer in layers:
            h = layer(h)
        return h

    distance = features(batch.x) - features(x_recon)
    assert distance.shape == (6, 9)
    torch.testing.assert_close(found, sum(row.square().sum() for row in distance) / 6 / 2)
    parameters = list(model.autoencoder.decoder.parameters())
    torch.testing.assert_close(
        gradients(found, parameters),
        gradients(0.5 * distance.square().sum(dim=1).mean(), parameters),
    )


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("kind", ["cvae", "m2", "cdraw"])
def test_twice_the_same_images_change_nothing(kind, classes, monkeypatch):
    """Trap: a batch-sum of features beside a batch-mean of the KL."""
    model = make_hybrid(kind, classes, feature_layer="fc-9", feature_weight=1.0)
    small, terms = make_batch(kind), []
    n, share = small.num_labeled, small.labeled_share
    prior = model.shown.prior(small)
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.zeros(shape))
    for times in (1, 2):
        x = torch.cat([small.x[:n]] * times + [small.x[n:]] * times)
        y = torch.cat([small.y[:n]] * times + [small.y[n:]] * times)
        batch = Batch(x, y, math.inf, n * times, share)
        fakes = Shown(
            prior.x.repeat(times, 1, 1, 1),
            targets=prior.targets.repeat(times, 1),
            z=prior.z.repeat(times, 1),
        )
        batch.once("x_prior", lambda fakes=fakes: fakes)
        players = {"d": model.discriminator_loss(batch), "g": model.autoencoder_loss(batch)}
        terms.append({who + k: v for who, loss in players.items() for k, v in loss.terms.items()})
    assert {"gfeature", "gkl", "gadversarial", "dadversarial"} <= terms[0].keys()
    assert ({"gclass_fake", "dclass_real"} <= terms[0].keys()) == classes
    for name, value in terms[0].items():
        assert value.shape == (), name
        torch.testing.assert_close(terms[1][name], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fool", FOOLS)
def test_real_or_fake_by_torchs_cross_entropy(fool):
    """Trap: a sigmoid before a cross-entropy that applies its own."""
    logits, loss = torch.linspace(-8, 8, 9)[:, None], make("loss", fool)
    one, zero = torch.ones(9), torch.zeros(9)
    score = Binary()(logits, None).score

    def cross_entropy(target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits[:, 0], target, reduction="none")

    torch.testing.assert_close(loss.real(score, 0.0), cross_entropy(one))
    torch.testing.assert_close(loss.fake(score), cross_entropy(zero))
    expected = cross_entropy(one) if fool == "non-saturating" else -cross_entropy(zero)
    torch.testing.assert_close(loss.generator(score), expected)
    watched = Adversary("fc-8", loss=fool).watch(score, score)
    assert watched["accuracy_fake"] == (logits < 0).float().mean()
    assert watched["accuracy_real"] == (logits > 0).float().mean()


def plus_one(num_classes: int = K, **fields) -> PlusOne:
    head = PlusOne(**fields)
    head.join(None, num_classes)
    return head


def costs(head: PlusOne, output: Tensor, target: Tensor | None, player: str, fool: str) -> Tensor:
    """Score and class together as a player minimizes them, of one real image (or fake) a row.

    A target of None is a fake for the discriminator, rows of zeros are images nobody knows.
    """
    loss, judged = make("loss", fool), head(output, None)
    if target is None:
        return loss.fake(judged.score)
    real = player == "discriminator"
    score = loss.real(judged.score, 0.0) if real else loss.generator(judged.score)
    each = []
    for i, (one, wanted) in enumerate(zip(output.split(1), target.split(1), strict=True)):
        row: Judged = head(one, None)
        terms = head.terms(row, Shown(one, targets=wanted), player, real=real)
        each.append(score[i] + sum(terms.values()))
    return torch.stack(each)


@pytest.mark.parametrize(("dtype", "exact"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("fool", FOOLS)
def test_one_of_k_or_fake_by_torchs_cross_entropy(fool, dtype, exact):
    """Hard labels and soft ones; the fake class is the last, and score and class add up to it."""
    output, y = (3 * torch.randn(7, K + 1)).to(dtype), torch.arange(7) % K
    head = plus_one(asks_class=fool == "non-saturating")
    soft = torch.randn(7, K, dtype=dtype).softmax(dim=1)
    hard = F.one_hot(y, K).to(dtype)
    fake = torch.full((7,), K)
    close = {"rtol": exact, "atol": exact}

    def cross_entropy(target: Tensor) -> Tensor:
        return F.cross_entropy(output, target, reduction="none")

    assert head.outputs == K + 1
    of_d = "discriminator", fool
    torch.testing.assert_close(costs(head, output, hard, *of_d), cross_entropy(y), **close)
    expected = cross_entropy(F.pad(soft, (0, 1)))
    torch.testing.assert_close(costs(head, output, soft, *of_d), expected, **close)
    torch.testing.assert_close(costs(head, output, None, *of_d), cross_entropy(fake), **close)
    expected = cross_entropy(y) if fool == "non-saturating" else -cross_entropy(fake)
    torch.testing.assert_close(costs(head, output, hard, "generator", fool), expected, **close)
    judged = head(output, None)
    odds = output.softmax(dim=1)[:, K]
    torch.testing.assert_close(judged.score, torch.log((1 - odds) / odds), **close)
    assert (judged.score < 0).tolist() == (odds > 0.5).tolist()
    shown = Shown(output, targets=hard)
    assert head.terms(judged, shown, "discriminator", real=False) == {}  # a fake is of no class


def test_a_sure_discriminator_costs_its_logits():
    """Trap: a sigmoid before the softmax bounds the loss of 11 classes to [1.543, 3.339]."""
    head, y, of_d = plus_one(10), torch.tensor([4]), ("discriminator", "non-saturating")
    sure = 20.0 * F.one_hot(y, 11).float()
    target = F.one_hot(y, 10).float()
    assert costs(head, sure, target, *of_d).item() == pytest.approx(0.0, abs=1e-6)
    assert costs(head, sure, None, *of_d).item() == pytest.approx(20.0, abs=1e-3)
    squashed = torch.sigmoid(sure)
    assert costs(head, squashed, target, *of_d).item() > 1.5  # what the trap would have shown
    assert costs(head, squashed, None, *of_d).item() < 3.34


def test_soft_targets_stay_soft():
    """Trap: integer cast of soft targets, whose row of zeros costs nothing and teaches nothing."""
    output = torch.zeros(1, K + 1, requires_grad=True)
    soft, head = torch.tensor([[0.6, 0.3, 0.1]]), plus_one()
    loss = costs(head, output, soft, "discriminator", "non-saturating")
    assert loss.item() == pytest.approx(math.log(K + 1))
    (gradient,) = torch.autograd.grad(loss.sum(), output)
    torch.testing.assert_close(gradient, 0.25 - F.pad(soft, (0, 1)))
    cast = Shown(output, targets=soft.int().float())
    (trap,) = head.terms(head(output, None), cast, "discriminator", real=True).values()
    assert trap.item() == 0
    (gradient,) = torch.autograd.grad(trap, output)
    assert gradient.abs().max() == 0


def test_a_real_image_without_label_is_merely_not_fake():
    """-ln(1 - D_fake(x)), without cancellation where D_fake is nearly 1."""
    output, head = 3 * torch.randn(7, K + 1).double(), plus_one(unlabeled="real")
    of_d = "discriminator", "non-saturating"
    expected = -torch.log(1 - output.softmax(dim=1)[:, -1])
    unknown = torch.zeros(7, K).double()
    torch.testing.assert_close(costs(head, output, unknown, *of_d), expected)
    extreme = torch.tensor([[0.0, 0.0, 0.0, 200.0]])
    cost = costs(head, extreme, torch.zeros(1, K), *of_d)
    assert cost.item() == pytest.approx(200 - math.log(3))


@pytest.mark.parametrize("unlabeled", ["soft", "real"])
def test_the_discriminators_terms_on_a_partly_labeled_batch(unlabeled):
    """Labels where known, q(y|x) or merely `real` elsewhere; fakes averaged over q(y|x).

    Two images stand for a tenth of the data and four for the rest; the class is the mean over the
    images that have one.
    """
    each = torch.tensor([0.1 / 2] * 2 + [0.9 / 4] * 4)
    head = {"name": "plus-one", "unlabeled": unlabeled}
    model, batch = make_hybrid("m2", True, {"head": head}), make_batch("m2")
    torch.manual_seed(1)
    found = model.discriminator_loss(batch).terms
    assert set(found) == {"adversarial", "class_real"}
    output = model.adversary.discriminator(batch.x * 2 - 1)
    log_d, log_class = output.log_softmax(dim=1), output[:, :K].log_softmax(dim=1)
    q = model.autoencoder.classify(batch.x).exp()
    known = [-log_d[i, batch.y[i]] for i in range(2)]
    of_class = [-log_class[i, batch.y[i]] for i in range(2)]
    if unlabeled == "soft":
        unknown = [-(q[i] * log_d[i, :K]).sum() for i in range(2, 6)]
        of_class += [-(q[i] * log_class[i]).sum() for i in range(2, 6)]
        real = (each * torch.stack(known + unknown)).sum()
        torch.testing.assert_close(found["class_real"], (each * torch.stack(of_class)).sum())
    else:
        score = -(1 - log_d[:, K].exp()).log()
        real = (each * score).sum() + sum(of_class) / 2
        torch.testing.assert_close(found["class_real"], sum(of_class) / 2)
    x_recon = model.shown.bound(batch).p.mean
    fake = -model.adversary.discriminator(x_recon * 2 - 1).log_softmax(dim=1)[:, K]
    rows = [0.1 / 2 * fake[i] for i in range(2)]
    rows += [0.9 / 4 * q[2 + u, k] * fake[2 + 4 * k + u] for k in range(K) for u in range(4)]
    prior = -model.adversary.discriminator(model.shown.prior(batch).x).log_softmax(dim=1)[:, K]
    expected = real + prior.mean() + sum(rows)
    torch.testing.assert_close(found["adversarial"] + found["class_real"], expected)


def test_m2s_terms_are_averaged_over_its_classes():
    """Features and fool terms of every class, by its own name, weighted by q(y|x)."""
    model = make_hybrid("m2", True, feature_layer="fc-9", feature_weight=1.0)
    batch = make_batch("m2")
    found = model.autoencoder_loss(batch).terms
    bound, q = model.shown.bound(batch), model.autoencoder.classify(batch.x).exp()
    weights = [0.1 / 2] * 2 + [0.9 / 4 * q[2 + u, k].item() for k in range(K) for u in range(4)]
    of = [0, 1] + [2 + u for _ in range(K) for u in range(4)]
    y = batch.y[:2].tolist() + [k for k in range(K) for _ in range(4)]
    assert bound.y.tolist() == y
    network, prior = model.adversary.discriminator, model.shown.prior(batch)
    f, output = network.with_features(bound.p.mean * 2 - 1, "fc-9")
    target, _ = network.with_features(batch.x * 2 - 1, "fc-9")
    feature = torch.zeros(())
    fool = F.cross_entropy(network(prior.x), prior.targets.argmax(dim=1))
    for r, (weight, i, k) in enumerate(zip(weights, of, y, strict=True)):
        feature = feature + weight * (target[i] - f[r]).square().sum() / 2
        fool = fool + weight * F.cross_entropy(output[r], torch.tensor(k))
    torch.testing.assert_close(found["feature"], feature)
    torch.testing.assert_close(found["adversarial"] + found["class_fake"], fool)


def test_every_canvas_is_judged():
    """T·B fakes, each asked for the class of its own image; or the last canvas alone."""
    batch = make_batch("cdraw")
    for every in (False, True):
        model = make_hybrid("cdraw", True, canvases=every)
        torch.manual_seed(1)
        prior = model.shown.prior(again(batch))
        torch.manual_seed(1)
        z = torch.randn(6, T * D)
        canvases = model.autoencoder.canvases(z, batch.y)
        expected = canvases if every else canvases[-1:]
        torch.testing.assert_close(prior.x, expected.flatten(0, 1) * 2 - 1)
        torch.testing.assert_close(prior.z, z.repeat(len(expected), 1))
        assert prior.targets.argmax(dim=1).tolist() == batch.y.tolist() * len(expected)
        rows = list(range(6)) if prior.rows is None else prior.rows.tolist()
        assert rows == list(range(6)) * len(expected)


@pytest.mark.parametrize("feature_layer", ["fc-9", None])
def test_the_autoencoders_loss_judges_a_reconstruction_once(feature_layer, monkeypatch):
    weight = 1.0 if feature_layer else 0.0
    model = make_hybrid(feature_layer=feature_layer, feature_weight=weight)
    batch, judged = make_batch(), []
    join = model.adversary.discriminator._join
    monkeypatch.setattr(
        model.adversary.discriminator, "_join", lambda x, c: judged.append(x) or join(x, c)
    )
    model.autoencoder_loss(batch)
    assert sum(x is model.shown.recon(batch).x for x in judged) == 1


def test_images_are_judged_in_signed_range():
    """D sees pixels in [-1, 1], real, reconstructed and sampled alike."""
    model, seen = make_hybrid(), []
    model.adversary.discriminator.register_forward_hook(
        lambda _m, inputs, _o: seen.append(inputs[0])
    )
    batch = make_batch()
    model.discriminator_loss(batch)
    real, prior, recon = seen
    torch.testing.assert_close(real, batch.x * 2 - 1)
    torch.testing.assert_close(recon, model.shown.bound(batch).p.mean * 2 - 1)
    torch.testing.assert_close(prior, model.shown.prior(batch).x)
    assert -1 <= prior.min() < 0
    assert prior.max() <= 1


# --- who moves whom -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_discriminators_loss_reaches_nobody_else(kind):
    model = make_hybrid(kind, kind != "vae" and kind != "draw")
    model.discriminator_loss(make_batch(kind)).total.backward()
    assert all(p.grad is None for p in model.autoencoder.parameters())
    assert all(p.grad is not None for p in model.adversary.discriminator.parameters())


@pytest.mark.parametrize("routing", ["summed", "larsen"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_players_share_no_parameters_and_leave_none_out(kind, routing):
    model = make_hybrid(kind, routing=routing)
    owned = [id(p) for phase in model.phases for p in phase.parameters]
    assert sorted(owned) == sorted(id(p) for p in model.parameters())
    assert [p.name for p in model.phases][1:] == (
        ["autoencoder"] if routing == "summed" else ["encoder", "decoder"]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_larsen_routes_the_gradients(kind):
    """Encoder: KL and reconstruction. Decoder: reconstruction and fooling (Larsen, algorithm 1)."""
    model = make_hybrid(
        kind, feature_layer="fc-9", feature_weight=2.0, adversarial_weight=0.5, routing="larsen"
    )
    batch = make_batch(kind)
    _, encoder, decoder = model.phases
    torch.manual_seed(1)
    t = dict(encoder.loss(batch).terms)
    recon = t.pop("recon_nll") + 2 * t.pop("feature")
    rest = sum(v * (0.1 if name == "cross_entropy" else 1.0) for name, v in t.items())
    assert "adversarial" not in t
    torch.testing.assert_close(
        gradients(encoder.loss(batch).total, encoder.parameters),
        gradients(recon + rest, encoder.parameters),
        rtol=1e-4,
        atol=1e-6,
    )
    whole, fresh = again(batch), again(batch)
    torch.manual_seed(2)
    every = model.autoencoder_loss(whole).terms
    torch.manual_seed(2)
    loss = decoder.loss(fresh)
    assert set(loss.terms) == {"recon_nll", "feature", "adversarial"}
    expected = every["recon_nll"] + 2 * every["feature"] + 0.5 * every["adversarial"]
    torch.testing.assert_close(
        gradients(loss.total, decoder.parameters),
        gradients(expected, decoder.parameters),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("fool", FOOLS)
@pytest.mark.parametrize("classes", [False, True])
def test_fooling_raises_the_discriminators_opinion_of_the_same_fakes(classes, fool):
    """Trap: a flipped sign. Real counts as not fake."""
    model = make_hybrid("cvae", classes, of_fool(fool, classes), adversarial_weight=1e3)
    x, y = make_batch().x, make_batch().y
    opinions = []
    for _ in range(2):
        batch = Batch(x, y)
        torch.manual_seed(4)
        phase = model.phases[1]
        loss = phase.loss(batch).total
        fakes = torch.cat([model.shown.prior(batch).x, model.shown.recon(batch).x])
        output = model.adversary.discriminator(fakes)
        real = output[:, 0] if not classes else -output.log_softmax(dim=1)[:, -1]
        opinions.append(real.mean().item())
        found = torch.autograd.grad(loss, phase.parameters)
        with torch.no_grad():
            for parameter, gradient in zip(phase.parameters, found, strict=True):
                parameter -= 1e-5 * gradient
    assert opinions[1] > opinions[0]


def test_the_discriminator_learns_to_tell():
    """Trap: swapped real/fake targets."""
    model, x = make_hybrid(), torch.zeros(32, *SHAPE)
    x[..., :2] = 1.0  # bright on the left: nothing that an untrained decoder makes
    for _ in range(40):
        play(model.phases[0], Batch(x), lr=0.1)
    batch = Batch(x)
    fakes = torch.cat([model.shown.prior(batch).x, model.shown.recon(batch).x])
    assert model.realness(x).min() > model.adversary.score(Shown(fakes)).max()


# --- what a user asks -----------------------------------------------------------------------------


def test_the_discriminator_reads_labels_given_that_an_image_is_real():
    """ln D_y - ln(1 - D_fake), which sums to one over the K classes."""
    model, x = make_hybrid("m2", True, label_reader="discriminator"), make_batch().x
    reader = model.capability(Classifies, "classify")
    assert reader is model.adversary
    found = reader.classify(x, batch_size=4)
    log_d = model.adversary.discriminator(x * 2 - 1).log_softmax(dim=1)
    expected = log_d[:, :K] - torch.log(1 - log_d[:, K:].exp())
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.exp().sum(dim=1), torch.ones(6))
    by_default = make_hybrid("m2", True).capability(Classifies, "classify")
    assert isinstance(by_default, M2)


def test_the_autoencoders_abilities_are_the_hybrids():
    model = make_hybrid()
    assert model.capability(Encodes, "encode") is model.autoencoder
    with pytest.raises(UsageError, match="gives no labels"):
        model.capability(Classifies, "classify")


def test_the_average_meets_the_images_too():
    """Who answers for a hybrid of an average knows the shape that training has found."""
    networks = make_autoencoder("vae")
    vae = VAE(networks.encoder, networks.decoder, D)
    judge = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    model = Hybrid(vae, Adversary(judge, ema=0.9))
    model.accept_images(SHAPE)
    able = model.capability(Encodes, "encode")
    assert able is model.autoencoder_ema
    assert able.image_shape == model.image_shape == SHAPE


def test_diagnosis_watches_the_discriminator():
    found = make_hybrid().diagnose([make_batch(), make_batch()])
    assert {"active_units", "kl_per_dim", "accuracy_real", "accuracy_fake"} <= found.keys()
    assert 0 <= found["accuracy_real"] <= 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"routing": "larson"}, "routing: got 'larson'; .*'summed' or 'larsen'"),
        ({"recon_weight": -1.0}, "recon_weight: got -1.0; input should be greater"),
        ({"recon_weight": 0.0}, "nothing holds the reconstruction"),
        ({"feature_weight": 1.0}, "feature_layer=null need each other"),
        ({"feature_layer": "fc-8", "feature_weight": 1.0}, "unknown feature layer"),
        ({"canvases": True}, "VAE makes its images at one go; use DRAW"),
        ({"label_reader": "discriminator"}, "needs a head that names classes: plus-one"),
        ({"label_reader": "me"}, "label_reader: got 'me'; .*'discriminator'"),
        ({"of_adversary": {"loss": "saturating"}}, "loss: unknown loss 'saturating'; did you mean"),
        ({"of_adversary": {"head": "plus-on"}}, "head: unknown head 'plus-on'; .* 'plus-one'"),
        (
            {"of_adversary": {"head": {"name": "plus-one", "unlabeled": "sofft"}}},
            "unlabeled: got 'sofft'; .*'soft' or 'real'",
        ),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(UsageError, match=words):
        make_hybrid(**settings)


def test_an_objective_without_a_reconstruction_term_leaves_nothing_to_weigh():
    vae = VAE("fc-8", "fc-8", D, objective="iwae", image_shape=SHAPE)
    words = "objective=iwae has no reconstruction term that a hybrid could weigh; .*elbo"
    with pytest.raises(UsageError, match=words):
        Hybrid(vae, "fc-9")


def test_k_plus_one_needs_classes():
    with pytest.raises(UsageError, match="a class that VAE-GAN is not given; use condition=class"):
        make_hybrid("vae", True)
    words = r"names classes and needs labels of at least 2, got 0.* sub-folder, or use head=binary"
    with pytest.raises(DataError, match=words):
        Hybrid(
            make_autoencoder("cvae"),
            {"discriminator": "fc-9", "head": "plus-one"},
            image_shape=SHAPE,
        )


@pytest.mark.parametrize("condition", ["none", "left-half"])
@pytest.mark.parametrize(
    "head",
    [{"name": "plus-one", "asks_class": False}, {"name": "class", "learns_from": "real"}],
)
def test_no_class_is_learnt_around_an_autoencoder_that_reads_no_labels(head, condition):
    """Even where no fake is asked for one."""
    vae = VAE("fc-8", "fc-8", D, condition, image_shape=SHAPE)
    adversary = {"discriminator": "fc-9", "head": head}
    with pytest.raises(DataError, match=f"VAE knows no class that head={head['name']} could"):
        Hybrid(vae, adversary, image_shape=SHAPE, num_classes=K)


@pytest.mark.parametrize("kind", ["cvae", "m2", "cdraw"])
def test_a_discriminator_beside_the_condition_is_none_of_a_hybrid(kind):
    """Trap: a network made for images and conditions that is shown images alone."""
    words = "head=conditional reads the condition .* use head=binary, or for classes projection"
    with pytest.raises(UsageError, match=words):
        make_hybrid(kind, of_adversary={"head": "conditional"})
    same = make_hybrid("vae", of_adversary={"head": "conditional"})  # no condition to read
    assert same.discriminator_loss(make_batch()).total.isfinite()


def test_only_an_autoencoder_is_judged():
    gan = GAN("fc-8", "fc-8", image_shape=SHAPE)
    words = "autoencoder: the model GAN is no AutoEncoder; use one of .*vae"
    with pytest.raises(UsageError, match=words):
        Hybrid(gan, "fc-9")


def test_features_of_a_discriminator_of_ones_own():
    """A plain module has no layers by name; one that gives them by the two methods serves."""
    plain = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    words = "feature_layer=fc-9 .* this discriminator is a Sequential; .* with_features"
    with pytest.raises(UsageError, match=words):
        Hybrid(make_autoencoder("vae"), plain, feature_layer="fc-9", feature_weight=1.0)
    assert Hybrid(make_autoencoder("vae"), plain).autoencoder_loss(make_batch()).total.isfinite()

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.last = nn.Linear(16, 5), nn.Linear(5, 1)

        def check_layer(self, layer: str) -> None:
            assert layer == "hidden"

        def with_features(self, x: Tensor, layer: str) -> tuple[Tensor, Tensor]:
            h = self.hidden(x.flatten(1))
            return h, self.last(h)

        def forward(self, x: Tensor) -> Tensor:
            return self.with_features(x, "hidden")[1]

    model = Hybrid(make_autoencoder("vae"), Named(), feature_layer="hidden", feature_weight=1.0)
    batch = make_batch()
    found = model.autoencoder_loss(batch).terms["feature"]
    h = [
        model.adversary.discriminator.hidden((x * 2 - 1).flatten(1))
        for x in (batch.x, model.shown.bound(batch).p.mean)
    ]
    torch.testing.assert_close(found, 0.5 * (h[0] - h[1]).square().sum(dim=1).mean())
