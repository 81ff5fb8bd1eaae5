"""Silhouette and readings of codes, against closed forms, loops over definitions, and chance."""

import numpy as np
import pytest

from twofold.errors import NotMeasured
from twofold.evaluation.latents import (
    draw,
    knn_accuracy,
    linear_accuracy,
    mlp_accuracy,
    silhouette,
)

READERS = {
    "knn": knn_accuracy,
    "linear": linear_accuracy,
    "mlp": lambda *codes: mlp_accuracy(*codes, hidden=32, steps=300),
}


def blobs(count: int, distance: float, seed: int = 0):
    """Codes (3 count, 5) about three corners of a triangle with side `distance`, and labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(3 * count) % 3
    corners = np.zeros((3, 5))
    corners[range(3), range(3)] = distance / 2**0.5
    return (corners[y] + rng.standard_normal((len(y), 5))).astype(np.float32), y


def xor(count: int, seed: int):
    """Codes (count, 2) whose label is whether their signs differ."""
    codes = np.random.default_rng(seed).uniform(-1, 1, (count, 2))
    return codes, (codes[:, 0] * codes[:, 1] < 0).astype(int)


def test_silhouette_of_four_points_is_that_of_the_equation():
    """Classes {0, 1} and {4, 6} on a line: a and b by hand."""
    codes, y = np.array([[0.0], [1.0], [4.0], [6.0]]), np.array([0, 0, 1, 1])
    expected = [(5 - 1) / 5, (4 - 1) / 4, (3.5 - 2) / 3.5, (5.5 - 2) / 5.5]
    assert silhouette(codes, y) == pytest.approx(expected)


def test_silhouette_is_that_of_a_loop_over_the_definition():
    codes, y = blobs(20, 3.0)
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)
    expected = []
    for i, label in enumerate(y):
        others = np.arange(len(y)) != i
        a = distances[i, others & (y == label)].mean()
        b = min(distances[i, y == other].mean() for other in {0, 1, 2} - {label})
        expected.append((b - a) / max(a, b))
    assert silhouette(codes, y) == pytest.approx(expected, abs=1e-5)


def test_far_apart_is_near_one_and_shuffled_is_near_zero():
    codes, y = blobs(100, 200.0)
    assert 0.97 < silhouette(codes, y).mean() < 1.0
    shuffled = np.random.default_rng(0).permutation(y)
    assert abs(silhouette(codes, shuffled).mean()) < 0.03


def test_silhouette_knows_no_scale_order_or_names():
    codes, y = blobs(30, 2.0)
    order = np.random.default_rng(1).permutation(len(y))
    renamed = np.array([7, 3, 5])[y]
    expected = silhouette(codes, y)
    assert silhouette(3 * codes + 1, y) == pytest.approx(expected, abs=1e-4)
    assert silhouette(codes[order], y[order]) == pytest.approx(expected[order], abs=1e-5)
    assert silhouette(codes, renamed) == pytest.approx(expected)


@pytest.mark.parametrize("y", [[1, 1, 1], [0, 1, 2]])
def test_no_silhouette_without_two_classes_and_a_pair(y):
    with pytest.raises(NotMeasured, match="have no silhouette: that takes at least two classes"):
        silhouette(np.eye(3), np.array(y))


@pytest.mark.parametrize("reader", READERS)
def test_classes_far_apart_are_read_and_shuffled_ones_are_not(reader):
    codes, y = blobs(100, 30.0)
    test_codes, test_y = blobs(100, 30.0, seed=1)
    assert READERS[reader](codes, y, test_codes, test_y) == 1.0
    shuffled, test_shuffled = (np.random.default_rng(seed).permutation(y) for seed in (0, 1))
    share = READERS[reader](codes, shuffled, test_codes, test_shuffled)
    assert share == pytest.approx(1 / 3, abs=3 * (2 / 9 / 300) ** 0.5)


def test_neighbors_are_those_of_a_loop_over_all_distances():
    codes, y = blobs(40, 1.5)
    test_codes, test_y = blobs(30, 1.5, seed=1)
    hits = []
    for code, label in zip(test_codes, test_y, strict=True):
        nearest = np.argsort(np.linalg.norm(codes - code, axis=1))[:5]
        hits.append(np.bincount(y[nearest], minlength=3).argmax() == label)
    expected = np.mean(hits)
    assert 0.4 < expected < 0.9
    assert knn_accuracy(codes, y, test_codes, test_y) == pytest.approx(expected)
    order = np.random.default_rng(1).permutation(len(y))
    assert knn_accuracy(codes[order], y[order], test_codes, test_y) == pytest.approx(expected)


def test_neighbors_see_a_dimension_by_its_variance_and_classifiers_do_not():
    """A class written into a dimension that hardly varies, beside one of noise."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    codes = np.stack([100 * rng.standard_normal(400), 0.01 * y], axis=1)
    parts = (codes[:200], y[:200], codes[200:], y[200:])
    assert linear_accuracy(*parts) == 1.0
    assert READERS["mlp"](*parts) == 1.0
    assert knn_accuracy(*parts) < 0.7


def test_five_neighbors_need_five_codes():
    with pytest.raises(NotMeasured, match="4 labeled training images have no 5 nearest"):
        knn_accuracy(np.eye(4), np.arange(4), np.eye(4), np.arange(4))


def test_a_line_separates_halves_but_not_xor():
    codes, signs = xor(1000, 0)
    test_codes, test_signs = xor(1000, 1)
    left, test_left = (c[:, 0] + c[:, 1] > 0 for c in (codes, test_codes))
    assert linear_accuracy(codes, left, test_codes, test_left) > 0.97
    assert linear_accuracy(codes, signs, test_codes, test_signs) < 0.65
    assert READERS["mlp"](codes, signs, test_codes, test_signs) > 0.93
    assert knn_accuracy(codes, signs, test_codes, test_signs) > 0.93


def test_the_mlp_is_the_same_for_a_seed():
    codes, y = blobs(30, 1.5)
    test = blobs(200, 1.5, seed=1)
    shares = [mlp_accuracy(codes, y, *test, hidden=8, steps=5, seed=s) for s in (0, 0, 1)]
    assert shares[0] == shares[1] != shares[2]


def test_a_draw_is_of_different_points_and_the_same_again():
    index = draw(1000, 100)
    assert len(set(index.tolist())) == 100
    assert index.min() >= 0
    assert index.max() < 1000
    assert index.tolist() == draw(1000, 100).tolist()
    assert 350 < index.mean() < 650
