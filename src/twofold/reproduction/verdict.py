"""Whether a figure of ours is the one that was printed."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from twofold.experiments.schema import Reported
from twofold.metrics.measure import Measure

__all__ = ["Comparison", "Verdict", "compare_result"]

Verdict = Literal["reproduced", "better", "not reproduced", "not comparable", "to look at", ""]
SPREADS = 2.0  # standard deviations over seeds within which a printed figure may lie


@dataclass(frozen=True)
class Comparison:
    """A printed figure beside ours.

    Attributes:
        reported: What the source printed.
        values: Ours, one for each draw, in the source's direction; empty where nothing was run.
        unit: Of ours.
        verdict: Empty where nothing was run.
        reason: Why it is not comparable.
    """

    reported: Reported
    values: tuple[float, ...]
    unit: str
    verdict: Verdict
    reason: str = ""

    @property
    def mean(self) -> float:
        return statistics.mean(self.values)


def compare_result(
    reported: Reported, measured: Sequence[Measure], was_run: bool = True
) -> Comparison:
    """A verdict on one printed figure.

    It is reproduced where it lies within the tolerance of our mean or within two standard
    deviations over seeds; better where ours lies beyond that on the good side. The spread is that
    of ours, for no report gives its own.

    Arguments:
        reported: What was printed, and what it means for the verdict.
        measured: Our measure of it, one for each draw; empty where we have none.
        was_run: Whether its experiment was run at all.
    """
    values = tuple(100 - m.value if reported.inverted else m.value for m in measured)
    unit = measured[0].unit if measured else ""
    if not was_run:
        return Comparison(reported, (), unit, "", reported.incomparable)
    if reported.incomparable:
        return Comparison(reported, values, unit, "not comparable", reported.incomparable)
    if isinstance(reported.value, str):
        return Comparison(reported, values, unit, "to look at")
    if not values:
        return Comparison(reported, (), unit, "")
    return Comparison(
        reported, values, unit, _verdict(reported, reported.value, values, measured[0])
    )


def _verdict(
    reported: Reported, printed: float, values: tuple[float, ...], measure: Measure
) -> Verdict:
    mean = statistics.mean(values)
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    if abs(mean - printed) <= max(reported.tolerance, SPREADS * spread):
        return "reproduced"
    higher_is_better = (measure.better == "higher") != reported.inverted
    if measure.better is not None and (mean > printed) == higher_is_better:
        return "better"
    return "not reproduced"
