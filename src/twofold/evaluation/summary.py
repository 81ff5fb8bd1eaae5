"""What the report knows of a run, read once and as plain data.

Runs are lettered A, B, C … in the order given; letter and color stand for the run throughout.
A text speaks of a run by its `mention` (letter and name) or its `mark` (letter), which the page
turns into badges.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twofold.errors import RunError
from twofold.evaluation.figure import Figure
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.pictures.style import color
from twofold.words import listing, shorten

__all__ = ["RunSummary", "figures_of", "gather", "letter", "marks", "mentions", "those_with"]


@dataclass(frozen=True)
class RunSummary:
    """A run, lettered; figures by their names, arrays by the measures that keep them."""

    letter: str  # A, B, C …
    name: str  # of the folder
    short: str  # the model's acronym where it sets the runs apart, or the name
    path: Path  # as it was given, for the commands that reproduce it
    experiment: Experiment
    environment: Mapping[str, Any] = field(default_factory=dict)  # as environment.json has it
    records: Sequence[Mapping[str, Any]] = ()  # the log
    figures: Mapping[str, Figure] = field(default_factory=dict)  # empty if not evaluated
    not_measured: Mapping[str, str] = field(default_factory=dict)  # in vain, and why
    arrays: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # beside the measures
    taken: Sequence[str] = ()  # the measures that gave the figures
    evaluated: bool = False  # whether there is an evaluation.json
    evaluated_step: int | None = None  # of the weights that were measured, where that is known
    finished: bool = True  # trained to the end
    model_step: int | None = None  # of the weights it has now, where that is known
    hue: int = 0  # of its recipe among those of the page

    @property
    def mention(self) -> str:
        return f"⟦{self.letter}⟧"

    @property
    def mark(self) -> str:
        """The letter alone."""
        return f"⟦{self.letter}·⟧"

    @property
    def ink(self) -> str:
        """The color of its recipe."""
        return color(self.hue)

    @property
    def model(self) -> Mapping[str, Any]:
        """What its environment says of the model."""
        return self.environment.get("model") or {}

    @property
    def is_vae(self) -> bool:
        """Whether its images are a decoder's means, and no adversary took part."""
        return bool(self.model.get("bounds"))

    @property
    def is_gan(self) -> bool:
        """Whether a discriminator took part."""
        return bool(self.model.get("discriminates"))

    @property
    def condition(self) -> str:
        """What its images are made for: none, class, or a part of the image."""
        return str(self.model.get("condition", "none"))

    @property
    def latent_dim(self) -> int:
        """Dimensions of the code of an image, in DRAW those of all steps."""
        return int(self.model.get("latent_dim", 0))

    @property
    def model_title(self) -> str:
        """The acronym: VAE, CVAE, GAN, M2, DRAW-GAN, classifier."""
        return str(self.model.get("title", self.experiment.model.family))

    @property
    def data(self) -> Mapping[str, Any]:
        return self.environment.get("data") or {}

    @property
    def data_name(self) -> str:
        name = str(self.data.get("name") or self.experiment.data.name)
        return {"mnist": "MNIST"}.get(name, name)

    @property
    def class_names(self) -> list[str]:
        return [str(name) for name in self.data.get("class_names") or []]

    @property
    def train_count(self) -> int | None:
        return (self.data.get("splits") or {}).get("train")

    @property
    def test_count(self) -> int | None:
        """Test images that its figures are of."""
        counts = {f.provenance.get("images") for f in self.figures.values()}
        counts = {n for n in counts if isinstance(n, int)}
        return max(counts, default=(self.data.get("splits") or {}).get("test"))

    @property
    def data_notes(self) -> list[str]:
        """What was known of the images before training."""
        return [str(text) for text in self.data.get("notes") or []]

    @property
    def last(self) -> Mapping[str, Any]:
        """The last line of training; empty where there is none."""
        return next((r for r in reversed(self.records) if r.get("kind") == "train"), {})

    @property
    def is_stale(self) -> bool:
        """Whether it was trained on after it was measured."""
        measured, last = self.evaluated_step, self.last.get("step")
        now = last if self.model_step is None else self.model_step
        return measured is not None and now is not None and now != measured

    @property
    def epochs_done(self) -> float | None:
        return self.last.get("epoch")

    @property
    def epochs_planned(self) -> float | None:
        training = self.experiment.training
        if training.epochs is not None or training.images is None or not self.train_count:
            return training.epochs
        return training.images / self.train_count

    @property
    def seconds(self) -> float | None:
        return self.last.get("seconds")

    @property
    def seconds_per_epoch(self) -> float | None:
        return self.last["seconds"] / self.last["epoch"] if self.epochs_done else None

    @property
    def images_per_second(self) -> float | None:
        return self.last["images"] / self.last["seconds"] if self.seconds else None

    @property
    def diagnosis(self) -> tuple[Mapping[str, Any], float]:
        """The last diagnosis and its epoch."""
        for record in reversed(self.records):
            if record.get("kind") == "validation":
                return record.get("diagnosis") or {}, record["epoch"]
        return {}, 0.0

    @property
    def hardware(self) -> tuple[Any, ...]:
        """What decides the speed beside the model."""
        keys = ("processor", "cores", "threads", "device")
        return tuple(self.environment.get(key) for key in keys)

    @property
    def parameters(self) -> Mapping[str, int]:
        return self.environment.get("parameters") or {}


