"""Distances that decide something: exact for copies and for twins, whatever lies far from both."""

import numpy as np
import pytest
import torch

from twofold.evaluation.distances import DIRECTIONS, Pool
from twofold.evaluation.memorization import is_copy
from twofold.evaluation.neighbors import nearest, neighborhood


def by_differences(x: torch.Tensor, pool: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair in float64, coordinate by coordinate."""
    a, b = x.double().numpy(), pool.double().numpy()
    apart = np.array([np.sqrt(((row - b) ** 2).sum(axis=1)) for row in a])
    which = apart.argsort(axis=1, kind="stable")[:, :k]
    return np.take_along_axis(apart, which, axis=1), which


def images(count: int, dim: int, seed: int = 0) -> torch.Tensor:
    """Points whose variance lies along few directions, and far from 0, as that of images does."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.arange(1, dim + 1) ** -0.7
    return 5.0 + torch.randn(count, dim, generator=generator) * scale


@pytest.mark.parametrize("dim", [3, 40, 2 * DIRECTIONS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neighbors_are_those_of_all_pairs(dim, dtype):
    x, pool = images(60, dim, 1).to(dtype), images(500, dim, 2).to(dtype)
    distances, indices = nearest(x, pool, k=3)
    expected, which = by_differences(x, pool, 3)
    assert distances.dtype == dtype
    np.testing.assert_array_equal(indices.numpy(), which)
    np.testing.assert_allclose(distances.numpy(), expected, rtol=1e-5)


def test_copies_of_what_is_there_twice_are_copies():
    """Which |a|² + |b|² - 2ab in float32 finds less than one time in three."""
    train = torch.cat([images(1000, 300), images(200, 300)])
    distances, indices = nearest(train[:200], train, k=2)
    assert (distances == 0).all()
    assert indices.tolist() == [[i, 1000 + i] for i in range(200)]
    assert is_copy(distances).all()


@pytest.mark.parametrize("gap", [1e-2, 1e-4])
def test_twins_are_as_far_apart_as_they_are(gap):
    x = images(300, 300)
    twins = x + gap * torch.nn.functional.normalize(torch.randn(300, 300), dim=1)
    distances, indices = nearest(twins, x)
    np.testing.assert_array_equal(indices[:, 0].numpy(), np.arange(300))
    expected, _ = by_differences(twins, x, 1)
    np.testing.assert_allclose(distances.numpy(), expected, rtol=1e-5)


def test_a_collapsed_set_lies_together_closely():
    """More neighbors than are looked at first, all nearer than float32 can tell by a product."""
    centers = 30 * torch.randn(3, 200)
    x = centers.repeat_interleave(200, dim=0) + 1e-4 * torch.randn(600, 200)
    distances, indices = nearest(x, x, k=2, itself=True)
    everywhere = by_differences(x, x, 3)
    np.testing.assert_allclose(distances.numpy(), everywhere[0][:, 1:], rtol=1e-4)
    agree = indices.numpy() == everywhere[1][:, 1:]
    assert agree.mean() > 0.99


def test_many_copies_are_neighbors_of_one_another():
    x = images(5, 200).repeat(100, 1)
    distances, indices = nearest(x, x, k=4, itself=True)
    assert (distances == 0).all()
    assert (indices % 5 == torch.arange(500)[:, None] % 5).all()
    assert (indices != torch.arange(500)[:, None]).all()


@pytest.mark.parametrize("few", [False, True])
def test_bounds_are_bounds(few):
    x, points = images(50, 400, 1), images(80, 400, 2)
    squared, rounding = Pool(points, few).bounds(x)
    apart = torch.cdist(x.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist")
    assert (squared - rounding <= apart**2).all()
    if not few:
        assert (squared + rounding >= apart**2).all()
    assert (squared > 0.8 * apart**2).all()


def test_a_set_lies_among_its_copies_as_among_itself():
    """Each image is in its own ball and in k - 1 others, the k-th lying on the ball's edge."""
    x = images(400, 30)
    found = neighborhood(x, x.clone(), k=5)
    assert found.density.sum().item() == pytest.approx(400, abs=1e-6)
    assert found.precision.min() == found.recall.min() == found.coverage.min() == 1
    shuffled = neighborhood(x, x[torch.randperm(400)], k=5)
    assert shuffled.density.sum().item() == pytest.approx(400, abs=1e-6)
