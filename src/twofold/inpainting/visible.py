"""Which pixels of an image are visible: a named part, a mask in a file, or an array."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.conditions import PARTS, ImagePart, part_mask
from twofold.data import load_images
from twofold.data.resize import resize as resized
from twofold.errors import UsageError
from twofold.models.base import Model

__all__ = ["Mask", "part_name", "visible_part"]

Mask = str | Path | NDArray[Any] | Tensor
PAINT = np.array([255, 0, 255])  # magenta: what hides pixels in a copy of an image
NEAR = 64  # how far a channel may be from it
LIGHT = 128  # the gray level from which a pixel of a mask is visible
DEFAULT = "left-half"


def visible_part(
    model: Model, part: str | None = None, mask: Mask | None = None, resize: bool = False
) -> Tensor:
    """The pixels of an image that a model is shown: boolean (H, W), on its device.

    Arguments:
        model: One conditioned on a part of the image has its own; of any other the left half is
            shown where nothing else is asked for.
        part: A name of `PARTS`.
        mask: An array (H, W), non-zero where visible, or an image file: either white where visible
            and black where hidden, or a picture of which some is painted over in magenta
            (255, 0, 255), and that is hidden.
        resize: Bring a mask of another size to the model's.

    Raises:
        UsageError: If the model has its own mask and another is given, if there is no such part, or
            if the mask has another size or shows everything or nothing.
    """
    if isinstance(model.condition, ImagePart):
        own = model.condition.visible
        if part is not None or mask is not None:
            raise UsageError(
                f"this {model.title} was trained to see {part_name(own)} and can be shown no other "
                "part; leave --part and --mask out, or use a VAE, which completes from any"
            )
        return own
    if part is not None and mask is not None:
        raise UsageError("give a part or a mask, not both")
    H, W = model.image_shape[1:]
    if mask is None:
        return part_mask(part or DEFAULT, H, W).to(model.device)
    mask = mask.cpu() if isinstance(mask, Tensor) else mask
    visible = _read(mask) if isinstance(mask, str | Path) else np.asarray(mask)
    if visible.ndim != 2:
        raise UsageError(f"a mask has shape (H, W), got {visible.shape}")
    visible = visible != 0
    if visible.shape != (H, W) and not resize:
        h, w = visible.shape
        raise UsageError(
            f"the mask has {h}×{w} pixels and the model's images have {H}×{W}; resize it with "
            "--resize (in Python: resize=True)"
        )
    if visible.shape != (H, W):
        visible = resized(visible[None, None].astype(np.uint8) * 255, (H, W))[0, 0] >= LIGHT
    if visible.all() or not visible.any():
        raise UsageError(
            f"the mask shows {visible.sum()} of {visible.size} pixels; show some and hide some"
        )
    return torch.as_tensor(visible, device=model.device)


def part_name(visible: Tensor) -> str:
    """What a mask (H, W) is called: a name of `PARTS`, or how much of the image it shows.

    Example:
        >>> part_name(part_mask("left-half", 4, 4)), part_name(torch.eye(4).bool())
        ('left-half', 'a mask of 4 of 16 pixels')
    """
    for name in PARTS:
        if torch.equal(part_mask(name, *visible.shape), visible.cpu()):
            return name
    return f"a mask of {int(visible.sum())} of {visible.numel()} pixels"


def _read(path: str | Path) -> NDArray[np.bool_]:
    images = load_images(path).images
    if len(images) != 1:
        raise UsageError(f"{path} holds {len(images)} images; a mask is one")
    channels = images[0].astype(np.int64)
    if len(channels) == 3:
        painted = (np.abs(channels - PAINT[:, None, None]) < NEAR).all(axis=0)
        if painted.any():
            return ~painted
    return channels.mean(axis=0) >= LIGHT
