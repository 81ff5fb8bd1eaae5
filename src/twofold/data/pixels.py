"""Arrays of any common layout and range made into uint8 images (N, C, H, W) and labels (N,)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.data.parts import UNLABELED
from twofold.errors import DataError

__all__ = ["MAX_BYTES", "as_images", "as_labels", "as_uint8"]

_MAX_CLASSES = 1 << 16
MAX_BYTES = 8 * 2**30  # what one file may unpack to; small images never come near it
_TOLERANCE = 1e-5  # float32 images a rounding error beyond [0, 1] or [-1, 1] are still meant so
_CHUNK = 4096  # images converted at a time, so that a float copy of a whole set is never made


def as_uint8(
    arrays: Mapping[str, NDArray[Any]], where: str
) -> tuple[dict[str, NDArray[np.uint8]], tuple[str, ...]]:
    """Scales arrays that share one range to uint8 and says what was done.

    uint8 stays as it is, booleans become 0 and 255, other integers must lie in 0..255, floats in
    [0, 1] are multiplied by 255 and floats in [-1, 1] shifted first. The range is that of all the
    arrays together, so that the splits of one set are never scaled differently.

    Arguments:
        arrays: Name of the split -> pixels, any shape.
        where: The file, for messages.

    Returns:
        The scaled arrays, and notes for the summary.
    """
    kinds = {array.dtype.kind for array in arrays.values()}
    if len(kinds) > 1 or not kinds <= set("buif"):
        types = ", ".join(sorted({str(array.dtype) for array in arrays.values()}))
        raise DataError(f"{where} holds {types}, expected images of one type: uint8 or float")
    if all(array.dtype == np.uint8 for array in arrays.values()):
        return dict(arrays), ()
    low, high = _common_range(arrays, where)
    scale, shift, note = _scaling(kinds.pop(), low, high, where)
    return {name: _scaled(array, scale, shift) for name, array in arrays.items()}, (note,)


def as_images(pixels: NDArray[np.uint8], where: str) -> NDArray[np.uint8]:
    """Brings (N, H, W), (N, H, W, C) or (N, C, H, W) to contiguous (N, C, H, W), C = 1 or 3.

    Example:
        >>> as_images(np.zeros((5, 28, 28, 3), np.uint8), "x.npy").shape
        (5, 3, 28, 28)
    """
    if pixels.ndim == 3:
        return np.ascontiguousarray(pixels[:, None])
    first = pixels.ndim == 4 and pixels.shape[1] in (1, 3)
    last = pixels.ndim == 4 and pixels.shape[3] in (1, 3)
    if first and last:
        raise DataError(
            f"{where}: shape {pixels.shape} could be (N, C, H, W) or (N, H, W, C); "
            "save gray images as (N, H, W) or load larger ones"
        )
    if not (first or last):
        raise DataError(
            f"{where}: images have shape {pixels.shape}, expected (N, H, W), (N, H, W, C) or "
            "(N, C, H, W) with C = 1 or 3; reshape them before saving"
        )
    return np.ascontiguousarray(pixels if first else pixels.transpose(0, 3, 1, 2))


def as_labels(
    values: NDArray[Any], num_images: int, where: str, partly: bool = False
) -> NDArray[np.int64]:
    """Checks labels, of shape (N,) or (N, 1), and brings them to int64 (N,).

    Arguments:
        values: The labels, whole numbers from 0.
        num_images: N.
        where: The file, for messages.
        partly: Also take -1, for an image whose class is not known.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or len(values) != num_images:
        raise DataError(
            f"{where}: labels have shape {values.shape} for {num_images} images, expected "
            f"({num_images},); one-hot labels become so with labels.argmax(axis=1)"
        )
    whole = values.dtype.kind in "iu" or (
        values.dtype.kind == "f" and bool(np.isfinite(values).all() and (values % 1 == 0).all())
    )
    if not whole:
        raise DataError(
            f"{where}: labels are {values.dtype} and not whole numbers, expected 0..K-1; "
            "number them with np.unique(labels, return_inverse=True)[1]"
        )
    labels = values.astype(np.int64)
    if labels.size and labels.min() < (UNLABELED if partly else 0):
        mend = (
            f"mark images whose class is not known with {UNLABELED}"
            if partly
            else "leave unlabeled images out or give their class"
        )
        raise DataError(
            f"{where}: labels run from {labels.min()} to {labels.max()}, expected 0..K-1; {mend}"
        )
    if labels.size and labels.max() >= _MAX_CLASSES:
        raise DataError(
            f"{where}: labels run to {labels.max()}, expected 0..K-1 with K up to {_MAX_CLASSES}; "
            "number them with np.unique(labels, return_inverse=True)[1]"
        )
    return labels


def _chunks(array: NDArray[Any]) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, len(array), _CHUNK))


def _common_range(arrays: Mapping[str, NDArray[Any]], where: str) -> tuple[float, float]:
    lows, highs = [], []
    for array in arrays.values():
        for part in _chunks(array):
            if array.dtype.kind == "f" and not np.isfinite(array[part]).all():
                raise DataError(
                    f"{where} holds values that are NaN or infinite; replace them, for example "
                    "with np.nan_to_num, before saving"
                )
            if array[part].size:
                lows.append(float(array[part].min()))
                highs.append(float(array[part].max()))
    return min(lows, default=0.0), max(highs, default=0.0)


def _scaling(kind: str, low: float, high: float, where: str) -> tuple[float, float, str]:
    """Scale and shift with uint8 = (value + shift) · scale, and the note that says so."""
    if kind == "b":
        return 255.0, 0.0, "booleans were taken as black and white"
    if kind in "iu":
        if low >= 0 and high <= 255:
            return 1.0, 0.0, "integers in 0..255 were taken as 8-bit pixels"
        raise DataError(
            f"{where} holds integers from {low:g} to {high:g}, expected 0 to 255; rescale them, "
            "for example (images // 257).astype(np.uint8) for 16-bit images"
        )
    if low >= -_TOLERANCE and high <= 1 + _TOLERANCE:
        return 255.0, 0.0, "floats in [0, 1] were scaled to 0..255"
    if low >= -1 - _TOLERANCE and high <= 1 + _TOLERANCE:
        return 127.5, 1.0, "floats in [-1, 1] were scaled to 0..255"
    raise DataError(
        f"{where} holds floats from {low:g} to {high:g}, expected [0, 1] or [-1, 1]; rescale "
        "them, for example images / 255"
    )


def _scaled(array: NDArray[Any], scale: float, shift: float) -> NDArray[np.uint8]:
    out = np.empty(array.shape, np.uint8)
    for part in _chunks(array):
        values = (array[part].astype(np.float32) + np.float32(shift)) * np.float32(scale)
        out[part] = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return out
