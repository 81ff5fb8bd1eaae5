"""Recipes by their means over seeds: how far apart two are, and if the spread can explain it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from twofold.metrics.measure import Measure
from twofold.metrics.seeds import MeanDifference, compare_means
from twofold.report.facts import Facts, Reading
from twofold.report.noise import comparable
from twofold.report.seeds import Group, group_by_recipe
from twofold.report.words import FIXED, listing, number, plural, to_precision, with_unit

__all__ = ["Contrast", "contrast", "interval", "over_seeds"]

FEW = 3  # draws up to which the wide tails of Student's t leave only large differences visible


@dataclass(frozen=True)
class Contrast:
    """Two recipes by one measure.

    Attributes:
        first: A recipe of several draws.
        second: Another.
        measure: A figure of that measure, for its unit and direction.
        difference: The first's mean less the second's.
        fewest: Draws of the recipe that has fewer.
        recipes: How many there were to choose these two from.
    """

    first: Group
    second: Group
    measure: Measure
    difference: MeanDifference
    fewest: int
    recipes: int

    @property
    def noun(self) -> str:
        """What sets the runs of a recipe apart, where it is the same for both."""
        return self.first.noun if self.first.noun == self.second.noun else "run"

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
    a, b = first.values(name), second.values(name)
    return Contrast(first, second, measure, compare_means(a, b), min(len(a), len(b)), len(several))


def over_seeds(runs: Sequence[Facts], name: str) -> list[Reading]:
    """What the means over seeds or label draws say of a measure."""
    having = [group for group in group_by_recipe(runs) if group.values(name)]
    if all(len(group.values(name)) < 2 for group in having):
        return []
    counted = [group.draws[draw] for group in having for draw in group.values(name)]
    measure = counted[0].measures[name]
    means = [
        f"{group.mention} {group.figure(name, measure.unit)} over "
        f"{plural(len(group.values(name)), group.noun)}"
        for group in having
    ]
    text = f"Mean ± standard deviation: {listing(means)}."
    if why := comparable(counted, name):
        text += f" These are not to be compared: {why}."
    elif measure.better is not None and (found := contrast(having, name)):
        text += _verdict(found)
    return [Reading(measure.title, text)]


def interval(one: MeanDifference) -> tuple[str, str]:
    """`20.1` and `18.7 to 21.5`, cut where the second digit of the half width is."""
    amount, low, high = to_precision([one.amount, one.low, one.high], (one.high - one.low) / 2)
    return amount, f"{low} to {high}"


def _verdict(found: Contrast) -> str:
    """Who is ahead, or that the spread hides it, and what so few draws can show."""
    one = found.difference if found.difference.amount >= 0 else found.difference.swapped
    unit = "points" if found.measure.unit == "%" else found.measure.unit
    amount, ends = interval(one)
    apart = f"{with_unit(amount, unit)} (95{FIXED}% interval {ends}, {found.how})"
    nouns = f"{found.noun}s"
    text = (
        f" The best by mean of {found.recipes} recipes and the runner-up are compared, and no "
        "others."
        if found.recipes > 2
        else ""
    )
    if one.within_noise:
        text += (
            f" The difference of {apart} is within noise: the spread over {nouns} can explain it."
        )
    else:
        text += (
            f" {found.leader.mention} is ahead by {apart}, which is more than the spread over "
            f"{nouns} explains."
        )
    if found.fewest <= FEW:
        text += f" With {plural(found.fewest, found.noun)} only large differences can be seen."
    return text
