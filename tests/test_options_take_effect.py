"""Every option of every registered piece, of optimizers and schedules, changes something.

Each is set to another value, in models of every family and piece: weights as they are drawn, or
after a few steps, or what the model says must then be others, or the value must be refused.
"""

import typing
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

import pytest
import torch
from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import TwofoldError
from twofold.models.base import Generative, Model
from twofold.models.capabilities import Classifies, Discriminates, Reconstructs
from twofold.registry import KINDS, Settings, entries, parse
from twofold.training.optimizers import phase_optimizers, stepping_together
from twofold.training.settings import OptimizerSettings, TrainingSettings

K, SHAPE, B, STEPS = 3, (1, 4, 4), 6, 3

UP, DOWN = {"layers": "fc-7"}, {"layers": "fc-7"}
VAE: dict[str, Any] = {"family": "vae", "latent_dim": 3, "encoder": DOWN, "decoder": UP}
TWO = {"name": "two-layer", "network": "fc-5", "top_dim": 2}
TWO_LAYER = {**VAE, "prior": TWO, "posterior": TWO}
CVAE = {**VAE, "family": "cvae"}
M2 = {**VAE, "family": "m2", "classifier": {"layers": "fc-5"}}
DRAW = {"family": "draw", "latent_dim": 2, "num_steps": 2, "hidden_dim": 5}
JUDGE = {"discriminator": {"layers": "fc-7 fc-6", "activation": "leaky-0.2"}}
GAN = {"family": "gan", "latent_dim": 3, "generator": UP, "adversary": JUDGE}
INFOGAN = {
    **{**GAN, "family": "infogan", "latent_dim": 6},
    "prior": {"name": "coded", "categories": 2, "continuous": 2},
}
HYBRID = {"family": "hybrid", "autoencoder": VAE, "adversary": JUDGE}

MODELS: dict[str, dict[str, Any]] = {
    "vae": VAE,
    "cvae": CVAE,
    "hvae": {**VAE, "family": "hvae", "top_dim": 2, "top_encoder": DOWN, "top_decoder": UP},
    "m2": M2,
    "m1m2": {**M2, "family": "m1m2", "m1": VAE},
    "draw": DRAW,
    "cdraw": {**DRAW, "family": "cdraw", "read_glimpse": 2, "write_glimpse": 2},
    "classifier": {"family": "classifier", "network": DOWN},
    "gan": GAN,
    "cgan": {**GAN, "family": "cgan"},
    "acgan": {**GAN, "family": "acgan"},
    "infogan": INFOGAN,
    "hybrid": HYBRID,
    "aae": {"family": "aae", "autoencoder": VAE, "adversary": {"discriminator": UP}},
}
# Who may hold a piece of a kind, by the path where it goes; the first that accepts it is asked.
HOSTS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "likelihood": [("likelihood", VAE), ("likelihood", M2), ("likelihood", DRAW)],
    "condition": [("condition", VAE), ("condition", GAN)],
    "objective": [("objective", VAE), ("objective", M2)],
    "prior": [("prior", VAE), ("prior", TWO_LAYER), ("prior", INFOGAN)],
    "posterior": [("posterior", VAE), ("posterior", TWO_LAYER)],
    "network": [("encoder", VAE), ("adversary.discriminator", GAN)],
    "loss": [("adversary.loss", GAN), ("adversary.loss", HYBRID)],
    "head": [
        ("adversary.head", {**GAN, "condition": "class"}),
        ("adversary.head", INFOGAN),
        ("adversary.head", {**HYBRID, "autoencoder": CVAE}),
        ("adversary.head", {**HYBRID, "autoencoder": M2}),
    ],
}
# Fields without which a piece cannot be written down.
FIELDS: dict[tuple[str, str], dict[str, Any]] = {
    ("network", "layers"): {"layers": "fc-7", "norm": "batch", "dropout": 0.25},
    ("condition", "mask"): {"mask": [[1, 1, 0, 0]] * 4},
    ("prior", "coded"): {"categories": 2, "continuous": 2},
    ("prior", "vamp"): {"components": 4},
    ("prior", "flow"): {"hidden_dim": 4},
    ("prior", "two-layer"): TWO,
    ("posterior", "two-layer"): TWO,
    ("posterior", "iaf"): {"hidden_dim": 4, "context_dim": 2},
    ("head", "projection"): {"features": 5},
}
# Other values where a rule for the type gives none that is allowed.
OTHER: dict[str, list[Any]] = {
    "layers": ["fc-6"],
    "trunk": ["fc-9"],
    "activation": ["tanh"],
    "order": ["activation norm dropout"],
    "init": ["xavier"],
    "augment": [["translation"]],
    "mask": [[[1, 0, 0, 0]] * 4],
    "feature_layer": ["fc-6"],
    "read_glimpse": [2],
    "write_glimpse": [2],
    "alpha": [0.3],
    "eps": [0.1],
    "betas": [[0.5, 0.9], [0.9, 0.5]],
    "decay_steps": [2],
    "clip": [1e-3],
    "stop": [2.0],
    "start": [2.0],
    "every": [2],
    "warmup": [3],
}
NAMES = frozenset(kind.key for kind in KINDS.values())


