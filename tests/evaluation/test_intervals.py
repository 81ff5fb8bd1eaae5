"""Intervals against scipy, loops and numerical derivatives; how often they hold the truth stands in
test_coverage_of_intervals.py."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, ttest_1samp, ttest_rel
from torchmetrics.image.kid import poly_mmd

from twofold.errors import NotMeasured
from twofold.evaluation import spread
from twofold.evaluation.counts import (
    estimate_class_kl,
    estimate_jensen_shannon,
    estimate_modes,
    estimate_modes_kl,
)
from twofold.evaluation.frechet import frechet_distance
from twofold.evaluation.halves import estimate_neighborhood
from twofold.evaluation.intervals import (
    Estimate,
    difference_of_means,
    estimate_mean,
    estimate_share,
)
from twofold.evaluation.neighbors import neighborhood
from twofold.evaluation.recognition import estimate_inception_score, inception_score
from twofold.evaluation.spread import estimate_frechet, estimate_frechet_limit, estimate_kernel


@pytest.mark.parametrize(("hits", "count"), [(0, 14), (14, 14), (3, 10), (9900, 10_000)])
def test_a_share_has_the_interval_of_scipy(hits, count):
    found = estimate_share(hits, count)
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert found.value == hits / count
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_share_of_dependent_images_is_one_of_fewer():
    alike = Estimate.share(0.8, math.sqrt(0.8 * 0.2 / 100), 1000, None)
    expected = estimate_share(80, 100)
    assert (alike.low, alike.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert Estimate.share(1.0, 0.0, 50, None).low == estimate_share(50, 50).low


def test_a_mean_has_students_interval():
    values = torch.rand(12).double() ** 3
    found = estimate_mean(values)
    expected = ttest_1samp(values.numpy(), 0.0).confidence_interval()
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert estimate_mean(values[:1]) is None


def test_a_difference_is_paired():
    a = 100 * torch.rand(30).double()
    b = a + 0.1 * torch.randn(30).double()
    found = difference_of_means(a, b)
    expected = ttest_rel(a.numpy(), b.numpy()).confidence_interval()
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    with pytest.raises(ValueError, match=r"are as many, got \(30,\) and \(29,\)"):
        difference_of_means(a, b[:29])


def test_a_unit_scales_all_of_an_estimate():
    found = Estimate(0.5, 0.25, 1.0, 0.125, 0.0625).scaled(100)
    assert found == Estimate(50.0, 25.0, 100.0, 12.5, 6.25)


def mmd_by_loops(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(a, b):
        return (float(a @ b) / len(a) + 1.0) ** 3

    n, m = len(x), len(y)
    same_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j)
    same_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j)
    cross = sum(kernel(a, b) for a in x for b in y)
    return same_x / (n * (n - 1)) + same_y / (m * (m - 1)) - 2 * cross / (n * m)


def test_the_kernel_distance_is_that_of_all_pairs(monkeypatch):
    monkeypatch.setattr(spread, "ROWS", 7)
    x, y = torch.randn(25, 3), torch.randn(40, 3) + 0.5
    found = estimate_kernel(x, y)
    assert found.value == pytest.approx(mmd_by_loops(x.numpy(), y.numpy()), rel=1e-5)
    assert found.generated is not None
    assert found.generated < found.error
    with pytest.raises(NotMeasured, match="there are 9 and 40"):
        estimate_kernel(x[:9], y)


def test_the_kernel_distance_is_that_of_torchmetrics():
    x, y = torch.randn(200, 4), torch.randn(200, 4) + 0.7
    assert estimate_kernel(x, y).value == pytest.approx(poly_mmd(x, y).item(), rel=1e-3)


def test_the_error_of_the_kernel_distance_is_right_for_unequal_sets():
    drawn = [estimate_kernel(torch.randn(60, 4), torch.randn(300, 4) + 0.7) for _ in range(200)]
    spread_of_values = np.std([one.value for one in drawn], ddof=1)
    errors = math.sqrt(np.mean([one.error**2 for one in drawn]))
    assert errors == pytest.approx(spread_of_values, rel=0.2)


def test_influences_are_derivatives_of_the_frechet_distance():
    """Of the distance when one image counts a little more, by differences of weighted moments."""
    x, y = torch.randn(40, 3).double(), torch.randn(50, 3).double() * 1.3 + 0.4
    points = x.numpy()

    def distance(weights: np.ndarray) -> float:
        mean = weights @ points
        centered = points - mean
        covariance = (weights[:, None] * centered).T @ centered
        other = spread._Moments.of(y)
        return spread._Moments(mean, covariance, 40).distance(other)

    uniform, step = np.full(40, 1 / 40), 1e-5
    slopes = []
    for i in range(40):
        more, less = (uniform * (1 - s) + s * np.eye(40)[i] for s in (step, -step))
        slopes.append((distance(more) - distance(less)) / (2 * step))
    found = spread._influence(spread._Moments.of(x), spread._Moments.of(y), x)
    assert found == pytest.approx(np.var(slopes, ddof=1) / 40, rel=0.1)
    assert np.mean(slopes) == pytest.approx(0, abs=1e-6)


def test_moments_are_drawn_as_those_of_gaussian_points_are():
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((3, 3))
    ours = spread._Moments(np.ones(3), mix @ mix.T, 20)
    drawn = [one for _ in range(50) for one in ours.draws(rng)]
    covariances = np.array([one.covariance for one in drawn])
    means = np.array([one.mean for one in drawn])
    np.testing.assert_allclose(covariances.mean(axis=0), ours.covariance, atol=0.25)
    np.testing.assert_allclose(np.cov(means.T), ours.covariance / 20, rtol=0.25, atol=0.02)
    variance = covariances[:, 0, 0].var()  # of a sample variance, 2 σ⁴ / (n - 1)
    assert variance == pytest.approx(2 * ours.covariance[0, 0] ** 2 / 19, rel=0.15)


def test_the_frechet_estimates_are_of_the_distance_with_and_without_bias():
    x, y = torch.randn(700, 16), torch.randn(700, 16)
    at_number, limit = estimate_frechet(x, y), estimate_frechet_limit(x, y)
    assert at_number.value == pytest.approx(frechet_distance(x, y), rel=1e-6)
    assert at_number.low > 0.1
    assert limit.low < 0 < limit.high
    with pytest.raises(NotMeasured, match="over 16 features needs 320 images, and there are 319"):
        estimate_frechet_limit(x[:319], y)


def test_the_modes_that_images_reach():
    """Against the variance of the law itself: Σ q (1 - q) - N (Σ p q)², q = (1 - p)^N."""
    p = np.linspace(0.2, 1.8, 500) / 500
    rng = np.random.default_rng(0)
    for n in (300, 1000):
        q = (1 - p) ** n
        variance = (q * (1 - q)).sum() - n * (p * q).sum() ** 2
        drawn = [estimate_modes(torch.as_tensor(rng.multinomial(n, p))) for _ in range(50)]
        found = np.mean([one.error**2 for one in drawn])
        assert found == pytest.approx(variance, rel=0.15)


def test_all_modes_are_all_modes():
    found = estimate_modes(torch.full((1000,), 26))
    assert (found.value, found.high) == (1000, 1000)
    assert found.low > 999.9
    assert estimate_modes(torch.tensor([3, 0, 1])).high <= 3


def test_the_jackknife_by_loops():
    counts = torch.tensor([40, 25, 3, 0, 12])
    images = counts.numpy().repeat(1)
    number = int(images.sum())

    def kl(values: np.ndarray) -> float:
        shares = values[values > 0] / values.sum()
        return float((shares * np.log(shares * len(values))).sum())

    without = [
        kl(images - np.eye(5, dtype=int)[k]) for k in range(5) for _ in range(int(images[k]))
    ]
    variance = (number - 1) * np.var(without) - 3 / (2 * number**2)
    found = estimate_modes_kl(counts)
    assert found.value == pytest.approx(kl(images), rel=1e-12)
    assert found.error == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_divergences_of_counts_know_what_varies():
    few, many = torch.tensor([20, 30, 50]), torch.tensor([4000, 3000, 3000])
    for estimate in (estimate_class_kl, lambda a, b: estimate_jensen_shannon(a.numpy(), b.numpy())):
        found, turned = estimate(few, many), estimate(many, few)
        assert found.low < found.value < found.high
        assert found.generated == pytest.approx(found.error, rel=0.05)
        assert turned.generated < 0.3 * turned.error


def test_the_inception_score_is_the_same_with_its_interval():
    log_probs = (3 * torch.randn(300, 10)).log_softmax(dim=1)
    found = estimate_inception_score(log_probs)
    assert found.value == inception_score(log_probs)
    assert 1 < found.low < found.value < found.high < 10


def test_neighbors_have_the_figures_of_the_neighborhood():
    x, y = torch.randn(200, 4), torch.randn(160, 4) + 0.5
    found, expected = estimate_neighborhood(x, y, splits=3), neighborhood(x, y)
    for name, estimate in found.items():
        assert estimate is not None
        assert estimate.value == getattr(expected, name).mean().item()
        assert 0 <= estimate.low < estimate.value < estimate.high
    precision = found["precision"]
    assert precision is not None
    binomial = math.sqrt(precision.value * (1 - precision.value) / 159)
    assert precision.generated == pytest.approx(binomial, rel=1e-6)


def test_no_interval_where_it_cannot_be_had():
    few = estimate_neighborhood(torch.randn(10, 3), torch.randn(10, 3))
    assert list(few.values()) == [None] * 4
