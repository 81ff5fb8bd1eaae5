"""Images brought to one size and, where asked, to one channel."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["checked_size", "fit", "resize", "to_grey"]


def checked_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """(H, W) from a side or a pair.

    Example:
        >>> checked_size(28), checked_size((32, 24))
        ((28, 28), (32, 24))
    """
    if size is None:
        return None
    pair = tuple(size) if isinstance(size, tuple | list) else (size, size)
    whole = all(isinstance(side, int | np.integer) and not isinstance(side, bool) for side in pair)
    if len(pair) != 2 or not whole or not all(1 <= side <= 4096 for side in pair):
        raise UsageError(f"size={size!r}; expected a side such as 28 or (height, width), 1 to 4096")
    return int(pair[0]), int(pair[1])


def fit(image: "Image", size: tuple[int, int]) -> "Image":
    """Crops the centre to the aspect of `size` (H, W) and resizes it with antialiased Lanczos.

    At the crop's edge the filter still sees what lies beyond it, as if the whole image had been
    resized first and cropped then.
    """
    from PIL.Image import Resampling

    height, width = size
    if image.size == (width, height):
        return image
    scale = min(image.width / width, image.height / height)
    crop_w, crop_h = width * scale, height * scale
    left, top = (image.width - crop_w) / 2, (image.height - crop_h) / 2
    box = (left, top, left + crop_w, top + crop_h)
    return image.resize((width, height), Resampling.LANCZOS, box=box)


def resize(images: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Fits every image of (N, C, H, W) into `size`; the same array if it has that size."""
    from PIL import Image

    N, C, H, W = images.shape
    if size == (H, W):
        return images
    out = np.empty((N, C, *size), np.uint8)
    for planes, fitted in zip(images, out, strict=True):
        for plane, target in zip(planes, fitted, strict=True):
            target[:] = np.asarray(fit(Image.fromarray(plane), size))
    return out


def to_grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel by the luma of ITU-R BT.601, (N, 3, H, W) -> (N, 1, H, W).

    Y = 0.299 R + 0.587 G + 0.114 B, in the 16-bit fixed point that Pillow uses, so that arrays and
    files give the same grey.
    """
    if images.shape[1] == 1:
        return images
    out = np.empty((len(images), 1, *images.shape[2:]), np.uint8)
    for image, grey in zip(images, out, strict=True):
        R, G, B = image.astype(np.uint32)
        grey[0] = (R * 19595 + G * 38470 + B * 7471 + 0x8000) >> 16
    return out
