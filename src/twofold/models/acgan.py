r"""A GAN whose discriminator names the class as well.

Notation: as in `twofold.models.gan`; the discriminator gives 1 + K numbers, the score D(x) and the
logits of P(y|x), from one shared trunk.

References:
    Conditional Image Synthesis with Auxiliary Classifier GANs (Odena, Olah and Shlens, 2017),
    equations 2 and 3, https://arxiv.org/abs/1610.09585
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import DataError, UsageError, unknown_name
from twofold.models.base import Terms, evaluating
from twofold.models.gan import GAN

__all__ = ["ACGAN", "CLASS_LOSSES"]

CLASS_LOSSES = ("all", "real")


class ACGAN(GAN):
    """A GAN with an auxiliary classifier on the discriminator's trunk.

    Arguments:
        num_classes: K.
        class_loss: Whose class the classifier learns: `all` images, the generator too being judged
            by it (Odena et al.), or `real` ones only, in which case the generator never sees it.
        class_weight: Weight of the class terms.
        options: As of `GAN`. The generator is told the condition, the discriminator is not.

    Raises:
        DataError: If there are fewer than two classes.
        UsageError: If a generator that is told no class should be judged by one.
    """

    def __init__(
        self,
        *args: Any,
        num_classes: int,
        class_loss: str = "all",
        class_weight: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        if num_classes < 2:
            raise DataError(
                f"an auxiliary classifier needs labels of at least 2 classes, got {num_classes}; "
                "put each class into a sub-folder, or use a GAN"
            )
        if class_loss not in CLASS_LOSSES:
            raise unknown_name("class_loss", class_loss, CLASS_LOSSES)
        if class_loss == "all" and self.condition.about != "class":
            raise UsageError(
                "class_loss=all judges the generator by a class that it is not told; "
                "use class_loss=real, or condition=class (family cacgan)"
            )
        self.num_classes = num_classes
        self.class_loss = class_loss
        self.class_weight = class_weight

    @property
    def labels(self) -> str:
        return "all"

    @property
    def title(self) -> str:
        return "ACGAN"

    def discriminator_loss(self, batch: Batch) -> Terms:
        """The GAN's terms, and -ln P(y|x) of real images and, where told a class, of fakes."""
        base = super().discriminator_loss(batch)
        assert batch.y is not None
        logits = self._class_logits(self._real(batch))
        terms = {"class_real": F.cross_entropy(logits, batch.y)}
        if self.class_loss == "all":
            terms["class_fake"] = F.cross_entropy(
                self._class_logits(self._fake(batch).detach()), batch.y
            )
        hits = logits.detach().argmax(dim=1) == batch.y
        return self._with(base, terms, {"accuracy_class": hits.float().mean()})

    def generator_loss(self, batch: Batch) -> Terms:
        """The GAN's term, and -ln P(y|G(z, y)) under `all`."""
        base = super().generator_loss(batch)
        if self.class_loss == "real":
            return base
        assert batch.y is not None
        loss = F.cross_entropy(self._class_logits(self._fake(batch)), batch.y)
        return self._with(base, {"class_fake": loss}, {})

    def score(self, x: Tensor, c: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """D's logit or critic score for images in [-1, 1], shape (B,)."""
        return self.discriminator(x)[:, 0].float()

    def _class_logits(self, x: Tensor) -> Tensor:
        return self.discriminator(x)[:, 1:].float()

    def _with(self, base: Terms, terms: dict[str, Tensor], watch: dict[str, Tensor]) -> Terms:
        weights = dict.fromkeys(terms, self.class_weight) if self.class_weight != 1.0 else {}
        return Terms({**base.terms, **terms}, {**base.weights, **weights}, {**base.watch, **watch})

    @torch.no_grad()
    def classify(self, x: Tensor, batch_size: int = 1000) -> Tensor:
        """ln P(y|x), shape (B, K), for images in [0, 1]."""
        with evaluating(self):
            return torch.cat(
                [
                    self._class_logits(part.to(self.device) * 2 - 1).log_softmax(dim=1)
                    for part in x.split(batch_size)
                ]
            )
