"""What a model is conditioned on: nothing, a class, or a part of the image.

A condition takes what a user or a data set gives, `c` (labels (B,), or whole images (B, C, H, W)),
and turns it into the columns (B, dim) that the networks read. It never looks at the hidden part of
an image.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twofold.errors import DataError, UsageError, unknown_name
from twofold.registry import register

__all__ = [
    "PARTS",
    "ClassCondition",
    "Condition",
    "ImagePart",
    "ImageShape",
    "NoCondition",
    "part_mask",
    "visible_pixels",
]

ImageShape = tuple[int, int, int]
PARTS = (
    "left-half",
    "right-half",
    "top-half",
    "bottom-half",
    "middle-column",
    "bottom-left",
    "not-bottom-right",
)


class Condition(nn.Module, ABC):
    """What a model is given beside the image.

    Attributes:
        dim: Columns of the encoded condition; 0 when there is none.
        about: `"nothing"`, `"class"` or `"image"`: what `c` is.

    Example:
        >>> from twofold.registry import make
        >>> make("condition", "left-half", image_shape=(1, 28, 28)).dim
        392
    """

    registry_kind = "condition"
    dim: int
    about: str

    @abstractmethod
    def pick(self, x: Tensor, y: Tensor | None) -> Tensor | None:
        """`c` for a batch of images x (B, C, H, W) with labels y (B,)."""

    @abstractmethod
    def forward(self, c: Tensor | None) -> Tensor | None:
        """`c` as the columns that networks read, shape (B, dim)."""


@register("condition", "none", title="nothing")
class NoCondition(Condition):
    """The model sees the image alone.

    Example:
        >>> NoCondition().dim
        0
    """

    dim = 0
    about = "nothing"

    def pick(self, x: Tensor, y: Tensor | None) -> Tensor | None:  # noqa: ARG002
        return None

    def forward(self, c: Tensor | None) -> Tensor | None:
        if c is not None:
            raise UsageError(
                "this model takes no condition; leave the class out, or use a CVAE or CGAN"
            )
        return None


@register("condition", "class", title="the class")
class ClassCondition(Condition):
    """The class, as a one-hot vector.

    In place of labels (B,) it takes weights (B, K) too, which stand for what lies between classes:
    the networks read them as they are, though they may have been trained on one-hot vectors alone.

    Arguments:
        num_classes: K.

    Example:
        >>> ClassCondition(3)(torch.tensor([2, 0])).tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    about = "class"

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if num_classes < 2:
            raise DataError(
                f"a class-conditional model needs labels of at least 2 classes, got {num_classes}; "
                "use a data set with labels (sub-folders = classes), give num_classes where the "
                "model is made in Python, or use a model without a condition"
            )
        self.num_classes = num_classes
        self.dim = num_classes

    def pick(self, x: Tensor, y: Tensor | None) -> Tensor | None:  # noqa: ARG002
        if y is None:
            raise DataError(
                "this model is conditioned on the class but the images have no labels; "
                "put each class into a sub-folder, or use a model without a condition"
            )
        return y

    def check(self, c: Tensor) -> None:
        """Refuses labels that are not there. It waits for the device, so training does not call it.

        Raises:
            UsageError: Naming a label out of range, or the shape of weights that is wrong.
        """
        if c.is_floating_point():
            if c.shape[1:] != (self.num_classes,):
                raise UsageError(
                    f"weights of classes have shape (B, {self.num_classes}), got {tuple(c.shape)}"
                )
            return
        wrong = c[(c < 0) | (c >= self.num_classes)]
        if len(wrong):
            raise UsageError(
                f"there is no class {int(wrong[0])}: labels are 0..{self.num_classes - 1}"
            )

    def forward(self, c: Tensor | None) -> Tensor:
        if c is None:
            raise UsageError(
                "this model is conditioned on the class: give c, labels in "
                f"0..{self.num_classes - 1}"
            )
        if not c.is_floating_point():
            c = F.one_hot(c, self.num_classes)
        return c.to(torch.get_default_dtype())


