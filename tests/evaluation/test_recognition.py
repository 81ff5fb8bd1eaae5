"""Recognition as a figure."""

import pytest
import torch

from twofold.evaluation.recognition import recognition


def test_recognized_over_all_and_by_class_that_is_there():
    log_probs = torch.eye(3)[[0, 0, 1, 1]].log()
    found = recognition(
        "r", "recognized", log_probs, torch.tensor([0, 0, 0, 1]), ("a", "b", "c"), {}, 0.5
    )
    assert found.value == 75.0
    assert found.reference == 50.0
    assert found.per_class == pytest.approx({"a": 200 / 3, "b": 100.0})
    assert found.details["confusion"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
