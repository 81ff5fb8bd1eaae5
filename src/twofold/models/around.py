"""A model around an auto-encoder: its codes, condition and capabilities are the auto-encoder's."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from twofold.conditions import Condition, ImageShape
from twofold.data.batches import Batch
from twofold.models.adversary import Adversary
from twofold.models.average import average_of, follow
from twofold.models.base import AutoEncoder, Generative, evaluating
from twofold.phases import Terms
from twofold.priors import Prior
from twofold.registry import make

__all__ = ["Around"]


class Around(Generative):
    """An auto-encoder with an adversary beside it.

    Attributes:
        autoencoder: What is trained.
        adversary: Which judges what it makes.
        autoencoder_ema: Its moving average, which makes the images; None without.

    Example:
        >>> from twofold.models import Hybrid, VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4))
        >>> hybrid = Hybrid(vae, "fc-8")
        >>> isinstance(hybrid, Around), hybrid.maker is vae
        (True, True)
    """

    def __init__(self, autoencoder: Any, adversary: Any, **images: Any) -> None:
        super().__init__()
        self.autoencoder: AutoEncoder = make("model", autoencoder, **images)
        self.adversary: Adversary = make("adversary", adversary)
        self.autoencoder_ema = average_of(self.autoencoder) if self.adversary.ema else None
        self.latent_dim = self.autoencoder.latent_dim
        self.sampling_scale = self.autoencoder.sampling_scale

    @property
    def maker(self) -> AutoEncoder:
        """Who makes images: the moving average, where there is one."""
        return self.autoencoder if self.autoencoder_ema is None else self.autoencoder_ema

    @property
    def image_shape(self) -> ImageShape:  # type: ignore[override]
        return self.autoencoder.image_shape

    @property
    def condition(self) -> Condition:  # type: ignore[override]
        return self.autoencoder.condition

    @property
    def prior(self) -> Prior:
        return self.maker.prior

    @property
    def labels(self) -> str:
        return self.autoencoder.labels

    def accept_images(self, image_shape: ImageShape) -> None:
        self.autoencoder.accept_images(image_shape)
        self.maker.accept_images(image_shape)

    def networks(self) -> Iterator[nn.Module]:
        yield from self.autoencoder.networks()
        yield self.adversary.discriminator

    def answering(self, kind: type) -> tuple[Any, ...]:  # noqa: ARG002
        """The auto-encoder's capabilities are those of the whole."""
        return (self, self.maker)

    @abstractmethod
    def discriminator_loss(self, batch: Batch) -> Terms:
        """L_D; nothing of it reaches the auto-encoder."""

    def after_step(self) -> None:
        """The moving average, where there is one, follows the last step."""
        if self.autoencoder_ema is not None:
            follow(self.autoencoder_ema, self.autoencoder, self.adversary.ema)

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """The auto-encoder's image of a code, shape (B, C, H, W)."""
        return self.maker.generate(z, c)

    @torch.no_grad()
    def diagnose(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """The auto-encoder's numbers, and how much the discriminator tells."""
        batches = list(batches)
        numbers = self.autoencoder.diagnose(batches)
        with evaluating(self), torch.enable_grad():  # which penalties need
            watched = [self.discriminator_loss(b.afresh()).watch for b in batches]
        for name in watched[0]:
            mean = sum(watch[name].item() for watch in watched) / len(watched)
            numbers[name] = round(mean, 4)
        return numbers
