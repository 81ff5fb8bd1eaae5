import math

import pytest
import torch

from twofold.evaluation.recognition import accuracy, accuracy_error, accuracy_per_class

LOG_PROBS = torch.tensor(
    [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1]]
).log()
Y = torch.tensor([0, 1, 1, 0, 0])  # hits: yes, yes, no, yes, no


def test_accuracy_is_the_share_of_hits():
    assert accuracy(LOG_PROBS, Y) == pytest.approx(3 / 5)


def test_accuracy_does_not_depend_on_the_order():
    order = torch.tensor([3, 1, 4, 0, 2])
    assert accuracy(LOG_PROBS[order], Y[order]) == accuracy(LOG_PROBS, Y)


def test_accuracy_per_class():
    """Among the images of a class, not among the answers; an absent class has none."""
    first, second, absent = accuracy_per_class(LOG_PROBS, Y)
    assert first == pytest.approx(2 / 3)
    assert second == pytest.approx(1 / 2)
    assert math.isnan(absent)


def test_accuracies_of_classes_average_to_the_whole():
    shares = torch.tensor([3, 2]) / 5
    per_class = torch.tensor(accuracy_per_class(LOG_PROBS, Y)[:2])
    assert (shares * per_class).sum().item() == pytest.approx(accuracy(LOG_PROBS, Y))


def test_accuracy_error_is_binomial():
    """Against the spread of 4000 accuracies of 500 images each; it is known to 1/sqrt(8000)."""
    hits = torch.bernoulli(torch.full((4000, 500), 0.9)).mean(dim=1)
    assert accuracy_error(0.9, 500) == pytest.approx(hits.std().item(), rel=5 / math.sqrt(8000))
    assert accuracy_error(0.5, 10_000) == pytest.approx(0.005, rel=1e-3)


def test_all_of_a_few_images_right_is_not_certain():
    assert 0.15 < accuracy_error(1.0, 3) < 0.3
    assert accuracy_error(0.0, 3) == pytest.approx(accuracy_error(1.0, 3))
