"""Means over seeds against scipy, against sums done by hand, and where nothing varies."""

import math

import numpy as np
import pytest
from scipy import stats

from twofold.evaluation.seeds import compare_means, paired_difference, welch_difference

A = [98.1, 97.4, 99.0, 98.6]
B = [96.9, 97.8, 97.1, 96.0]


def as_tuple(found):
    return found.amount, found.low, found.high, found.p


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
def test_the_paired_test_is_scipys(scale):
    a, b = np.array(A) * scale, np.array(B) * scale
    theirs = stats.ttest_rel(a, b)
    interval = theirs.confidence_interval(0.95)
    expected = (a.mean() - b.mean(), interval.low, interval.high, theirs.pvalue)
    assert as_tuple(paired_difference(a, b)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_welchs_test_is_scipys(scale, count):
    a, b = np.array(A) * scale, np.array(B[:count]) * scale
    theirs = stats.ttest_ind(a, b, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    expected = (a.mean() - b.mean(), interval.low, interval.high, theirs.pvalue)
    assert as_tuple(welch_difference(a, b)) == pytest.approx(expected, rel=1e-6)


def test_the_paired_test_by_hand():
    """Differences 1 and 3: mean 2, error 1; with one degree of freedom t has Cauchy tails."""
    found = paired_difference([3, 5], [2, 2])
    assert found.amount == 2
    assert found.p == pytest.approx(1 - 2 * math.atan(2) / math.pi)
    half = math.tan(0.475 * math.pi)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))
    assert found.within_noise


def test_welchs_test_by_hand():
    """Variances 2 and 2 of two values each: error sqrt(2), two degrees of freedom, whose
    distribution is 1/2 + t / (2 sqrt(2 + t²))."""
    found = welch_difference([10, 12], [0, 2])
    t = 10 / math.sqrt(2)
    assert found.amount == 10
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert not found.within_noise


@pytest.mark.parametrize("test", [paired_difference, welch_difference])
def test_swapped_sides_flip_the_sign_and_nothing_else(test):
    ours, swapped = test(A, B), test(B, A)
    assert swapped.amount == pytest.approx(-ours.amount)
    assert (swapped.low, swapped.high) == pytest.approx((-ours.high, -ours.low))
    assert swapped.p == pytest.approx(ours.p)
    assert ours.amount > 0


@pytest.mark.parametrize("test", [paired_difference, welch_difference])
def test_a_difference_counts_when_its_interval_leaves_zero_out(test):
    for shift in np.linspace(-4, 4, 81):
        found = test(A, np.array(B) + shift)
        assert found.within_noise == (found.low <= 0 <= found.high)


def test_what_seeds_share_cancels_in_pairs_alone():
    a = [10.0, 20.0, 30.0]
    b = [9.0, 19.1, 28.9]
    assert not paired_difference(a, b).within_noise
    assert welch_difference(a, b).within_noise


@pytest.mark.parametrize("test", [paired_difference, welch_difference])
def test_without_any_spread_nothing_is_nan(test):
    same = test([5.0, 5.0, 5.0], [5.0, 5.0, 5.0])
    assert as_tuple(same) == (0.0, 0.0, 0.0, 1.0)
    apart = test([5.0, 5.0, 5.0], [4.0, 4.0, 4.0])
    assert as_tuple(apart) == (1.0, 1.0, 1.0, 0.0)


def test_identical_pairs_do_not_differ():
    assert as_tuple(paired_difference(A, A)) == (0.0, 0.0, 0.0, 1.0)
    assert welch_difference(A, A).p == pytest.approx(1.0)


def test_one_side_without_spread_is_a_test_of_the_other():
    found = welch_difference(A, [97.0, 97.0])
    assert found.p == pytest.approx(stats.ttest_1samp(A, 97.0).pvalue)


def test_noise_is_called_a_difference_once_in_twenty():
    """Two-sided, over 4000 pairs of four seeds; the share is known to 0.0034."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4000, 4))
    share = np.mean([not paired_difference(x, y).within_noise for x, y in zip(a, b, strict=True)])
    assert share == pytest.approx(0.05, abs=0.014)


def test_seeds_pair_by_name_and_not_by_place():
    found = compare_means({0: 1.0, 1: 5.0, 2: 9.0}, {2: 8.0, 0: 0.5, 1: 4.5})
    assert found == paired_difference([1.0, 5.0, 9.0], [0.5, 4.5, 8.0])


def test_other_seeds_do_not_pair():
    for others in ({0: 2.0, 2: 4.0}, {0: 2.0, 2: 4.0, 1: 9.0}):
        found = compare_means({0: 1.0, 1: 5.0}, others)
        assert found == welch_difference([1.0, 5.0], list(others.values()))
        assert not found.paired


def test_one_value_has_no_spread():
    with pytest.raises(ValueError, match="two values or more, got 1"):
        compare_means({0: 1.0}, {0: 2.0})
    with pytest.raises(ValueError, match="two values or more, got 1"):
        welch_difference([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="as many values on both sides, got 3 and 2"):
        paired_difference([1.0, 2.0, 3.0], [1.0, 2.0])
