"""Expected calibration error."""

import numpy as np
import pytest
import torch

from twofold.evaluation.recognition import calibration


def two_classes(top: torch.Tensor, hits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of two classes, the likelier with `top`, and labels that hit it or not."""
    return torch.stack([top, 1 - top], dim=1).log(), 1 - hits.long()


def test_by_hand():
    top = torch.tensor([0.9, 0.9, 0.6, 0.6, 0.6])
    hits = torch.tensor([1, 0, 1, 1, 1])
    found = calibration(*two_classes(top, hits), bins=10)
    assert found.error == pytest.approx(2 / 5 * abs(0.5 - 0.9) + 3 / 5 * abs(1 - 0.6))
    assert found.confidence == pytest.approx([0.6, 0.9])
    assert found.accuracy == pytest.approx([1.0, 0.5])
    assert found.counts == [3, 2]


def test_against_torchmetrics():
    from torchmetrics.functional.classification import multiclass_calibration_error

    generator = torch.Generator().manual_seed(0)
    log_probs = (2 * torch.randn(500, 4, generator=generator)).log_softmax(dim=1)
    y = torch.randint(4, (500,), generator=generator)
    expected = multiclass_calibration_error(log_probs.exp(), y, 4, n_bins=15).item()
    assert calibration(log_probs, y).error == pytest.approx(expected, abs=1e-5)


def test_spread_and_chance_are_those_of_repeated_draws():
    rng = np.random.default_rng(0)
    top = torch.as_tensor(rng.uniform(0.5, 1.0, 400))
    errors = [
        calibration(*two_classes(top, torch.as_tensor(rng.random(400) < top.numpy())), draws=2)
        for _ in range(300)
    ]
    by_hand = np.array([found.error for found in errors])
    right = torch.as_tensor(rng.random(400) < top.numpy())
    found = calibration(*two_classes(top, right))
    assert found.by_chance == pytest.approx(by_hand.mean(), rel=0.1)
    assert found.spread == pytest.approx(by_hand.std(), rel=0.35)


def test_a_certain_classifier_that_is_right_makes_no_error():
    found = calibration(torch.eye(3).log(), torch.arange(3))
    assert found.error == 0.0
    assert found.by_chance == 0.0
