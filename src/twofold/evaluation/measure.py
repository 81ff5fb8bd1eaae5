"""A measure: one file says what it is, takes its figures, draws them and puts them in words.

A file of this package, or a plugin, registers a class:

    @register("measure", "sharpness")
    class Sharpness(Measure):
        question = DISTANCE
        quantities = (Quantity("sharpness", "sharpness", better="higher"),)

        def take(self, context):
            yield SHARPNESS.figure(...)

`evaluate` then takes it, `compare` shows it, and both know nothing of it but this.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.findings import Finding, default_findings
from twofold.evaluation.pictures import Panel, draw_by_class, draw_dots
from twofold.evaluation.summary import RunSummary
from twofold.experiments.context import Context
from twofold.registry import entries

__all__ = ["Measure", "Question", "checked", "default_measures", "measures", "quantity_of"]


@dataclass(frozen=True)
class Question:
    """What some measures answer together: a group of the report.

    Attributes:
        title: Its heading.
        text: What the figures say, which way is better, and when they mislead.
        order: Groups come in this order, then by title.
    """

    title: str
    text: str = ""
    order: int = 100


OTHER = Question("Other")


class Measure(ABC):
    """One way to answer a question about a trained model.

    Attributes:
        question: The group of the report that it belongs to.
        quantities: What it measures, in the order of the report.
        slow: Whether `evaluate` takes it only where it is asked for by name.
        of_images: Whether it looks at generated and real images alone, so that it can be taken of
            images without a model.
    """

    question: ClassVar[Question] = OTHER
    quantities: ClassVar[tuple[Quantity, ...]] = ()
    slow: ClassVar[bool] = False
    of_images: ClassVar[bool] = False

    @abstractmethod
    def take(self, context: Context) -> Iterator[Figure]:
        """Takes the figures of a trained model.

        Raises:
            NotMeasured: If the model or the images cannot answer; what was given so far stays.
        """

    def panels(self, runs: Sequence[RunSummary]) -> Iterable[Panel]:
        """Pictures of the figures of some runs; by default a dot per run of each headline."""
        for name in self.headlines(runs):
            drawn = draw_dots(runs, self.quantities[self.place(name)], name)
            yield from filter(None, [drawn, draw_by_class(runs, name)])

    def findings(self, runs: Sequence[RunSummary]) -> Iterable[Finding]:
        """What the figures say of some runs, in words; by default who is ahead by each headline."""
        for name in self.headlines(runs):
            yield from default_findings(runs, name)

    def failures(self, run: RunSummary) -> Iterable[str]:  # noqa: ARG002
        """Plain checks that a run fails, in words that follow its name: `paints one image`."""
        return ()

    def names(self, runs: Sequence[RunSummary]) -> list[str]:
        """The names of its figures that any run has, by quantity; those of random features last."""
        found = dict.fromkeys(name for run in runs for name in run.figures)
        mine = [name for name in found if self.place(name) >= 0]
        return sorted(mine, key=lambda name: (self.place(name), name.endswith("/random")))

    def headlines(self, runs: Sequence[RunSummary]) -> list[str]:
        """The names of those that have a picture and a sentence of their own."""
        return [name for name in self.names(runs) if self.quantities[self.place(name)].headline]

    def place(self, name: str) -> int:
        """Which of its quantities a figure is of, by the longest key; -1 for none."""
        keys = [one.key for one in self.quantities]
        fitting = [key for key in keys if name == key or name.startswith(f"{key}/")]
        return keys.index(max(fitting, key=len)) if fitting else -1


@cache
def _made(make: type[Measure]) -> Measure:
    return make()


def measures() -> dict[str, Measure]:
    """Every registered measure by name, in the order of the report."""
    found = [(entry.name, _made(entry.make)) for entry in entries("measure")]
    found.sort(key=lambda one: (one[1].question.order, one[1].question.title))
    return dict(found)


def default_measures() -> list[str]:
    """Those that `evaluate` takes unless it is asked for others."""
    return [name for name, measure in measures().items() if not measure.slow]


def measure_of(name: str) -> Measure | None:
    """The registered measure that has the quantity of a figure, by the figure's name."""
    return next((one for one in measures().values() if one.place(name) >= 0), None)


def quantity_of(name: str) -> Quantity | None:
    """The quantity of a figure by its name, where a registered measure has it."""
    measure = measure_of(name)
    return measure.quantities[measure.place(name)] if measure else None


def checked(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """The runs, each with the plain checks that it fails by any measure's rules."""
    known = measures().values()
    return [
        replace(run, failed=tuple(text for one in known for text in one.failures(run)))
        for run in runs
    ]