class ImagePart(Condition):
    """The visible pixels of an image.

    Arguments:
        visible: Boolean mask, shape (H, W); True where the model may look.
        channels: C of the images.
        binary: Show Bernoulli draws of the gray values instead of these.

    Raises:
        UsageError: If everything or nothing is visible.

    Example:
        >>> ImagePart(torch.tensor([[True, False]]), channels=1)(torch.tensor([[[[0.2, 0.7]]]]))
        tensor([[0.2000]])
    """

    visible: Tensor
    _where: Tensor
    about = "image"

    def __init__(self, visible: Tensor, channels: int, binary: bool = False) -> None:
        super().__init__()
        if visible.dim() != 2:
            raise UsageError(f"a mask has shape (H, W), got {tuple(visible.shape)}")
        shown = int(visible.sum())
        if shown in (0, visible.numel()):
            raise UsageError(
                f"the mask shows {shown} of {visible.numel()} pixels; show some and hide some"
            )
        self.register_buffer("visible", visible.bool())
        # Numbers rather than the mask: a device would have to count a mask before each step.
        where = self.visible.flatten().nonzero().squeeze(1)  # (shown,)
        self.register_buffer("_where", where, persistent=False)
        self.channels = channels
        self.binary = binary
        self.dim = shown * channels

    def pick(self, x: Tensor, y: Tensor | None) -> Tensor | None:  # noqa: ARG002
        return torch.bernoulli(x) if self.binary else x

    def forward(self, c: Tensor | None) -> Tensor:
        expected = (self.channels, *self.visible.shape)
        if c is None or c.dim() != 4 or c.shape[1:] != expected:
            got = "nothing" if c is None else f"shape {tuple(c.shape)}"
            raise UsageError(
                "this model is conditioned on a part of an image: give c, images "
                f"(B, {', '.join(map(str, expected))}); got {got}"
            )
        return c.flatten(2)[:, :, self._where].flatten(1)


def part_mask(part: str, height: int, width: int) -> Tensor:
    """The visible pixels of a named part, boolean, shape (H, W).

    Example:
        >>> part_mask("left-half", 2, 4).int().tolist()
        [[1, 1, 0, 0], [1, 1, 0, 0]]
    """
    slices: dict[str, tuple[slice, slice]] = {
        "left-half": (slice(None), slice(0, width // 2)),
        "right-half": (slice(None), slice(width // 2, None)),
        "top-half": (slice(0, height // 2), slice(None)),
        "bottom-half": (slice(height // 2, None), slice(None)),
        "middle-column": (slice(None), slice(width // 2, width // 2 + 1)),
        "bottom-left": (slice(height // 2, None), slice(0, width // 2)),
        "not-bottom-right": (slice(height // 2, None), slice(width // 2, None)),
    }
    if part not in slices:
        raise unknown_name("part of the image", part, PARTS)
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[slices[part]] = True
    return ~mask if part.startswith("not-") else mask


def _known(image_shape: ImageShape | None) -> ImageShape:
    if image_shape is None:
        raise UsageError(
            "a part of the image is cut out of images of a known shape: give the model "
            "image_shape=(channels, height, width)"
        )
    return image_shape


def _register_part(part: str) -> None:
    @register("condition", part, title=f"the {part.replace('-', ' ')} of the image")
    def visible_part(image_shape: ImageShape, binary: bool = False) -> ImagePart:
        """A part of the image by its name.

        Arguments:
            binary: Show Bernoulli draws of the gray values instead of these.
        """
        channels, height, width = _known(image_shape)
        return ImagePart(part_mask(part, height, width), channels, binary)


for _part in PARTS:
    _register_part(_part)


@register("condition", "mask", title="the pixels of a mask")
def visible_pixels(
    image_shape: ImageShape, mask: list[list[int]], binary: bool = False
) -> ImagePart:
    """The pixels of a mask.

    Arguments:
        mask: H rows of W numbers, non-zero where visible.
        binary: Show Bernoulli draws of the gray values instead of these.

    Raises:
        UsageError: If the mask has not the images' size.

    Example:
        >>> visible_pixels((1, 2, 2), mask=[[1, 1], [0, 0]]).dim
        2
    """
    channels, height, width = _known(image_shape)
    lengths = {len(row) for row in mask}
    if len(lengths) > 1:
        raise UsageError(f"the rows of the mask differ in length: {sorted(lengths)}")
    visible = torch.as_tensor(mask)
    if visible.shape != (height, width):
        raise UsageError(
            f"the mask has shape {tuple(visible.shape)} but the images are {height}×{width}"
        )
    return ImagePart(visible != 0, channels, binary)
