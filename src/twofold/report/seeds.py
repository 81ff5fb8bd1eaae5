"""Runs that differ in nothing but the training seed or the draw of labels, taken together.

One seed is one draw. Where a recipe was trained with several, its mean and the standard deviation
over them take the place of any single run, and two recipes are compared by their means.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from twofold.metrics.measure import Measure
from twofold.metrics.seeds import MeanDifference, compare_means
from twofold.report.facts import Facts, marks
from twofold.report.noise import comparable
from twofold.report.words import FIXED, number, plus_minus, to_precision, with_unit

__all__ = ["Contrast", "Draw", "Group", "contrast", "group_by_recipe", "has_repeats", "interval"]

Draw = tuple[int, int]


@dataclass(frozen=True)
class Group:
    """Runs of one recipe."""

    runs: tuple[Facts, ...]

    @property
    def mention(self) -> str:
        return f"{self.runs[0].model_title} ({marks(self.runs)})"

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
        text = plus_minus(mean, spread) if spread else f"{number(mean)}{FIXED}±{FIXED}0"
        return with_unit(text, unit)


@dataclass(frozen=True)
class Contrast:
    """Two recipes by one measure."""

    first: Group  # of several draws, like the second
    second: Group
    measure: Measure  # one figure of it, for its unit and direction
    difference: MeanDifference  # the first's mean less the second's
    recipes: int  # there were so many to choose these two from

    @property
    def noun(self) -> str:
        """What sets the runs of a recipe apart, where it is the same for both."""
        return self.first.noun if self.first.noun == self.second.noun else "run"

    @property
    def fewest(self) -> int:
        """Draws of the recipe that has fewer."""
        return min(len(group.values(self.measure.name)) for group in (self.first, self.second))

    @property
    def how(self) -> str:
        """`paired by seed, p = 0.03`."""
        test = f"paired by {self.noun}" if self.difference.paired else "Welch’s t-test"
        p = self.difference.p
        return f"{test}, p{FIXED}{f'={FIXED}{number(p, 2)}' if p >= 0.001 else f'<{FIXED}0.001'}"

    @property
    def leader(self) -> Group:
        """Whose mean is better."""
        higher = self.difference.amount > 0
        return self.first if higher == (self.measure.better == "higher") else self.second


def contrast(groups: Sequence[Group], name: str) -> Contrast | None:
    """The difference of two recipes; of more, that of the best and the runner-up by mean.

    Recipes of a single draw have no spread and are left out.
    """
    several = [group for group in groups if len(group.values(name)) > 1]
    runs = [group.draws[draw] for group in several for draw in group.values(name)]
    if len(several) < 2 or comparable(runs, name):
        return None
    measure = runs[0].measures[name]
    if len(several) > 2:
        if measure.better is None:
            return None
        sign = -1 if measure.better == "higher" else 1
        several.sort(key=lambda group: sign * statistics.fmean(group.values(name).values()))
    first, second = several[:2]
    difference = compare_means(first.values(name), second.values(name))
    return Contrast(first, second, measure, difference, len(several))


def interval(one: MeanDifference) -> tuple[str, str]:
    """`20.1` and `18.7 to 21.5`, cut where the second digit of the half width is."""
    amount, low, high = to_precision([one.amount, one.low, one.high], (one.high - one.low) / 2)
    return amount, f"{low} to {high}"


def group_by_recipe(runs: Sequence[Facts]) -> list[Group]:
    """The runs by recipe, in the order of their first."""
    found: dict[str, list[Facts]] = {}
    for run in runs:
        found.setdefault(run.experiment.recipe(), []).append(run)
    return [Group(tuple(members)) for members in found.values()]


def has_repeats(runs: Sequence[Facts]) -> bool:
    """Whether any recipe was trained with several seeds or draws of labels."""
    return any(len(group.draws) > 1 for group in group_by_recipe(runs))
