"""Which reader a path is for; and the readers of MNIST's files, SVHN's and CIFAR-10's.

MNIST's are in IDX: two zero bytes, a type code, the number of dimensions, a big-endian 32-bit size
for each, then the values. Of CIFAR-10 the Python version is not read: it is pickled, and to read
that can run code.
"""

import math
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.data.archive import Member, is_hidden, is_tar, open_tree
from twofold.data.arrays import read_csv, read_npy, read_npz
from twofold.data.opening import check_expansion, is_there, open_plain, read_exactly, reading
from twofold.data.pixels import Part, Parts, as_labels, as_parts
from twofold.data.tree import is_image, read_images, read_tree
from twofold.errors import DataError

__all__ = [
    "CIFAR10_NAMES",
    "SVHN_FILES",
    "read_cifar10",
    "read_idx_folder",
    "read_mat_files",
    "read_path",
]

_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
SVHN_FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}
CIFAR10_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_CIFAR10_FILES = {
    "train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    "test": ("test_batch.bin",),
}
_BATCHES = tuple(name for names in _CIFAR10_FILES.values() for name in names)
_RECORD = np.dtype([("label", np.uint8), ("image", np.uint8, (3, 32, 32))])


def read_path(path: Path, size: tuple[int, int] | None, gray: bool) -> Parts:
    """Reads the images at a path; files of one image each are brought to `size` (H, W) meanwhile.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Path(folder, "x.txt").touch()
        ...     read_path(Path(folder, "x.txt"), size=None, gray=False)
        Traceback (most recent call last):
        twofold.errors.DataError: ...x.txt is no kind of file that is read; expected a folder...
    """
    with reading(path):
        return _read_folder(path, size, gray) if path.is_dir() else _read_file(path, size, gray)


def _read_folder(path: Path, size: tuple[int, int] | None, gray: bool) -> Parts:
    files = sorted(f for f in path.iterdir() if f.is_file() and not is_hidden(f.name))
    if mats := {f.name: f for f in files if f.suffix == ".mat"}:
        if SVHN_FILES["train"] not in mats:
            raise DataError(
                f"{path} holds {', '.join(mats)}, expected {' and '.join(SVHN_FILES.values())}; "
                "pass one .mat file by its own path"
            )
        found = {split: mats[name] for split, name in SVHN_FILES.items() if name in mats}
        return read_mat_files(found, str(path))
    if idx := [f for f in files if _is_idx_name(f.name)]:
        return read_idx_folder(idx, str(path))
    return read_images(path, size, gray)


def _read_file(path: Path, size: tuple[int, int] | None, gray: bool) -> Parts:
    name = path.name.lower()
    if name.endswith(".mat"):
        return read_mat_files({"train": path}, str(path))
    if is_tar(name):
        with open_tree(path) as members:
            if any(is_image(member.path.name) for member in members):
                return read_tree(members, str(path), size, gray)
            return _read_batches(members, path)
    for ending, read in ((".npy", read_npy), (".npz", read_npz), (".csv", read_csv)):
        if name.endswith(ending):
            return read(path)
    if name.endswith(".zip") or is_image(name):
        return read_images(path, size, gray)
    if _is_idx_name(name) or _has_idx_header(path):
        return read_idx_folder([path], str(path))
    raise DataError(
        f"{path} is no kind of file that is read; expected a folder of images, an image, a .zip or "
        ".tar of images, .npy, .npz, .csv, .mat (SVHN), IDX (MNIST) or cifar-10-binary.tar.gz"
    )


def read_idx_folder(paths: list[Path], where: str) -> Parts:
    """Reads the IDX files of a folder, or one file.

    The number of dimensions tells images from labels; "t10k" or "test" in a file's name puts it
    into the test split, "val" into the validation split.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "test-images")
        ...     _ = path.write_bytes(bytes([0, 0, 8, 3, *(0, 0, 0, 1) * 3, 255]))
        ...     read_idx_folder([path], folder).groups["test"].images
        array([[[[255]]]], dtype=uint8)
    """
    found: dict[str, dict[str, NDArray[np.generic]]] = {}
    for path in paths:
        values, name = _read_idx(path), path.name.lower()
        split = "validation" if "val" in name else "train"
        if "t10k" in name or "test" in name:
            split = "test"
        kind = "labels" if values.ndim == 1 else "images"
        if found.setdefault(split, {}).setdefault(kind, values) is not values:
            raise DataError(
                f"{where} has more than one file of {kind} for the split {split!r}, the second "
                f"being {path.name}; expected one"
            )
    for name, kinds in found.items():
        if "images" not in kinds:
            raise DataError(f"{where} has labels but no images for {name}; add the images file")
    return as_parts({n: (k["images"], k.get("labels")) for n, k in found.items()}, where)


def _is_idx_name(name: str) -> bool:
    """Whether a file is named so: train-images-idx3-ubyte.gz, train-labels.idx1."""
    return re.search(r"[-._]idx[1-4]", name) is not None and not is_image(name)


