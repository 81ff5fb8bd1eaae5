"""Principal components against a singular value decomposition; t-SNE by whom it keeps together."""

import numpy as np
import pytest

from twofold.evaluation.planes import principal_axes, tsne


def points(count: int = 300):
    """Shape (count, 4), with variances of about 25, 9, 1 and 0.01 along rotated axes."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    return (rng.standard_normal((count, 4)) * [1.0, 5.0, 0.1, 3.0]) @ turn + 10


def test_components_are_those_of_a_singular_value_decomposition():
    x = points()
    axes = principal_axes(x, 2)
    _, values, directions = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    assert np.abs(axes.directions.T @ directions[:2].T) == pytest.approx(np.eye(2), abs=1e-9)
    assert axes.shares == pytest.approx((values**2 / (values**2).sum())[:2])
    assert 0.6 < axes.shares[0] < 0.8


def test_components_of_points_of_more_dimensions_than_points_are_the_same():
    """3 000 dimensions would be a matrix of 72 MB: the 20 points span 19 of them."""
    x = np.random.default_rng(0).standard_normal((20, 3000)) * np.linspace(0.1, 3, 3000)
    axes = principal_axes(x, 25)
    _, values, directions = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    shares = values**2 / (values**2).sum()
    assert axes.shares == pytest.approx(shares, abs=1e-12)
    found = np.abs(axes.directions.T @ directions.T)[:19, :19]
    assert found == pytest.approx(np.eye(19), abs=1e-8)
    largest = np.abs(axes.directions).argmax(axis=0)
    assert (axes.directions[largest, range(20)] > 0).all()


def test_projections_are_centered_and_uncorrelated():
    x = points()
    axes = principal_axes(x, 4)
    projected = axes.project(x)
    covariance = projected.T @ projected / len(x)
    assert projected.mean(axis=0) == pytest.approx(0, abs=1e-9)
    assert covariance == pytest.approx(np.diag(axes.shares) * np.trace(covariance), abs=1e-9)
    assert axes.shares.sum() == pytest.approx(1)
    assert projected @ axes.directions.T + axes.mean == pytest.approx(x), "nothing is lost"


def test_the_sign_of_a_component_does_not_depend_on_the_order_of_the_points():
    x = points()
    turned = principal_axes(x[::-1], 3)
    assert turned.directions == pytest.approx(principal_axes(x, 3).directions)
    largest = np.abs(turned.directions).argmax(axis=0)
    assert (turned.directions[largest, range(3)] > 0).all()


def test_no_more_components_than_dimensions():
    axes = principal_axes(points()[:, :1], 2)
    assert axes.project(points()[:, :1]).shape == (300, 1)
    assert axes.shares == pytest.approx(1)


def test_points_that_are_all_the_same_have_no_variance_to_share():
    axes = principal_axes(np.ones((10, 3)), 2)
    assert axes.shares.tolist() == [0.0, 0.0]
    assert axes.project(np.ones((10, 3))) == pytest.approx(0)


def test_tsne_keeps_neighbors_and_is_the_same_every_time():
    rng = np.random.default_rng(0)
    group = np.arange(90) % 3
    x = (20 * np.eye(3)[group] + rng.standard_normal((90, 3))).astype(np.float32)
    found = tsne(x)
    assert found.shape == (90, 2)
    distances = np.linalg.norm(found[:, None] - found[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (group[distances.argmin(axis=1)] == group).all()
    assert (tsne(x) == found).all()


@pytest.mark.parametrize("x", [np.zeros((12, 3)), np.arange(12.0)[:, None], np.eye(3)])
def test_tsne_of_poor_points_is_finite(x):
    assert np.isfinite(tsne(x.astype(np.float32))).all()


def test_residuals_are_what_a_projection_loses():
    x = points()
    axes = principal_axes(x, 2)
    lost = axes.residuals(x)
    rebuilt = axes.project(x) @ axes.directions.T + axes.mean
    assert lost[:, 0] == pytest.approx(((x - axes.mean) ** 2).sum(axis=1))
    assert lost[:, 2] == pytest.approx(((x - rebuilt) ** 2).sum(axis=1))
    assert (np.diff(lost, axis=1) <= 0).all()
    assert principal_axes(x, 4).residuals(x)[:, 4] == pytest.approx(0, abs=1e-9)
