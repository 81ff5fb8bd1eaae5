r"""An adversary around any auto-encoder: VAE-GAN, CVAE-GAN, SSL-VAE-GAN and DRAW-GAN in one.

Notation: x image (B, C, H, W); x̃ = Dec(Enc(x)) a reconstruction, x_p = Dec(z), z ~ p(z), a sample
of the prior; D a discriminator, f_l(x) what its l-th layer gives, (B, F).

.. math::
    L_{Dis} &= \tfrac{1}{2} \| f_l(x) - f_l(\tilde x) \|^2 \\
    L_G &= L_{KL} + L_{Dis} + \mathrm{generator}(x_p) + \mathrm{generator}(\tilde x) \\
    L_D &= \mathrm{real}(x) + \mathrm{fake}(x_p) + \mathrm{fake}(\tilde x)

Every term is per image and averaged over the batch last, so its weight means the same at every
batch size. D sees pixels in [-1, 1].

References:
    When Variational Auto-encoders meet Generative Adversarial Networks (Chen, Fang and Ju, 2016),
    equations 2 and 3 and section 3, for the sums and the K + 1 classes
    Autoencoding beyond pixels using a learned similarity metric (Larsen et al., 2016), algorithm 1,
    https://arxiv.org/abs/1512.09300, for the features and for whose gradient goes where
"""

from typing import Any, Literal

from torch import Tensor, nn

from twofold.conditions import ImageShape
from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models.adversary import Adversary
from twofold.models.around import Around
from twofold.models.base import AutoEncoder
from twofold.models.capabilities import Classifies
from twofold.models.exhibition import Exhibition
from twofold.models.heads import PlusOne, Shown
from twofold.phases import Phase, Terms, joined
from twofold.registry import name_of, register
from twofold.settings import NonNegative

__all__ = ["Hybrid"]


