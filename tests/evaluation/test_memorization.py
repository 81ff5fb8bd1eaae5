"""Copies and duplicates: a memorizing model is caught, an honest one is not."""

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from twofold.evaluation.memorization import copying_score, is_copy, threshold_of_duplicates
from twofold.evaluation.neighbors import nearest


def share_of_copies(generated: torch.Tensor, train: torch.Tensor) -> float:
    return is_copy(nearest(generated, train, k=2)[0]).double().mean().item()


def test_copies_are_caught_and_fresh_images_are_not():
    train, fresh = torch.rand(300, 50), torch.rand(200, 50)
    noisy = train[:200] + 0.02 * torch.randn(200, 50)
    assert share_of_copies(train[:200], train) == 1.0
    assert share_of_copies(noisy, train) == 1.0
    assert share_of_copies(torch.cat([fresh, noisy]), train) == 0.5
    assert share_of_copies(fresh, train) == 0.0


def test_the_score_is_the_mann_whitney_statistic():
    a, b = torch.rand(80), 0.2 + torch.rand(120)
    z = copying_score(a, b)
    test = mannwhitneyu(a.numpy(), b.numpy(), use_continuity=False, method="asymptotic")
    from scipy.stats import norm

    assert 2 * norm.sf(abs(z)) == pytest.approx(test.pvalue, rel=1e-6)
    assert z < -3
    assert copying_score(b, a) == pytest.approx(-z)


def test_the_score_is_standard_normal_for_fresh_images():
    scores = [copying_score(torch.rand(50), torch.rand(70)) for _ in range(400)]
    assert abs(np.mean(scores)) < 0.2
    assert np.std(scores) == pytest.approx(1.0, abs=0.12)


def test_one_in_a_hundred_real_images_has_a_twin():
    distances = torch.rand(5000)
    threshold = threshold_of_duplicates(distances)
    assert (distances <= threshold).double().mean().item() == pytest.approx(0.01, abs=0.002)
