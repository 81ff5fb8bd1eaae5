"""Images brought to one size and, where asked, to one channel."""

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError

__all__ = ["checked_size", "resize", "to_gray"]

_CHUNK = 1024  # images at a time, to bound the memory of the copies in between


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


def resize(images: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Crops the center to the aspect of `size` (H, W), resizes it with antialiased Lanczos.

    Rows are resampled first and columns then, each for itself; so many images, stacked on one
    another, take Pillow two calls. At the crop's edge the filter still sees what lies beyond it, as
    if the whole image had been resized first and cropped then.

    Arguments:
        images: uint8 (N, C, H, W).
        size: The new (H, W).

    Returns:
        uint8 (N, C, *size); the same array if it has that size.

    Example:
        >>> resize(np.full((2, 3, 8, 6), 7, np.uint8), (4, 4)).shape
        (2, 3, 4, 4)
    """
    N, C, H, W = images.shape
    if size == (H, W):
        return images
    scale = min(W / size[1], H / size[0])  # of the largest centered part with the aspect of `size`
    crop_w, crop_h = size[1] * scale, size[0] * scale
    left, top = (W - crop_w) / 2, (H - crop_h) / 2
    out = np.empty((N, C, *size), np.uint8)
    for start in range(0, N, _CHUNK):
        rows = _resample(images[start : start + _CHUNK], size[1], left, left + crop_w)
        columns = _resample(rows.swapaxes(2, 3), size[0], top, top + crop_h)
        out[start : start + _CHUNK] = columns.swapaxes(2, 3)
    return out


def _resample(x: NDArray[np.uint8], width: int, left: float, right: float) -> NDArray[np.uint8]:
    """The part of every row from `left` to `right`, (B, C, H, W) -> (B, C, H, width)."""
    from PIL import Image

    B, C, H, W = x.shape
    rows = Image.fromarray(np.ascontiguousarray(x).reshape(B * C * H, W))
    box = (left, 0, right, rows.height)
    out = rows.resize((width, rows.height), Image.Resampling.LANCZOS, box=box)
    return np.asarray(out).reshape(B, C, H, width)


def to_gray(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel by the luma of ITU-R BT.601, (N, 3, H, W) -> (N, 1, H, W).

    Y = 0.299 R + 0.587 G + 0.114 B, in the 16-bit fixed point that Pillow uses, so that arrays and
    files give the same gray.

    Example:
        >>> to_gray(np.array([[[[255]], [[0]], [[0]]]], np.uint8))
        array([[[[76]]]], dtype=uint8)
    """
    if images.shape[1] == 1:
        return images
    out = np.empty((len(images), 1, *images.shape[2:]), np.uint8)
    for start in range(0, len(images), _CHUNK):
        R, G, B = images[start : start + _CHUNK].astype(np.uint32).swapaxes(0, 1)
        out[start : start + _CHUNK, 0] = (R * 19595 + G * 38470 + B * 7471 + 0x8000) >> 16
    return out
