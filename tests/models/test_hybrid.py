"""A hybrid's players: the auto-encoder alone, terms by hand, and whose gradient goes where."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.errors import DataError, UsageError
from twofold.models.capabilities import Classifies, Encodes
from twofold.models.draw import DRAW
from twofold.models.gan import GAN
from twofold.models.heads import Binary, PlusOne
from twofold.models.hybrid import Hybrid
from twofold.models.m2 import M2
from twofold.phases import Phase
from twofold.models.vae import VAE
from twofold.networks import build_network

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


def make_hybrid(kind: str = "vae", classes: bool = False, **settings) -> Hybrid:
    outputs = (K + 1,) if classes else (1,)
    return Hybrid(
        make_autoencoder(kind),
        build_network("fc-10 fc-9", SHAPE, outputs, activation="leaky-0.2"),
        classes,
        image_shape=SHAPE,
        num_classes=K,
        **settings,
    )


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


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_weights_are_those_of_their_terms(weight):
    model = make_hybrid(
        feature_layer="fc-9",
        recon_weight=weight,
        feature_weight=3.0,
        adversarial_weight=0.7,
    )
    loss = model.autoencoder_loss(make_batch())
    t = loss.terms
    assert ("recon_nll" in t) == bool(weight)
    expected = t["kl"] + 3 * t["feature"] + 0.7 * (t["fool_prior"] + t["fool_recon"])
    torch.testing.assert_close(loss.total, expected + weight * t.get("recon_nll", 0.0))


# --- terms by hand --------------------------------------------------------------------------------


def test_the_feature_term_is_half_a_squared_distance_per_image():
    """½‖f(x) - f(x̃)‖², summed over F and averaged over B; the features are after the activation."""
    model, batch = make_hybrid(feature_layer="fc-9", feature_weight=1.0), make_batch()
    found = model.autoencoder_loss(batch).terms["feature"]
    x_recon = model._bound(batch).p.mean
    layers = list(model.discriminator.after)[:-1]  # all but the layer that gives the logit

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
    x_prior, y_prior = model._prior(small)
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.zeros(shape))
    for times in (1, 2):
        x = torch.cat([small.x[:n]] * times + [small.x[n:]] * times)
        y = torch.cat([small.y[:n]] * times + [small.y[n:]] * times)
        batch = Batch(x, y, math.inf, n * times, share)
        fakes = x_prior.repeat(times, 1, 1, 1), y_prior.repeat(times)
        batch.once("x_prior", lambda fakes=fakes: fakes)
        players = {"d": model.discriminator_loss(batch), "g": model.autoencoder_loss(batch)}
        terms.append({who + k: v for who, loss in players.items() for k, v in loss.terms.items()})
    assert {"gfeature", "gkl", "gfool_recon", "dreal", "drecon"} <= terms[0].keys()
    for name, value in terms[0].items():
        assert value.shape == (), name
        torch.testing.assert_close(terms[1][name], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fool", FOOLS)
def test_real_or_fake_by_torchs_cross_entropy(fool):
    """Trap: a sigmoid before a cross-entropy that applies its own."""
    logits, judge = torch.linspace(-8, 8, 9)[:, None], Binary(fool)
    one, zero = torch.ones(9), torch.zeros(9)

    def cross_entropy(target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits[:, 0], target, reduction="none")

    torch.testing.assert_close(judge.real(logits, None), cross_entropy(one))
    torch.testing.assert_close(judge.fake(logits), cross_entropy(zero))
    expected = cross_entropy(one) if fool == "non-saturating" else -cross_entropy(zero)
    torch.testing.assert_close(judge.fool(logits, None), expected)
    assert judge.caught(logits).tolist() == (logits[:, 0] < 0).tolist()


@pytest.mark.parametrize("fool", FOOLS)
def test_one_of_k_or_fake_by_torchs_cross_entropy(fool):
    """Hard labels and soft ones; the fake class is the last."""
    output, y, judge = 3 * torch.randn(7, K + 1), torch.arange(7) % K, PlusOne(K, fool)
    soft = torch.randn(7, K).softmax(dim=1)
    fake = torch.full((7,), K)

    def cross_entropy(target: Tensor) -> Tensor:
        return F.cross_entropy(output, target, reduction="none")

    assert judge.outputs == K + 1
    torch.testing.assert_close(judge.real(output, F.one_hot(y, K).float()), cross_entropy(y))
    torch.testing.assert_close(judge.real(output, soft), cross_entropy(F.pad(soft, (0, 1))))
    torch.testing.assert_close(judge.fake(output), cross_entropy(fake))
    expected = cross_entropy(y) if fool == "non-saturating" else -cross_entropy(fake)
    torch.testing.assert_close(judge.fool(output, y), expected)
    assert judge.caught(output).tolist() == (output.argmax(dim=1) == K).tolist()


def test_a_sure_discriminator_costs_its_logits():
    """Trap: a sigmoid before the softmax bounds the loss of 11 classes to [1.543, 3.339]."""
    judge, y = PlusOne(10, "non-saturating"), torch.tensor([4])
    sure = 20.0 * F.one_hot(y, 11).float()
    target = F.one_hot(y, 10).float()
    assert judge.real(sure, target).item() == pytest.approx(0.0, abs=1e-6)
    assert judge.fake(sure).item() == pytest.approx(20.0, abs=1e-3)
    squashed = torch.sigmoid(sure)
    assert judge.real(squashed, target).item() > 1.5  # what the trap would have shown
    assert judge.fake(squashed).item() < 3.34


def test_soft_targets_stay_soft():
    """Trap: integer cast of soft targets, whose row of zeros costs nothing and teaches nothing."""
    output = torch.zeros(1, K + 1, requires_grad=True)
    soft = torch.tensor([[0.6, 0.3, 0.1]])
    loss = PlusOne(K, "non-saturating").real(output, soft)
    assert loss.item() == pytest.approx(math.log(K + 1))
    (gradient,) = torch.autograd.grad(loss.sum(), output)
    torch.testing.assert_close(gradient, 0.25 - F.pad(soft, (0, 1)))
    assert PlusOne(K, "minimax").real(output, soft.int().float()).item() == 0  # the trap


def test_a_real_image_without_label_is_merely_not_fake():
    """-ln(1 - D_fake(x)), without cancellation where D_fake is nearly 1."""
    output, judge = 3 * torch.randn(7, K + 1).double(), PlusOne(K, "non-saturating")
    expected = -torch.log(1 - output.softmax(dim=1)[:, -1])
    torch.testing.assert_close(judge.real(output, None), expected)
    extreme = torch.tensor([[0.0, 0.0, 0.0, 200.0]])
    assert judge.real(extreme, None).item() == pytest.approx(200 - math.log(3))


@pytest.mark.parametrize("unlabeled", ["soft", "real"])
def test_the_discriminators_terms_on_a_partly_labeled_batch(unlabeled):
    """Labels where known, q(y|x) or merely `real` elsewhere; fakes averaged over q(y|x)."""
    model, batch = make_hybrid("m2", True, unlabeled=unlabeled), make_batch("m2")
    torch.manual_seed(1)
    found = model.discriminator_loss(batch).terms
    log_d = model.discriminator(batch.x * 2 - 1).log_softmax(dim=1)
    q = model.autoencoder.classify(batch.x).exp()
    known = [-log_d[i, batch.y[i]] for i in range(2)]
    if unlabeled == "soft":
        unknown = [-(q[i] * log_d[i, :K]).sum() for i in range(2, 6)]
    else:
        unknown = [-(1 - log_d[i, K].exp()).log() for i in range(2, 6)]
    torch.testing.assert_close(found["real"], sum(known + unknown) / 6)
    x_recon = model._bound(batch).p.mean
    fake = -model.discriminator(x_recon * 2 - 1).log_softmax(dim=1)[:, K]
    rows = [0.1 / 2 * fake[i] for i in range(2)]
    rows += [0.9 / 4 * q[2 + u, k] * fake[2 + 4 * k + u] for k in range(K) for u in range(4)]
    torch.testing.assert_close(found["recon"], sum(rows))
    x_prior, _ = model._prior(batch)
    expected = -model.discriminator(x_prior * 2 - 1).log_softmax(dim=1)[:, K].mean()
    torch.testing.assert_close(found["prior"], expected)


def test_m2s_terms_are_averaged_over_its_classes():
    """Features and fool terms of every class, by its own name, weighted by q(y|x)."""
    model = make_hybrid("m2", True, feature_layer="fc-9", feature_weight=1.0)
    batch = make_batch("m2")
    found = model.autoencoder_loss(batch).terms
    bound, q = model._bound(batch), model.autoencoder.classify(batch.x).exp()
    weights = [0.1 / 2] * 2 + [0.9 / 4 * q[2 + u, k].item() for k in range(K) for u in range(4)]
    of = [0, 1] + [2 + u for _ in range(K) for u in range(4)]
    y = batch.y[:2].tolist() + [k for k in range(K) for _ in range(4)]
    assert bound.y.tolist() == y
    f, output = model.discriminator.with_features(bound.p.mean * 2 - 1, "fc-9")
    target, _ = model.discriminator.with_features(batch.x * 2 - 1, "fc-9")
    feature = fool = torch.zeros(())
    for r, (weight, i, k) in enumerate(zip(weights, of, y, strict=True)):
        feature = feature + weight * (target[i] - f[r]).square().sum() / 2
        fool = fool + weight * F.cross_entropy(output[r], torch.tensor(k))
    torch.testing.assert_close(found["feature"], feature)
    torch.testing.assert_close(found["fool_recon"], fool)


def test_every_canvas_is_judged():
    """T·B fakes, each asked for the class of its own image; or the last canvas alone."""
    batch = make_batch("cdraw")
    for every in (False, True):
        model = make_hybrid("cdraw", True, judge_canvases=every)
        torch.manual_seed(1)
        x_prior, y = model._prior(again(batch))
        torch.manual_seed(1)
        canvases = model.autoencoder.canvases(torch.randn(6, T * D), batch.y)
        expected = canvases if every else canvases[-1:]
        torch.testing.assert_close(x_prior, expected.flatten(0, 1))
        assert y.tolist() == batch.y.tolist() * len(expected)


@pytest.mark.parametrize("feature_layer", ["fc-9", None])
def test_the_autoencoders_loss_judges_a_reconstruction_once(feature_layer, monkeypatch):
    weight = 1.0 if feature_layer else 0.0
    model = make_hybrid(feature_layer=feature_layer, feature_weight=weight)
    batch, judged = make_batch(), []
    join = model.discriminator._join
    monkeypatch.setattr(model.discriminator, "_join", lambda x, c: judged.append(x) or join(x, c))
    model.autoencoder_loss(batch)
    assert sum(x is model._recon(batch) for x in judged) == 1


def test_images_are_judged_in_signed_range():
    """D sees pixels in [-1, 1], real, reconstructed and sampled alike."""
    model, seen = make_hybrid(), []
    model.discriminator.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    batch = make_batch()
    model.discriminator_loss(batch)
    real, prior, recon = seen
    torch.testing.assert_close(real, batch.x * 2 - 1)
    torch.testing.assert_close(recon, model._bound(batch).p.mean * 2 - 1)
    torch.testing.assert_close(prior, model._prior(batch)[0] * 2 - 1)
    assert prior.min() < 0


# --- who moves whom -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_discriminators_loss_reaches_nobody_else(kind):
    model = make_hybrid(kind, kind != "vae" and kind != "draw")
    model.discriminator_loss(make_batch(kind)).total.backward()
    assert all(p.grad is None for p in model.autoencoder.parameters())
    assert all(p.grad is not None for p in model.discriminator.parameters())


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
    assert not any(name.startswith("fool") for name in t)
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
    assert set(loss.terms) == {"recon_nll", "feature", "fool_prior", "fool_recon"}
    expected = every["recon_nll"] + 2 * every["feature"]
    expected = expected + 0.5 * (every["fool_prior"] + every["fool_recon"])
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
    model = make_hybrid("cvae", classes, fool=fool, adversarial_weight=1e3)
    x, y = make_batch().x, make_batch().y
    opinions = []
    for _ in range(2):
        batch = Batch(x, y)
        torch.manual_seed(4)
        phase = model.phases[1]
        loss = phase.loss(batch).total
        fakes = torch.cat([model._prior(batch)[0], model._bound(batch).p.mean])
        output = model.score(fakes * 2 - 1)
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
    fakes = torch.cat([model._prior(batch)[0], model._bound(batch).p.mean])
    assert model.score(x * 2 - 1).min() > model.score(fakes * 2 - 1).max()


# --- what a user asks -----------------------------------------------------------------------------


def test_the_discriminator_reads_labels_given_that_an_image_is_real():
    """ln D_y - ln(1 - D_fake), which sums to one over the K classes."""
    model, x = make_hybrid("m2", True, label_reader="discriminator"), make_batch().x
    found = model.capability(Classifies, "classify").classify(x, batch_size=4)
    log_d = model.discriminator(x * 2 - 1).log_softmax(dim=1)
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


def test_diagnosis_watches_the_discriminator():
    found = make_hybrid().diagnose([make_batch(), make_batch()])
    assert {"active_units", "kl_per_dim", "accuracy_real", "accuracy_fake"} <= found.keys()
    assert 0 <= found["accuracy_real"] <= 1


@pytest.mark.parametrize(
    ("kind", "classes", "settings", "words"),
    [
        ("vae", False, {"fool": "saturating"}, "fool: got 'saturating'; .*'minimax'"),
        ("vae", False, {"routing": "larson"}, "routing: got 'larson'; .*'summed' or 'larsen'"),
        ("vae", False, {"recon_weight": -1.0}, "recon_weight: got -1.0; input should be greater"),
        ("vae", False, {"recon_weight": 0.0}, "nothing holds the reconstruction"),
        ("vae", False, {"feature_weight": 1.0}, "needs feature_layer"),
        ("vae", False, {"feature_layer": "fc-8", "feature_weight": 1.0}, "unknown feature layer"),
        ("vae", False, {"judge_canvases": True}, "VAE has no canvases, only DRAW has"),
        ("vae", False, {"label_reader": "discriminator"}, "needs class_outputs=true"),
        ("m2", True, {"unlabeled": "sofft"}, "unlabeled: got 'sofft'; .*'soft' or 'real'"),
        ("m2", True, {"label_reader": "me"}, "label_reader: got 'me'; .*'discriminator'"),
    ],
)
def test_settings_that_cannot_be(kind, classes, settings, words):
    with pytest.raises(UsageError, match=words):
        make_hybrid(kind, classes, **settings)


def test_k_plus_one_needs_classes():
    with pytest.raises(DataError, match="knows no class"):
        make_hybrid("vae", True)
    with pytest.raises(DataError, match=r"class_outputs=true needs labels.* class_outputs=false"):
        Hybrid(make_autoencoder("cvae"), "fc-9", True, image_shape=SHAPE)


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
        model.discriminator.hidden((x * 2 - 1).flatten(1))
        for x in (batch.x, model._bound(batch).p.mean)
    ]
    torch.testing.assert_close(found, 0.5 * (h[0] - h[1]).square().sum(dim=1).mean())
