"""Names: who may have one, what is said where there is none, and that a signature is a schema."""

import copy
import importlib
import pickle
import re
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from twofold.conditions import Condition, NoCondition
from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.experiments.resolve import parse_experiment
from twofold.likelihoods import GaussianLikelihood, Likelihood
from twofold.models import ACGAN, DRAW, GAN, M1M2, M2, VAE, Classifier, Hybrid, Model, Phase, Terms
from twofold.registry import (
    KINDS,
    Settings,
    entries,
    find,
    is_known,
    load_plugin,
    make,
    parse,
    plugin_files,
    register,
    settings_of,
)
from twofold.settings import Count, NonNegative

IMAGES = {"image_shape": (1, 4, 4), "num_classes": 3}


@pytest.fixture(autouse=True)
def names_of_its_own(monkeypatch):
    """What a test registers is gone after it."""
    for kind in KINDS:
        entries(kind)
    table = importlib.import_module("twofold.registry.entries")
    monkeypatch.setattr(table, "_entries", dict(table._entries))
    monkeypatch.setattr("twofold.registry.plugins._files", [])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("twofold_plugin_"):
            del sys.modules[name]


def wide(input_shape: tuple, output_shape: tuple, width: Count = 64, scale: float = 1.0):
    """A dense network.

    Arguments:
        width: How many
            hidden units.
    """
    network = nn.Sequential(nn.Flatten(), nn.Linear(input_shape[0], width), nn.Linear(width, 1))
    network.scale = scale
    return network


# --- register and find ----------------------------------------------------------------------------


def test_what_is_registered_is_found_by_its_name():
    assert register("network", "wide", paper="Nobody, 2020")(wide) is wide
    entry = find("network", "wide")
    assert (entry.kind, entry.name, entry.make) == ("network", "wide", wide)
    assert (entry.title, entry.paper) == ("A dense network", "Nobody, 2020")
    assert entry.origin == "this session"
    assert entry in entries("network")
    assert is_known("network", "wide")
    assert not is_known("network", "wider")
    assert not is_known("networks", "wide")


@pytest.mark.parametrize("kind", ["model", "network", "condition", "likelihood", "loss"])
def test_what_twofold_brings_has_a_title_and_no_origin(kind):
    found = [entry for entry in entries(kind) if entry.origin == ""]
    assert found
    assert all(entry.title for entry in found)
    assert len({entry.name for entry in found}) == len(found)


@pytest.mark.parametrize("kind", ["model", "network", "condition", "likelihood", "loss"])
def test_every_schema_can_be_read(kind):
    """Every argument has a type that a file can hold."""
    for entry in entries(kind):
        fields = entry.settings.model_fields
        assert {KINDS[kind].key, *entry.parameters} == fields.keys()
        assert entry.settings.model_json_schema()


def test_a_name_that_something_else_has_is_refused():
    register("network", "wide")(wide)
    words = "the network 'wide' is registered twice, by this session and by this session; give one"
    with pytest.raises(UsageError, match=words):

        @register("network", "wide")
        def other(input_shape: tuple) -> nn.Module: ...

    assert find("network", "wide").make is wide


def test_a_name_of_twofolds_is_refused():
    words = "the model 'vae' is registered twice, by Twofold and by this session; give one of them"
    with pytest.raises(UsageError, match=words):
        register("model", "vae")(wide)
    assert find("model", "vae").make is VAE


def test_one_name_may_stand_for_things_of_several_kinds():
    register("network", "none")(wide)
    assert find("network", "none").make is wide
    assert isinstance(make("condition", "none"), NoCondition)


