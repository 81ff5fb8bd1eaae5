r"""Generative adversarial networks, conditional or not.

Notation: z ~ p(z) noise (B, D), x_fake = G(z, c), D(x, c) a logit or critic score (B,). Both
networks see pixels in [-1, 1]; everything outside them is in [0, 1].

References:
    Generative Adversarial Nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    Conditional Generative Adversarial Nets (Mirza and Osindero, 2014),
    https://arxiv.org/abs/1411.1784
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twofold.conditions import Condition, ImageShape
from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models.adversary import Adversary
from twofold.models.average import average_of, follow
from twofold.models.base import Generative, evaluating
from twofold.models.capabilities import Classifies
from twofold.models.heads import Shown
from twofold.models.parts import call, make_condition, make_network
from twofold.phases import Phase, Terms
from twofold.priors import Prior
from twofold.registry import make, register
from twofold.settings import Count, Positive

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
        adversary: The discriminator, with what it says and what both players minimize; a network
            alone says real or fake, of a conditional GAN's image for its condition.
        latent_dim: D, dimensions of z.
        condition: What the generator is given: none, class, or a part of the image.
        prior: p(z), the noise.
        output: What the generator ends in: `tanh`, `sigmoid`, or `linear` (clamped when sampling).
        sampling_scale: Standard deviation of the noise of samples; 1 as in training.
        image_shape: (C, H, W); by default that of the images it is trained on.
        num_classes: K of the images, for a condition on the class.

    Example:
        >>> adversary = Adversary("fc-32", loss="hinge")
        >>> gan = GAN("fc-32", adversary, latent_dim=4, image_shape=(1, 8, 8))
        >>> gan.sample(3).shape, [phase.name for phase in gan.phases]
        (torch.Size([3, 1, 8, 8]), ['discriminator', 'generator'])
    """

    def __init__(
        self,
        generator: nn.Module | str,
        adversary: Adversary | nn.Module | str,
        latent_dim: Count = 64,
        condition: Condition | str = "none",
        prior: Prior | str = "standard-normal",
        output: Literal["tanh", "sigmoid", "linear"] = "tanh",
        sampling_scale: Positive = 1.0,
        image_shape: ImageShape | None = None,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.image_shape = image_shape  # type: ignore[assignment] # until there are images
        self.num_classes = num_classes
        self.condition = given = make_condition(condition, image_shape, num_classes)
        self.take_prior(prior)
        self.generator = make_network(generator, (latent_dim,), image_shape or (None,), given)
        self.adversary: Adversary = make("adversary", adversary)
        self.adversary.join(self, image_shape, num_classes, self._head())
        self.generator_ema = average_of(self.generator) if self.adversary.ema else None
        self.output = output
        self.sampling_scale = sampling_scale

    def _head(self) -> str:
        """What an adversary says that was not told what to say."""
        return "conditional" if self.condition.dim else "binary"

    @property
    def labels(self) -> str:
        return "all" if self.adversary.head.names_classes else super().labels

    @property
    def phases(self) -> list[Phase]:
        made_by = [*self.generator.parameters(), *self.prior.parameters()]
        after = self._update_ema if self.generator_ema is not None else None
        judges, units = list(self.adversary.parameters()), self.adversary.units
        return [
            Phase("discriminator", judges, self.discriminator_loss, unit=units[0]),
            Phase("generator", made_by, self.generator_loss, after, unit=units[1]),
        ]

    def networks(self) -> Iterator[nn.Module]:
        yield from (self.generator, self.adversary.discriminator)

    def answering(self, kind: type) -> tuple[Any, ...]:
        """The discriminator classifies, where it names classes."""
        if kind is Classifies and self.adversary.head.names_classes:
            return (self.adversary,)
        return (self,)

    # --- the two players --------------------------------------------------------------------------

    def discriminator_loss(self, batch: Batch) -> Terms:
        """D learns to tell x from G(z); G receives nothing."""
        return self.adversary.discriminator_terms(self._real(batch), {"fake": self._fake(batch)})

    def generator_loss(self, batch: Batch) -> Terms:
        """G learns to be taken for real by the D of this moment."""
        fake = self._fake(batch)
        judged = [(fake, self.adversary.judge(fake))]
        return self.adversary.generator_terms(judged, self._real(batch))

    def _encoded(self, batch: Batch) -> Tensor | None:
        return batch.once("c", lambda: self.condition(self.condition.pick(batch.x, batch.y)))

    def _targets(self, batch: Batch) -> Tensor | None:
        """The class of every real image, one-hot, (B, K)."""
        if self.condition.about == "class":
            return self._encoded(batch)
        if not self.adversary.head.names_classes:
            return None
        assert batch.y is not None
        return F.one_hot(batch.y, self.num_classes).float()

    def _real(self, batch: Batch) -> Shown:
        x = batch.once("signed", lambda: batch.x * 2 - 1)
        return Shown(x, self._encoded(batch), self._targets(batch))

    def _fake(self, batch: Batch) -> Shown:
        """Fakes in [-1, 1], generated once for both players."""

        def generate() -> Shown:
            c = self._encoded(batch)
            z = self.prior.sample(len(batch))
            x = self._signed(call(self.generator, z, c))
            return Shown(x, c, c if self.condition.about == "class" else None, z)

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

    def _update_ema(self) -> None:
        assert self.generator_ema is not None
        follow(self.generator_ema, self.generator, self.adversary.ema)

    # --- what a user asks -------------------------------------------------------------------------

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """G(z, c) in [0, 1], by the moving average where there is one: (B, C, H, W)."""
        generator = self.generator if self.generator_ema is None else self.generator_ema
        signed = self._signed(call(generator, z, self.condition(c)))
        return (0.5 * (signed + 1)).clamp(0, 1)

    def realness(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """D's logit or critic score for images in [0, 1], shape (B,)."""
        encoded = self.condition(c)
        targets = encoded if self.condition.about == "class" else None
        return self.adversary.score(Shown(x * 2 - 1, encoded, targets))

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
                real.append(self.realness(batch.x, c))
                fake.append(self.realness(x_fake, c))
                if i == 0:
                    pairs = [_spread(batch.x, batch.y), _spread(x_fake, batch.y)]
        watched = self.adversary.watch(torch.cat(real), torch.cat(fake))
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
