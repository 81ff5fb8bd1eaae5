r"""An adversary around any auto-encoder: VAE-GAN, CVAE-GAN, SSL-VAE-GAN and DRAW-GAN in one.

Notation: x image (B, C, H, W); x̃ = Dec(Enc(x)) a reconstruction, x_p = Dec(z), z ~ N(0, I), a
sample of the prior; D a discriminator, f_l(x) what its l-th layer gives, (B, F).

.. math::
    L_{Dis} &= \tfrac{1}{2} \| f_l(x) - f_l(\tilde x) \|^2 \\
    L_G &= L_{KL} + L_{Dis} + \mathrm{fool}(x_p) + \mathrm{fool}(\tilde x) \\
    L_D &= \mathrm{real}(x) + \mathrm{fake}(x_p) + \mathrm{fake}(\tilde x)

Every term is per image and averaged over the batch last, so its weight means the same at every
batch size. D sees pixels in [-1, 1] and no sigmoid comes before its cross-entropies.

References:
    When Variational Auto-encoders meet Generative Adversarial Networks (Chen, Fang and Ju, 2016),
    equations 2 and 3 and section 3, for the sums and the K + 1 classes
    Autoencoding beyond pixels using a learned similarity metric (Larsen et al., 2016), algorithm 1,
    https://arxiv.org/abs/1512.09300, for the features and for whose gradient goes where
    Improved Techniques for Training GANs (Salimans et al., 2016), section 5, for the discriminator
    as semi-supervised classifier
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twofold.conditions import Condition, ImageShape
from twofold.data.batches import Batch
from twofold.errors import DataError, UsageError
from twofold.models.base import AutoEncoder, Generative, evaluating
from twofold.models.capabilities import Classifies
from twofold.models.draw import DRAW
from twofold.models.heads import Binary, PlusOne
from twofold.models.m2 import M2
from twofold.models.parts import make_network
from twofold.models.phases import Bound, Phase, Terms
from twofold.models.vae import VAE
from twofold.registry import make, register
from twofold.settings import NonNegative

__all__ = ["Hybrid"]


@register(
    "model",
    "hybrid",
    title="a discriminator around a VAE, CVAE, M2 or DRAW",
    paper="Larsen et al., 2016, arXiv 1512.09300; Chen, Fang and Ju, 2016",
)
class Hybrid(Generative):
    """An auto-encoder that a discriminator judges.

    Arguments:
        autoencoder: A VAE, CVAE, M2 or DRAW; its `beta` is the weight of the KL.
        discriminator: From images in [-1, 1] to 1 logit, or to K + 1.
        class_outputs: Whether the discriminator names the K classes, or fake, in place of real or
            fake.
        feature_layer: The discriminator's layer f_l as written in its line; None for no L_Dis.
        recon_weight: Of -ln p(x|z) on pixels.
        feature_weight: Of L_Dis; 1/σ² of its Gaussian.
        adversarial_weight: Of the two fool terms.
        fool: `non-saturating` (-ln D) or `minimax` (ln(1 - D)).
        judge_reconstructions: Whether D and the fool terms see x̃ too.
        judge_canvases: Whether D sees every canvas of a DRAW's samples, not only the last.
        routing: `summed`, one loss for the whole auto-encoder; or `larsen`, by which the encoder
            follows KL and reconstruction, the decoder reconstruction and fool terms.
        unlabeled: The target for a real image without label, under K + 1 classes: the
            auto-encoder's `soft` q(y|x), or merely `real`.
        label_reader: Who answers `classify`: the `autoencoder` or the `discriminator`.
        image_shape: (C, H, W); by default the auto-encoder's.
        num_classes: K of the images.

    Raises:
        UsageError: If a setting asks for what the networks do not have.
        DataError: If a discriminator of K + 1 classes is asked of images without classes.

    Example:
        >>> vae = VAE("fc-32", "fc-32", latent_dim=4, image_shape=(1, 8, 8))
        >>> hybrid = Hybrid(vae, "fc-32", feature_layer="fc-32", feature_weight=1.0)
        >>> hybrid.title, [phase.name for phase in hybrid.phases]
        ('VAE-GAN', ['discriminator', 'autoencoder'])
    """

    def __init__(
        self,
        autoencoder: AutoEncoder,
        discriminator: nn.Module | str,
        class_outputs: bool = False,
        feature_layer: str | None = None,
        recon_weight: NonNegative = 1.0,
        feature_weight: NonNegative = 0.0,
        adversarial_weight: NonNegative = 1.0,
        fool: Literal["non-saturating", "minimax"] = "non-saturating",
        judge_reconstructions: bool = True,
        judge_canvases: bool = False,
        routing: Literal["summed", "larsen"] = "summed",
        unlabeled: Literal["soft", "real"] = "soft",
        label_reader: Literal["autoencoder", "discriminator"] = "autoencoder",
        image_shape: ImageShape | None = None,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        autoencoder = make("model", autoencoder, image_shape=image_shape, num_classes=num_classes)
        if class_outputs and not num_classes:
            raise DataError(
                "class_outputs=true needs labels, but the images have none; "
                "put each class into a sub-folder, or use class_outputs=false"
            )
        classes = num_classes if class_outputs else 0
        if isinstance(autoencoder, VAE) and autoencoder.objective != "elbo":
            raise UsageError(
                f"objective={autoencoder.objective} has no reconstruction term that a hybrid could "
                "weigh; use objective=elbo"
            )
        if not recon_weight and not feature_weight:
            raise UsageError("nothing holds the reconstruction: give recon_weight, feature_weight")
        if feature_weight and feature_layer is None:
            raise UsageError("feature_weight needs feature_layer, a layer of the discriminator")
        if judge_canvases and not isinstance(autoencoder, DRAW):
            raise UsageError(f"judge_canvases: {autoencoder.title} has no canvases, only DRAW has")
        if label_reader == "discriminator" and not classes:
            raise UsageError("label_reader=discriminator needs class_outputs=true")
        if classes and autoencoder.labels == "none":
            raise DataError(
                f"{autoencoder.title} knows no class that a K + 1 discriminator could ask for; "
                "use a CVAE, or class_outputs=false"
            )
        outputs = (classes + 1,) if classes else (1,)
        network: Any = make_network(discriminator, autoencoder.image_shape, outputs)
        if feature_layer is not None:
            _check_features(network, feature_layer)
        self.autoencoder: AutoEncoder = autoencoder
        self.discriminator: Any = network
        self.judge = PlusOne(classes, fool) if classes else Binary(fool)
        self.latent_dim = autoencoder.latent_dim
        self.sampling_scale = autoencoder.sampling_scale
        self.num_classes = classes
        self.feature_layer = feature_layer if feature_weight else None
        self.recon_weight = recon_weight
        self.feature_weight = feature_weight
        self.adversarial_weight = adversarial_weight
        self.judge_reconstructions = judge_reconstructions
        self.judge_canvases = judge_canvases
        self.routing = routing
        self.unlabeled = unlabeled
        self.label_reader = label_reader

    @property
    def image_shape(self) -> ImageShape:  # type: ignore[override]
        """The auto-encoder's."""
        return self.autoencoder.image_shape

    def accept_images(self, image_shape: ImageShape) -> None:
        self.autoencoder.accept_images(image_shape)

    @property
    def condition(self) -> Condition:  # type: ignore[override]
        """The auto-encoder's; as a child of both, a mask would be saved twice."""
        return self.autoencoder.condition

    @property
    def labels(self) -> str:
        return self.autoencoder.labels

    @property
    def title(self) -> str:
        return f"{self.autoencoder.title}-GAN"

    @property
    def phases(self) -> list[Phase]:
        judge = Phase(
            "discriminator", list(self.discriminator.parameters()), self.discriminator_loss
        )
        whole = list(self.autoencoder.parameters())
        if self.routing == "summed":
            return [judge, Phase("autoencoder", whole, self.autoencoder_loss)]
        encoder = self.autoencoder.encoder_parameters
        inside = {id(p) for p in encoder}
        decoder = [p for p in whole if id(p) not in inside]
        return [
            judge,
            Phase("encoder", encoder, self.encoder_loss, keeps_graph=True, part_of="autoencoder"),
            Phase("decoder", decoder, self.decoder_loss, part_of="autoencoder"),
        ]

    def networks(self) -> Iterator[nn.Module]:
        yield from self.autoencoder.networks()
        yield self.discriminator

    def answering(self, kind: type) -> tuple[Any, ...]:
        """The auto-encoder's capabilities are the hybrid's."""
        if kind is Classifies and self.label_reader == "discriminator":
            return (_LabelReader(self),)
        return (self, self.autoencoder)

    # --- the players ------------------------------------------------------------------------------

    def discriminator_loss(self, batch: Batch) -> Terms:
        """L_D; nothing of it reaches the auto-encoder."""
        bound, (x_prior, _) = self._bound(batch), self._prior(batch)
        real = self.discriminator(self._signed(batch)).float()
        prior = self.discriminator(self._sign(x_prior.detach())).float()
        terms = {"real": self._real(real, batch), "prior": self.judge.fake(prior).mean()}
        if self.judge_reconstructions:
            recon = self.discriminator(self._recon(batch).detach()).float()
            weight = None if bound.weight is None else bound.weight.detach()
            terms["recon"] = _mean(self.judge.fake(recon), weight)
        watch = {
            "accuracy_real": 1 - self.judge.caught(real.detach()).float().mean(),
            "accuracy_fake": self.judge.caught(prior.detach()).float().mean(),
        }
        return Terms(terms, watch=watch)

    def autoencoder_loss(self, batch: Batch) -> Terms:
        """L_G: KL, reconstruction and fool terms for encoder and decoder together."""
        rest = self._bound(batch).rest
        parts = [rest, self._reconstruction(batch), self._fooling(batch)]
        return _joined([part for part in parts if part is not None])

    def encoder_loss(self, batch: Batch) -> Terms:
        """Larsen et al.: prior and reconstruction."""
        return _joined([self._bound(batch).rest, self._reconstruction(batch)])

    def decoder_loss(self, batch: Batch) -> Terms:
        """Larsen et al.: reconstruction and the discriminator's opinion."""
        fooling = self._fooling(batch)
        parts = [self._reconstruction(batch), *([fooling] if fooling else [])]
        return _joined(parts)

    def _real(self, output: Tensor, batch: Batch) -> Tensor:
        """The discriminator's loss at real images, with their labels where it names classes."""
        if isinstance(self.judge, Binary):
            return self.judge.real(output, None).mean()
        n, losses = batch.num_labeled, []
        if n:
            assert batch.y is not None
            target = F.one_hot(batch.y[:n], self.num_classes).float()
            losses.append(self.judge.real(output[:n], target))
        if n < len(output):
            losses.append(self.judge.real(output[n:], self._unlabeled_target(batch)))
        return torch.cat(losses).mean()

    def _unlabeled_target(self, batch: Batch) -> Tensor | None:
        """q(y|x) of the images without a label, (U, K), under `soft`."""
        if self.unlabeled != "soft":
            return None
        assert isinstance(self.autoencoder, M2)
        return self.autoencoder.unlabeled_probs(batch)

    def _reconstruction(self, batch: Batch) -> Terms:
        """-ln p(x|z) on pixels and L_Dis on features, each where it has a weight."""
        return batch.once("reconstruction", lambda: self._compare(batch))

    def _compare(self, batch: Batch) -> Terms:
        bound, terms, weights = self._bound(batch), {}, {}
        if self.recon_weight:
            terms["recon_nll"], weights["recon_nll"] = bound.recon_nll(), self.recon_weight
        if self.feature_layer is not None:
            layer = self.feature_layer
            with torch.no_grad():
                target, _ = self.discriminator.with_features(self._signed(batch), layer)
            features, _ = self._judged_recon(batch)
            assert features is not None
            squared = (bound.expand(target).float() - features).square().sum(dim=1)
            terms["feature"], weights["feature"] = bound.mean(0.5 * squared), self.feature_weight
        return Terms(terms, {name: w for name, w in weights.items() if w != 1.0})

    def _fooling(self, batch: Batch) -> Terms | None:
        """How far samples and reconstructions are from being taken for real."""
        if not self.adversarial_weight:
            return None
        bound, (x_prior, y) = self._bound(batch), self._prior(batch)
        output = self.discriminator(self._sign(x_prior)).float()
        terms = {"fool_prior": self.judge.fool(output, y).mean()}
        if self.judge_reconstructions:
            _, output = self._judged_recon(batch)
            terms["fool_recon"] = bound.mean(self.judge.fool(output, bound.y))
        weights = dict.fromkeys(terms, self.adversarial_weight)
        return Terms(terms, weights if self.adversarial_weight != 1.0 else {})

    # --- what the players share -------------------------------------------------------------------

    def _signed(self, batch: Batch) -> Tensor:
        """x in [-1, 1]."""
        return batch.once("signed", lambda: batch.x * 2 - 1)

    def _bound(self, batch: Batch) -> Bound:
        return batch.once("bound", lambda: self.autoencoder.bound(batch))

    def _recon(self, batch: Batch) -> Tensor:
        """x̃ of every row, in [-1, 1]."""
        return batch.once("x_recon", lambda: self._sign(self._bound(batch).p.mean))

    def _judged_recon(self, batch: Batch) -> tuple[Tensor | None, Tensor]:
        """f_l(x̃), None without a feature term, and what D gives for x̃: one pass for L_G."""

        def judge() -> tuple[Tensor | None, Tensor]:
            x_recon = self._recon(batch)
            if self.feature_layer is None:
                return None, self.discriminator(x_recon).float()
            features, output = self.discriminator.with_features(x_recon, self.feature_layer)
            return features.float(), output.float()

        return batch.once("judged_recon", judge)

    def _prior(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """x_p in [0, 1] and the classes they were asked to be of, drawn once for all players."""
        return batch.once("x_prior", lambda: self._draw(batch))

    def _draw(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        model, count = self.autoencoder, len(batch)
        z = torch.randn(count, self.latent_dim, device=batch.x.device)
        if isinstance(model, M2):
            c = torch.randint(model.num_classes, (count,), device=z.device)
        else:
            c = self.condition.pick(batch.x, batch.y)
        y = c if self.condition.about == "class" else None
        if not isinstance(model, DRAW) or not self.judge_canvases:
            return model.generate(z, c), y
        canvases = model.canvases(z, c)  # (T, B, C, H, W)
        return canvases.flatten(0, 1), y if y is None else y.repeat(len(canvases))

    @staticmethod
    def _sign(x: Tensor) -> Tensor:
        return x.clamp(0, 1) * 2 - 1

    # --- what a user asks -------------------------------------------------------------------------

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """The auto-encoder's image of a code, shape (B, C, H, W)."""
        return self.autoencoder.generate(z, c)

    def score(self, x: Tensor, c: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """What D gives for images in [-1, 1], shape (B, 1) or (B, K + 1)."""
        return self.discriminator(x).float()

    def realness(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Log odds that D gives images in [0, 1] of being real, shape (B,)."""
        return self.judge.realness(self.score(x * 2 - 1, c))

    @torch.no_grad()
    def diagnose(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """The auto-encoder's numbers, and how much the discriminator tells."""
        batches = list(batches)
        numbers = self.autoencoder.diagnose(batches)
        with evaluating(self):
            watched = [self.discriminator_loss(b.afresh()).watch for b in batches]
        for name in watched[0]:
            mean = sum(watch[name].item() for watch in watched) / len(watched)
            numbers[name] = round(mean, 4)
        return numbers


class _LabelReader:
    """The discriminator's opinion of the class, given that an image is real."""

    def __init__(self, hybrid: Hybrid) -> None:
        self.hybrid = hybrid

    @torch.no_grad()
    def classify(self, x: Tensor, batch_size: int = 1000) -> Tensor:
        """ln p(y|x, real), shape (B, K), for images in [0, 1]."""
        with evaluating(self.hybrid):
            logits = [
                self.hybrid.discriminator(part.to(self.hybrid.device) * 2 - 1)[:, :-1].float()
                for part in x.split(batch_size)
            ]
        return torch.cat(logits).log_softmax(dim=1)


def _check_features(network: Any, layer: str) -> None:
    """Refuses a discriminator that gives no features of a layer."""
    if not hasattr(network, "with_features"):
        raise UsageError(
            f"feature_layer={layer} names a layer of the notation, and this discriminator is a "
            f"{type(network).__name__}; give that class check_layer and with_features of "
            "twofold.networks.Network"
        )
    network.check_layer(layer)


def _joined(parts: list[Terms]) -> Terms:
    """The terms of several as one."""
    return Terms(
        {name: value for part in parts for name, value in part.terms.items()},
        {name: value for part in parts for name, value in part.weights.items()},
        {name: value for part in parts for name, value in part.watch.items()},
    )


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    return values.mean() if weight is None else (weight * values).sum()
