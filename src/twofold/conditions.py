"""What else a model is told: nothing, a class, or a part of the image.

A condition takes what a user or a data set gives, `c` (labels (B,), or whole images (B, C, H, W)),
and turns it into the columns (B, dim) that the networks read. It never looks at the hidden part of
an image.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from twofold.errors import DataError, UsageError, unknown_name

__all__ = ["PARTS", "ClassCondition", "Condition", "ImagePart", "NoCondition", "part_mask"]

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
    """What a model is told beside the image.

    Attributes:
        dim: Columns of the encoded condition; 0 when there is none.
        about: `"nothing"`, `"class"` or `"image"`: what `c` is.
    """

    dim: int
    about: str

    @abstractmethod
    def pick(self, x: Tensor, y: Tensor | None) -> Tensor | None:
        """`c` for a batch of images x (B, C, H, W) with labels y (B,)."""

    @abstractmethod
    def forward(self, c: Tensor | None) -> Tensor | None:
        """`c` as the columns that networks read, shape (B, dim)."""


class NoCondition(Condition):
    """The model is told nothing."""

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


class ClassCondition(Condition):
    """The model is told the class, as a one-hot vector.

    In place of labels (B,) it takes weights (B, K) too, which stand for what lies between classes:
    the networks read them as they are, though they may have been trained on one-hot vectors alone.

    Arguments:
        num_classes: K.
    """

    about = "class"

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if num_classes < 2:
            raise DataError(
                f"a class-conditional model needs labels of at least 2 classes, got {num_classes}; "
                "use a data set with labels (sub-folders = classes) or a model without a condition"
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
    """The model is told the visible pixels of an image.

    Arguments:
        visible: Boolean mask, shape (H, W); True where the model may look.
        channels: C of the images.
        binary: Show Bernoulli draws of the gray values instead of these.

    Raises:
        UsageError: If everything or nothing is visible.
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
                "this model is told a part of an image: give c, images "
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


def make_condition(
    kind: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    mask: Any = None,
    binary: bool = False,
) -> Condition:
    """A condition by name: `none`, `class`, the name of a part of the image, or `mask` with one.

    Arguments:
        kind: `none`, `class`, `mask` or one of `PARTS`.
        image_shape: (C, H, W).
        num_classes: K of the data; 0 when it has no labels.
        mask: For `mask`: nested lists or an array of shape (H, W), non-zero where visible.
        binary: Whether the visible part is shown as Bernoulli draws of its gray values.
    """
    channels, height, width = image_shape
    if mask is not None and kind != "mask":
        raise UsageError(f"condition={kind} uses no mask; leave the mask out or use condition=mask")
    if binary and kind in ("none", "class"):
        raise UsageError(f"condition={kind} shows no pixels; leave condition_binary out")
    if kind == "none":
        return NoCondition()
    if kind == "class":
        return ClassCondition(num_classes)
    if kind == "mask":
        if mask is None:
            raise UsageError(f"condition=mask needs a mask; the images are {height}×{width}")
        try:
            visible = torch.as_tensor(mask)
        except ValueError as error:
            raise UsageError(f"the rows of the mask differ in length ({error})") from error
        if visible.shape != (height, width):
            raise UsageError(
                f"the mask has shape {tuple(visible.shape)} but the images are {height}×{width}"
            )
        return ImagePart(visible != 0, channels, binary)
    if kind in PARTS:
        return ImagePart(part_mask(kind, height, width), channels, binary)
    raise unknown_name("condition", kind, ("none", "class", "mask", *PARTS))
