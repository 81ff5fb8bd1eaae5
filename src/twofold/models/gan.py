r"""Generative adversarial networks, conditional or not.

Notation: z ~ N(0, I) noise (B, D), x_fake = G(z, c), D(x, c) a logit or critic score (B,). Both
networks see pixels in [-1, 1]; everything outside them is in [0, 1].

References:
    Generative Adversarial Nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    Conditional Generative Adversarial Nets (Mirza and Osindero, 2014),
    https://arxiv.org/abs/1411.1784
"""

import copy
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from twofold.conditions import Condition, ImageShape
from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models.adversarial import (
    Adversarial,
    check_smoothing,
    gradient_penalty,
    squared_gradient_norm,
)
from twofold.models.base import Generative, evaluating
from twofold.models.parts import call, make_condition, make_network
from twofold.models.phases import Phase, Terms
from twofold.registry import make, register
from twofold.settings import Count, NonNegative, Positive, Share

__all__ = ["GAN"]


@register(
    "model",
    "gan",
    title="generative adversarial network",
    paper="Goodfellow et al., 2014, arXiv 1406.2661",
)
@register(
    "model",
    "cgan",
    title="GAN conditioned on the class",
    paper="Mirza and Osindero, 2014, arXiv 1411.1784",
    defaults={"condition": "class"},
)
class GAN(Generative):
    """A generator and a discriminator that disagree.

    Arguments:
        generator: From z (B, D) and the encoded condition to an image (B, C, H, W) before `output`.
        discriminator: From an image in [-1, 1] and the encoded condition to one number (B, 1).
        latent_dim: D, dimensions of z.
        condition: What both players are given: none, class, or a part of the image.
        adversarial: The pair of losses.
        label_smoothing: s; real images are trained towards 1 - s (one-sided).
        r1: γ of γ/2 ‖∇D‖² at real images.
        r2: γ of γ/2 ‖∇D‖² at fake images.
        gp_weight: λ of the WGAN-GP penalty.
        ema: Decay per step of the generator's moving average, from which samples come; 0 for none.
        output: What the generator ends in: `tanh`, `sigmoid`, or `linear` (clamped when sampling).
        sampling_scale: Standard deviation of the noise of samples; 1 as in training.
        image_shape: (C, H, W); by default that of the images it is trained on.
        num_classes: K of the images, for a condition on the class.

    Example:
        >>> gan = GAN("fc-32", "fc-32", latent_dim=4, image_shape=(1, 8, 8), adversarial="hinge")
        >>> gan.sample(3).shape, [phase.name for phase in gan.phases]
        (torch.Size([3, 1, 8, 8]), ['discriminator', 'generator'])
    """

    def __init__(
        self,
        generator: nn.Module | str,
        discriminator: nn.Module | str,
        latent_dim: Count = 64,
        condition: Condition | str = "none",
        adversarial: Adversarial | str = "non-saturating",
        label_smoothing: Share = 0.0,
        r1: NonNegative = 0.0,
        r2: NonNegative = 0.0,
        gp_weight: NonNegative = 0.0,
        ema: Share = 0.0,
        output: Literal["tanh", "sigmoid", "linear"] = "tanh",
        sampling_scale: Positive = 1.0,
        image_shape: ImageShape | None = None,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.image_shape = image_shape  # type: ignore[assignment] # until there are images
        self.num_classes = num_classes
        self.adversarial: Adversarial = make("loss", adversarial)
        check_smoothing(self.adversarial, label_smoothing)
        given = make_condition(condition, image_shape, num_classes)
        self.generator = make_network(generator, (latent_dim,), image_shape or (None,), given)
        self.discriminator = self._make_discriminator(discriminator, given)
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False) if ema else None
        self.condition = given
        self.label_smoothing = label_smoothing
        self.r1 = r1
        self.r2 = r2
        self.gp_weight = gp_weight
        self.ema = ema
        self.output = output
        self.sampling_scale = sampling_scale

    def _make_discriminator(self, network: nn.Module | str, condition: Condition) -> nn.Module:
        """D, which gives one number and sees the condition."""
        return make_network(network, self.image_shape, (1,), condition)

    @property
    def phases(self) -> list[Phase]:
        return [
            Phase("discriminator", list(self.discriminator.parameters()), self.discriminator_loss),
            Phase(
                "generator",
                list(self.generator.parameters()),
                self.generator_loss,
                self._update_ema if self.generator_ema is not None else None,
            ),
        ]

    # --- the two players --------------------------------------------------------------------------

    def discriminator_loss(self, batch: Batch) -> Terms:
        """D learns to tell x from G(z); G receives nothing, its fakes are detached."""
        x, c = self._real(batch), self._encoded(batch)
        x_fake = self._fake(batch).detach()
        if self.r1:
            x = x.detach().requires_grad_()
        if self.r2:
            x_fake.requires_grad_()
        real_output, fake_output = self._judge(x, c), self._judge(x_fake, c)
        real, fake = real_output[:, 0], fake_output[:, 0]  # (B,), (B,)
        losses = self.adversarial.discriminator(real, fake, self.label_smoothing)
        terms = {"adversarial": losses.mean()}
        if self.r1:
            terms["r1"] = 0.5 * squared_gradient_norm(real, x).mean()
        if self.r2:
            terms["r2"] = 0.5 * squared_gradient_norm(fake, x_fake).mean()
        if self.gp_weight:
            terms["gp"] = gradient_penalty(lambda x: self.score(x, c), x, x_fake).mean()
        weights = {"r1": self.r1, "r2": self.r2, "gp": self.gp_weight}
        base = Terms(terms, {k: w for k, w in weights.items() if w}, self._watch(real, fake))
        return self._with_classes(base, batch, real_output, fake_output)

    def generator_loss(self, batch: Batch) -> Terms:
        """G learns to be taken for real by the D of this moment."""
        c = self._encoded(batch)
        output = self._judge(self._fake(batch), c)
        fake = output[:, 0]  # (B,)
        # Only the relativistic loss reads the real scores, and no gradient of G passes there.
        real = self.score(self._real(batch), c) if self.adversarial.paired else fake
        base = Terms({"adversarial": self.adversarial.generator(real, fake).mean()})
        return self._with_classes(base, batch, None, output)

    def score(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """D's logit or critic score for images in [-1, 1] and an encoded condition, shape (B,)."""
        return self._judge(x, c)[:, 0]

    def _judge(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """All that D says, the score first: shape (B, 1), or more where it names the class."""
        output = call(self.discriminator, x, c).float()
        if output.dim() != 2 or output.shape[1] != self._outputs:
            raise UsageError(
                f"the discriminator gives a shape of {tuple(output.shape)} for a batch, expected "
                f"(B, {self._outputs})"
            )
        return output

    @property
    def _outputs(self) -> int:
        """How many numbers D gives for an image."""
        return 1

    def _with_classes(
        self,
        base: Terms,
        batch: Batch,  # noqa: ARG002
        real: Tensor | None,  # noqa: ARG002
        fake: Tensor,  # noqa: ARG002
    ) -> Terms:
        """A player's terms with those about the class, of which a plain GAN has none."""
        return base

    def _real(self, batch: Batch) -> Tensor:
        return batch.once("signed", lambda: batch.x * 2 - 1)

    def _encoded(self, batch: Batch) -> Tensor | None:
        return batch.once("c", lambda: self.condition(self.condition.pick(batch.x, batch.y)))

    def _fake(self, batch: Batch) -> Tensor:
        """Fakes in [-1, 1], generated once for both players."""

        def generate() -> Tensor:
            z = torch.randn(len(batch), self.latent_dim, device=batch.x.device)
            return self._signed(call(self.generator, z, self._encoded(batch)))

        return batch.once("x_fake", generate)

    def _signed(self, output: Tensor) -> Tensor:
        """The generator's output as pixels in [-1, 1], in single precision."""
        output = output.float()
        if self.image_shape is not None and output.shape[1:] != self.image_shape:
            raise UsageError(
                f"the generator gives images of shape {tuple(output.shape[1:])}, expected "
                f"{tuple(self.image_shape)} as the data has them"
            )
        if self.output == "tanh":
            return torch.tanh(output)
        return 2 * torch.sigmoid(output) - 1 if self.output == "sigmoid" else output

    def _watch(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        threshold = self.adversarial.threshold
        if threshold is None:
            return {"score_gap": (real - fake).detach().mean()}
        return {
            "accuracy_real": (real.detach() > threshold).float().mean(),
            "accuracy_fake": (fake.detach() < threshold).float().mean(),
        }

    @torch.no_grad()
    def _update_ema(self) -> None:
        """The average follows the weights; batch-norm statistics and counters are copied."""
        assert self.generator_ema is not None
        torch._foreach_lerp_(
            list(self.generator_ema.parameters()), list(self.generator.parameters()), 1 - self.ema
        )
        for average, current in zip(
            self.generator_ema.buffers(), self.generator.buffers(), strict=True
        ):
            average.copy_(current)

    # --- what a user asks -------------------------------------------------------------------------

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """G(z, c) in [0, 1], by the moving average where there is one: (B, C, H, W)."""
        generator = self.generator if self.generator_ema is None else self.generator_ema
        signed = self._signed(call(generator, z, self.condition(c)))
        return (0.5 * (signed + 1)).clamp(0, 1)

    def realness(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """D's logit or critic score for images in [0, 1], shape (B,)."""
        return self.score(x * 2 - 1, self.condition(c))

    @torch.no_grad()
    def diagnose(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """Scores on held-out real and fresh fake images, and how diverse the fakes are.

        `diversity` is the mean distance between fakes of one class over that between real images
        of one class: about 1 is as diverse as the data, towards 0 is collapse.
        """
        real, fake, pairs = [], [], []
        with evaluating(self):
            for i, batch in enumerate(batches):
                c = self.condition.pick(batch.x, batch.y)
                x_fake = self.generate(self.prior_latent(len(batch), seed=i), c)
                real.append(self.score(self._real(batch), self.condition(c)))
                fake.append(self.score(x_fake * 2 - 1, self.condition(c)))
                if i == 0:
                    pairs = [_spread(batch.x, batch.y), _spread(x_fake, batch.y)]
        watched = self._watch(torch.cat(real)[: len(torch.cat(fake))], torch.cat(fake))
        numbers = {name: round(value.item(), 4) for name, value in watched.items()}
        real_spread, fake_spread = (pair.item() for pair in pairs)
        return {**numbers, "diversity": round(fake_spread / max(real_spread, 1e-12), 4)}


def _spread(x: Tensor, y: Tensor | None) -> Tensor:
    """Mean Euclidean distance between images of one class, shape ()."""
    flat = x.flatten(1).float()
    distance = torch.cdist(flat, flat)
    same = torch.ones_like(distance, dtype=torch.bool) if y is None else y[:, None] == y[None]
    same = same & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    return distance[same].mean() if bool(same.any()) else distance.mean()