def test_the_same_definition_again_replaces_the_first():
    """As a cell of a notebook does that is run twice."""
    made = []
    for sigma in (1.0, 2.0):

        @register("likelihood", "mine")
        class Mine(Likelihood):
            name = "mine"

            def __init__(self, channels: int, width: float = sigma) -> None:
                super().__init__(channels)
                self.width = width

            def forward(self, output: Tensor) -> Tensor:  # type: ignore[override]
                return output

        made.append(Mine)
    assert find("likelihood", "mine").make is made[1]
    assert make("likelihood", "mine", channels=1).width == 2.0
    assert [entry.name for entry in entries("likelihood")].count("mine") == 1


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("model", "vea", "unknown family of models 'vea'; did you mean 'vae' or 'hvae' or 'cvae'?"),
        ("condition", "left-hlaf", "unknown condition 'left-hlaf'; did you mean 'left-half'"),
        ("loss", "zzz", "unknown loss 'zzz'; known: hinge, least-squares, minimax, "),
    ],
)
def test_an_unknown_name_lists_the_nearest(kind, name, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        find(kind, name)
    with pytest.raises(UsageError, match=re.escape(words)):
        make(kind, name)


def test_an_unknown_kind_lists_the_nearest():
    words = "unknown kind of thing to register 'netwrok'; did you mean 'network'?"
    with pytest.raises(UsageError, match=re.escape(words)):
        register("netwrok", "wide")


# --- from a signature to a schema -----------------------------------------------------------------


def test_a_signature_is_a_schema():
    register("network", "wide")(wide)
    entry = find("network", "wide")
    assert entry.parameters.keys() == {"width", "scale"}
    assert entry.given == {"input_shape", "output_shape"}
    fields = entry.settings.model_fields
    assert (fields["width"].default, fields["scale"].default) == (64, 1.0)
    assert fields["width"].description == "How many hidden units."
    assert fields["scale"].description is None
    for wrong, words in [
        ({"width": 0}, "width: got 0; input should be greater than or equal to 1"),
        ({"width": 2.5}, "width: got 2.5; input should be a valid integer"),
        ({"scale": float("inf")}, "scale: got inf; input should be a finite number"),
        ({"deep": 3}, "unknown field deep"),
        ({"input_shape": [3]}, "unknown field input_shape"),
    ]:
        with pytest.raises(UsageError, match=words):
            parse("network", {"name": "wide", **wrong})
    with pytest.raises(UsageError, match=r"width: got 0; .*; unknown field deep"):
        parse("network", {"name": "wide", "width": 0, "deep": 3})


def test_help_comes_from_the_docstrings_of_the_class_and_of_its_bases():
    fields = find("model", "acgan").settings.model_fields
    assert fields["latent_dim"].description == "D, dimensions of z."
    assert fields["generator"].description.startswith("From z (B, D) and the encoded condition")
    assert "options" not in fields


@pytest.mark.parametrize("kind", ["model", "network", "condition", "likelihood", "loss"])
def test_every_field_has_a_help_text(kind):
    for entry in entries(kind):
        for name in entry.parameters:
            assert entry.settings.model_fields[name].description, f"{kind} {entry.name}: {name}"


def test_a_subclass_has_the_arguments_that_it_hands_on():
    @register("network", "example-narrow")
    class Narrow(nn.Module):
        """A network.

        Arguments:
            width: Of it.
        """

        def __init__(self, width: Count = 3) -> None:
            super().__init__()
            self.width = width

    @register("network", "example-wide")
    class Wide(Narrow):
        """A network that hands on.

        Arguments:
            depth: Of it.
        """

        def __init__(self, depth: Count = 1, **options: Any) -> None:
            super().__init__(**options)
            self.depth = depth

    assert find("network", "example-wide").parameters.keys() == {"depth", "width"}
    assert find("network", "example-wide").settings.model_fields["width"].description == "Of it."
    assert (Wide(depth=2, width=5).width, Wide().width) == (5, 3)


def test_a_name_may_have_defaults_for_fields_of_a_part():
    """Whatever the part is given as: a text, fields, or an object."""
    plain = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    for adversary in ("fc-8", {"discriminator": "fc-8", "r1": 1.0}, plain):
        assert ACGAN("fc-8", adversary, **IMAGES).adversary.head.names_classes
    assert not GAN("fc-8", "fc-8", **IMAGES).adversary.head.names_classes
    binary = ACGAN("fc-8", {"discriminator": "fc-8", "head": "binary"}, **IMAGES)
    assert not binary.adversary.head.names_classes


def test_fields_without_a_name_are_those_of_the_default():
    m2 = parse("model", {"family": "m2", **HEADS, "objective": {"alpha": 3.0}})
    assert (m2.objective.name, m2.objective.alpha) == ("exact-sum", 3.0)
    vae = parse("model", {"family": "vae", **NETWORKS, "objective": {"beta": 3.0}})
    assert (vae.objective.name, vae.objective.beta) == ("elbo", 3.0)


def test_a_name_may_have_defaults_of_its_own():
    assert parse("model", {"family": "cvae", **NETWORKS}).condition.name == "class"
    assert parse("model", {"family": "vae", **NETWORKS}).condition.name == "none"


def test_an_argument_without_a_type_is_refused():
    @register("network", "untyped")
    def untyped(input_shape: tuple, width=3) -> nn.Module:
        return nn.Identity()

    words = "the argument 'width' of network 'untyped' has no type, .* for example width: int = 1"
    with pytest.raises(UsageError, match=words):
        parse("network", "untyped")


class Opaque:
    """Nothing that a file could hold."""


def test_an_argument_that_no_file_can_hold_is_refused():
    @register("network", "opaque")
    def opaque(input_shape: tuple, what: Opaque) -> nn.Module:
        return nn.Identity()

    words = (
        "network 'opaque' has an argument that no file can hold, of the type .*Opaque'>; use int, "
    )
    with pytest.raises(UsageError, match=words):
        parse("network", "opaque")


# --- parse and make -------------------------------------------------------------------------------


def test_a_name_a_mapping_and_settings_stand_for_the_same():
    by_name = parse("likelihood", "gaussian")
    assert by_name == parse("likelihood", {"name": "gaussian"}) == parse("likelihood", by_name)
    assert by_name.model_dump() == {"name": "gaussian", "sigma": 1.0}
    made = make("likelihood", {"name": "gaussian", "sigma": 0.5}, channels=3)
    assert isinstance(made, GaussianLikelihood)
    assert (made.sigma, made.channels) == (0.5, 3)
    assert settings_of(made) == parse("likelihood", {"name": "gaussian", "sigma": 0.5})


def test_an_object_is_what_it_is():
    likelihood = GaussianLikelihood(1, sigma=0.2)
    assert parse("likelihood", likelihood) is make("likelihood", likelihood) is likelihood


def test_text_in_place_of_a_network_is_its_layers():
    assert parse("network", "fc-8 fc-9") == parse("network", {"layers": "fc-8 fc-9"})
    assert parse("network", "fc-8").name == "layers"
    register("network", "wide")(wide)
    assert parse("network", "wide").width == 64
    given = {"input_shape": (4,), "output_shape": (1,), "condition_dim": 0}
    assert make("network", {"name": "wide", "scale": 3}, **given).scale == 3.0


@pytest.mark.parametrize("wrong", [None, 3, 2.5, True, ["gaussian"], ("gaussian",)])
def test_what_is_neither_name_nor_fields_is_refused(wrong):
    words = f"got {wrong!r}; expected the name of a likelihood, or its fields"
    with pytest.raises(UsageError, match=re.escape(words)):
        make("likelihood", wrong, channels=1)


def test_settings_of_another_kind_are_refused():
    with pytest.raises(UsageError, match="class is a condition, not a likelihood"):
        parse("likelihood", parse("condition", "class"))


def test_an_optional_part_may_be_null_and_another_may_not():
    @register("network", "parted")
    def parted(
        input_shape: tuple, part: Likelihood | None = None, whole: Condition | str = "none"
    ) -> nn.Module:
        return nn.Identity()

    assert parse("network", "parted").part is None
    assert parse("network", {"name": "parted", "part": None}).part is None
    assert parse("network", {"name": "parted", "part": "gaussian"}).part.sigma == 1.0
    with pytest.raises(UsageError, match="whole: got None; expected the name of a condition"):
        parse("network", {"name": "parted", "whole": None})
    with pytest.raises(UsageError, match=r"^part: unknown likelihood 'gausian'; did you mean"):
        parse("network", {"name": "parted", "part": "gausian"})


# --- constructors ---------------------------------------------------------------------------------

NETWORKS = {"encoder": "fc-8", "decoder": "fc-8"}
PLAYERS = {"generator": "fc-8", "adversary": "fc-8"}
HEADS = {"classifier": "fc-8", **NETWORKS}
WRONG = [
    ("vae", VAE, NETWORKS, {"latent_dim": 0}),
    ("vae", VAE, NETWORKS, {"latent_dim": "many"}),
    ("vae", VAE, NETWORKS, {"objective": "elbow"}),
    ("vae", VAE, NETWORKS, {"objective": {"beta": -1.0, "num_samples": 0}}),
    ("vae", VAE, NETWORKS, {"objective": {"beta": float("nan")}}),
    ("vae", VAE, NETWORKS, {"likelihood": {"name": "gaussian", "sigma": 0}}),
    ("vae", VAE, NETWORKS, {"likelihood": "bernouli"}),
    ("vae", VAE, NETWORKS, {"condition": {"name": "class", "binary": True}}),
    ("vae", VAE, NETWORKS, {"condition": None}),
    ("vae", VAE, NETWORKS, {"encoder": {"layers": "fc-8", "dropout": 1.0}}),
    ("vae", VAE, NETWORKS, {"encoder": {"layers": "fc-8", "wide": 1}}),
    ("vae", VAE, NETWORKS, {"encoder": {"name": "transformer"}}),
    ("gan", GAN, PLAYERS, {"adversary": {"discriminator": "fc-8", "loss": "hinges"}}),
    ("gan", GAN, PLAYERS, {"adversary": {"discriminator": "fc-8", "ema": 1.0, "r1": -1.0}}),
    ("gan", GAN, PLAYERS, {"adversary": {"r1": 1.0}}),
    ("acgan", ACGAN, PLAYERS, {"adversary": {"head": {"learns_from": "reel"}, "ema": 1.0}}),
    ("m2", M2, HEADS, {"variance": "of-y", "objective": {"name": "relaxed-sum", "temperature": 0}}),
    ("m2", M2, HEADS, {"objective": "elbo"}),
    ("vae", VAE, NETWORKS, {"objective": "exact-sum"}),
    ("draw", DRAW, {}, {"num_steps": 0, "read_glimpse": "x"}),
    ("classifier", Classifier, {}, {"network": 3}),
    ("hybrid", Hybrid, {"adversary": "fc-8"}, {"autoencoder": {"family": "vae", "latent_dim": -1}}),
    ("m1m2", M1M2, HEADS, {"m1": {"family": "m2", **HEADS}}),
]


@pytest.mark.parametrize(("family", "cls", "fields", "wrong"), WRONG)
def test_wrong_values_are_said_in_one_way_in_yaml_and_in_python(family, cls, fields, wrong):
    content = {"name": "x", "data": "digits", "training": {"epochs": 1}}
    content["model"] = {"family": family, **fields, **wrong}
    with pytest.raises(UsageError) as in_yaml:
        parse_experiment(content, "x.yaml")
    with pytest.raises(UsageError) as in_python:
        cls(**{**fields, **wrong}, **IMAGES)
    said = str(in_yaml.value).removeprefix("x.yaml: ").replace("model.", "")
    assert str(in_python.value) == said
    assert all(name in said for name in wrong)


def test_a_missing_or_unknown_argument_is_a_type_error_as_ever():
    with pytest.raises(TypeError, match="decoder"):
        VAE("fc-8", **IMAGES)
    with pytest.raises(TypeError, match="sigma"):
        VAE("fc-8", "fc-8", sigma=1.0, **IMAGES)
    with pytest.raises(TypeError, match="sigma"):
        ACGAN("fc-8", "fc-8", sigma=1.0, **IMAGES)


def test_values_are_read_as_in_yaml():
    """A whole number where a real one is asked for, and a name in place of fields."""
    vae = VAE("fc-8", "fc-8", 4, objective={"beta": 2}, likelihood="gaussian", **IMAGES)
    assert isinstance(vae.objective.beta, float)
    assert isinstance(vae.likelihood, GaussianLikelihood)
    assert settings_of(vae).objective.beta == 2.0


def test_a_subclass_that_has_no_name_is_free_in_what_it_takes():
    """And is of no registered pieces, whatever its base class is."""

    class Mine(VAE):
        def __init__(self, depth: int) -> None:
            super().__init__("fc-8", "fc-8", 2, **IMAGES)
            self.depth = depth

    mine = Mine(3)
    assert (mine.depth, mine.latent_dim) == (3, 2)
    assert settings_of(mine) is None


# --- from objects back to settings ----------------------------------------------------------------


@pytest.mark.parametrize(("condition", "title"), [("none", "VAE"), ("class", "CVAE")])
def test_an_object_remembers_what_it_was_made_with(condition, title):
    vae = VAE("fc-8", "fc-8", 4, condition, **IMAGES)
    settings = settings_of(vae)
    assert isinstance(settings, Settings)
    assert settings.condition.name == condition
    assert (settings.encoder.layers, settings.latent_dim) == ("fc-8", 4)
    assert settings.build(**IMAGES).title == vae.title == title


@pytest.mark.parametrize(("cls", "fields"), [(VAE, NETWORKS), (GAN, PLAYERS), (DRAW, {})])
def test_the_settings_of_a_class_of_several_names_are_those_of_what_was_made(cls, fields):
    """Trap: the defaults of `cvae` written down for a VAE without a condition."""
    made = cls(**fields, **IMAGES)
    assert settings_of(made).condition.name == "none"
    assert settings_of(made).family == cls.__name__.lower()
    assert settings_of(made).build(**IMAGES).condition.about == made.condition.about == "nothing"


def test_an_acgan_is_conditioned_on_the_class_unless_one_says_otherwise():
    """In Python as in YAML."""
    made = ACGAN("fc-8", "fc-8", **IMAGES)
    assert made.condition.about == "class"
    assert settings_of(made).condition.name == "class"
    reads = {"discriminator": "fc-8", "head": {"name": "class", "learns_from": "real"}}
    other = ACGAN("fc-8", reads, condition="none", **IMAGES)
    assert settings_of(other).condition.name == "none"


@pytest.mark.parametrize(
    "made",
    [
        lambda: VAE(nn.Sequential(nn.Flatten(), nn.Linear(16, 8)), "fc-8", 4, **IMAGES),
        lambda: GAN("fc-8", nn.Sequential(nn.Flatten(), nn.Linear(16, 1)), **IMAGES),
        lambda: Hybrid(VAE("fc-8", "fc-8", 4, **IMAGES), nn.Flatten(), **IMAGES),
        lambda: Hybrid(
            VAE(nn.Sequential(nn.Flatten(), nn.Linear(16, 8)), "fc-8", 4, **IMAGES),
            "fc-8",
            **IMAGES,
        ),
        lambda: nn.Linear(2, 2),
    ],
)
def test_what_holds_a_plain_module_cannot_be_written_down(made):
    assert settings_of(made()) is None


def test_parts_that_were_made_before_are_written_down_with_the_whole():
    """As Python has it: a model in a model, a likelihood by its class."""
    vae = VAE("fc-8", "fc-8", 4, likelihood=GaussianLikelihood(1, sigma=0.3), **IMAGES)
    by_fields = {"name": "gaussian", "sigma": 0.3}
    assert settings_of(vae) == settings_of(VAE("fc-8", "fc-8", 4, "none", by_fields, **IMAGES))
    hybrid = Hybrid(vae, "fc-9", **IMAGES)
    written = settings_of(hybrid).model_dump(mode="json")
    assert written["autoencoder"]["likelihood"] == by_fields
    again = parse("model", written)
    assert again == settings_of(hybrid)
    assert settings_of(again.build(**IMAGES)) == again


def pickled(thing):
    return pickle.loads(pickle.dumps(thing))  # noqa: S301


def test_settings_can_be_pickled_and_copied():
    """As joblib asks; the class of settings has no module of its own."""
    fields = {"likelihood": {"name": "gaussian", "sigma": 0.3}, **NETWORKS}
    settings = parse("model", {"family": "cvae", **fields})
    for again in (pickled(settings), copy.deepcopy(settings)):
        assert again == settings
        assert type(again) is type(settings)
    model = settings.build(**IMAGES)
    again = pickled(model)
    assert settings_of(again) == settings
    assert torch.equal(again.encoder.after[0].weight, model.encoder.after[0].weight)


# --- what a user registers ------------------------------------------------------------------------

PLUGIN = '''
import torch
from torch import nn
from twofold.data.batches import Batch
from twofold.models import Model, Phase, Terms
from twofold.conditions import NoCondition
from twofold.registry import register
from twofold.settings import Positive


@register("network", "plugged")
def plugged(input_shape: tuple, output_shape: tuple, condition_dim: int = 0, gain: float = 1.0):
    """One layer."""
    count = 1
    for size in input_shape:
        count *= size
    return nn.Sequential(nn.Flatten(), nn.Linear(count, output_shape[0]))


@register("model", "mean-image", title="the mean image")
class MeanImage(Model):
    """The mean of all images.

    Arguments:
        start: Its gray at first.
    """

    def __init__(self, start: Positive = 0.5, *, image_shape: tuple, num_classes: int = 0):
        super().__init__()
        self.image_shape, self.condition = image_shape, NoCondition()
        self.mu = nn.Parameter(torch.full(image_shape, start))

    @property
    def phases(self):
        return [Phase("mean", [self.mu], self.loss)]

    def loss(self, batch: Batch):
        return Terms({"mse": (batch.x - self.mu).square().sum(dim=(1, 2, 3)).mean()})
'''


@pytest.fixture
def plugin(tmp_path: Path):
    """Writes a plugin file and gives its path."""

    def write(content: str, name: str = "my_model.py") -> Path:
        path = tmp_path / name
        path.write_text(content)
        return path

    return write


def test_a_file_of_ones_own_brings_names(plugin):
    path = plugin(PLUGIN)
    load_plugin(path)
    load_plugin(str(path))  # once is enough
    assert plugin_files() == [path]
    assert find("model", "mean-image").origin == "my_model.py"
    content = {"name": "x", "data": "digits", "training": {"epochs": 1}}
    experiment = parse_experiment({**content, "model": {"family": "mean-image"}}, "x.yaml")
    model = experiment.model.build(**IMAGES)
    assert isinstance(model, Model)
    assert model.loss(Batch(torch.ones(2, 1, 4, 4))).total.item() == pytest.approx(16 / 4)
    with pytest.raises(UsageError, match=r"x\.yaml: model\.start: got 0; input should be greater"):
        parse_experiment({**content, "model": {"family": "mean-image", "start": 0}}, "x.yaml")
    classifier = Classifier({"name": "plugged"}, **IMAGES)
    assert classifier.classify(torch.rand(2, 1, 4, 4)).shape == (2, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "import nowhere_to_be_found",
            "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
        ("def broken(:", "SyntaxError: invalid syntax"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_fails_is_named_in_one_sentence(plugin, content, reason):
    path = plugin(content)
    with pytest.raises(UsageError) as raised:
        load_plugin(path)
    said = str(raised.value)
    assert said.startswith(f"the plugin {path} cannot be loaded: {reason}")
    assert said.endswith("; mend or remove it")
    assert "\n" not in said
    assert plugin_files() == []
    path.write_text(PLUGIN)
    load_plugin(path)
    assert is_known("model", "mean-image")


def test_a_file_that_takes_a_name_is_named(plugin):
    taking = PLUGIN.replace('"mean-image"', '"vae"')
    words = r"the model 'vae' is registered twice, by Twofold and by my_model\.py; give one of them"
    with pytest.raises(UsageError, match=words):
        load_plugin(plugin(taking))


def test_two_files_that_take_one_name_are_named(plugin):
    load_plugin(plugin(PLUGIN, "one.py"))
    words = r"the network 'plugged' is registered twice, by one\.py and by two\.py"
    with pytest.raises(UsageError, match=words):
        load_plugin(plugin(PLUGIN, "two.py"))


def test_another_name_for_a_class_of_twofolds_does_not_rename_it():
    register("model", "my-vae", defaults={"objective": {"name": "elbo", "beta": 4.0}})(VAE)
    register("model", "our-vae")(VAE)
    assert parse("model", {"family": "my-vae", **NETWORKS}).objective.beta == 4.0
    assert settings_of(VAE("fc-8", "fc-8", **IMAGES)).family == "vae"
    made = find("model", "our-vae").settings(family="our-vae", **NETWORKS).build(**IMAGES)
    assert settings_of(made).family == "our-vae"


@pytest.mark.parametrize("name", ["nowhere.py", "notes.txt", "."])
def test_what_is_no_python_file_is_refused(tmp_path: Path, name):
    (tmp_path / "notes.txt").write_text("x = 1")
    with pytest.raises(UsageError, match=r"expected a Python file, for example my_model\.py"):
        load_plugin(tmp_path / name)


def test_a_model_of_a_notebook_is_built_like_any_other():
    @register("model", "gray")
    class Gray(Model):
        """One gray.

        Arguments:
            start: At first.
        """

        def __init__(
            self,
            start: NonNegative = 0.5,
            kind: Literal["flat", "steep"] = "flat",
            *,
            image_shape: tuple[int, int, int],
        ) -> None:
            super().__init__()
            self.image_shape, self.condition = image_shape, NoCondition()
            self.mu = nn.Parameter(torch.tensor(start))

        @property
        def phases(self) -> list[Phase]:
            return [Phase("gray", [self.mu], self.loss)]

        def loss(self, batch: Batch) -> Terms:
            return Terms({"mse": (batch.x - self.mu).square().mean()})

    made = Gray(1, image_shape=(1, 4, 4))
    assert made.mu.dtype == torch.float32
    settings = settings_of(made)
    assert settings.model_dump(mode="json") == {"family": "gray", "start": 1.0, "kind": "flat"}
    assert settings.build(**IMAGES).mu.item() == 1.0
    with pytest.raises(UsageError, match=r"start: got -1.*; kind: got 'odd'; .*'flat' or 'steep'"):
        Gray(-1, "odd", image_shape=(1, 4, 4))


def test_a_model_that_nobody_can_make_again_says_how_to_open_its_run():
    settings = parse("model", {"family": "unregistered", "title": "MyVAE", "arguments": {"a": 1}})
    words = r"holds a MyVAE of classes that are not registered; .* twofold\.load\(folder, model="
    with pytest.raises(UsageError, match=words):
        settings.build(**IMAGES)
