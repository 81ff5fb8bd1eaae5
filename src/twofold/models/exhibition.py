"""What an adversary is shown of an auto-encoder: real images, reconstructions, samples.

Notation: x image (B, C, H, W), x̃ a reconstruction, x_p = Dec(z) with z ~ p(z), f_l(x) a layer of
the discriminator. Everything is made once for all phases of a step, with pixels in [-1, 1].
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import DataError, UsageError
from twofold.models.adversary import Adversary
from twofold.models.base import AutoEncoder
from twofold.models.capabilities import Paints
from twofold.models.heads import Head, Judged, Projection, Shown
from twofold.objectives import Bound
from twofold.registry import name_of

__all__ = ["Exhibition"]


class Exhibition:
    """An auto-encoder before its adversary.

    Arguments:
        autoencoder: Whose images are shown.
        adversary: To whom, joined to its model.
        feature_layer: f_l, which reconstructions are compared by; None for none.
        canvases: Whether all canvases of a sample are shown, not only the last.

    Raises:
        UsageError: If the discriminator has no such layer, the auto-encoder no canvases, or the
            head needs to know what is not shown.
        DataError: If the head names classes and the auto-encoder knows none.

    Example:
        >>> from twofold.models import Hybrid, VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4))
        >>> Hybrid(vae, "fc-8").shown.recon(Batch(torch.rand(5, 1, 4, 4))).x.shape
        torch.Size([5, 1, 4, 4])
    """

    def __init__(
        self,
        autoencoder: AutoEncoder,
        adversary: Adversary,
        feature_layer: str | None = None,
        canvases: bool = False,
    ) -> None:
        _check_head(adversary.head, autoencoder)
        if feature_layer is not None:
            _check_features(adversary.discriminator, feature_layer)
        self.autoencoder = autoencoder
        self.adversary = adversary
        self.feature_layer = feature_layer
        self.painter: Paints | None = None
        if canvases:
            self.painter = autoencoder.capability(Paints, "show canvases to the adversary")

    def bound(self, batch: Batch) -> Bound:
        """The auto-encoder's bound, its reconstruction term open."""
        return batch.once("bound", lambda: self.autoencoder.bound(batch))

    def real(self, batch: Batch) -> Shown:
        """Real images, of which those without a label have q(y|x) for their class, if anything.

        Where some have a label and some have not, they count as among the training images.
        """
        x = batch.once("signed", lambda: batch.x * 2 - 1)
        condition, n = self.autoencoder.condition, batch.num_labeled
        weight = batch.weights() if 0 < n < len(batch) else None
        if condition.about != "class":
            return Shown(x, weight=weight)
        targets = x.new_zeros(len(batch) - n, condition.dim)
        if n < len(batch) and self.adversary.head.guesses_classes:
            guesses = self.bound(batch).guesses
            targets = targets if guesses is None else guesses[n:]
        if batch.y is not None:
            targets = torch.cat([self._one_hot(batch.y[:n]), targets])
        return Shown(x, targets=targets, weight=weight)

    def recon(self, batch: Batch) -> Shown:
        """x̃ of every row of the bound."""

        def show() -> Shown:
            bound = self.bound(batch)
            targets = None if bound.y is None else self._one_hot(bound.y)
            x = _signed(bound.p.mean)
            return Shown(x, targets=targets, rows=bound.rows, weight=bound.weight)

        return batch.once("x_recon", show)

    def judged_recon(self, batch: Batch) -> tuple[Tensor | None, Judged]:
        """f_l(x̃), None without a feature term, and what D says of x̃: one pass for both."""

        def judge() -> tuple[Tensor | None, Judged]:
            recon = self.recon(batch)
            if self.feature_layer is None:
                return None, self.adversary.judge(recon)
            return self.adversary.judge_with_features(recon, self.feature_layer)

        return batch.once("judged_recon", judge)

    def prior(self, batch: Batch) -> Shown:
        """x_p, as many as there are real images, or their canvases step by step."""

        def draw() -> Shown:
            z = self.autoencoder.prior.sample(len(batch))
            c = self.autoencoder.pick_condition(batch)
            targets = None
            if c is not None and self.autoencoder.condition.about == "class":
                targets = self._one_hot(c)
            if self.painter is None:
                return Shown(_signed(self.autoencoder.generate(z, c)), targets=targets, z=z)
            x = self.painter.canvases(z, c)  # (T, B, C, H, W)
            rows = torch.arange(len(batch), device=z.device).repeat(len(x))  # (T B,)
            targets = None if targets is None else targets[rows]
            return Shown(_signed(x.flatten(0, 1)), targets=targets, z=z[rows], rows=rows)

        return batch.once("x_prior", draw)

    def _one_hot(self, y: Tensor) -> Tensor:
        return F.one_hot(y, self.autoencoder.condition.dim).float()


def _signed(x: Tensor) -> Tensor:
    """Pixels in [0, 1] as the discriminator sees them, in [-1, 1]."""
    return x.clamp(0, 1) * 2 - 1


def _check_features(network: Any, layer: str) -> None:
    """Refuses a discriminator that gives no features of a layer."""
    if not hasattr(network, "with_features"):
        raise UsageError(
            f"feature_layer={layer} names a layer of the notation, and this discriminator is a "
            f"{type(network).__name__}; give that class check_layer and with_features of "
            "twofold.networks.Network"
        )
    network.check_layer(layer)


def _check_head(head: Head, autoencoder: AutoEncoder) -> None:
    """Refuses a head that needs to know of an image what an auto-encoder does not show of it."""
    if head.names_classes and autoencoder.labels == "none":
        raise DataError(
            f"{autoencoder.title} knows no class that head={name_of(head)} could learn or ask for; "
            "use a CVAE of the class or an M2, or head=binary"
        )
    if head.reads_condition and autoencoder.condition.dim:
        raise UsageError(
            f"head={name_of(head)} reads the condition beside the image, which a hybrid does not "
            "show its discriminator; use head=binary, or for classes projection, class or plus-one"
        )
    if isinstance(head, Projection) and autoencoder.labels == "some":
        raise UsageError(
            f"head=projection asks for the class of every real image, and {autoencoder.title} "
            "learns from images without a label too; use head=plus-one"
        )