def _with(settings: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Settings with another value at a dotted path."""
    first, _, rest = path.partition(".")
    inner = _with(settings.get(first) or {}, rest, value) if rest else value
    return {**settings, first: inner}


WEAK = {**HYBRID, "adversarial_weight": 0.0}
LARSEN = {"routing": "larsen", "feature_layer": "fc-6", "feature_weight": 0.5}
PLUS_ONE = {**JUDGE, "head": {"name": "plus-one"}, "ema": 0.5}


def held(kind: str, name: str) -> list[dict[str, Any]]:
    """Models that hold a piece."""
    piece = {KINDS[kind].key: name, **FIELDS.get((kind, name), {})}
    return [_with(host, path, piece) for path, host in HOSTS[kind]]


def pieces() -> list[tuple[str, str]]:
    """The kind and name of every piece that Twofold brings."""
    return [(kind, e.name) for kind in HOSTS for e in entries(kind) if not e.origin]


def contexts() -> dict[str, dict[str, Any]]:
    """A model for every family and for every piece in each that may hold it, and a few more."""
    found = {
        **MODELS,
        "larsen": {**HYBRID, **LARSEN},
        "canvases": {**HYBRID, "autoencoder": DRAW, "canvases": True},
        "unopposed": WEAK,
        "unopposed-classes": {**WEAK, "autoencoder": CVAE, "adversary": PLUS_ONE},
    }
    for kind, name in pieces():
        for i, model in enumerate(held(kind, name)):
            found[f"{model['family']}-{i}-{name}"] = model
    return found


CONTEXTS = contexts()


def other_values(name: str, value: Any, annotation: Any) -> list[Any]:
    """Values that differ from one, by the name of its field or else by its type."""
    if name in OTHER:
        return [other for other in OTHER[name] if other != value]
    if typing.get_origin(annotation) is typing.Literal:
        return [other for other in typing.get_args(annotation) if other != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, float):
        return [value / 2 if value else 0.5]
    raise AssertionError(f"no other value is known for {name}={value!r}: add one to OTHER")


def options(settings: Settings, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every field of settings and of parts within: its dotted path, value and type."""
    for name, info in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Settings):
            if type(value).entry.kind != "network" or value.norm == "batch":  # one speaks for all
                yield from options(value, f"{prefix}{name}.")
        elif name not in NAMES and not (value is None and name == "head"):
            yield prefix + name, value, info.annotation


def toy_batches() -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(STEPS, B, *SHAPE, generator=generator)
    y = torch.arange(B) % K
    return [Batch(part, y, epoch=float(step)) for step, part in enumerate(x)]


def partly(batch: Batch) -> Batch:
    y = batch.y.clone()
    y[2:] = -1
    return Batch(batch.x, y, batch.epoch, num_labeled=2, labeled_share=0.1)


def trained(model: Model, training: TrainingSettings) -> None:
    """A few steps, as the loop takes them; an epoch is one of them."""
    batches = [partly(b) if model.labels == "some" else b for b in toy_batches()]
    optimizers = phase_optimizers(model.train(), training)
    for step, batch in enumerate(batches):
        due = [one for one in optimizers if one.is_due(step, batch.epoch)]
        for group in stepping_together(due, training.simultaneous):
            for one in group:
                one.differentiate(one.phase.loss(batch).total)
            for one in group:
                one.take_step(step, STEPS)


