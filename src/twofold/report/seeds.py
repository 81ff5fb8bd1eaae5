"""Runs that differ in nothing but the training seed, and what they say together.

One seed is one draw. Where a recipe was trained with several, its mean and the standard deviation
over seeds take the place of any single run.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from twofold.report.facts import Facts, Reading
from twofold.report.noise import THRESHOLD, comparable
from twofold.report.settings import compact
from twofold.report.words import listing, number, plus_minus, with_unit

__all__ = ["Group", "group_by_recipe", "over_seeds", "recipe", "repeated"]


@dataclass(frozen=True)
class Group:
    """Runs of one recipe."""

    runs: tuple[Facts, ...]

    @property
    def mention(self) -> str:
        return listing([run.mark for run in self.runs])

    def values(self, name: str) -> list[float]:
        return [run.measures[name].value for run in self.runs if name in run.measures]

    def figure(self, name: str) -> str:
        """`98.91 (0.12)`: mean and standard deviation; blank without two values."""
        values = self.values(name)
        if len(values) < 2:
            return plus_minus(values[0], None) if values else ""
        mean, spread = statistics.fmean(values), statistics.stdev(values)
        if spread == 0:
            return f"{plus_minus(mean, None)} (0)"
        return "{} ({})".format(*plus_minus(mean, spread).split("\u00a0±\u00a0"))


def recipe(run: Facts) -> tuple[tuple[str, str], ...]:
    """Everything that decides a result but the seed."""
    words = compact(run.experiment)
    return tuple((key, text) for key, text in words.items() if key not in ("seed", "device"))


def group_by_recipe(runs: Sequence[Facts]) -> list[Group]:
    """The runs by recipe, in the order of their first."""
    found: dict[tuple[tuple[str, str], ...], list[Facts]] = {}
    for run in runs:
        found.setdefault(recipe(run), []).append(run)
    return [Group(tuple(members)) for members in found.values()]


def repeated(runs: Sequence[Facts]) -> bool:
    """Whether any recipe was trained with several seeds."""
    return any(len({r.experiment.seed for r in g.runs}) > 1 for g in group_by_recipe(runs))


def over_seeds(runs: Sequence[Facts], name: str) -> list[Reading]:
    """What the mean over seeds says of a measure."""
    having = [run for run in runs if name in run.measures]
    groups = [group for group in group_by_recipe(having) if len(group.values(name)) > 1]
    if not groups or comparable(having, name):
        return []
    measure = having[0].measures[name]
    parts = [
        f"{with_unit(number(statistics.fmean(g.values(name))), measure.unit)} on average over the "
        f"{len(g.runs)} seeds of {g.mention} (standard deviation "
        f"{number(statistics.stdev(g.values(name)), 2)})"
        for g in groups
    ]
    text = f"{listing(parts)}."
    if len(groups) == 2 and measure.better is not None:
        text += f" {_verdict(groups[0], groups[1], name)}"
    return [Reading(measure.title, text)]


def _verdict(a: Group, b: Group, name: str) -> str:
    """Whether two means differ by more than their standard errors over seeds."""
    gap = statistics.fmean(a.values(name)) - statistics.fmean(b.values(name))
    noise = math.sqrt(
        sum(statistics.variance(g.values(name)) / len(g.values(name)) for g in (a, b))
    )
    apart = number(abs(gap), 2)
    if noise == 0 or abs(gap) > THRESHOLD * noise:
        return f"The difference of {apart} is more than the spread over seeds explains."
    return f"The difference of {apart} is within the spread over seeds."
