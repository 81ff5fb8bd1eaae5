"""Whether figures of runs differ by more than their noise, and whether they may be compared.

Two figures differ when they are more than `THRESHOLD` combined standard errors apart,
sqrt(e_a² + e_b²). That is the noise of images, and says nothing about the spread over training
seeds: where a recipe was trained with several, its mean and the standard deviation over them take
the place of any single run, and two recipes are compared by their means.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from twofold.evaluation.figure import Figure
from twofold.evaluation.seeds import MeanDifference, compare_means
from twofold.evaluation.summary import RunSummary, marks, those_with
from twofold.words import FIXED, number, plus_minus, to_precision, with_unit

__all__ = [
    "THRESHOLD",
    "Contrast",
    "Difference",
    "Draw",
    "Group",
    "best",
    "comparable",
    "contrast",
    "difference",
    "group_by_recipe",
    "has_repeats",
    "interval",
    "same_images",
]

THRESHOLD = 2.0
Draw = tuple[int, int]
UNLIKE = {  # what a figure depends on, and why two of them are of different kinds then
    "conditioned_on": "a model with a condition bounds another quantity, ln p(x|c) and not ln p(x)",
    "likelihood": "different likelihoods p(x|z) have different units of density",
    "binarize": "gray and binarized pixels have different likelihoods",
}


@dataclass(frozen=True)
class Difference:
    """Of two measures, a - b."""

    amount: float  # in their unit
    errors: float | None  # |amount| in combined standard errors; None where one is missing

    @property
    def verdict(self) -> Literal["larger", "smaller", "noise", "unknown"]:
        if self.errors is None:
            return "unknown"
        if self.errors <= THRESHOLD:
            return "noise"
        return "larger" if self.amount > 0 else "smaller"


def difference(a: Figure, b: Figure) -> Difference:
    """How far apart two figures are, in their unit and in combined standard errors.

    Example:
        >>> a = Figure("acc", "accuracy", 99.5, "%", error=0.3)
        >>> b = Figure("acc", "accuracy", 98.0, "%", error=0.4)
        >>> difference(a, b)
        Difference(amount=1.5, errors=3.0)
    """
    amount = a.value - b.value
    ours, theirs = a.generated_error, b.generated_error
    if ours is None or theirs is None:  # else they are of the same real images
        ours, theirs = a.error, b.error
    if ours is None or theirs is None:
        return Difference(amount, None)
    combined = math.hypot(ours, theirs)
    if combined == 0:
        return Difference(amount, math.inf if amount else 0.0)
    return Difference(amount, abs(amount) / combined)


def best(runs: Sequence[RunSummary], name: str) -> RunSummary | None:
    """The run whose figure is better than every other's by more than noise, or None.

    Where every run fails a plain check none is better.
    """
    having = those_with(runs, name)
    better = having[0].figures[name].better if having else None
    if len(having) < 2 or better is None or comparable(having, name):
        return None
    if all(run.failed for run in having):
        return None
    sign = 1 if better == "higher" else -1
    top = max(having, key=lambda run: sign * run.figures[name].value)
    others = [run.figures[name] for run in having if run is not top]
    verdicts = {difference(top.figures[name], other).verdict for other in others}
    return top if verdicts <= {"larger", "smaller"} else None


def comparable(runs: Sequence[RunSummary], name: str) -> str:
    """Why the figures of a measure may not be compared; empty when they may."""
    if not same_images(runs):
        return "the runs are of different images"
    provenance = [run.figures[name].provenance for run in runs]
    for key, why in UNLIKE.items():  # and what one of them lacks makes it another kind as well
        if _distinct(repr(one.get(key)) for one in provenance) > 1:
            return why
    # What all figures say they depend on, and say differently; seeds may differ, and references do
    # not touch the value
    shared = set.intersection(*(set(one) for one in provenance)) - {"seed", "reference"}
    unlike = [
        k for k in provenance[0] if k in shared and _distinct(repr(d[k]) for d in provenance) > 1
    ]
    if unlike:
        words = ", ".join(key.replace("_", " ") for key in unlike)
        return f"they were not measured in the same way ({words})"
    return ""


def same_images(runs: Sequence[RunSummary]) -> bool:
    """Whether the runs are measured on the same test images, those of the classes they know.

    `limit` changes the training images alone, so that two limits of one data set still do; runs
    of one limit must have read the same pixels.
    """
    settings = [(run.experiment.data, run.data) for run in runs]
    tests = (
        (
            s.name,
            s.size,
            s.gray,
            s.test,
            s.split_seed,
            frozenset(s.without),
            (data.get("splits") or {}).get("test"),
        )
        for s, data in settings
    )
    content = {(s.limit, data.get("fingerprint")) for s, data in settings}
    return _distinct(tests) < 2 and len(content) == _distinct(limit for limit, _ in content)


def _distinct(values: Iterable[Any]) -> int:
    return len(set(values))


@dataclass(frozen=True)
class Group:
    """Runs of one recipe."""

    runs: tuple[RunSummary, ...]

    @property
    def mention(self) -> str:
        return f"{self.runs[0].model_title} ({marks(self.runs)})"

    @cached_property
    def draws(self) -> dict[Draw, RunSummary]:
        """The run of each training seed and draw of labels; a repetition is no other draw."""
        found: dict[Draw, RunSummary] = {}
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
            if name in run.figures and run.finished and not run.is_stale
        }
        if not having or comparable(list(having.values()), name):
            return {}
        return {draw: run.figures[name].value for draw, run in having.items()}

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
    measure: Figure  # one figure of it, for its unit and direction
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
    measure = runs[0].figures[name]
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


def group_by_recipe(runs: Sequence[RunSummary]) -> list[Group]:
    """The runs by recipe, in the order of their first."""
    found: dict[str, list[RunSummary]] = {}
    for run in runs:
        found.setdefault(run.experiment.recipe(), []).append(run)
    return [Group(tuple(members)) for members in found.values()]


def has_repeats(runs: Sequence[RunSummary]) -> bool:
    """Whether any recipe was trained with several seeds or draws of labels."""
    return any(len(group.draws) > 1 for group in group_by_recipe(runs))