@register(
    "model",
    "hybrid",
    title="a discriminator around a VAE, CVAE, M2 or DRAW",
    paper="Larsen et al., 2016, arXiv 1512.09300; Chen, Fang and Ju, 2016",
)
class Hybrid(Around):
    """An auto-encoder that a discriminator classifiers.

    Arguments:
        autoencoder: A VAE, CVAE, M2 or DRAW, with an objective that has a reconstruction term.
        adversary: The discriminator, with what it says and what both players minimize; a network
            alone says real or fake.
        feature_layer: The discriminator's layer f_l as written in its line; None for no L_Dis.
        recon_weight: Of -ln p(x|z) on pixels.
        feature_weight: Of L_Dis; 1/σ² of its Gaussian.
        adversarial_weight: Of what the auto-encoder minimizes against the discriminator.
        reconstructions: Whether the adversary is shown x̃ too.
        canvases: Whether it is shown every canvas of a DRAW's samples, not only the last.
        routing: `summed`, one loss for the whole auto-encoder; or `larsen`, by which the encoder
            follows KL and reconstruction, the decoder reconstruction and adversary.
        label_reader: Who answers `classify`: the `autoencoder` or the `discriminator`.
        image_shape: (C, H, W); by default the auto-encoder's.
        num_classes: K of the images.

    Raises:
        UsageError: If a setting asks for what the networks do not have.
        DataError: If a discriminator that names classes is asked of images without classes, or
            around an auto-encoder that reads no labels.

    Example:
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-32", "fc-32", latent_dim=4, image_shape=(1, 8, 8))
        >>> hybrid = Hybrid(vae, Adversary("fc-32", loss="hinge", r1=1.0, ema=0.999))
        >>> hybrid.title, [phase.name for phase in hybrid.phases]
        ('VAE-GAN', ['discriminator', 'autoencoder'])
    """

    def __init__(
        self,
        autoencoder: AutoEncoder,
        adversary: Adversary | nn.Module | str,
        feature_layer: str | None = None,
        recon_weight: NonNegative = 1.0,
        feature_weight: NonNegative = 0.0,
        adversarial_weight: NonNegative = 1.0,
        reconstructions: bool = True,
        canvases: bool = False,
        routing: Literal["summed", "larsen"] = "summed",
        label_reader: Literal["autoencoder", "discriminator"] = "autoencoder",
        image_shape: ImageShape | None = None,
        num_classes: int = 0,
    ) -> None:
        super().__init__(autoencoder, adversary, image_shape=image_shape, num_classes=num_classes)
        self.adversary.join(self, self.image_shape, num_classes)
        objective = self.autoencoder.objective
        if not objective.has_reconstruction:
            raise UsageError(
                f"objective={name_of(objective)} has no reconstruction term that a hybrid could "
                "weigh; use objective=elbo"
            )
        if not recon_weight and not feature_weight:
            raise UsageError("nothing holds the reconstruction: give recon_weight, feature_weight")
        if bool(feature_weight) != (feature_layer is not None):
            raise UsageError(
                f"feature_weight={feature_weight:g} and feature_layer={feature_layer or 'null'} "
                "need each other: give a weight above 0 and a layer of the discriminator, or "
                "neither"
            )
        if not adversarial_weight:
            head = self.adversary.head
            asked = {"routing=larsen": routing == "larsen"}
            asked |= {"asks_class=false": isinstance(head, PlusOne) and not head.asks_class}
            if idle := [text for text, is_set in asked.items() if is_set]:
                raise UsageError(
                    f"{idle[0]} has no effect at adversarial_weight=0: nothing is minimized "
                    "against the discriminator; leave it out"
                )
        if label_reader == "discriminator" and not self.adversary.head.names_classes:
            raise UsageError("label_reader=discriminator needs a head that names classes: plus-one")
        self.shown = Exhibition(self.autoencoder, self.adversary, feature_layer, canvases)
        self.feature_layer = feature_layer
        self.recon_weight = recon_weight
        self.feature_weight = feature_weight
        self.adversarial_weight = adversarial_weight
        self.reconstructions = reconstructions
        self.routing = routing
        self.label_reader = label_reader

    @property
    def title(self) -> str:
        return f"{self.autoencoder.title}-GAN"

    def answering(self, kind: type) -> tuple[Any, ...]:
        """The auto-encoder's capabilities are the hybrid's."""
        if kind is Classifies and self.label_reader == "discriminator":
            return (self.adversary,)
        return super().answering(kind)

    # --- the players ------------------------------------------------------------------------------

    @property
    def phases(self) -> list[Phase]:
        judges, unit = list(self.adversary.parameters()), self.adversary.units[0]
        judge = Phase("discriminator", judges, self.discriminator_loss, unit=unit)
        whole = list(self.autoencoder.parameters())
        if self.routing == "summed":
            return [judge, Phase("autoencoder", whole, self.autoencoder_loss, self.after_step)]
        prior = self.autoencoder.prior.parameters()  # which the KL, the encoder's term, fits
        encoder = [*self.autoencoder.encoder_parameters, *prior]
        inside = {id(p) for p in encoder}
        decoder = [p for p in whole if id(p) not in inside]
        return [
            judge,
            Phase("encoder", encoder, self.encoder_loss, keeps_graph=True, part_of="autoencoder"),
            Phase("decoder", decoder, self.decoder_loss, self.after_step, part_of="autoencoder"),
        ]

    def discriminator_loss(self, batch: Batch) -> Terms:
        """L_D; nothing of it reaches the auto-encoder."""
        self.shown.bound(batch)  # drawn first in any case, so that its noise is the same
        fakes = {"prior": self.shown.prior(batch)}
        if self.reconstructions:
            fakes["recon"] = self.shown.recon(batch)
        return self.adversary.discriminator_terms(self.shown.real(batch), fakes)

    def autoencoder_loss(self, batch: Batch) -> Terms:
        """L_G: KL, reconstruction and adversary for encoder and decoder together."""
        rest = self.shown.bound(batch).rest
        return joined([rest, self._reconstruction(batch), self._opposition(batch)])

    def encoder_loss(self, batch: Batch) -> Terms:
        """Larsen et al.: prior and reconstruction."""
        return joined([self.shown.bound(batch).rest, self._reconstruction(batch)])

    def decoder_loss(self, batch: Batch) -> Terms:
        """Larsen et al.: reconstruction and the discriminator's opinion."""
        return joined([self._reconstruction(batch), self._opposition(batch)])

    def _reconstruction(self, batch: Batch) -> Terms:
        """-ln p(x|z) on pixels and L_Dis on features, each where it has a weight."""
        return batch.once("reconstruction", lambda: self._compare(batch))

    def _compare(self, batch: Batch) -> Terms:
        bound, terms, weights = self.shown.bound(batch), {}, {}
        if self.recon_weight:
            terms["recon_nll"], weights["recon_nll"] = bound.recon_nll(), self.recon_weight
        if self.feature_layer is not None:
            target = self.adversary.features(self.shown.real(batch).x, self.feature_layer)
            features, _ = self.shown.judged_recon(batch)
            assert features is not None
            squared = (bound.expand(target) - features).square().sum(dim=1)
            terms["feature"], weights["feature"] = bound.mean(0.5 * squared), self.feature_weight
        return Terms(terms, {name: w for name, w in weights.items() if w != 1.0})

    def _opposition(self, batch: Batch) -> Terms:
        """How far samples and reconstructions are from being taken for real."""
        if not self.adversarial_weight:
            return Terms({})
        prior = self.shown.prior(batch)
        fakes = [(prior, self.adversary.judge(prior))]
        if self.reconstructions:
            fakes.append((self.shown.recon(batch), self.shown.judged_recon(batch)[1]))
        real = self.shown.real(batch)
        return self.adversary.generator_terms(fakes, real, self.adversarial_weight)

    # --- what a user asks -------------------------------------------------------------------------

    def realness(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """D's score for images in [0, 1], shape (B,)."""
        targets = self.condition(c) if c is not None and self.condition.about == "class" else None
        return self.adversary.score(Shown(x * 2 - 1, targets=targets))
