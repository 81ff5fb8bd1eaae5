"""The same questions to every family, dense and convolutional, gray and in color."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from twofold.data.batches import Batch
from twofold.distributions import DiagonalGaussian
from twofold.errors import DataError, TwofoldError, UsageError
from twofold.experiments.build import build_model
from twofold.experiments.context import seeded
from twofold.experiments.resolve import parse_experiment, resolve, to_yaml
from twofold.experiments.schema import Experiment
from twofold.models.base import Generative, Model
from twofold.models.capabilities import (
    Classifies,
    Discriminates,
    Encodes,
    HasLikelihood,
    Reconstructs,
)
from twofold.phases import Phase
from twofold.registry import entries, find, settings_of
from twofold.training.optimizers import PhaseOptimizer, make_optimizer

K = 3
CAPABILITIES = (Generative, Encodes, Reconstructs, HasLikelihood, Classifies)
PAINTS = frozenset({Generative})
DRAWS = frozenset({Generative, Reconstructs, HasLikelihood})
AUTOENCODES = frozenset({Generative, Encodes, Reconstructs, HasLikelihood})
KNOWS_ALL = frozenset(CAPABILITIES)

# What a table below means by "down", "up" ... when its networks are dense, or convolutional.
NETWORKS: dict[str, dict[str, Any]] = {
    "dense": {
        "down": {"layers": "fc-16 fc-16", "dropout": 0.2},
        "up": {"layers": "fc-16 fc-16", "norm": "batch"},
        "head": {"layers": "fc-12"},
        "wide": {"layers": "fc-16", "init": "normal-0.25"},
        "feature": "fc-16#2",
    },
    "conv": {
        "down": {"layers": "conv3-6/2 conv4-8/2 fc-12", "dropout": 0.2},
        "up": {"layers": "fc-12 base-8 deconv4-6/2 deconv3-out/2", "norm": "batch"},
        "head": {"layers": "fc-12"},
        "wide": {"layers": "conv3-6/2 fc-12", "init": "normal-0.25"},
        "feature": "conv4-8/2",
    },
}
VAE = {"family": "vae", "latent_dim": 4, "encoder": "down", "decoder": "up"}
CVAE = {**VAE, "family": "cvae"}
ADVERSARY = {"discriminator": "down"}
GAN = {
    "family": "gan",
    "latent_dim": 4,
    "generator": "up",
    "adversary": {**ADVERSARY, "r1": 0.1, "ema": 0.9},
}
M2 = {
    "family": "m2",
    "latent_dim": 4,
    "trunk": "down",
    "classifier": "head",
    "encoder": "head",
    "decoder": "up",
}
DRAW = {"family": "draw", "latent_dim": 2, "num_steps": 3, "hidden_dim": 12}
ATTENTION = {"read_glimpse": 3, "write_glimpse": 4}
# An M1 whose codes are not N(0, I) from the start, so that M2 has something to learn of them.
M1M2 = {**M2, "family": "m1m2", "m1": {**VAE, "encoder": "wide"}, "decoder": "head"}
del M1M2["trunk"]
HYBRID = {"family": "hybrid", "adversary": ADVERSARY}
CLASSES = {"adversary": {**ADVERSARY, "head": "plus-one", "ema": 0.9}}
CODES = {"discriminator": {"layers": "fc-16"}}
LARSEN = {
    "routing": "larsen",
    "feature_layer": "feature",
    "feature_weight": 0.5,
    "recon_weight": 0.0,
}


@dataclass(frozen=True)
class Case:
    """A family or a variant of one, and which questions it can be asked.

    Attributes:
        model: Its settings; names of `NETWORKS` stand for networks.
        title: Its own.
        able: Its capabilities.
        told: Whether its images are asked for by class.
        known: Which share of a batch has a label.
    """

    model: Mapping[str, Any]
    title: str
    able: frozenset[type]
    told: bool = False
    known: float = 1.0


TABLE = {
    "vae": Case(VAE, "VAE", AUTOENCODES),
    "cvae": Case(CVAE, "CVAE", AUTOENCODES, told=True),
    "hvae": Case(
        {**VAE, "family": "hvae", "top_dim": 2, "top_encoder": "head", "top_decoder": "head"},
        "HVAE",
        AUTOENCODES,
    ),
    "gan": Case(GAN, "GAN", PAINTS),
    "cgan": Case({**GAN, "family": "cgan"}, "CGAN", PAINTS, told=True),
    "acgan": Case({**GAN, "family": "acgan"}, "ACGAN", PAINTS | {Classifies}, told=True),
    "acgan-real": Case(
        {
            **GAN,
            "family": "acgan",
            "condition": "none",
            "adversary": {**ADVERSARY, "head": {"name": "class", "learns_from": "real"}},
        },
        "ACGAN",
        PAINTS | {Classifies},
    ),
    "m2": Case(M2, "M2", KNOWS_ALL, told=True, known=0.5),
    "m2-gumbel": Case(
        {**M2, "objective": {"name": "relaxed-sum"}, "variance": "of-x"},
        "M2",
        KNOWS_ALL,
        told=True,
        known=0.5,
    ),
    "m1m2": Case(
        M1M2, "M1+M2", frozenset({Generative, Reconstructs, Classifies}), told=True, known=0.5
    ),
    "draw": Case(DRAW, "DRAW", DRAWS),
    "draw-attention": Case({**DRAW, **ATTENTION}, "DRAW", DRAWS),
    "cdraw": Case({**DRAW, **ATTENTION, "family": "cdraw"}, "CDRAW", DRAWS, told=True),
    "classifier": Case(
        {"family": "classifier", "network": "down"}, "classifier", frozenset({Classifies})
    ),
    "hybrid": Case({**HYBRID, "autoencoder": VAE}, "VAE-GAN", AUTOENCODES),
    "hybrid-cvae": Case(
        {**HYBRID, **CLASSES, "autoencoder": CVAE, "label_reader": "discriminator"},
        "CVAE-GAN",
        KNOWS_ALL,
        told=True,
    ),
    "hybrid-m2": Case(
        {**HYBRID, **CLASSES, "autoencoder": M2}, "M2-GAN", KNOWS_ALL, told=True, known=0.5
    ),
    "hybrid-m2-real": Case(
        {
            **HYBRID,
            "adversary": {**ADVERSARY, "head": {"name": "plus-one", "unlabeled": "real"}},
            "autoencoder": M2,
        },
        "M2-GAN",
        KNOWS_ALL,
        told=True,
        known=0.5,
    ),
    "hybrid-draw": Case({**HYBRID, "autoencoder": DRAW, "canvases": True}, "DRAW-GAN", DRAWS),
    "hybrid-cdraw": Case(
        {**HYBRID, **CLASSES, "autoencoder": {**DRAW, **ATTENTION, "family": "cdraw"}},
        "CDRAW-GAN",
        DRAWS,
        told=True,
    ),
    "aae": Case(
        {
            "family": "aae",
            "autoencoder": {**VAE, "encoder": "wide"},
            "adversary": {**CODES, "ema": 0.9},
        },
        "AAE",
        AUTOENCODES,
    ),
    "aae-cvae": Case(
        {"family": "aae", "autoencoder": {**CVAE, "encoder": "wide"}, "adversary": CODES},
        "CAAE",
        AUTOENCODES,
        told=True,
    ),
    "infogan": Case(
        {**GAN, "family": "infogan", "latent_dim": 6, "prior": {"name": "coded", "categories": 3}},
        "InfoGAN",
        PAINTS,
    ),
    "larsen": Case({**HYBRID, **LARSEN, "autoencoder": VAE}, "VAE-GAN", AUTOENCODES),
    "larsen-m2": Case(
        {**HYBRID, **LARSEN, "autoencoder": M2}, "M2-GAN", KNOWS_ALL, told=True, known=0.5
    ),
    "larsen-draw": Case({**HYBRID, **LARSEN, "autoencoder": DRAW}, "DRAW-GAN", DRAWS),
}
# What may lack labels may also have all.
TABLE |= {
    f"{name}-labeled": replace(TABLE[name], known=1.0) for name in ("m2", "m1m2", "hybrid-m2")
}
# Whose networks are told the class beside an image (those of ACGAN and DRAW are not).
JOINTLY = ("cvae", "cgan", "m2", "m2-gumbel", "hybrid-cvae", "hybrid-m2")


def cases(names: Iterable[str] = tuple(TABLE)) -> list[Any]:
    """Dense and convolutional, gray and in color; DRAW alone has no layers to choose."""
    return [
        pytest.param(*case, id="-".join(map(str, case)))
        for case in product(names, NETWORKS, (1, 3))
        if case[1] == "dense" or _mentions(TABLE[case[0]].model, NETWORKS["conv"])
    ]


def _mentions(settings: Any, names: Iterable[str]) -> bool:
    if isinstance(settings, Mapping):
        return any(_mentions(value, names) for value in settings.values())
    return isinstance(settings, str) and settings in names


def _with_networks(settings: Any, layers: str) -> Any:
    if isinstance(settings, Mapping):
        return {key: _with_networks(value, layers) for key, value in settings.items()}
    return NETWORKS[layers].get(settings, settings) if isinstance(settings, str) else settings


CASES = cases()
GENERATIVE = cases(name for name, case in TABLE.items() if Generative in case.able)
CONDITIONAL = cases(name for name, case in TABLE.items() if case.told)


def experiment(name: str, layers: str, seed: int = 0) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "contract",
            "seed": seed,
            "data": "toy",
            "model": _with_networks(TABLE[name].model, layers),
            "training": {"epochs": 1},
        }
    )


def make(name: str, layers: str, channels: int, seed: int = 0) -> Model:
    return build_model(experiment(name, layers, seed), (channels, 8, 12), K)


def make_batch(name: str, channels: int, count: int = 6, size: tuple[int, int] = (8, 12)) -> Batch:
    """Binary images; the labeled ones first, as in training."""
    labeled = round(TABLE[name].known * count)
    y = torch.arange(count) % K
    y[labeled:] = -1
    return Batch(
        torch.rand(count, channels, *size).round(),
        y,
        num_labeled=labeled,
        labeled_share=0.3 if labeled < count else 1.0,
    )


def make_phase_optimizer(phase: Phase, settings: Experiment) -> PhaseOptimizer:
    optimizer = settings.optimizer(phase.name).model_copy(update={"lr": 3e-3})
    return PhaseOptimizer(phase, optimizer, make_optimizer(phase.parameters, optimizer))


def told(model: Model, count: int) -> Tensor | None:
    return torch.arange(count) % K if model.condition.about == "class" else None


def answers(model: Model, x: Tensor, z: Tensor, c: Tensor | None) -> list[Tensor]:
    """Everything that a model says without a random number, a row for each image or code."""
    said = []
    with torch.no_grad():
        if (generative := model.capability(Generative)) is not None:
            said.append(generative.generate(z, c))
        if (encodes := model.capability(Encodes)) is not None:
            q = encodes.posterior(x, c)
            said += [q.mean, q.logvar] if isinstance(q, DiagonalGaussian) else [q.mean]
        if (classifies := model.capability(Classifies)) is not None:
            said.append(classifies.classify(x))
        if (discriminates := model.capability(Discriminates)) is not None:
            said.append(discriminates.realness(x, c))
    return said


def all_answers(model: Model, x: Tensor) -> list[Tensor]:
    """Also the images it makes again, which DRAW draws at random."""
    z, c = (
        torch.randn(len(x), model.latent_dim, generator=torch.manual_seed(0)),
        told(model, len(x)),
    )
    said = answers(model.eval(), x, z, c)
    if (reconstructs := model.capability(Reconstructs)) is not None:
        said.append(reconstructs.reconstruct(x, c))
    return said


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "layers", "channels"), CASES)
def test_a_phase_moves_its_own_parameters_and_no_others(name, layers, channels):
    """In the order of training and on one batch, for phases may share a forward pass."""
    model, settings = make(name, layers, channels).train(), experiment(name, layers)
    batch = make_batch(name, channels)
    for phase in model.phases:
        own = {id(p) for p in phase.parameters}
        follows = ("generator_ema.", "autoencoder_ema.") if phase.after_step is not None else "\0"
        phase_optimizer = make_phase_optimizer(phase, settings)
        model.zero_grad(set_to_none=True)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        terms = phase.loss(batch)
        assert terms.total.shape == ()
        assert all(value.shape == () for value in terms.terms.values())
        phase_optimizer.minimize(terms.total, 0, 1)
        for weight, parameter in model.named_parameters():
            moved = not torch.equal(parameter, before[weight])
            if id(parameter) in own:
                assert parameter.grad is not None, weight
                assert torch.isfinite(parameter.grad).all(), weight
                if parameter.dim() > 1:  # a bias before batch norm has no slope
                    assert parameter.grad.abs().max() > 0, weight
                    assert moved, weight
            else:
                assert parameter.grad is None, weight
                if weight.startswith(follows):
                    assert moved or parameter.dim() == 1, weight
                else:
                    assert not moved, weight


@pytest.mark.parametrize(("name", "layers", "channels"), CASES)
def test_every_trained_parameter_has_one_phase(name, layers, channels):
    model = make(name, layers, channels)
    trained = [id(p) for phase in model.phases for p in phase.parameters]
    twice = model.autoencoder.encoder_parameters if name.startswith("aae") else []  # in turn
    assert len(trained) == len(set(trained)) + len(twice)
    assert set(trained) == {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.parametrize(("name", "layers", "channels"), CASES)
def test_training_lowers_the_loss_of_its_phase(name, layers, channels):
    """A few steps of one phase alone, the other standing still."""
    batch, settings = make_batch(name, channels, 12), experiment(name, layers)
    for number in range(len(make(name, layers, channels).phases)):
        model = make(name, layers, channels).train()
        phase = model.phases[number]
        phase_optimizer, losses = make_phase_optimizer(phase, settings), []
        for step in range(25):
            torch.manual_seed(1)  # the same codes, so that one step can be held against another
            total = phase.loss(batch.afresh()).total
            phase_optimizer.minimize(total, step, 25)
            losses.append(total.item())
        assert sum(losses[-5:]) < sum(losses[:5]), phase.name


@pytest.mark.parametrize(("name", "layers", "channels"), CASES)
def test_mixed_precision_rounds_and_no_more(name, layers, channels):
    """bfloat16 has three digits; the terms are float32 sums of what the networks gave."""
    model, batch = make(name, layers, channels).train(), make_batch(name, channels, 16)
    for phase in model.phases:
        found = []
        for enabled in (False, True):
            torch.manual_seed(0)
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                terms = phase.loss(batch.afresh())
            found.append(terms.terms)
            assert all(
                value.dtype == torch.float32 for value in [terms.total, *terms.terms.values()]
            )
        single, mixed = found
        for term, value in single.items():
            assert mixed[term].item() == pytest.approx(value.item(), rel=0.02, abs=0.02), term
            if value.requires_grad:  # ln K, where every label is known, is a constant
                assert mixed[term] != value, term


# --- weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "layers", "channels"), CASES)
def test_weights_travel_in_a_state_dict(name, layers, channels):
    """Saved from one model and loaded into another seed's, they give the very same answers."""
    one, other = (make(name, layers, channels, seed) for seed in (0, 1))
    batch = make_batch(name, channels)
    for phase in one.train().phases:  # statistics of batch norm that are not those of a new model
        phase.loss(batch)
    before = all_answers(other, batch.x)
    other.load_state_dict(one.state_dict())
    after = all_answers(other, batch.x)
    for mine, loaded, was in zip(all_answers(one, batch.x), after, before, strict=True):
        torch.testing.assert_close(loaded, mine, rtol=0, atol=0)
        assert not torch.equal(loaded, was)


