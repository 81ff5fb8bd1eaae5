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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.findings import Finding, default_findings
from twofold.evaluation.pictures import Panel, draw_by_class, draw_dots
from twofold.evaluation.summary import RunSummary
from twofold.experiments.context import Context
from twofold.registry import entries

__all__ = ["Measure", "Panel", "Question", "default_measures", "measures", "quantity_of"]


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


class Measure:
    """One way to answer a question about a trained model.

    Attributes:
        question: The group of the report that it belongs to.
        quantities: What it measures, in the order of the report.
        slow: Whether `evaluate` takes it only where it is asked for by name.
    """

    question: ClassVar[Question] = OTHER
    quantities: ClassVar[tuple[Quantity, ...]] = ()
    slow: ClassVar[bool] = False

    def take(self, context: Context) -> Iterator[Figure]:
        """Takes the figures of a trained model.

        Raises:
            NotMeasured: If the model or the images cannot answer; what was given so far stays.
        """
        raise NotImplementedError

    def panels(self, runs: Sequence[RunSummary]) -> Iterable[Panel]:
        """Pictures of the figures of some runs; by default a dot per run of each headline."""
        for name in self.names(runs):
            quantity = self.quantity(name)
            if quantity.headline and (panel := draw_dots(runs, quantity, name)):
                yield panel
            if quantity.headline and (panel := draw_by_class(runs, name)):
                yield panel

    def findings(self, runs: Sequence[RunSummary]) -> Iterable[Finding]:
        """What the figures say of some runs, in words; by default who is ahead by each headline."""
        for name in self.names(runs):
            if self.quantity(name).headline:
                yield from default_findings(runs, name)

    def failures(self, run: RunSummary) -> Iterable[str]:  # noqa: ARG002
        """Plain checks that a run fails, in words that follow its name: `paints one image`."""
        return ()

    def names(self, runs: Sequence[RunSummary]) -> list[str]:
        """The names of its figures that any run has, by quantity; those of random features last."""
        found = dict.fromkeys(name for run in runs for name in run.figures)
        keys = [quantity.key for quantity in self.quantities]
        mine = [name for name in found if quantity_key(name, keys)]
        return sorted(
            mine, key=lambda name: (keys.index(quantity_key(name, keys)), name.endswith("/random"))
        )

    def quantity(self, name: str) -> Quantity:
        """The quantity of a figure by its name."""
        keys = [quantity.key for quantity in self.quantities]
        return self.quantities[keys.index(quantity_key(name, keys))]


def quantity_key(name: str, keys: Sequence[str]) -> str:
    """Which of the keys a figure's name begins with, the longest; nothing where none is.

    Example:
        >>> quantity_key("latents/label-free/knn", ["latents", "elbo"])
        'latents'
    """
    fitting = [key for key in keys if name == key or name.startswith(f"{key}/")]
    return max(fitting, key=len, default="")


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


def quantity_of(name: str) -> Quantity | None:
    """The quantity of a figure by its name, where a registered measure has it."""
    for measure in measures().values():
        keys = [quantity.key for quantity in measure.quantities]
        if key := quantity_key(name, keys):
            return measure.quantities[keys.index(key)]
    return None
