"""Distances of features against closed forms, second implementations and invariances."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from twofold.errors import NotMeasured
from twofold.evaluation.frechet import (
    frechet_bias,
    frechet_distance,
    frechet_limit,
)
from twofold.evaluation.spread import estimate_frechet


def gaussian(n: int, seed: int = 0, d: int = 5, scale: float = 1.0, shift: float = 0.0):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=torch.Generator().manual_seed(99)).double()
    return scale * torch.randn(n, d, generator=generator).double() @ mix + shift


def by_square_root(x: torch.Tensor, y: torch.Tensor) -> float:
    """The definition, by scipy's matrix square root."""
    a, b = np.cov(x.numpy().T), np.cov(y.numpy().T)
    root = np.real(scipy.linalg.sqrtm(a @ b))
    mean = x.numpy().mean(axis=0) - y.numpy().mean(axis=0)
    return float(mean @ mean + np.trace(a + b - 2 * root))


def test_frechet_is_its_definition():
    x, y = gaussian(400), gaussian(300, seed=1, scale=1.3, shift=0.4)
    assert frechet_distance(x, y) == pytest.approx(by_square_root(x, y), rel=1e-9)


def test_frechet_of_gaussians_is_the_closed_form():
    """N(0, I) and N(m, s² I): |m|² + D (1 - s)²."""
    x, y = torch.randn(40_000, 4).double(), 1.5 * torch.randn(40_000, 4).double() + 2.0
    assert frechet_distance(x, y) == pytest.approx(4 * 4.0 + 4 * 0.25, rel=0.02)


def test_frechet_is_symmetric_and_blind_to_order():
    x, y = gaussian(100), gaussian(120, seed=1, shift=1.0)
    value = frechet_distance(x, y)
    assert frechet_distance(y, x) == pytest.approx(value, rel=1e-9)
    assert frechet_distance(x.flip(0), y[torch.randperm(120)]) == pytest.approx(value, rel=1e-9)
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-6)
    assert isinstance(value, float)


def test_a_singular_covariance_is_refused_and_never_an_imaginary_part():
    with pytest.raises(NotMeasured, match=r"5 features needs more than 5 images.* 5 and 100"):
        frechet_distance(gaussian(5), gaussian(100))


def test_a_feature_that_never_fires_adds_what_the_other_set_has_of_it():
    x, y = gaussian(100), gaussian(80, seed=1)
    x[:, 4] = 0.0
    expected = by_square_root(x[:, :4], y[:, :4]) + y[:, 4].mean() ** 2 + y[:, 4].var()
    assert frechet_distance(x, y) == pytest.approx(expected.item(), rel=1e-6)


def test_the_bias_is_what_a_perfect_model_would_get():
    values = [
        frechet_distance(gaussian(60, seed=2 * i), gaussian(90, seed=2 * i + 1)) for i in range(40)
    ]
    reference = gaussian(60, seed=500)
    assert 0.5 < frechet_bias(reference, 90) / np.mean(values) < 2.0


def test_the_limit_removes_the_bias_of_small_numbers():
    """Two samples of one distribution: the distance is positive, its limit is zero."""
    x, y = torch.randn(1280, 32).double(), torch.randn(1280, 32).double()
    limit, of_the_fit, points = frechet_limit(x, y)
    error = math.hypot(of_the_fit, estimate_frechet(x, y).error)
    assert frechet_distance(x, y) > 6 * error
    assert abs(limit) < 3 * error
    assert len(points) == 15
    assert points[0][0] == 256
    assert points[-1] == (1280, pytest.approx(frechet_distance(x, y)))
    apart, of_the_fit, _ = frechet_limit(x, y + 0.3)
    error = math.hypot(of_the_fit, estimate_frechet(x, y + 0.3).error)
    assert apart == pytest.approx(32 * 0.09, abs=3 * error)
    assert frechet_distance(x, y + 0.3) > 32 * 0.09 + 3 * error
    x, y = gaussian(200), gaussian(200, seed=1)
    with pytest.raises(NotMeasured, match="over 5 features needs 100 images, and there are 99"):
        frechet_limit(x, y[:99])
