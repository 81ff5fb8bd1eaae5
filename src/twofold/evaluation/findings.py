"""What figures say of runs in plain words, by rules from the numbers alone.

Every function takes summaries and gives findings; none looks anywhere else. A text speaks of a run
by its mention (⟦A⟧), which the page turns into a badge.
"""

from collections.abc import Sequence
from typing import NamedTuple

from twofold.evaluation.comparison import (
    THRESHOLD,
    Contrast,
    best,
    comparable,
    contrast,
    difference,
    group_by_recipe,
    interval,
)
from twofold.evaluation.figure import Figure
from twofold.evaluation.summary import RunSummary, those_with
from twofold.words import (
    FIXED,
    common_title,
    listing,
    number,
    plural,
    plus_minus,
    to_precision,
    with_unit,
)

__all__ = [
    "Finding",
    "above_reference",
    "default_findings",
    "figure_text",
    "outcome",
    "over_seeds",
    "value_of",
    "with_its_unit",
]

FEW = 3  # draws up to which the wide tails of Student's t leave only large differences visible


class Finding(NamedTuple):
    """A sentence or two of "In short", and what they are about."""

    topic: str
    text: str


def default_findings(runs: Sequence[RunSummary], name: str) -> list[Finding]:
    """Who is ahead by a figure: by means over seeds where there are several, else by each run."""
    return over_seeds(runs, name) or outcome(runs, name)


def outcome(runs: Sequence[RunSummary], name: str) -> list[Finding]:
    """Who is ahead by one measure, or that the noise hides it."""
    having = those_with(runs, name)
    if not having:
        return []
    figures = listing([_of(run, name) for run in having])
    if len(having) == 1 or having[0].figures[name].better is None:
        text = f"{figures}."
    elif why := comparable(having, name):
        text = f"{figures}. These are not to be compared: {why}."
    elif all(run.failed for run in having):
        text = f"{figures}. All fail a plain check, so that none is ahead."
    else:
        text = _race(having, name)
    return [Finding(common_title([run.figures[name].title for run in having]), text)]


def over_seeds(runs: Sequence[RunSummary], name: str) -> list[Finding]:
    """What the means over seeds or label draws say of a measure."""
    having = [group for group in group_by_recipe(runs) if group.values(name)]
    if all(len(group.values(name)) < 2 for group in having):
        return []
    counted = [group.draws[draw] for group in having for draw in group.values(name)]
    measure = counted[0].figures[name]
    means = [
        f"{group.mention} {group.figure(name, measure.unit)} over "
        f"{plural(len(group.values(name)), group.noun)}"
        for group in having
    ]
    text = f"Mean ± standard deviation: {listing(means)}."
    if why := comparable(counted, name):
        text += f" These are not to be compared: {why}."
    elif all(run.failed for run in counted):
        text += " All fail a plain check, so that none is ahead."
    elif measure.better is not None and (found := contrast(having, name)):
        text += _verdict(found)
    return [Finding(measure.title, text)]


def _race(having: Sequence[RunSummary], name: str) -> str:
    """The first two by a measure, and whether the noise lies between them."""
    sign = -1 if having[0].figures[name].better == "higher" else 1
    first, second, *_ = sorted(having, key=lambda run: sign * run.figures[name].value)
    a, b = first.figures[name], second.figures[name]
    gap = difference(a, b)
    versus = f"{_of(first, name)}, {_of(second, name)}"
    apart = with_unit(number(abs(gap.amount), 2), "points" if a.unit == "%" else a.unit)
    if gap.errors is None:
        return (
            f"{versus}. No standard error was measured, so whether the difference of {apart} is "
            "more than noise is not known."
        )
    errors = f"{number(gap.errors, 2)} combined standard errors"
    if gap.verdict == "noise":
        others = "the first two" if len(having) > 2 else "the two"
        return (
            f"Within noise: {versus}. This does not tell {others} apart, for they differ by "
            f"{apart}, which is {errors}."
        )
    others = " of every other run" if len(having) > 2 and best(having, name) else ""
    return (
        f"{first.mention} is ahead{others} with {value_of(a)}; {second.mention} has {value_of(b)}. "
        f"They differ by {apart}, which is {errors}."
    )


def _verdict(found: Contrast) -> str:
    """Which recipe is ahead, or that the spread hides it, and what so few draws can show."""
    one = found.difference if found.difference.amount >= 0 else found.difference.swapped
    unit = "points" if found.measure.unit == "%" else found.measure.unit
    amount, ends = interval(one)
    apart = f"{with_unit(amount, unit)} (95{FIXED}% interval {ends}, {found.how})"
    text = ""
    if found.recipes > 2:
        text += (
            f" The best by mean of {found.recipes} recipes and the runner-up are compared, and no "
            "others."
        )
    if one.within_noise:
        text += (
            f" The difference of {apart} is within noise: the spread over {found.noun}s can "
            "explain it."
        )
    else:
        text += (
            f" {found.leader.mention} is ahead by {apart}, which is more than the spread over "
            f"{found.noun}s explains."
        )
    if found.fewest <= FEW:
        text += f" With {plural(found.fewest, found.noun)} only large differences can be seen."
    return text


def above_reference(figure: Figure, sign: int = 1) -> bool:
    """Whether a figure lies on that side of the same of real images, by more than noise."""
    if figure.reference is None or figure.error is None:
        return False
    return sign * (figure.value - figure.reference) > THRESHOLD * figure.error


def figure_text(figure: Figure) -> str:
    """A number with its standard error, or with the ends of its interval where that is lopsided."""
    if figure.interval is None:
        return plus_minus(figure.value, figure.error)
    low, high = figure.interval
    value, low, high = to_precision([figure.value, low, high], (high - low) / 2)
    return f"{value} ({low} to {high})"


def value_of(figure: Figure) -> str:
    """Its number with error and unit."""
    return with_unit(figure_text(figure), figure.unit)


def with_its_unit(value: float | None, figure: Figure) -> str:
    """A number in the unit of a figure, such as its reference."""
    return with_unit(number(value or 0.0, 3), figure.unit)


def _of(run: RunSummary, name: str) -> str:
    return f"{run.mention} {value_of(run.figures[name])}"
