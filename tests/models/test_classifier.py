"""The classifier's loss, on logits, and its answers."""

import math

import pytest
import torch
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.errors import DataError
from twofold.models.classifier import Classifier
from twofold.networks import build_network

SHAPE = (1, 2, 2)
IMAGES = {"image_shape": SHAPE, "num_classes": 3}


class PixelsAsLogits(nn.Module):
    """Logits 20 times the first three pixels, far outside what a sigmoid could give."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(20.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x.flatten(1)[:, :3]


X = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0.5, 1, 0], [1, 0.9, 0, 0]]).unflatten(1, SHAPE)


def test_the_loss_reads_logits():
    """Trap: sigmoid before softmax cross-entropy, whose loss could not fall below 0.55 here."""
    terms = Classifier(PixelsAsLogits(), **IMAGES).loss(Batch(X[:2], torch.tensor([0, 1])))
    assert terms.terms["cross_entropy"].item() == pytest.approx(2 * math.exp(-20), abs=1e-7)
    terms = Classifier(PixelsAsLogits(), **IMAGES).loss(Batch(X[:2], torch.tensor([1, 1])))
    assert terms.total.item() == pytest.approx(10, rel=1e-5)  # (20 + 0) / 2: a mean over images


def test_log_probabilities():
    model = Classifier(PixelsAsLogits(), **IMAGES)
    found = model.classify(X, batch_size=3)
    assert found.shape == (4, 3)
    torch.testing.assert_close(found.exp().sum(dim=1), torch.ones(4))
    torch.testing.assert_close(found, (20 * X.flatten(1)[:, :3]).log_softmax(dim=1))
    assert found.argmax(dim=1).tolist() == [0, 1, 2, 0]


def test_accuracy_of_a_batch():
    watch = Classifier(PixelsAsLogits(), **IMAGES).loss(Batch(X, torch.tensor([0, 1, 2, 1]))).watch
    assert watch["accuracy"].item() == 0.75


def test_classifying_is_evaluation():
    """Dropout is off and batch norm reads its running statistics, whatever mode training left."""
    network = build_network("fc-8", SHAPE, (3,), norm="batch", dropout=0.5)
    model = Classifier(network, **IMAGES).train()
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    torch.testing.assert_close(model.classify(X), model.classify(X, batch_size=1))
    assert model.training
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())


def test_labels_are_needed():
    with pytest.raises(DataError, match="at least 2 classes, got 0"):
        Classifier(PixelsAsLogits(), image_shape=SHAPE)
