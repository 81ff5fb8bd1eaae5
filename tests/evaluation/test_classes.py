"""Confusions, histograms and the Inception Score against other ways to compute them."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from torchmetrics.functional.classification import multiclass_confusion_matrix

from twofold.errors import NotMeasured
from twofold.evaluation.recognition import class_shares, confusion, inception_score, kl_of_shares


def test_confusion_is_that_of_others():
    log_probs, y = torch.randn(200, 4).log_softmax(dim=1), torch.randint(4, (200,))
    found = confusion(log_probs, y)
    guess = log_probs.argmax(dim=1)
    assert np.array_equal(found, confusion_matrix(y, guess, labels=range(4)))
    assert torch.equal(found, multiclass_confusion_matrix(guess, y, 4))
    assert confusion(log_probs[:1], y[:1]).shape == (4, 4), "classes may be absent"


def test_shares_and_their_divergence():
    log_probs = torch.eye(3)[[0, 0, 1, 0]].clamp_min(1e-9).log()
    assert class_shares(log_probs).tolist() == [0.75, 0.25, 0.0]
    p, q = torch.tensor([0.75, 0.25, 0.0]), torch.tensor([0.5, 0.3, 0.2])
    by_hand = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.3)
    assert kl_of_shares(p, q) == pytest.approx(by_hand)
    assert kl_of_shares(p, p) == 0.0
    with pytest.raises(NotMeasured, match="class 2 is generated but absent"):
        kl_of_shares(q, p)


def test_the_inception_score_by_hand_and_its_bounds():
    p = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    marginal = p.mean(dim=0)
    expected = math.exp((p * (p / marginal).log()).sum(dim=1).mean().item())
    assert inception_score(p.log()) == pytest.approx(expected, rel=1e-6)
    unsure = torch.full((50, 10), 0.1).log()
    assert inception_score(unsure) == pytest.approx(1.0)
    collapsed = torch.eye(10)[[3] * 50].clamp_min(1e-12).log()
    assert inception_score(collapsed) == pytest.approx(1.0, abs=1e-6)
