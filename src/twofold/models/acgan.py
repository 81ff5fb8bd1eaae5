r"""A GAN whose discriminator names the class as well.

Notation: as in `twofold.models.gan`; the discriminator gives 1 + K numbers, the score D(x) and the
logits of P(y|x), from one shared trunk.

References:
    Conditional Image Synthesis with Auxiliary Classifier GANs (Odena, Olah and Shlens, 2017),
    equations 2 and 3, https://arxiv.org/abs/1610.09585
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twofold.conditions import Condition
from twofold.data.batches import Batch
from twofold.errors import DataError, UsageError
from twofold.models.base import evaluating
from twofold.models.gan import GAN
from twofold.models.parts import make_network
from twofold.models.phases import Terms
from twofold.registry import register
from twofold.settings import Positive

__all__ = ["ACGAN"]


@register(
    "model",
    "acgan",
    title="GAN whose discriminator names the class",
    paper="Odena, Olah and Shlens, 2017, arXiv 1610.09585",
    defaults={"condition": "class"},
)
class ACGAN(GAN):
    """A GAN with an auxiliary classifier on the discriminator's trunk.

    Arguments:
        class_loss: Whose class the classifier learns: `all` images, the generator too being judged
            by it (Odena et al.), or `real` ones only, in which case the generator never sees it.
        class_weight: Weight of the class terms.
        options: As of `GAN`. The generator sees the condition, the discriminator does not; it gives
            (B, 1 + K).

    Raises:
        DataError: If there are fewer than two classes.
        UsageError: If a generator without a class should be judged by one.

    Example:
        >>> images = {"image_shape": (1, 8, 8), "num_classes": 3}
        >>> acgan = ACGAN("fc-32", "fc-32", latent_dim=4, condition="class", **images)
        >>> acgan.classify(torch.rand(5, 1, 8, 8)).exp().sum(dim=1).shape
        torch.Size([5])
    """

    def __init__(
        self,
        generator: nn.Module | str,
        discriminator: nn.Module | str,
        class_loss: Literal["all", "real"] = "all",
        class_weight: Positive = 1.0,
        **options: Any,
    ) -> None:
        num_classes = options.get("num_classes", 0)
        if num_classes < 2:
            raise DataError(
                f"an auxiliary classifier needs labels of at least 2 classes, got {num_classes}; "
                "put each class into a sub-folder, or use a GAN"
            )
        super().__init__(generator, discriminator, **options)
        if class_loss == "all" and self.condition.about != "class":
            raise UsageError(
                "class_loss=all judges fakes by a class that this generator is not given; "
                "use condition=class, or class_loss=real"
            )
        self.class_loss = class_loss
        self.class_weight = class_weight

    def _make_discriminator(self, network: nn.Module | str, condition: Condition) -> nn.Module:  # noqa: ARG002
        return make_network(network, self.image_shape, (1 + self.num_classes,))

    @property
    def labels(self) -> str:
        return "all"

    @property
    def title(self) -> str:
        return "ACGAN"

    @property
    def _outputs(self) -> int:
        return 1 + self.num_classes

    def _judge(self, x: Tensor, c: Tensor | None = None) -> Tensor:  # noqa: ARG002
        return super()._judge(x)

    def _with_classes(self, base: Terms, batch: Batch, real: Tensor | None, fake: Tensor) -> Terms:
        """-ln P(y|x) of real images for D, of fakes under `all` for D and for G."""
        assert batch.y is not None
        terms, watch = dict(base.terms), dict(base.watch)
        if real is not None:
            terms["class_real"] = F.cross_entropy(real[:, 1:], batch.y)
            hits = real[:, 1:].detach().argmax(dim=1) == batch.y
            watch["accuracy_class"] = hits.float().mean()
        if self.class_loss == "all":
            terms["class_fake"] = F.cross_entropy(fake[:, 1:], batch.y)
        added = dict.fromkeys(terms.keys() - base.terms.keys(), self.class_weight)
        return Terms(terms, {**base.weights, **(added if self.class_weight != 1.0 else {})}, watch)

    @torch.no_grad()
    def classify(self, x: Tensor, batch_size: int = 1000) -> Tensor:
        """ln P(y|x), shape (B, K), for images in [0, 1]."""
        with evaluating(self):
            return torch.cat(
                [
                    self._judge(part.to(self.device) * 2 - 1)[:, 1:].log_softmax(dim=1)
                    for part in x.split(batch_size)
                ]
            )