def said(model: Model) -> list[Tensor]:
    """What a model says of images, and the images it makes."""
    x, answers = toy_batches()[0].x, []
    c = model.condition.pick(x, toy_batches()[0].y)
    with torch.no_grad():
        if (generative := model.capability(Generative)) is not None:
            answers.append(generative.sample(B, c))
        for kind, verb in ((Reconstructs, "reconstruct"), (Discriminates, "realness")):
            if (able := model.capability(kind)) is not None:
                torch.manual_seed(0)
                answers.append(getattr(able, verb)(x, c))
        if (classifies := model.capability(Classifies)) is not None:
            answers.append(classifies.classify(x))
    return answers


def outcome(model: dict[str, Any], **training: Any) -> list[Tensor] | None:
    """All that training and sampling give, None where the settings are refused."""
    try:
        torch.manual_seed(0)
        settings = TrainingSettings(epochs=STEPS, **training)
        made = parse("model", model).build(image_shape=SHAPE, num_classes=K)
        drawn = [value.clone() for value in made.state_dict().values()]
        torch.manual_seed(1)
        trained(made, settings)
    except (TwofoldError, ValueError):
        return None
    return [*drawn, *made.state_dict().values(), *said(made.eval())]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    pairs = zip(a, b, strict=False)
    return len(a) == len(b) and all(p.shape == q.shape and torch.equal(p, q) for p, q in pairs)


@pytest.mark.parametrize(("kind", "name"), pieces())
def test_every_piece_is_held_by_some_model(kind, name):
    assert any(outcome(model) is not None for model in held(kind, name))


@pytest.mark.parametrize("context", CONTEXTS)
def test_options_of_models_and_pieces(context):
    model, idle = CONTEXTS[context], []
    before = outcome(model)
    if before is None:  # the two do not go together
        return
    for path, value, annotation in options(parse("model", model)):
        others = other_values(path.rpartition(".")[2], value, annotation)
        after = {str(other): outcome(_with(model, path, other)) for other in others}
        found = [(f"{path}={other}", end) for other, end in after.items() if end is not None]
        if value == "auto":  # which stands for one of the others
            idle += [a[0] for a, b in combinations(found, 2) if same(a[1], b[1])]
        else:
            idle += [text for text, end in found if same(before, end)]
    assert not idle


OPTIMIZERS = typing.get_args(OptimizerSettings.model_fields["name"].annotation)
SCHEDULES = typing.get_args(OptimizerSettings.model_fields["schedule"].annotation)


def optimizer(name: str, schedule: str) -> dict[str, Any]:
    steps = {"decay_steps": 1} if schedule == "exponential" else {}
    return {"name": name, "schedule": schedule, "lr": 0.01, **steps}


def test_optimizers_and_schedules_differ():
    decay = {"weight_decay": 0.1}  # by which AdamW differs from Adam
    ends = [
        outcome(VAE, optimizer={**optimizer(*one), **decay})
        for one in product(OPTIMIZERS, SCHEDULES)
    ]
    assert all(end is not None for end in ends)
    assert not any(same(a, b) for a, b in combinations(ends, 2))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_options_of_optimizers_and_schedules(name, schedule):
    """On a model of two phases, of which one may wait for the other."""
    base = optimizer(name, schedule)
    before, idle = outcome(GAN, optimizer=base), []
    assert before is not None
    for field, info in OptimizerSettings.model_fields.items():
        if field in ("name", "schedule"):
            continue
        for other in other_values(field, base.get(field, info.default), info.annotation):
            after = outcome(GAN, optimizer={**base, field: other})
            if after is not None and same(before, after):
                idle.append(f"{field}={other}")
    assert not idle


@pytest.mark.parametrize("model", [VAE, GAN])
def test_simultaneous_steps(model):
    """Of a model with one phase it says nothing, and is refused."""
    before, after = outcome(model), outcome(model, simultaneous=True)
    assert before is not None
    assert after is None if model is VAE else not same(before, after)
