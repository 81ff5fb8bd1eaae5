r"""One adversary for every model that makes images, or codes, which should pass for others.

Notation: x real, x_fake made, D(x) the score of the head; either player minimizes

.. math::
    L_D &= \mathrm{real}(D(x)) + \sum_{sets} \mathrm{fake}(D(x_{fake}))
        + \tfrac{\gamma_1}{2} \|\nabla D(x)\|^2 + \tfrac{\gamma_2}{2} \|\nabla D(x_{fake})\|^2
        + \lambda (\|\nabla D(\hat x)\| - 1)^2 \\
    L_G &= \sum_{sets} \mathrm{generator}(D(x_{fake}))

with what the head says of class or code beside them. Every term is per image and averaged over the
batch last, so that its weight means the same at every batch size.

References:
    Generative Adversarial Nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), equation 9, for
    R1 and R2, https://arxiv.org/abs/1801.04406
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), algorithm 1, for the penalty
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from twofold.errors import UsageError
from twofold.models.adversarial import (
    AdversarialLoss,
    check_smoothing,
    gradient_penalty,
    squared_gradient_norm,
)
from twofold.models.base import ReadsLabels
from twofold.models.diffaugment import Augmentation, augment
from twofold.models.heads import Head, Judged, Shown
from twofold.models.parts import call, make_network
from twofold.phases import Terms
from twofold.registry import make, register
from twofold.settings import NonNegative, Share

__all__ = ["Adversary"]


@register("adversary", "adversary", title="a discriminator and what both players minimize")
class Adversary(ReadsLabels):
    """A discriminator, what it says, and what it and its opponent minimize.

    Arguments:
        discriminator: From images in [-1, 1], and the encoded condition where the head reads it, to
            what the head reads.
        head: What is said of an image; by default real or fake, and in a conditional GAN for the
            condition beside the image.
        loss: What the two players minimize.
        label_smoothing: s; real images are trained towards 1 - s (one-sided).
        r1: γ of γ/2 ‖∇D‖² at real images.
        r2: γ of γ/2 ‖∇D‖² at fake images.
        gp_weight: λ of the WGAN-GP penalty.
        ema: Decay per step of a moving average of the opponent's weights, by which images are made;
            0 for none.
        augment: How images are changed before the discriminator sees them: any of brightness,
            translation, cutout.

    Raises:
        UsageError: If a setting asks for what losses, head or network do not have.

    Example:
        >>> from twofold.models import GAN
        >>> adversary = Adversary("fc-32", loss="hinge", r1=1.0)
        >>> gan = GAN("fc-32", adversary, latent_dim=4, image_shape=(1, 8, 8))
        >>> gan.adversary.score(Shown(torch.zeros(5, 1, 8, 8))).shape
        torch.Size([5])
    """

    registry_kind = "adversary"
    discriminator: nn.Module
    head: Head

    def __init__(
        self,
        discriminator: nn.Module | str,
        head: Head | str | None = None,
        loss: AdversarialLoss | str = "non-saturating",
        label_smoothing: Share = 0.0,
        r1: NonNegative = 0.0,
        r2: NonNegative = 0.0,
        gp_weight: NonNegative = 0.0,
        ema: Share = 0.0,
        augment: tuple[Augmentation, ...] = (),
    ) -> None:
        super().__init__()
        self.loss: AdversarialLoss = make("loss", loss)
        check_smoothing(self.loss, label_smoothing)
        self._parts = (discriminator, head)  # until it is known what they are made for
        self.label_smoothing = label_smoothing
        self.r1 = r1
        self.r2 = r2
        self.gp_weight = gp_weight
        self.ema = ema
        self.augment = tuple(augment)

    def join(
        self, model: Any, shape: tuple[int, ...] | None, num_classes: int, head: str = "binary"
    ) -> None:
        """Takes its place in a model, for which its network is made.

        Arguments:
            model: Whose images, or codes, it classifiers.
            shape: Of one of them; None where it is not known yet.
            num_classes: K of the images; 0 without.
            head: What it says where it was not told.

        Raises:
            UsageError: If it is part of a model already, or cannot judge what this one makes.
        """
        if not self._parts:
            raise UsageError("this Adversary is part of a model already; make another")
        (network, asked), self._parts = self._parts, ()
        self.head = made = make("head", asked or head)
        made.join(model, num_classes)
        given = model.condition if made.reads_condition else None
        self.discriminator = make_network(network, shape, (made.outputs,), given)
        self._check_batch_norm()
        if self.augment and shape is not None and len(shape) != 3:
            raise UsageError("augment changes images, and these are codes; leave it out")

    def _check_batch_norm(self) -> None:
        """Refuses penalties on the gradient of one image's score where scores are of a batch.

        Gulrajani et al., section 4: with batch norm D maps a batch of images to a batch of scores,
        and the gradient of their sum is that of no image's own.
        """
        asked = [name for name in ("r1", "r2", "gp_weight") if getattr(self, name)]
        modules = self.discriminator.modules()
        if asked and any(isinstance(module, _BatchNorm) for module in modules):
            raise UsageError(
                f"{asked[0]} penalizes the gradient of each image's score, and with batch norm in "
                "the discriminator a score depends on the whole batch; give the discriminator "
                f"norm=none or norm=spectral, or use {asked[0]}=0"
            )

    # --- what it says -----------------------------------------------------------------------------

    def judge(self, shown: Shown) -> Judged:
        """What it says of images."""
        return self._read(self._output(augment(shown.x, self.augment), shown), shown)

    def judge_with_features(self, shown: Shown, layer: str) -> tuple[Tensor, Judged]:
        """What a layer of the network gives, (R, F), and what it says of the images."""
        network: Any = self.discriminator
        features, output = network.with_features(shown.x, layer)
        said = self.judge(shown) if self.augment else self._read(output.float(), shown)
        return features.float(), said

    def features(self, x: Tensor, layer: str) -> Tensor:
        """What a layer of the network gives for images, (R, F), through which no gradient flows."""
        network: Any = self.discriminator
        with torch.no_grad():
            return network.with_features(x, layer)[0].float()

    def score(self, shown: Shown) -> Tensor:
        """D(x), as it is and not augmented, shape (R,)."""
        return self._read(self._output(shown.x, shown), shown).score

    def class_log_probs(self, x: Tensor) -> Tensor:
        """ln p(y|x, real), shape (B, K), for images in [0, 1]."""
        shown = Shown(x * 2 - 1)
        logits = self._read(self._output(shown.x, shown), shown).class_logits
        assert logits is not None, "asked only where the head names classes"
        return logits.log_softmax(dim=1)

    def _output(self, x: Tensor, shown: Shown) -> Tensor:
        return call(self.discriminator, x, shown.c if self.head.reads_condition else None).float()

    def _read(self, output: Tensor, shown: Shown) -> Judged:
        if output.dim() != 2 or output.shape[1] != self.head.outputs:
            raise UsageError(
                f"the discriminator gives a shape of {tuple(output.shape)} for a batch, expected "
                f"(B, {self.head.outputs})"
            )
        return self.head(output, shown.targets)

    # --- what the players minimize ----------------------------------------------------------------

    @property
    def units(self) -> tuple[str, str]:
        """Of L_D and L_G: squared gradients beside a cross-entropy leave it without one."""
        penalized = self.r1 or self.r2 or self.gp_weight
        return "" if penalized else self.loss.unit, self.loss.unit

    def discriminator_terms(self, real: Shown, fakes: Mapping[str, Shown]) -> Terms:
        """L_D; nothing of it reaches whoever made the fakes.

        Arguments:
            real: Real images.
            fakes: Sets of fakes by name; the log shows how many of the first are found out.
        """
        real = real.held(differentiable=bool(self.r1))
        sets = [self._beside(real, fake) for fake in fakes.values()]
        sets = [fake.held(differentiable=bool(self.r2)) for fake in sets]
        said = self.judge(real)
        judged = [self.judge(fake) for fake in sets]
        loss = real.mean(self.loss.real(said.score, self.label_smoothing))
        for fake, opinion in zip(sets, judged, strict=True):
            loss = loss + fake.mean(self.loss.fake(self._relative(opinion, said, fake)))
        terms = {"adversarial": loss, **self._head_terms(real, said, sets, judged)}
        if self.r1:
            terms["r1"] = 0.5 * real.mean(squared_gradient_norm(said.score, real.x))
        if self.r2:
            norms = [
                fake.mean(squared_gradient_norm(opinion.score, fake.x))
                for fake, opinion in zip(sets, judged, strict=True)
            ]
            terms["r2"] = 0.5 * sum(norms[1:], norms[0])
        if self.gp_weight:
            penalties = [self._penalty(real, fake) for fake in sets]
            terms["gp"] = sum(penalties[1:], penalties[0])
        watch = self.watch(said.score, judged[0].score, real.weight)
        if said.class_logits is not None and real.targets is not None:
            hits = said.class_logits.detach().argmax(dim=1) == real.targets.argmax(dim=1)
            watch["accuracy_class"] = real.mean(hits.float())
        return self._terms(terms, watch)

    def generator_terms(
        self, fakes: list[tuple[Shown, Judged]], real: Shown, weight: float = 1.0
    ) -> Terms:
        """L_G at fakes that were judged already.

        Arguments:
            fakes: Sets of fakes and what was said of them.
            real: Real images, which only losses of pairs look at.
            weight: Of all these terms.
        """
        said = self.judge(real) if self.loss.paired else None
        losses, beside = [], {}
        for fake, opinion in fakes:
            fake = self._beside(real, fake)
            losses.append(fake.mean(self.loss.generator(self._relative(opinion, said, fake))))
            for name, value in self.head.terms(opinion, fake, "generator", real=False).items():
                beside[name] = beside[name] + value if name in beside else value
        terms = {"adversarial": sum(losses[1:], losses[0]), **beside}
        return self._terms(terms, weight=weight)

    def watch(self, real: Tensor, fake: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
        """How well scores of real and fake images, (B,) each, tell them apart, for the log.

        Arguments:
            real: Scores of real images.
            fake: Scores of fakes.
            weight: What each real image counts, adding up to 1; None for all the same.
        """
        threshold, shown = self.loss.threshold, Shown(real, weight=weight)
        if threshold is None:
            return {"score_gap": shown.mean(real.detach()) - fake.detach().mean()}
        return {
            "accuracy_real": shown.mean((real.detach() > threshold).float()),
            "accuracy_fake": (fake.detach() < threshold).float().mean(),
        }

    def _beside(self, real: Shown, fake: Shown) -> Shown:
        """Fakes that are looked at in pairs with real images, which then count as these do."""
        paired = self.loss.paired or self.gp_weight
        if not paired or fake.weight is not None or real.weight is None:
            return fake
        each = real.weight if fake.rows is None else real.weight[fake.rows]
        return replace(fake, weight=each / each.sum())

    def _relative(self, opinion: Judged, said: Judged | None, fake: Shown) -> Tensor:
        """The score of each fake, less that of its real image where the loss is of pairs."""
        if not self.loss.paired:
            return opinion.score
        assert said is not None
        real = said.score if fake.rows is None else said.score[fake.rows]
        return opinion.score - real

    def _head_terms(
        self, real: Shown, said: Judged, sets: list[Shown], judged: list[Judged]
    ) -> dict[str, Tensor]:
        terms = self.head.terms(said, real, "discriminator", real=True)
        for fake, opinion in zip(sets, judged, strict=True):
            for name, value in self.head.terms(opinion, fake, "discriminator", real=False).items():
                terms[name] = terms[name] + value if name in terms else value
        return terms

    def _penalty(self, real: Shown, fake: Shown) -> Tensor:
        """The gradient penalty between a set of fakes and the real images that go with them."""
        x = real.x if fake.rows is None else real.x[fake.rows]
        return fake.mean(
            gradient_penalty(lambda x: self._read(self._output(x, fake), fake).score, x, fake.x)
        )

    def _terms(
        self,
        terms: Mapping[str, Tensor],
        watch: Mapping[str, Tensor] | None = None,
        weight: float = 1.0,
    ) -> Terms:
        """Terms with their weights, all of them times one; the head's own are beside the score."""
        own = {"adversarial": 1.0, "r1": self.r1, "r2": self.r2, "gp": self.gp_weight}
        weights = {name: weight * own.get(name, self.head.weight) for name in terms}
        return Terms(terms, {name: w for name, w in weights.items() if w != 1.0}, watch or {})
