"""An experiment: everything that decides a result, and what its source reported.

The same fields are the YAML file, the command line's `key=value`, and the resolved
`experiment.yaml` of a run.
"""

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from twofold.data.resize import checked_size
from twofold.registry import is_known, parse, piece
from twofold.settings import Seed, Strict, flat
from twofold.training.settings import OptimizerSettings, TrainingSettings

__all__ = [
    "DURATION",
    "SAMPLING",
    "SEEDS",
    "UPKEEP",
    "WORDS",
    "DataSettings",
    "Experiment",
    "Reported",
]

WORDS = frozenset({"title", "source", "reported", "notes"})  # what is said of it
SEEDS = frozenset({"seed", "data.label_seed"})
PLACES = frozenset({"training.init_from"})  # where something lies, of which more is known
DURATION = frozenset({"training.epochs", "training.images"})  # what `resume` may change
SAMPLING = frozenset({"model.sampling_scale", "model.autoencoder.sampling_scale"})
UPKEEP = frozenset(  # what changes neither weights nor figures, beyond rounding
    f"training.{field}"
    for field in (
        *("device", "compile", "loggers"),
        *("log_every", "validate_every", "sample_every", "checkpoint_every"),
    )
)


class DataSettings(Strict):
    """Which images, and what is done to them."""

    name: str = Field(description="a data set's name, or a path to images")
    options: dict[str, Any] = Field(
        default_factory=dict, description="arguments of a data set that a plugin registered"
    )
    size: int | tuple[int, int] | None = Field(
        None, description="resize to this side, or height and width: 32,44"
    )
    gray: bool = Field(False, description="convert to one channel")
    limit: int | None = Field(None, ge=1, description="use so many training images")
    validation: int | float | None = Field(
        None,
        ge=0,
        description="validation images (count or fraction); by default as the field does",
    )
    test: int | float | None = Field(None, ge=0, description="test images, where there is no split")
    split_seed: Seed = Field(0, description="of splits that are drawn")
    binarize: Literal["none", "dynamic", "static", "threshold"] = Field(
        "none", description="how gray values become 0 or 1"
    )
    binarize_seed: Seed = Field(0, description="of the static binarization")
    labels: int | None = Field(
        None, ge=1, description="labels kept for training, the classes in balance"
    )
    without: tuple[str, ...] = Field((), description="classes left out of training, by name")
    label_seed: Seed = Field(0, description="of which labels are kept")
    shift: int = Field(0, ge=0, description="random shifts in training, pixels")

    @model_validator(mode="before")
    @classmethod
    def _complete_options(cls, values: Any) -> Any:
        """Those of a data set that a plugin registered, with its defaults; others have none."""
        if not isinstance(values, dict) or not is_known("dataset", str(values.get("name"))):
            return values
        asked = {"name": values["name"], **(values.get("options") or {})}
        options = parse("dataset", asked).model_dump(mode="json", exclude={"name"})
        return {**values, "options": options}

    @field_validator("size", mode="before")
    @classmethod
    def _size_in_words(cls, value: Any) -> Any:
        """`32,44` and `32x44` are a height and a width."""
        return checked_size(value) if isinstance(value, str) else value

    @field_validator("without", mode="before")
    @classmethod
    def _classes_by_name(cls, value: Any) -> Any:
        """`9` and `[8, 9]` name classes too, as they read on the command line."""
        names = value if isinstance(value, list | tuple) else [value]
        return tuple(str(name) if isinstance(name, int) else name for name in names)


class Reported(Strict):
    """A figure that the source printed, and which measure of ours says the same."""

    measure: str
    value: float | str
    place: str = Field(description="where in the source")
    ours: str | None = Field(None, description="name of our measure of the same quantity")
    inverted: bool = Field(False, description="the source gives 100 % minus our measure")
    tolerance: float = Field(0.0, ge=0, description="a difference that does not count, in its unit")
    incomparable: str = Field("", description="why ours, though named alike, is another quantity")


class Experiment(Strict):
    """A complete description of a training run."""

    name: str = Field(pattern=r"^[^/\\\x00-\x1f]*[^/\\\x00-\x1f.][^/\\\x00-\x1f]*$")
    title: str = ""
    source: str = Field("", description="the report or paper")
    seed: Seed = Field(0, description="of weights, order and noise")
    data: DataSettings
    model: piece("model")  # type: ignore[valid-type]
    training: TrainingSettings
    reported: tuple[Reported, ...] = ()
    notes: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _data_by_name(cls, values: Any) -> Any:
        """`data: mnist` is short for its name."""
        if isinstance(values, dict) and isinstance(values.get("data"), str):
            return {**values, "data": {"name": values["data"]}}
        return values

    def optimizer(self, phase: str) -> OptimizerSettings:
        """How a phase is minimized."""
        return self.training.optimizer_of(phase)

    def identity(self) -> dict[str, Any]:
        """What decides weights and figures: every such field that is not at its default.

        Two experiments are the same recipe if these agree but for `SEEDS`; a run can go on with
        other `SAMPLING`, which its weights know nothing of. A field at its default is left out, so
        that a new field leaves the identity of old runs as it is. Weights to start from count by
        their content, `init_hash`, and not by where they lie.
        """
        fields = flat(self.model_dump(mode="json", exclude_defaults=True))
        free = WORDS | UPKEEP | PLACES | {"name"}
        if self.training.keep_best is not None:
            free -= {"training.validate_every"}  # which weights there are to choose from
        return {key: value for key, value in sorted(fields.items()) if key not in free}

    def recipe(self) -> str:
        """Twelve hex digits of the identity but for the seeds: one recipe, one text."""
        decides = {key: value for key, value in self.identity().items() if key not in SEEDS}
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]
