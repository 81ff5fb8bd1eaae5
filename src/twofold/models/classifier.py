"""A classifier of images: the yardstick of the measures that need labels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twofold.conditions import NoCondition
from twofold.data.batches import Batch
from twofold.errors import DataError
from twofold.models.base import Model, Phase, Terms, evaluating
from twofold.networks import Network

__all__ = ["Classifier"]


class Classifier(Model):
    """p(y|x) by one network.

    Arguments:
        network: From x (B, C, H, W) to logits (B, K).
        image_shape: (C, H, W).
        num_classes: K.
    """

    def __init__(
        self, network: nn.Module, image_shape: tuple[int, int, int], num_classes: int
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise DataError(
                f"a classifier needs labels of at least 2 classes, got {num_classes}; "
                "put each class into a sub-folder"
            )
        self.network = network
        self.image_shape = image_shape
        self.num_classes = num_classes
        self.condition = NoCondition()

    @property
    def labels(self) -> str:
        return "all"

    @property
    def phases(self) -> list[Phase]:
        return [Phase("classifier", list(self.network.parameters()), self.loss)]

    def loss(self, batch: Batch) -> Terms:
        """Cross-entropy in nats per image."""
        assert batch.y is not None, "the constructor saw classes, so the data has labels"
        logits = self.network(batch.x).float()  # (B, K)
        accuracy = (logits.detach().argmax(dim=1) == batch.y).float().mean()
        return Terms(
            {"cross_entropy": F.cross_entropy(logits, batch.y)}, watch={"accuracy": accuracy}
        )

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """What the last hidden layer gives, shape (B, D), for images in [0, 1]."""
        assert isinstance(self.network, Network), "built from the layer notation"
        *_, last_hidden = self.network.ends
        with evaluating(self):
            return self.network.with_features(x.to(self.device), last_hidden)[0]

    @torch.no_grad()
    def classify(self, x: Tensor, batch_size: int = 1000) -> Tensor:
        """Log-probabilities of the classes, shape (B, K), for images in [0, 1]."""
        with evaluating(self):
            logits = [self.network(part.to(self.device)).float() for part in x.split(batch_size)]
        return torch.cat(logits).log_softmax(dim=1)
