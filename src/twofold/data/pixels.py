"""Arrays of any common layout and range made into uint8 images (N, C, H, W) and labels (N,).

That is what a reader hands back: images and labels as the files group them, before they are split.
`where` names the file in messages.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.data.opening import check_room
from twofold.errors import DataError

__all__ = [
    "UNLABELED",
    "Part",
    "Parts",
    "as_images",
    "as_labels",
    "as_parts",
    "as_uint8",
    "first_names",
    "list_odd_sizes",
    "stack_images",
]

UNLABELED = -1  # as in scikit-learn: the label of an image whose class nobody has said
_MAX_CLASSES = 1 << 16
_TOLERANCE = 1e-5  # float32 images a rounding error beyond [0, 1] or [-1, 1] are still meant so
_CHUNK = 4096  # images converted at a time, so that a float copy of a whole set is never made


@dataclass(frozen=True, eq=False)
class Part:
    """Images that belong together.

    Arguments:
        images: Pixels, uint8 (N, C, H, W).
        labels: Classes, int64 (N,), -1 where one is not known, or None.
        files: Where each lay in its folder or archive; () where they have no names.

    Example:
        >>> part = Part(np.zeros((2, 1, 8, 8), np.uint8), np.array([3, UNLABELED]))
        >>> part.labels
        array([ 3, -1])
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Parts:
    """The groups of one source: "train" always, "validation" and "test" where it has its own.

    Arguments:
        groups: Name of the split -> its images.
        class_names: Names of the classes, or () to number them.
        notes: What the reader did to the files, for the summary.

    Example:
        >>> images = np.zeros((2, 1, 8, 8), np.uint8)
        >>> list(Parts({"train": Part(images), "test": Part(images)}).groups)
        ['train', 'test']
    """

    groups: Mapping[str, Part]
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def as_parts(
    arrays: Mapping[str, tuple[NDArray[Any], NDArray[Any] | None]],
    where: str,
    class_names: tuple[str, ...] = (),
    partly: bool = False,
    signed: bool = True,
) -> Parts:
    """Images and labels of each split, whatever their layout and range.

    Arguments:
        arrays: Name of the split -> pixels and labels.
        class_names: Names of the classes, or () to number them.
        partly: As in `as_labels`.
        signed: As in `as_uint8`.

    Example:
        >>> parts = as_parts({"train": (np.ones((2, 8, 8)), np.array([[0], [1]]))}, "x.npz")
        >>> parts.groups["train"].images.shape, parts.notes
        ((2, 1, 8, 8), ('floats in [0, 1] were scaled to 0..255',))
    """
    pixels, notes = as_uint8({split: x for split, (x, _) in arrays.items()}, where, signed)
    groups = {}
    for split, (_, labels) in arrays.items():
        images = as_images(pixels[split], where)
        y = None if labels is None else as_labels(labels, len(images), where, partly)
        if y is not None and len(y) and (y == UNLABELED).all():
            notes = (*notes, f"the labels of {split} are all {UNLABELED}, taken for no labels")
            y = None
        groups[split] = Part(images, y)
    return Parts(groups, class_names, notes)


def as_uint8(
    arrays: Mapping[str, NDArray[Any]], where: str, signed: bool = True
) -> tuple[dict[str, NDArray[np.uint8]], tuple[str, ...]]:
    """Scales arrays that share one range to uint8; beside them, notes for the summary.

    uint8 stays as it is, booleans become 0 and 255, other integers must lie in 0..255, floats in
    [0, 1] are multiplied by 255 and, where `signed`, those in [-1, 1] shifted first. The range is
    that of all arrays together, so that the splits of one set are never scaled differently.

    Example:
        >>> as_uint8({"train": np.array([0.0, 0.2, 1.0])}, "x.npy")[0]["train"]
        array([  0,  51, 255], dtype=uint8)
    """
    kinds = {array.dtype.kind for array in arrays.values()}
    if len(kinds) > 1 or not kinds <= set("buif"):
        types = ", ".join(sorted({str(array.dtype) for array in arrays.values()}))
        raise DataError(f"{where}: {types}, expected images of one type: uint8 or float")
    if all(array.dtype == np.uint8 for array in arrays.values()):
        return dict(arrays), ()
    ends = [float(end) for x in arrays.values() if x.size for end in (x.min(), x.max())]
    if not np.isfinite(ends).all():
        raise DataError(
            f"{where}: values that are NaN or infinite; replace them, for example with "
            "np.nan_to_num"
        )
    low, high = min(ends, default=0.0), max(ends, default=0.0)
    scale, shift, note = _scaling(kinds.pop(), low, high, where, signed)
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
            "give gray images as (N, H, W), or larger ones"
        )
    if not (first or last):
        raise DataError(
            f"{where}: images have shape {pixels.shape}, expected (N, H, W), (N, H, W, C) or "
            "(N, C, H, W) with C = 1 or 3; reshape them"
        )
    return np.ascontiguousarray(pixels if first else pixels.transpose(0, 3, 1, 2))