@pytest.mark.parametrize(("name", "layers", "channels"), CASES)
def test_the_seed_decides_the_weights_and_nothing_else_is_touched(name, layers, channels):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (make(name, layers, channels, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    same = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    weights = zip(first.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in weights)


# --- settings -------------------------------------------------------------------------------------


def in_python(settings: Mapping[str, Any], **images: Any) -> Model:
    """A model by its class, as a program makes it: what is in it is made before it."""
    entry = find("model", settings["family"])
    fields = {key: value for key, value in settings.items() if key != "family"}
    for key, value in fields.items():
        if isinstance(value, Mapping) and "family" in value:
            fields[key] = in_python(value, **images)
    return entry.make(**{**entry.defaults, **fields}, **images)


@pytest.mark.parametrize(("name", "layers", "channels"), CASES)
def test_a_model_made_in_python_can_be_written_down(name, layers, channels):
    """And what was read again gives the same weights for a seed, as does the experiment."""
    images = {"image_shape": (channels, 8, 12), "num_classes": K}
    torch.manual_seed(0)
    made = in_python(_with_networks(TABLE[name].model, layers), **images)
    settings = settings_of(made)
    assert settings is not None
    written = experiment(name, layers).model_copy(update={"model": settings})
    again = parse_experiment(yaml.safe_load(to_yaml(written)), "again")
    assert again == written
    by_name = make(name, layers, channels)
    assert type(made) is type(by_name)
    assert made.title == by_name.title == TABLE[name].title
    others = [build_model(again, (channels, 8, 12), K)]
    others += [made] if "m1" not in TABLE[name].model else []  # of which M2 is made before M1
    for other in others:
        mine, theirs = by_name.state_dict(), other.state_dict()
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            torch.testing.assert_close(theirs[key], value, rtol=0, atol=0, check_stride=False)


# --- sampling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "layers", "channels"), GENERATIVE)
def test_samples(name, layers, channels):
    """Trap: pictures without seeds. The same for a seed, others for another, in [0, 1]."""
    model = make(name, layers, channels).train()
    c = told(model, 7)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    x = model.sample(7, c, seed=3)
    again, other = model.sample(7, c, seed=3), model.sample(7, c, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert x.shape == (7, channels, 8, 12)
    assert x.dtype == torch.float32
    assert not x.requires_grad
    assert 0 <= x.min() < x.max() <= 1
    assert torch.equal(again, x)
    assert ((other - x).flatten(1).abs().amax(dim=1) > 1e-4).all()
    assert len(x.unique(dim=0)) == 7
    torch.testing.assert_close(model.sample(7, c, seed=3, batch_size=2), x)


@pytest.mark.parametrize("seed", [0, 1])
def test_samples_are_not_of_the_codes_that_training_begins_with(seed):
    """Trap: one generator seeded alike for both, so that a GAN shows the fakes it first made."""
    gan = make("gan", "dense", 1)
    torch.manual_seed(seed)
    first = gan.prior.sample(100)
    found = gan.sample_latent(100, seed)
    both = torch.stack([found.flatten(), first.flatten()])
    assert torch.corrcoef(both)[0, 1].abs() < 5 / both.shape[1] ** 0.5
    with seeded(seed, torch.device("cpu")):
        assert not torch.equal(gan.prior.sample(100), first)


def test_models_of_one_latent_size_are_compared_at_the_same_codes():
    """Trap: models that differ in more than the factor named."""
    vae, gan = make("vae", "dense", 1), make("gan", "conv", 3)
    assert isinstance(vae, Generative)
    assert isinstance(gan, Generative)
    assert torch.equal(vae.sample_latent(5, seed=2), gan.sample_latent(5, seed=2))
    z = vae.sample_latent(100_000, seed=2)
    assert abs(z.mean().item()) < 5 / 400_000**0.5
    assert abs(z.square().mean().item() - 1) < 5 * (2 / 400_000) ** 0.5


@pytest.mark.parametrize("name", ["vae", "cvae", "gan", "cgan", "acgan", "hybrid"])
def test_a_narrower_scale_changes_samples_and_nothing_else(name):
    """The codes of a seed are the same, nearer to the middle; ELBO and losses stay as they are."""
    settings = experiment(name, "dense")
    at = "model.autoencoder.sampling_scale" if name == "hybrid" else "sampling_scale"
    narrow = build_model(resolve(settings, {at: 0.5}), (1, 8, 12), K)
    plain = make(name, "dense", 1)
    assert isinstance(plain, Generative)
    assert isinstance(narrow, Generative)
    torch.testing.assert_close(narrow.sample_latent(5, 3), 0.5 * plain.sample_latent(5, 3))
    c = told(plain, 5)
    made = plain.images_of(0.5 * plain.prior_latent(5, 3), c)
    torch.testing.assert_close(narrow.sample(5, c, seed=3), made)
    for mine, other in zip(plain.phases, narrow.phases, strict=True):
        losses = []
        for phase in (mine, other):
            torch.manual_seed(0)
            losses.append(phase.loss(make_batch(name, 1)).total)
        torch.testing.assert_close(*losses)


@pytest.mark.parametrize(("name", "layers", "channels"), CONDITIONAL)
def test_the_condition_is_obeyed(name, layers, channels):
    """The same z under different classes gives different images, and each keeps to its own row."""
    model = make(name, layers, channels).eval()
    z = model.sample_latent(4)
    classes = [model.generate(z, torch.full((4,), k)) for k in range(K)]
    for k in range(K):
        difference = (classes[k] - classes[k - 1]).flatten(1).abs().amax(dim=1)
        assert (difference > 1e-4).all()
    mixed = model.generate(z, torch.tensor([2, 0, 1, 2]))
    rows = torch.stack([classes[2][0], classes[0][1], classes[1][2], classes[2][3]])
    torch.testing.assert_close(mixed, rows)


@pytest.mark.parametrize(("name", "layers", "channels"), cases(JOINTLY))
def test_images_and_classes_are_judged_together(name, layers, channels):
    """A class that only adds a number to the score, whatever the image, teaches G nothing."""
    model, x = make(name, layers, channels).eval(), torch.rand(2, channels, 8, 12)

    def judge(x: Tensor, k: int) -> Tensor:
        c, encodes = torch.full((2,), k), model.capability(Encodes)
        if encodes is not None:
            return encodes.posterior(x, c).mean
        return model.realness(x, c)

    one, two = judge(x, 0), judge(x, 1)
    assert not torch.allclose(one[0] - two[0], one[1] - two[1], atol=1e-5)


@pytest.mark.parametrize(("name", "layers", "channels"), CONDITIONAL)
def test_a_condition_is_asked_for(name, layers, channels):
    model = make(name, layers, channels)
    with pytest.raises(UsageError, match=r"give c, labels in 0\.\.2"):
        model.sample(2)
    with pytest.raises(UsageError, match="c has 3 rows but n=2"):
        model.sample(2, torch.tensor([0, 1, 2]))
    with pytest.raises(UsageError, match=r"no class 3: labels are 0\.\.2"):
        model.sample(2, torch.tensor([0, K]))
    with pytest.raises(DataError, match="at least 2 classes, got 0"):
        build_model(experiment(name, layers), (channels, 8, 12), 0)


@pytest.mark.parametrize(("name", "layers", "channels"), CONDITIONAL)
def test_labels_are_asked_for_where_every_image_needs_one(name, layers, channels):
    """What learns from unlabeled images too takes a batch without any."""
    model, x = make(name, layers, channels), torch.rand(4, channels, 8, 12)
    if model.labels == "some":
        assert all(torch.isfinite(phase.loss(Batch(x)).total) for phase in model.phases)
    else:
        with pytest.raises(DataError, match="no labels"):
            model.phases[0].loss(Batch(x))


@pytest.mark.parametrize(
    "name", [name for name, case in TABLE.items() if Generative in case.able and not case.told]
)
def test_no_condition_is_taken(name):
    with pytest.raises(UsageError, match="takes no condition"):
        make(name, "dense", 1).sample(2, torch.tensor([0, 1]))


# --- evaluation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "layers", "channels"), CASES)
def test_evaluation_does_not_depend_on_the_batch(name, layers, channels):
    """Each image alone, or all together, to float32 rounding: no dropout, no batch statistics."""
    model, batch = make(name, layers, channels).train(), make_batch(name, channels)
    for phase in model.phases:
        phase.loss(batch)
    model.eval()
    z, c = torch.randn(6, model.latent_dim), told(model, 6)
    together = answers(model, batch.x, z, c)
    for i in range(6):
        row, c_row = slice(i, i + 1), None if c is None else c[i : i + 1]
        alone = answers(model, batch.x[row], z[row], c_row)
        for mine, all_rows in zip(alone, together, strict=True):
            torch.testing.assert_close(mine, all_rows[row], rtol=1e-4, atol=1e-5)


# --- sizes and abilities --------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE)
def test_dense_networks_take_any_size(name):
    model = build_model(experiment(name, "dense"), (3, 9, 7), K)
    batch = make_batch(name, 3, size=(9, 7))
    for phase in model.phases:
        assert torch.isfinite(phase.loss(batch).total)
    if isinstance(model, Generative):
        assert model.sample(2, told(model, 2)).shape == (2, 3, 9, 7)


@pytest.mark.parametrize(
    "name", [name for name, case in TABLE.items() if _mentions(case.model, ["up"])]
)
def test_sizes_that_a_generator_cannot_reach_are_refused(name):
    words = r"multiples of 4: the images are 9×12; size=8 or size=12 would do"
    with pytest.raises(UsageError, match=words):
        build_model(experiment(name, "conv"), (1, 9, 12), K)


@pytest.mark.parametrize("name", TABLE)
def test_abilities(name):
    model = make(name, "dense", 1)
    for capability in CAPABILITIES:
        if capability in TABLE[name].able:
            assert isinstance(model.capability(capability, "reconstruct"), capability)
        else:
            words = f"cannot reconstruct: {re.escape(model.title)} .* use a"
            with pytest.raises(TwofoldError, match=words):
                model.capability(capability, "reconstruct")


@pytest.mark.parametrize("name", [name for name in TABLE if name.startswith(("hybrid", "larsen"))])
def test_a_hybrid_can_do_what_its_autoencoder_can(name):
    model = make(name, "dense", 1)
    for capability in {Encodes, Reconstructs, HasLikelihood} & TABLE[name].able:
        shown = model.autoencoder if model.autoencoder_ema is None else model.autoencoder_ema
        assert model.capability(capability, "evaluate") is shown
    assert model.capability(Generative, "sample") is model


@pytest.mark.parametrize("name", TABLE)
def test_titles(name):
    assert make(name, "dense", 1).title == TABLE[name].title


@pytest.mark.parametrize("name", TABLE)
def test_what_is_compiled_is_what_runs(name):
    """`compile` replaces a module's forward pass: every network named must have one."""
    for network in make(name, "dense", 1).networks():
        assert type(network).forward is not torch.nn.Module.forward, type(network).__name__


def test_every_family_is_asked():
    """A new family has to be in the table, with what it can do."""
    ours = [one for one in entries("model") if one.make.__module__.startswith("twofold.")]
    families = {one.name for one in ours} - {"unregistered", "given-images"}
    assert {case.model["family"] for case in TABLE.values()} == families
    assert {make(name, "dense", 1).labels for name in TABLE} == {"none", "some", "all"}
