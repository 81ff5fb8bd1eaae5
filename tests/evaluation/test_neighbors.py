"""Precision, recall, density, coverage and nearest images, against the authors' package and by
hand."""

import math
import warnings

import numpy as np
import pytest
import torch

from twofold.errors import NotMeasured
from twofold.evaluation import neighbors
from twofold.evaluation.neighbors import nearest, neighborhood

FIGURES = ("precision", "recall", "density", "coverage")


def figures(real: torch.Tensor, fake: torch.Tensor, k: int = 5) -> dict[str, float]:
    found = neighborhood(real, fake, k)
    return {name: getattr(found, name).mean().item() for name in FIGURES}


@pytest.mark.parametrize(("n", "m", "k"), [(300, 300, 5), (150, 220, 3), (80, 40, 1)])
def test_the_same_as_the_authors_package(n, m, k, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from prdc import compute_prdc

    real, fake = torch.randn(n, 8).double(), 1.2 * torch.randn(m, 8).double() + 0.2
    expected = compute_prdc(real.numpy(), fake.numpy(), nearest_k=k)
    assert figures(real, fake, k) == pytest.approx(expected, abs=1e-6)


def test_chunks_do_not_matter_nor_does_the_order(monkeypatch):
    real, fake = torch.randn(90, 4), torch.randn(70, 4)
    whole = figures(real, fake)
    assert figures(real[torch.randperm(90)], fake.flip(0)) == pytest.approx(whole)
    monkeypatch.setattr(neighbors, "ROWS", 7)
    assert figures(real, fake) == pytest.approx(whole)


def test_one_distribution_has_density_one_and_the_coverage_of_theory():
    values = [figures(torch.randn(1000, 6), torch.randn(1000, 6)) for _ in range(4)]
    density = np.mean([value["density"] for value in values])
    coverage = np.mean([value["coverage"] for value in values])
    assert density == pytest.approx(1.0, abs=0.05)
    assert coverage == pytest.approx(1 - 2**-5, abs=0.01)


def test_a_collapsed_fake_keeps_precision_and_loses_recall_and_coverage():
    """Ten clusters; the fake shows one of them."""
    centers = 20 * torch.randn(10, 4)
    real = centers.repeat_interleave(60, dim=0) + torch.randn(600, 4)
    good = centers.repeat_interleave(60, dim=0) + torch.randn(600, 4)
    collapsed = centers[0] + torch.randn(600, 4)
    fair, poor = figures(real, good), figures(real, collapsed)
    assert poor["precision"] > fair["precision"] - 0.05
    assert poor["recall"] < 0.15 < 0.8 < fair["recall"]
    assert poor["coverage"] < 0.15 < 0.9 < fair["coverage"]


def test_wrong_images_lose_precision_and_density():
    real = torch.randn(500, 4)
    half = torch.cat([torch.randn(250, 4), 50 + torch.randn(250, 4)])
    found = figures(real, half)
    assert found["precision"] == pytest.approx(0.5, abs=0.05)
    assert found["density"] == pytest.approx(0.5, abs=0.06)


def test_too_few_neighbors_are_refused():
    with pytest.raises(NotMeasured, match="more than 5 images, and there are 5 and 9"):
        neighborhood(torch.randn(5, 2), torch.randn(9, 2))


def test_nearest_by_brute_force(monkeypatch):
    monkeypatch.setattr(neighbors, "ROWS", 4)
    x, pool = torch.randn(10, 1, 2, 3), torch.randn(15, 1, 2, 3)
    distances, indices = nearest(x, pool, k=2)
    for i in range(10):
        apart = [math.dist(x[i].flatten().tolist(), p.flatten().tolist()) for p in pool]
        expected = sorted(range(15), key=apart.__getitem__)[:2]
        assert indices[i].tolist() == expected
        assert distances[i].tolist() == pytest.approx([apart[j] for j in expected], rel=1e-4)


def test_an_image_is_not_its_own_neighbor(monkeypatch):
    monkeypatch.setattr(neighbors, "ROWS", 2)
    x = torch.tensor([[0.0], [1.0], [3.0], [3.5], [9.0]])
    distances, indices = nearest(x, x, itself=True)
    assert indices.flatten().tolist() == [1, 0, 3, 2, 3]
    assert distances.flatten().tolist() == [1.0, 1.0, 0.5, 0.5, 5.5]
    with pytest.raises(NotMeasured, match="1 neighbors need a pool of 2, and there are 1"):
        nearest(x[:1], x[:1], itself=True)