def letter(index: int) -> str:
    """A … Z, AA, AB …

    Example:
        >>> letter(0), letter(25), letter(26)
        ('A', 'Z', 'AA')
    """
    return letter(index // 26 - 1) + letter(index % 26) if index >= 26 else chr(65 + index)


def those_with(runs: Sequence[RunSummary], name: str) -> list[RunSummary]:
    """The runs that have a measure."""
    return [run for run in runs if name in run.figures]


def mentions(runs: Sequence[RunSummary]) -> str:
    """Runs in a sentence."""
    return listing([run.mention for run in runs])


def marks(runs: Sequence[RunSummary]) -> str:
    """Runs in a sentence, by their letters alone."""
    return listing([run.mark for run in runs])


def gather(runs: Sequence[Run]) -> list[RunSummary]:
    """The summary of every run, lettered in order."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = ["/".join(run.path.resolve().parts[-2:]) for run in runs]
    names = [re.sub(r"[⟦⟧]", "", name) for name in names]
    found = [_summary(run, letter(i), names[i]) for i, run in enumerate(runs)]
    titles = [one.model_title for one in found]
    recipes = list(dict.fromkeys(one.experiment.recipe() for one in found))
    return [
        replace(
            one,
            short=title if titles.count(title) == 1 else shorten(one.name),
            hue=recipes.index(one.experiment.recipe()),
        )
        for one, title in zip(found, titles, strict=True)
    ]


def figures_of(evaluation: Mapping[str, Any] | None) -> dict[str, Figure]:
    """The figures of an evaluation.json; what is no number is left out, never guessed."""
    found = map(Figure.from_dict, (evaluation or {}).get("measures") or [])
    return {one.name: one for one in found if one is not None}


def _summary(run: Run, letter: str, name: str) -> RunSummary:
    evaluation = run.evaluation or {}
    taken = {str(one["kind"]) for one in evaluation.get("measures") or [] if one.get("kind")}
    try:
        finished, model_step = run.finished, run.model_step
    except RunError:
        finished, model_step = False, None
    return RunSummary(
        letter=letter,
        name=name,
        short=name,
        path=run.path,
        experiment=run.experiment,
        environment=run.environment,
        records=run.records,
        figures=figures_of(evaluation),
        not_measured=evaluation.get("not_measured") or {},
        arrays={  # of measures that still hold; older weights may have left others
            kept: arrays for kept in sorted(taken) if (arrays := run.arrays(kept)) is not None
        },
        taken=sorted(taken),
        evaluated=run.evaluation is not None,
        evaluated_step=(evaluation.get("settings") or {}).get("step"),
        finished=finished,
        model_step=model_step,
    )
