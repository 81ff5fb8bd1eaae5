"""Arrays saved by numpy: .npy and .npz, never pickled ones."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from twofold.data.archive import check_members
from twofold.data.parts import Parts
from twofold.data.pixels import as_parts
from twofold.errors import DataError

__all__ = ["read_npy", "read_npz"]

_PAIRS = (("images", "labels"), ("x", "y"), ("X", "y"))
_SPLITS = {
    "train": ("x_train", "y_train"),
    "validation": ("x_val", "y_val"),
    "test": ("x_test", "y_test"),
}
_MAGIC = b"\x93NUMPY"
_DAMAGE = (ValueError, OSError, EOFError, KeyError, zlib.error, zipfile.BadZipFile)


def read_npy(path: Path) -> Parts:
    """Reads unlabeled images: (N, H, W), (N, H, W, C) or (N, C, H, W).

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/x.npy", np.zeros((4, 8, 8), np.uint8))
        ...     read_npy(Path(folder, "x.npy")).groups["train"].images.shape
        (4, 1, 8, 8)
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:  # numpy would take it for a pickle
            raise DataError(f"{path} is damaged or no numpy file; save it again with np.save")
    try:
        # Mapped first: a header that claims more than the file holds is then refused unread.
        pixels = np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    return as_parts({"train": (pixels, None)}, str(path))


def read_npz(path: Path) -> Parts:
    """Reads images and labels under the names people give them, with splits as Keras has them.

    The label -1 means that the class of the image is not known.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/x.npz", images=np.zeros((3, 8, 8)), labels=[0, 1, -1])
        ...     read_npz(Path(folder, "x.npz")).groups["train"].labels
        array([ 0,  1, -1])
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive.infolist(), path)
        with np.load(path, allow_pickle=False) as content:
            keys = _keys(set(content.files), path)
            arrays = {
                split: (content[x], content[y] if y in content.files else None)
                for split, (x, y) in keys.items()
            }
    except DataError:
        raise
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    return as_parts(arrays, str(path), partly=True)


def _keys(have: set[str], path: Path) -> dict[str, tuple[str, str]]:
    """Split -> the names of its images and labels."""
    splits = {split: pair for split, pair in _SPLITS.items() if pair[0] in have}
    if "train" in splits:
        return splits
    for pair in _PAIRS:
        if pair[0] in have:
            return {"train": pair}
    raise DataError(
        f"{path} holds {', '.join(sorted(have)) or 'nothing'}; expected images and labels, x and "
        "y, or x_train, y_train, x_test and y_test"
    )


def _unreadable(path: Path, error: Exception) -> DataError:
    if "Object arrays" in str(error) or "Python objects" in str(error):
        return DataError(
            f"{path} holds Python objects, which are pickled and never loaded; save plain arrays, "
            "for example np.stack(images).astype(np.uint8)"
        )
    return DataError(f"{path} is damaged or no numpy file ({error}); save it again")