def as_labels(
    values: NDArray[Any], num_images: int, where: str, partly: bool = False
) -> NDArray[np.int64]:
    """Brings labels, whole numbers from 0 of shape (N,) or (N, 1), to int64 (N,).

    With `partly`, -1 is taken, too, for an image whose class is not known.

    Example:
        >>> as_labels(np.array([[0.0], [2.0]]), 2, "x.npz")
        array([0, 2])
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (num_images,):
        raise DataError(
            f"{where}: labels have shape {values.shape} for {num_images} images, expected "
            f"({num_images},); one-hot labels become so with labels.argmax(axis=1)"
        )
    renumber = "number them with np.unique(labels, return_inverse=True)[1]"
    kind = values.dtype.kind
    whole = kind in "iu" or (kind == "f" and all(y.is_integer() for y in values.tolist()))
    if not whole:
        raise DataError(
            f"{where}: labels are {values.dtype} and not whole numbers, expected 0..K-1; {renumber}"
        )
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if low < (UNLABELED if partly else 0):
        mend = "leave unlabeled images out or give their class"
        if partly:
            mend = f"mark images whose class is not known with {UNLABELED}"
        raise DataError(f"{where}: labels run from {low} to {high}, expected 0..K-1; {mend}")
    if high >= _MAX_CLASSES:
        raise DataError(
            f"{where}: labels run to {high}, expected 0..K-1 with K up to {_MAX_CLASSES}; "
            + renumber
        )
    return values.astype(np.int64)


def stack_images(
    images: Iterable[NDArray[np.uint8] | None], count: int, where: str, done: Counter[str]
) -> tuple[NDArray[np.uint8], list[tuple[int, int] | None], list[str]]:
    """Images (C, H, W) that come one by one, as one array (N, C, H, W); each is held only there.

    Next to color images, gray ones get three equal channels.

    Arguments:
        images: As many as `count`, None for one that cannot be read.
        done: How many had what, counted while they come.

    Returns:
        The array; the size (H, W) of each, or None; and notes. Where not all have one size, the
        array is not whole.

    Example:
        >>> images = [np.zeros((C, 8, 8), np.uint8) for C in (1, 3)]
        >>> stack_images(images, 2, "x", Counter())[0].shape
        (2, 3, 8, 8)
    """
    out: NDArray[np.uint8] = np.empty((count, 0, 0, 0), np.uint8)
    sizes: list[tuple[int, int] | None] = []
    num_gray = 0
    for i, image in enumerate(images):
        sizes.append(None if image is None else (image.shape[1], image.shape[2]))
        if image is None or (out.size and image.shape[1:] != out.shape[2:]):
            continue
        if len(image) > out.shape[1]:
            H, W = image.shape[1], image.shape[2]
            what, mend = f"{where}: {count} images of {H}×{W}", "pass a size, for example size=64"
            check_room(image.nbytes * count, what, mend)
            before, out = out, np.empty((count, len(image), H, W), np.uint8)
            if before.size:
                out[:i] = before[:i]
        out[i] = image
        num_gray += len(image) == 1
    notes = [f"{number} image(s) had {what}" for what, number in done.items()]
    if num_gray and out.shape[1] > 1:
        notes.append(f"{num_gray} gray image(s) among color ones were given three equal channels")
    return out, sizes, notes


def list_odd_sizes(names: Sequence[str], sizes: Sequence[tuple[int, int] | None]) -> str:
    """What to say where not all images have one size, naming those that differ; else "".

    The size is (H, W), or None where it is not known; of one image at least it is.

    Example:
        >>> print(list_odd_sizes(["a.png", "b.png", "c.png"], [(8, 9), (8, 9), (8, 8)]))
        1 of 3 images are not 8×9 (height × width) as most are; pass a size, for example size=28 or
        size=8,9, or --resize beside a trained model: c.png (8×8)
    """
    most = Counter(filter(None, sizes)).most_common(1)[0][0]
    pairs = zip(names, sizes, strict=True)
    odd = [f"{name} ({size[0]}×{size[1]})" for name, size in pairs if size and size != most]
    if not odd:
        return ""
    H, W = most
    own = f" or size={H},{W}" if H != W else ""
    return (
        f"{len(odd)} of {len(names)} images are not {H}×{W} (height × width) as most are; pass a "
        f"size, for example size=28{own}, or --resize beside a trained model: {first_names(odd)}"
    )


def first_names(names: Sequence[str]) -> str:
    """The first ten, and whether there are more.

    Example:
        >>> first_names("abcdefghijkl")
        'a, b, c, d, e, f, g, h, i, j, ...'
    """
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _scaling(
    kind: str, low: float, high: float, where: str, signed: bool
) -> tuple[float, float, str]:
    """Scale and shift with uint8 = (value + shift) · scale, and the note that says so."""
    if kind == "b":
        return 255.0, 0.0, "booleans were taken as black and white"
    if kind in "iu":
        if low >= 0 and high <= 255:
            return 1.0, 0.0, "integers in 0..255 were taken as 8-bit pixels"
        raise DataError(
            f"{where}: integers from {low:g} to {high:g}, expected 0 to 255; rescale them, "
            "for example (images // 257).astype(np.uint8) for 16-bit images"
        )
    if high <= 1 + _TOLERANCE:
        if low >= -_TOLERANCE:
            return 255.0, 0.0, "floats in [0, 1] were scaled to 0..255"
        if signed and low >= -1 - _TOLERANCE:
            return 127.5, 1.0, "floats in [-1, 1] were scaled to 0..255"
    raise DataError(
        f"{where}: floats from {low:g} to {high:g}, expected "
        f"{'[0, 1] or [-1, 1]' if signed else '[0, 1]'}; rescale them, for example "
        f"{'images / 255' if low >= 0 else '(images + 1) / 2'}"
    )


def _scaled(array: NDArray[Any], scale: float, shift: float) -> NDArray[np.uint8]:
    out = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), _CHUNK):
        part = slice(start, start + _CHUNK)
        values = (array[part].astype(np.float32) + np.float32(shift)) * np.float32(scale)
        out[part] = np.rint(np.clip(values, 0, 255))
    return out
