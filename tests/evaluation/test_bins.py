"""Bins of similar images: the test of proportions, the divergence, and a lost mode."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from twofold.errors import NotMeasured
from twofold.evaluation.bins import assign_bins, different_bins, jensen_shannon, make_bins


@pytest.fixture
def clusters():
    """1000 points around 10 centers."""
    rng = np.random.default_rng(0)
    centers = 30 * rng.standard_normal((10, 6))

    def draw(n, modes=10):
        return (centers[rng.integers(0, modes, n)] + rng.standard_normal((n, 6))).astype(np.float32)

    return draw


def test_a_bin_differs_where_the_test_of_proportions_says_so():
    rng = np.random.default_rng(1)
    for _ in range(30):
        a, b = rng.multinomial(400, [0.2] * 5), rng.multinomial(300, [0.1, 0.3, 0.2, 0.2, 0.2])
        expected = np.mean(
            [
                chi2_contingency([[x, 400 - x], [y, 300 - y]], correction=False).pvalue < 0.05
                for x, y in zip(a, b, strict=True)
            ]
        )
        assert different_bins(a, b) == pytest.approx(expected)


def test_one_distribution_differs_in_one_bin_of_twenty():
    rng = np.random.default_rng(2)
    p = np.full(100, 0.01)
    shares = [different_bins(rng.multinomial(9000, p), rng.multinomial(9000, p)) for _ in range(50)]
    assert np.mean(shares) == pytest.approx(0.05, abs=0.012)


def test_a_lost_mode_shows(clusters):
    train = clusters(1000)
    centers = make_bins(train, 10)
    counts = assign_bins(train, centers)
    assert counts.sum() == 1000
    honest, collapsed = (assign_bins(clusters(1000, modes), centers) for modes in (10, 5))
    assert different_bins(honest, counts) < 0.5 < 0.8 < different_bins(collapsed, counts)
    assert jensen_shannon(honest, counts) < 0.02 < 0.15 < jensen_shannon(collapsed, counts)


def test_points_go_to_the_nearest_center():
    centers = np.array([[0.0, 0.0], [10.0, 0.0]], np.float32)
    points = np.array([[1, 1], [9, 0], [4, 0], [6, 5]], np.float32)
    assert assign_bins(points, centers).tolist() == [2, 2]


def test_the_divergence_by_hand():
    p, q = np.array([1, 3]) / 4, np.array([1, 1]) / 2
    m = (p + q) / 2
    expected = 0.5 * (p * np.log(p / m)).sum() + 0.5 * (q * np.log(q / m)).sum()
    assert jensen_shannon(np.array([10, 30]), np.array([5, 5])) == pytest.approx(expected)


def test_too_few_images_for_the_bins():
    with pytest.raises(NotMeasured, match="100 bins need 1000 training images, and there are 999"):
        make_bins(np.zeros((999, 2), np.float32))
