"""Runs that differ in nothing but the training seed or the draw of labels, taken together.

One seed is one draw. Where a recipe was trained with several, its mean and the standard deviation
over them take the place of any single run.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from twofold.report.facts import Facts
from twofold.report.noise import comparable
from twofold.report.words import listing, number, plus_minus, with_unit

__all__ = ["Draw", "Group", "group_by_recipe", "has_repeats"]

Draw = tuple[int, int]


@dataclass(frozen=True)
class Group:
    """Runs of one recipe."""

    runs: tuple[Facts, ...]

    @property
    def mention(self) -> str:
        return f"{self.runs[0].model_title} ({listing([run.mark for run in self.runs])})"

    @cached_property
    def draws(self) -> dict[Draw, Facts]:
        """The run of each training seed and draw of labels; a repetition is no other draw."""
        found: dict[Draw, Facts] = {}
        for run in self.runs:
            found.setdefault((run.experiment.seed, run.experiment.data.label_seed), run)
        return found

    @property
    def noun(self) -> str:
        """What sets its runs apart."""
        seeds, labels = ({draw[i] for draw in self.draws} for i in (0, 1))
        if len(labels) == 1:
            return "seed"
        return "label draw" if len(labels) == len(self.draws) or len(seeds) == 1 else "run"

    def values(self, name: str) -> dict[Draw, float]:
        """A measure's value by draw, of the runs that are finished and measured since.

        Empty where they were not measured in the same way.
        """
        having = {
            draw: run
            for draw, run in self.draws.items()
            if name in run.measures and run.finished and not run.is_stale
        }
        if not having or comparable(list(having.values()), name):
            return {}
        return {draw: run.measures[name].value for draw, run in having.items()}

    def figure(self, name: str, unit: str = "") -> str:
        r"""Mean ± standard deviation over draws, or the value of a single run.

        Example:
            `98.91\xa0±\xa00.12\xa0%`
        """
        values = list(self.values(name).values())
        if len(values) < 2:
            return with_unit(number(values[0]), unit) if values else ""
        mean, spread = statistics.fmean(values), statistics.stdev(values)
        text = plus_minus(mean, spread) if spread else f"{number(mean)}\u00a0±\u00a00"
        return with_unit(text, unit)


def group_by_recipe(runs: Sequence[Facts]) -> list[Group]:
    """The runs by recipe, in the order of their first."""
    found: dict[str, list[Facts]] = {}
    for run in runs:
        found.setdefault(run.experiment.recipe(), []).append(run)
    return [Group(tuple(members)) for members in found.values()]


def has_repeats(runs: Sequence[Facts]) -> bool:
    """Whether any recipe was trained with several seeds or draws of labels."""
    return any(len(group.draws) > 1 for group in group_by_recipe(runs))
