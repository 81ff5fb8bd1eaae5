"""What a sweep chooses by: a figure of a run's validation images."""

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.errors import NotMeasured, UsageError, unknown_name
from twofold.evaluation.figure import Direction
from twofold.evaluation.measure import Measure, measure_of, measures, quantity_of
from twofold.experiments.context import open_run, seeded
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.experiments.train import train
from twofold.training.best import figure_of, higher_is_better
from twofold.training.callbacks import Callback
from twofold.training.progress import Progress, Silent

if TYPE_CHECKING:
    from twofold.training.loop import Trainer

__all__ = ["Objective"]

IWAE_SAMPLES = 100


@dataclass(frozen=True)
class Objective:
    """A figure by its name: of a measure, or else of the validation records of metrics.jsonl.

    A measure is taken of the validation images as `evaluate` takes it of the test images; nothing
    of it is written into the run.

    Arguments:
        name: `elbo`, `fid`, `fid/random`, `accuracy`, or a term such as `loss` or `vae/kl`.
        num_samples: Images to generate, where the measure is of these.
        device: Where to measure.

    Raises:
        UsageError: If it is the name of a measure, which has several figures.
    """

    name: str
    num_samples: int = 10_000
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.name in measures() and quantity_of(self.name) is None:
            keys = [one.key for one in measures()[self.name].quantities if one.better]
            raise UsageError(
                f"objective={self.name}: that is a measure; name one of its figures: "
                f"{', '.join(keys) or 'none has a better side'}"
            )

    @cached_property
    def measure(self) -> Measure | None:
        """The measure that has the figure and knows which way is better, if any."""
        return measure_of(self.name) if self._better else None

    @property
    def _better(self) -> Direction | None:
        quantity = quantity_of(self.name)
        return quantity and quantity.better

    @property
    def is_higher_better(self) -> bool:
        return self._better == "higher" if self._better else higher_is_better(self.name)

    def of(self, run: Run, progress: Progress | None = None) -> float:
        """The figure of a run's model.

        Raises:
            NotMeasured: If the model or its validation images cannot answer.
            RunError: If there are no validation images, or the run is damaged.
        """
        if self.measure is None:
            return self.of_record(self._record(run))
        counts = {"samples": self.num_samples, "iwae_samples": IWAE_SAMPLES, "images": None}
        context = open_run(run, self.device, {**counts, "seed": 0}, progress, split="validation")
        found: dict[str, float] = {}
        with seeded(0, context.device):
            try:
                for figure in self.measure.take(context):
                    if figure.name == self.name or figure.name.startswith(f"{self.name}/"):
                        found[figure.name] = figure.value
                        if not figure.name.endswith("/random") or figure.name == self.name:
                            return figure.value
            except NotMeasured:
                if not found:
                    raise
        if not found:
            raise NotMeasured(f"this {context.model.title} has no {self.name}; choose another")
        return next(iter(found.values()))

    def of_record(self, entry: Mapping[str, Any]) -> float:
        """The figure of a validation's record.

        Raises:
            UsageError: Listing those there are, if there is no such figure.
        """
        return figure_of(entry, self.name, "objective")

    def _record(self, run: Run) -> Mapping[str, Any]:
        """The validation of the weights that the run ended with."""
        found = [one for one in run.records if one["kind"] == "validation" and one.get("terms")]
        if not found:
            raise NotMeasured(f"{run.path} has no validation records; train with validation=0.1")
        step = run.model_step
        return next((one for one in found if one["step"] == step), found[-1])

    def check(self, experiment: Experiment, prune: bool, progress: Progress) -> None:
        """Refuses what a model of the experiment cannot answer, by measuring one untrained.

        Raises:
            UsageError: Saying what it can.
        """
        look = _FirstLook()
        with tempfile.TemporaryDirectory() as folder:
            progress.say(f"checking that {self.name} can be had, by a model without training")
            place = Path(folder) / "untrained"
            with suppress(_Looked):
                train(experiment, out=place, progress=Silent(), callbacks=[look])
            if not look.entry.get("terms"):
                raise UsageError(
                    f"objective={self.name} is of validation images, and there are none that this "
                    "model can read; set some aside, as in validation=0.1 (test images are for "
                    "the end: whoever chooses by them has none left to measure with)"
                )
            if self.measure is not None:
                self._take_once(Run(place), progress)
        if self.measure is None or prune:
            self._find_in(look.entry, prune)

    def _take_once(self, run: Run, progress: Progress) -> None:
        try:
            self.of(run, progress)
        except NotMeasured as error:
            raise UsageError(f"objective={self.name} cannot be had: {error}") from error

    def _find_in(self, entry: Mapping[str, Any], prune: bool) -> None:
        try:
            self.of_record(entry)
        except UsageError as error:
            if self.measure is not None and prune:
                raise UsageError(
                    f"prune needs an objective that validations on the way have, and {self.name} "
                    f"is measured at the end; leave it out. ({error})"
                ) from error
            keys = {q.key for one in measures().values() for q in one.quantities if q.better}
            try:
                raise unknown_name("figure", self.name, keys)
            except UsageError as near:
                raise UsageError(f"{error}; or a figure of a measure: {near}") from near


class _Looked(Exception):  # noqa: N818
    """Ends a training that was to be looked at before its first step."""


class _FirstLook(Callback):
    """Validates a model before its first step, and has training end there."""

    def __init__(self) -> None:
        self.entry: Mapping[str, Any] = {}

    def on_start(self, trainer: "Trainer") -> None:
        self.entry = trainer.look_at_held_out(1)
        raise _Looked
