"""Clipped density and coverage: by loops, and in step with what is wrong or missing."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import betabinom

from twofold.errors import NotMeasured
from twofold.evaluation.clipped import clipped_coverage, clipped_density


def balls(real: np.ndarray, k: int) -> list[tuple[float, list[tuple[float, int]]]]:
    """The reach of each real point and its nearest k others, by loops."""
    found = []
    for i, point in enumerate(real):
        others = sorted((math.dist(point, q), j) for j, q in enumerate(real) if j != i)
        found.append((others[k - 1][0], others[:k]))
    return found


def density_by_hand(real: np.ndarray, fake: np.ndarray, k: int) -> float:
    of_real = balls(real, k)
    middle = np.median([reach for reach, _ in of_real])

    def clipped(count: int) -> float:
        return min(count / k, 1.0)

    among = [0] * len(real)
    for reach, others in of_real:
        for distance, j in others:
            among[j] += distance <= min(reach, middle)
    inside = [
        sum(
            math.dist(p, y) <= min(reach, middle)
            for p, (reach, _) in zip(real, of_real, strict=True)
        )
        for y in fake
    ]
    ratio = np.mean([clipped(n) for n in inside]) / np.mean([clipped(n) for n in among])
    return min(1.0, float(ratio))


def coverage_by_hand(real: np.ndarray, fake: np.ndarray, k: int) -> float:
    held = [
        min(k, sum(math.dist(p, y) < reach for y in fake))
        for p, (reach, _) in zip(real, balls(real, k), strict=True)
    ]
    covered = np.mean(held) / k
    for m in range(len(fake) + 1):
        law = betabinom(m, k, len(real) - k)
        if sum(min(k, j) * law.pmf(j) for j in range(m + 1)) / k >= covered:
            return m / (len(fake) + 1)
    return 1.0


@pytest.mark.parametrize(("n", "m", "k", "shift"), [(60, 50, 5, 0.5), (40, 70, 3, 0), (9, 5, 2, 1)])
def test_they_are_their_definitions(n, m, k, shift):
    real, fake = torch.randn(n, 4).double(), torch.randn(m, 4).double() + shift
    a, b = real.numpy(), fake.numpy()
    assert clipped_density(real, fake, k) == pytest.approx(density_by_hand(a, b, k), rel=1e-9)
    assert clipped_coverage(real, fake, k) == pytest.approx(coverage_by_hand(a, b, k), rel=1e-9)


@pytest.mark.parametrize("bad", [0.0, 0.3, 0.7, 1.0])
def test_both_fall_in_step_with_the_share_of_bad_images(bad):
    """Images far from all real ones; a set of good ones is 1 but for noise."""
    real, fake = torch.randn(2000, 8), torch.randn(2000, 8)
    fake[: round(2000 * bad)] += 100
    assert clipped_density(real, fake) == pytest.approx(1 - bad, abs=0.04)
    assert clipped_coverage(real, fake) == pytest.approx(1 - bad, abs=0.06)


def test_a_missing_kind_costs_coverage_what_it_has_of_the_real_images():
    """Two clusters, of which one is never generated: density does not see it."""
    real, fake = torch.randn(2000, 4), torch.randn(2000, 4)
    real[:800] += 50
    assert clipped_density(real, fake) > 0.9
    assert 0.4 < clipped_coverage(real, fake) < 0.7


def test_outliers_among_real_images_do_not_inflate_density():
    real, fake = torch.randn(1000, 8), 6 + 0.1 * torch.randn(1000, 8)
    with_outlier = torch.cat([real, torch.full((6, 8), 8.0) + torch.arange(6.0)[:, None]])
    assert clipped_density(real, fake) < 0.01
    assert clipped_density(with_outlier, fake) < 0.01


def test_too_few_images_are_refused():
    with pytest.raises(NotMeasured, match="more than 5 real images and 5 generated ones"):
        clipped_density(torch.randn(5, 2), torch.randn(9, 2))
    with pytest.raises(NotMeasured, match="there are 9 and 4"):
        clipped_coverage(torch.randn(9, 2), torch.randn(4, 2))
