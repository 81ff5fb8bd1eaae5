r"""Whether the means of two recipes differ by more than the spread over training seeds.

.. math:: t = \frac{\bar d}{s_d / \sqrt n} \;\text{(paired)}, \qquad
          t = \frac{\bar a - \bar b}{\sqrt{s_a^2 / n_a + s_b^2 / n_b}} \;\text{(Welch)}

References:
    The probable error of a mean (Student, 1908), Biometrika 6
    The generalization of "Student's" problem when several different population variances are
    involved (Welch, 1947), Biometrika 34
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

__all__ = ["ALPHA", "MeanDifference", "compare_means", "paired_difference", "welch_difference"]

ALPHA = 0.05  # an interval holds 1 - ALPHA, and a difference with p < ALPHA counts

Seed = TypeVar("Seed", bound=Hashable)


@dataclass(frozen=True)
class MeanDifference:
    """mean(a) - mean(b), with its 95 % interval.

    Attributes:
        amount: In the unit of the values.
        low: Lower end of the interval.
        high: Upper end.
        p: Two-sided, of means that are equal.
        paired: Whether the values were compared seed by seed.
    """

    amount: float
    low: float
    high: float
    p: float
    paired: bool

    @property
    def within_noise(self) -> bool:
        return self.p >= ALPHA

    @property
    def swapped(self) -> "MeanDifference":
        """mean(b) - mean(a)."""
        return MeanDifference(-self.amount, -self.high, -self.low, self.p, self.paired)


def compare_means(a: Mapping[Seed, float], b: Mapping[Seed, float]) -> MeanDifference:
    """The difference of two means by seed: paired where both have the same, else by Welch's test.

    Raises:
        ValueError: If either has less than two values.

    Example:
        >>> compare_means({0: 3.0, 1: 5.0}, {1: 4.0, 0: 2.0}).paired
        True
    """
    if a.keys() == b.keys():
        return paired_difference(list(a.values()), [b[seed] for seed in a])
    return welch_difference(list(a.values()), list(b.values()))


def paired_difference(a: Sequence[float], b: Sequence[float]) -> MeanDifference:
    """Student's t of the n differences a_i - b_i, which share a seed: n - 1 degrees of freedom.

    Raises:
        ValueError: If the lengths differ or are less than two.
    """
    if len(a) != len(b):
        raise ValueError(f"pairs need as many values on both sides, got {len(a)} and {len(b)}")
    _refuse_few(a)
    gaps = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    error = gaps.std(ddof=1) / math.sqrt(len(gaps))
    return _difference(gaps.mean(), error, len(gaps) - 1, paired=True)


def welch_difference(a: Sequence[float], b: Sequence[float]) -> MeanDifference:
    """Welch's t, its degrees of freedom by Welch and Satterthwaite.

    Raises:
        ValueError: If either has less than two values.
    """
    _refuse_few(a)
    _refuse_few(b)
    parts = np.array([np.var(x, ddof=1, dtype=np.float64) / len(x) for x in (a, b)])
    squared, freedom = parts.sum(), np.array([len(a) - 1, len(b) - 1])
    # Shares of the variance, and not its squares, which could underflow.
    shares = parts / squared if squared > 0 else np.full(2, 0.5)
    degrees = 1 / (shares**2 / freedom).sum()
    amount = np.mean(a, dtype=np.float64) - np.mean(b, dtype=np.float64)
    return _difference(amount, math.sqrt(squared), degrees, paired=False)


def _refuse_few(values: Sequence[float]) -> None:
    if len(values) < 2:
        raise ValueError(f"a spread needs two values or more, got {len(values)}")


def _difference(amount: float, error: float, degrees: float, paired: bool) -> MeanDifference:
    """From a standard error; without any spread the interval has no width and p is 0 or 1."""
    from scipy.stats import t

    amount, error = float(amount), float(error)
    if error == 0:
        return MeanDifference(amount, amount, amount, 0.0 if amount else 1.0, paired)
    half = float(t.isf(ALPHA / 2, degrees)) * error
    p = 2 * float(t.sf(abs(amount) / error, degrees))
    return MeanDifference(amount, amount - half, amount + half, p, paired)
