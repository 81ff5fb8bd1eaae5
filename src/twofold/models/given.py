"""Images of another program in the place of a model, so that they are measured like one."""

import torch
from torch import Tensor

from twofold.conditions import ImageShape, NoCondition
from twofold.data.dataset import UNLABELED
from twofold.data.preprocess import to_unit
from twofold.models.base import Generative
from twofold.phases import Phase
from twofold.registry import register
from twofold.settings import Count

__all__ = ["GivenImages"]


@register("model", "given-images", title="given images")
class GivenImages(Generative):
    """A set of images that can only be drawn from.

    Arguments:
        count: N, how many images it holds.
        image_shape: (C, H, W).

    Example:
        >>> held = GivenImages(2, image_shape=(1, 4, 4))
        >>> held.held()[0].shape, held.sample(3).shape
        (torch.Size([2, 1, 4, 4]), torch.Size([3, 1, 4, 4]))
    """

    x: Tensor  # (N, C, H, W), uint8
    y: Tensor  # (N,), UNLABELED where there is no label

    def __init__(self, count: Count, image_shape: ImageShape = (1, 28, 28)) -> None:
        super().__init__()
        self.image_shape, self.condition, self.latent_dim = image_shape, NoCondition(), 1
        self.register_buffer("x", torch.zeros(count, *image_shape, dtype=torch.uint8))
        self.register_buffer("y", torch.full((count,), UNLABELED))

    @property
    def phases(self) -> list[Phase]:
        return []

    @property
    def device(self) -> torch.device:
        return self.x.device

    def held(self) -> tuple[Tensor, Tensor | None]:
        """All images in [0, 1], shape (N, C, H, W), and labels (N,) where every image has one."""
        labeled = not bool((self.y == UNLABELED).any())
        return to_unit(self.x), self.y if labeled else None

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:  # noqa: ARG002
        return to_unit(self.x[torch.arange(len(z), device=self.x.device) % len(self.x)])

    def images_of(self, z: Tensor, c: Tensor | None = None, batch_size: int = 1000) -> Tensor:  # noqa: ARG002
        """The first images, as many as there are codes; from the start again beyond the last."""
        return self.generate(z)
