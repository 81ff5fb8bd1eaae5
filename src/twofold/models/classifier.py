"""A classifier of images: the yardstick of the measures that need labels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twofold.conditions import ImageShape, NoCondition
from twofold.data.batches import Batch
from twofold.errors import DataError
from twofold.models.base import Model, ReadsLabels, evaluating
from twofold.models.parts import make_network
from twofold.networks import Network
from twofold.phases import NATS, Phase, Terms
from twofold.registry import register

__all__ = ["Classifier"]


@register("model", "classifier", title="classifier, the yardstick of measures")
class Classifier(ReadsLabels, Model):
    """p(y|x) by one network.

    Arguments:
        network: From x (B, C, H, W) to logits (B, K).
        image_shape: (C, H, W); by default that of the images it is trained on.
        num_classes: K.

    Example:
        >>> classifier = Classifier("fc-16", image_shape=(1, 8, 8), num_classes=3)
        >>> classifier.classify(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        network: nn.Module | str,
        image_shape: ImageShape | None = None,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise DataError(
                f"a classifier needs labels of at least 2 classes, got {num_classes}; "
                "put each class into a sub-folder"
            )
        self.network = make_network(network, image_shape, (num_classes,))
        self.image_shape = image_shape  # type: ignore[assignment] # until there are images
        self.num_classes = num_classes
        self.condition = NoCondition()

    @property
    def title(self) -> str:
        return "classifier"

    @property
    def labels(self) -> str:
        return "all"

    @property
    def phases(self) -> list[Phase]:
        return [Phase("classifier", list(self.network.parameters()), self.loss, unit=NATS)]

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

    def class_log_probs(self, x: Tensor) -> Tensor:
        return self.network(x).float().log_softmax(dim=1)
