"""The sliced Wasserstein distance: by scipy's sorting, shifts in closed form, and invariances."""

import numpy as np
import pytest
import torch

from twofold.errors import NotMeasured
from twofold.evaluation.sliced import sliced_distance


def test_it_is_the_optimal_matching_along_each_direction():
    """By an assignment of least cost, which knows nothing of sorting."""
    from scipy.optimize import linear_sum_assignment

    x, y = torch.randn(20, 3).double(), 1.5 * torch.randn(20, 3).double() + 1
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        torch.randperm(20, generator=generator)
    total = 0.0
    for u in torch.randn(50, 3, generator=generator, dtype=torch.float64).numpy():
        a, b = (x.numpy() @ u / np.linalg.norm(u), y.numpy() @ u / np.linalg.norm(u))
        cost = (a[:, None] - b[None]) ** 2
        total += cost[linear_sum_assignment(cost)].mean() / 50
    assert sliced_distance(x, y, directions=50) == pytest.approx(3 * 3 * total, rel=1e-9)


def test_a_shift_has_three_times_its_squared_length():
    x, v = torch.randn(100, 16), torch.randn(16)
    expected = 3 * v.square().sum().item()
    assert sliced_distance(x, x + v, 20_000) == pytest.approx(expected, rel=0.05)


def test_gaussians_of_two_scales():
    """W² of N(0, 1) and N(0, s²) is (1 - s)² along every direction."""
    x, y = torch.randn(20_000, 4), 1.5 * torch.randn(20_000, 4)
    assert sliced_distance(x, y) == pytest.approx(3 * 4 * 0.25, rel=0.05)


def test_a_set_is_no_distance_from_itself_in_any_order():
    x, y = torch.randn(60, 5), torch.randn(60, 5)
    assert sliced_distance(x, x[torch.randperm(60)]) == pytest.approx(0, abs=1e-25)
    assert sliced_distance(x, y) == pytest.approx(sliced_distance(y, x), rel=1e-9)
    assert sliced_distance(x, y.flip(0)) == pytest.approx(sliced_distance(x, y), rel=1e-9)
    assert sliced_distance(x, y) > 0


def test_of_unequal_sets_as_many_count_as_the_smaller_has():
    x = torch.randn(3000, 5)
    values = [sliced_distance(x, torch.randn(300, 5), seed=seed) for seed in range(10)]
    equal = [sliced_distance(x[:300], torch.randn(300, 5), seed=seed) for seed in range(10)]
    assert np.mean(values) == pytest.approx(np.mean(equal), rel=0.4)
    with pytest.raises(NotMeasured, match="there are 3000, 0"):
        sliced_distance(x, x[:0])
