"""Whether two measured numbers differ by more than their noise, and whether they may be compared.

A difference counts when it is larger than `THRESHOLD` combined standard errors,
sqrt(e_a² + e_b²). Standard errors over images say nothing about the spread over training seeds.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from twofold.metrics.measure import Measure
from twofold.report.facts import Facts, those_with

__all__ = ["THRESHOLD", "Difference", "best", "comparable", "difference", "same_images"]

THRESHOLD = 2.0
LIKELIHOODS = ("elbo", "recon_nll", "kl", "iwae", "nll", "bits_per_dim", "log_likelihood")


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


def difference(a: Measure, b: Measure) -> Difference:
    """How far apart two figures are, in their unit and in combined standard errors.

    Example:
        >>> a = Measure("acc", "accuracy", 99.5, "%", error=0.3)
        >>> b = Measure("acc", "accuracy", 98.0, "%", error=0.4)
        >>> difference(a, b)
        Difference(amount=1.5, errors=3.0)
    """
    amount = a.value - b.value
    if a.error is None or b.error is None:
        return Difference(amount, None)
    combined = math.hypot(a.error, b.error)
    if combined == 0:
        return Difference(amount, math.inf if amount else 0.0)
    return Difference(amount, abs(amount) / combined)


def best(runs: Sequence[Facts], name: str) -> Facts | None:
    """The run whose figure is better than every other's by more than noise, or None."""
    having = those_with(runs, name)
    better = having[0].measures[name].better if having else None
    if len(having) < 2 or better is None or comparable(having, name):
        return None
    sign = 1 if better == "higher" else -1
    top = max(having, key=lambda run: sign * run.measures[name].value)
    others = [run.measures[name] for run in having if run is not top]
    verdicts = {difference(top.measures[name], other).verdict for other in others}
    return top if verdicts <= {"larger", "smaller"} else None


def comparable(runs: Sequence[Facts], name: str) -> str:
    """Why the figures of a measure may not be compared; empty when they may."""
    if not same_images(runs):
        return "the runs are of different images"
    depends = [run.measures[name].depends for run in runs]
    # What all figures say they depend on, and say differently; seeds may differ
    shared = set.intersection(*(set(one) for one in depends)) - {"seed"}
    unlike = [k for k in depends[0] if k in shared and _distinct(repr(d[k]) for d in depends) > 1]
    if unlike:
        words = ", ".join(key.replace("_", " ") for key in unlike)
        return f"they were not measured in the same way ({words})"
    if name.split("/")[0] not in LIKELIHOODS:
        return ""
    if _distinct(run.condition for run in runs) > 1:
        return "a model with a condition bounds another quantity, ln p(x|c) and not ln p(x)"
    if _distinct(run.model.get("likelihood") for run in runs) > 1:
        return "different likelihoods p(x|z) have different units of density"
    if _distinct(run.experiment.data.binarize for run in runs) > 1:
        return "gray and binarized pixels have different likelihoods"
    return ""


def same_images(runs: Sequence[Facts]) -> bool:
    """Whether the runs share their test images.

    `limit` changes the training images alone, so that two limits of one data set still do; runs
    of one limit must have read the same pixels.
    """
    settings = [(run.experiment.data, run.data) for run in runs]
    tests = (
        (s.name, s.size, s.gray, s.test, s.split_seed, (data.get("splits") or {}).get("test"))
        for s, data in settings
    )
    content = {(s.limit, data.get("fingerprint")) for s, data in settings}
    return _distinct(tests) < 2 and len(content) == _distinct(limit for limit, _ in content)


def _distinct(values: Iterable[Any]) -> int:
    return len(set(values))
