"""Images and labels kept as arrays of numbers: numpy's .npy and .npz, and tables in .csv.

Nothing that is pickled is read, since that can run code.
"""

import math
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from twofold.data.archive import check_members
from twofold.data.opening import check_room, is_there, read_exactly, reading
from twofold.data.pixels import Parts, as_parts, first_names
from twofold.data.tree import split_of
from twofold.errors import DataError

__all__ = ["read_csv", "read_npy", "read_npz"]

_IMAGES = ("images", "image", "x", "imgs", "data")  # the names people give arrays, best first
_LABELS = ("labels", "label", "y", "targets", "target")
_NAMES = "class_names"
_SAVE = "save it again with numpy"


def read_npy(path: Path) -> Parts:
    """Unlabeled images: (N, H, W), (N, H, W, C) or (N, C, H, W).

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/x.npy", np.zeros((2, 8, 8), np.uint8))
        ...     read_npy(Path(folder, "x.npy")).groups["train"].images.shape
        (2, 1, 8, 8)
    """
    is_there(path)
    with reading(path, _SAVE), path.open("rb") as file:
        pixels = _read_array(file, path.stat().st_size, str(path))
    return as_parts({"train": (pixels, None)}, str(path))


def read_npz(path: Path) -> Parts:
    """Images and labels of each split, by the names of the arrays; others are named in a note.

    A name has a word for what it is, and perhaps one for the split: `x` and `y`, `x_train`,
    `test_images`. The label -1 means that the class of the image is not known.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     x = np.zeros((2, 8, 8), np.uint8)
        ...     np.savez(f"{folder}/x.npz", train_images=x, val_images=x[:1], ids=[7, 8])
        ...     parts = read_npz(Path(folder, "x.npz"))
        >>> list(parts.groups), parts.notes
        (['train', 'validation'], ('arrays that were not read: ids',))
    """
    is_there(path)
    with reading(path, _SAVE), zipfile.ZipFile(path) as archive:
        check_members(archive.infolist(), path)
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        chosen = _choose(list(members), str(path))
        names = {name for pair in chosen.values() for name in pair if name}
        arrays: dict[str, NDArray[Any]] = {}
        for name in [*names, *({_NAMES} & members.keys())]:
            with archive.open(members[name]) as file:
                arrays[name] = _read_array(file, members[name].file_size, f"{path}: {name}")
    class_names = _class_names(arrays.pop(_NAMES, None))
    pairs = {split: (arrays[x], arrays[y] if y else None) for split, (x, y) in chosen.items()}
    parts = as_parts(pairs, str(path), partly=True)
    if not any(part.labels is not None for part in parts.groups.values()):
        class_names = ()
    left = sorted(members.keys() - names - ({_NAMES} if class_names else set()))
    notes = (*parts.notes, *([f"arrays that were not read: {first_names(left)}"] if left else []))
    return Parts(parts.groups, class_names, notes)


def read_csv(path: Path) -> Parts:
    """A table of square gray images: a row each, perhaps its label in front, then pixels 0..255.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "x.csv")
        ...     _ = path.write_text("label,pixel0,pixel1,pixel2,pixel3\\n7,0,1,2,255\\n")
        ...     part = read_csv(path).groups["train"]
        >>> part.labels, part.images.tolist()
        (array([7]), [[[[0, 1], [2, 255]]]])
    """
    is_there(path)
    check_room(path.stat().st_size, str(path))
    with reading(path, "save it with a row for each image"), path.open(encoding="utf-8") as file:
        first = file.readline(1 << 20).strip().split(",")
        header = not all(re.fullmatch(r"\s*\d+\s*", value) for value in first)
        if not header:
            file.seek(0)
        values = np.loadtxt(file, np.int16, delimiter=",", ndmin=2)  # (N, columns)
    names = [name.strip().strip("\"'").lower() for name in first]
    columns = values.shape[1]
    at = next((i for i, name in enumerate(names) if header and name in (*_LABELS, "class")), None)
    if at is None and not _is_square(columns) and _is_square(columns - 1):
        at = 0
    pixels = values if at is None else np.delete(values, at, axis=1)
    side = math.isqrt(pixels.shape[1])
    if not _is_square(pixels.shape[1]) or len(names) != columns:
        raise DataError(
            f"{path} has {columns} columns, expected a label and the pixels of a square gray "
            "image, as label,pixel0,pixel1,...; save others as .npz: "
            "np.savez('x.npz', x=images, y=labels)"
        )
    images = pixels.reshape(-1, side, side)
    return as_parts({"train": (images, None if at is None else values[:, at])}, str(path), (), True)


def _is_square(count: int) -> bool:
    return count > 0 and math.isqrt(count) ** 2 == count


def _read_array(file: IO[bytes], size: int, where: str) -> NDArray[Any]:
    """One array in numpy's own format, of a file of so many bytes; objects are refused."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0
    shape, fortran, dtype = (header if version == (1, 0) else np.lib.format.read_array_header_2_0)(
        file
    )
    if dtype.hasobject:
        raise DataError(
            f"{where} holds Python objects, which are pickled and never loaded; save plain arrays, "
            "for example np.stack(images).astype(np.uint8)"
        )
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"its shape is {shape}")
    expected, have = math.prod(shape) * dtype.itemsize, size - file.tell()
    if expected > have:
        raise ValueError(f"{expected} bytes of values are expected and there are {have}")
    check_room(expected, where)
    out = read_exactly(file, expected, to_end=False).view(dtype)
    return out.reshape(shape, order="F" if fortran else "C")


def _choose(names: Sequence[str], where: str) -> dict[str, tuple[str, str | None]]:
    """Split -> the array of its images and that of its labels, by their names."""
    best: dict[tuple[str, int], tuple[int, int, str]] = {}  # split and kind -> rank and name
    for name in names:
        words = [word for word in re.split(r"_|(?<=[a-z])(?=[A-Z])", name) if word]
        for kind, known in enumerate((_IMAGES, _LABELS)):
            rest = [word for word in words if word.lower() not in known]
            split = split_of("_".join(rest)) if rest else "train"
            if split and len(rest) == len(words) - 1:
                word = next(word.lower() for word in words if word.lower() in known)
                rank = known.index(word), -len(rest), name
                best[split, kind] = min(rank, best.get((split, kind), rank))
    chosen = {
        split: (rank[-1], best[split, 1][-1] if (split, 1) in best else None)
        for (split, kind), rank in best.items()
        if kind == 0
    }
    if "train" not in chosen:
        raise DataError(
            f"{where} holds {first_names(sorted(names)) or 'nothing'}; expected images and labels, "
            "x and y, or x_train, y_train, x_test and y_test"
        )
    return chosen


def _class_names(values: NDArray[Any] | None) -> tuple[str, ...]:
    if values is None or values.ndim != 1 or values.dtype.kind != "U":
        return ()
    return tuple(map(str, values))