def _has_idx_header(path: Path) -> bool:
    try:
        with open_plain(path) as file:
            return _is_header(file.read(4))
    except Exception:  # whatever a file that only seems to be packed makes the decoders raise
        return False


def _is_header(head: bytes) -> bool:
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in _IDX_TYPES and 1 <= head[3] <= 4


def _read_idx(path: Path) -> NDArray[np.generic]:
    """One IDX file, packed or not, as an array of the file's own type and shape."""
    is_there(path)
    with reading(path, "fetch it again"), open_plain(path) as file:
        head = file.read(4)
        if not _is_header(head):
            raise DataError(
                f"{path} starts with {head.hex() or 'nothing'}, expected an IDX header (0000, "
                "a type code 08 to 0e, 1 to 4 dimensions); is this the right file?"
            )
        sizes = file.read(4 * head[3])
        if len(sizes) < 4 * head[3]:
            raise DataError(f"{path} ends inside its header; fetch it again")
        shape, dtype = struct.unpack(f">{head[3]}I", sizes), np.dtype(_IDX_TYPES[head[2]])
        expected = math.prod(shape) * dtype.itemsize
        check_expansion(expected, path.stat().st_size, str(path))
        values = read_exactly(file, expected).view(dtype).reshape(shape)
    return values if dtype.isnative or dtype.itemsize == 1 else values.astype(dtype.newbyteorder())


def read_mat_files(paths: Mapping[str, Path], where: str) -> Parts:
    """Reads split -> file of SVHN's cropped digits; the label 10, its way to write 0, becomes 0.

    Example:
        >>> from scipy.io import savemat
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     X = np.zeros((8, 8, 3, 2), np.uint8)  # (H, W, C, N)
        ...     savemat(f"{folder}/x.mat", {"X": X, "y": [[1], [10]]})
        ...     read_mat_files({"train": Path(folder, "x.mat")}, folder).groups["train"].labels
        array([1, 0])
    """
    arrays = {}
    for split, path in paths.items():
        content = _read_mat(path)
        if "X" not in content or "y" not in content:
            raise DataError(f"{path} has no variables X and y; expected SVHN's cropped format")
        x = content["X"]
        if x.ndim != 4:
            raise DataError(f"{path}: X has shape {x.shape}, expected (H, W, C, N) with C = 1 or 3")
        labels = as_labels(content["y"], x.shape[3], where)
        _check_ten(labels, path, 10)
        arrays[split] = x.transpose(3, 0, 1, 2), labels % 10
    return as_parts(arrays, where, tuple("0123456789"))


def _read_mat(path: Path) -> dict[str, NDArray[Any]]:
    """The numbers of the variables X and y, if they are there and no larger than may be."""
    from scipy.io import loadmat, whosmat

    wanted = ["X", "y"]
    is_there(path)
    try:
        with reading(path, "fetch it again"):
            for name, shape, _ in whosmat(str(path)):
                if name in wanted:
                    check_expansion(math.prod(shape), path.stat().st_size, f"{path}: {name}")
            content = loadmat(path, variable_names=wanted)
            return {name: content[name] for name in wanted if name in content}
    except DataError as error:
        if isinstance(error.__cause__, NotImplementedError):
            mend = "save it again in Matlab with -v7"
            raise DataError(f"{path} is a Matlab 7.3 (HDF5) file; {mend}") from error
        raise


def _check_ten(labels: NDArray[np.integer], path: Path, most: int = 9) -> None:
    if labels.max(initial=0) > most:
        raise DataError(
            f"{path}: labels reach {labels.max()}, expected at most {most}; fetch it again"
        )


def read_cifar10(path: Path) -> Parts:
    """Reads `cifar-10-binary.tar.gz`; members are read as data and never unpacked to disk.

    Example:
        >>> import tarfile
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with tarfile.open(f"{folder}/x.tar", "w"):
        ...         pass
        ...     read_cifar10(Path(folder, "x.tar"))
        Traceback (most recent call last):
        twofold.errors.DataError: ...x.tar holds no images and lacks data_batch_1.bin, ...
    """
    with open_tree(path) as members:
        return _read_batches(members, path)


def _read_batches(members: Sequence[Member], path: Path) -> Parts:
    batches = {member.path.name: member.read() for member in members}
    if missing := [name for name in _BATCHES if name not in batches]:
        raise DataError(
            f"{path} holds no images and lacks {', '.join(missing)}; expected the binary version "
            "of CIFAR-10, cifar-10-binary.tar.gz (the Python and Matlab versions are not read)"
        )
    groups = {}
    for split, names in _CIFAR10_FILES.items():
        content = b"".join(batches[name] for name in names)
        if not content or len(content) % _RECORD.itemsize:
            raise DataError(
                f"{path} has a batch of {len(content)} bytes, expected a multiple of "
                f"{_RECORD.itemsize} (one label byte and 3072 pixels); fetch it again"
            )
        records = np.frombuffer(content, _RECORD)
        _check_ten(records["label"], path)
        groups[split] = Part(records["image"].copy(), records["label"].astype(np.int64))
    return Parts(groups, CIFAR10_NAMES)
