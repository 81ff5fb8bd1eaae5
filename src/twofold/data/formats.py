"""Which reader a path is for; and the readers of numpy's files, MNIST's, SVHN's and CIFAR-10's.

MNIST's are in IDX: two zero bytes, a type code, the number of dimensions, a big-endian 32-bit size
for each, then the values.

Nothing that is pickled is read, since that can run code: neither objects in .npy and .npz, nor the
Python version of CIFAR-10.
"""

import gzip
import math
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from twofold.data.pixels import MAX_BYTES, Part, Parts, as_labels, as_parts
from twofold.data.tree import check_members, is_hidden, is_image, read_images
from twofold.errors import DataError

__all__ = [
    "CIFAR10_NAMES",
    "SVHN_FILES",
    "read_cifar10",
    "read_idx_folder",
    "read_mat_files",
    "read_path",
]

_PAIRS = (("images", "labels"), ("x", "y"), ("X", "y"))  # the names people give arrays
_SPLITS = {  # as Keras has them
    "train": ("x_train", "y_train"),
    "validation": ("x_val", "y_val"),
    "test": ("x_test", "y_test"),
}
_MAGIC = b"\x93NUMPY"
_DAMAGE = (ValueError, OSError, EOFError, KeyError, zlib.error, zipfile.BadZipFile)
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
    try:
        return _read_folder(path, size, gray) if path.is_dir() else _read_file(path, size, gray)
    except PermissionError as error:
        raise DataError(f"{error.filename} may not be read; change its permissions") from error
    except OSError as error:
        what = error.filename or path
        raise DataError(f"cannot read {what}: {error.strerror or error}") from error


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
    if name.endswith((".tar.gz", ".tgz", ".tar")):
        return read_cifar10(path)
    if name.endswith(".npy"):
        return _read_npy(path)
    if name.endswith(".npz"):
        return _read_npz(path)
    if name.endswith(".zip") or is_image(name):
        return read_images(path, size, gray)
    if _is_idx_name(name) or _has_idx_header(path):
        return read_idx_folder([path], str(path))
    raise DataError(
        f"{path} is no kind of file that is read; expected a folder of images, an image, "
        ".zip, .npy, .npz, .mat (SVHN), IDX (MNIST) or cifar-10-binary.tar.gz"
    )


def _read_npy(path: Path) -> Parts:
    """Unlabeled images: (N, H, W), (N, H, W, C) or (N, C, H, W)."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:  # numpy would take it for a pickle
            raise DataError(f"{path} is damaged or no numpy file; save it again with np.save")
    try:
        # Mapped first: a header that claims more than the file holds is then refused unread.
        pixels = np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    return as_parts({"train": (pixels, None)}, str(path))


def _read_npz(path: Path) -> Parts:
    """Images and labels; the label -1 means that the class of the image is not known."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive.infolist(), path)
        with np.load(path, allow_pickle=False) as content:
            have = content.files
            names = {split: pair for split, pair in _SPLITS.items() if pair[0] in have}
            if "train" not in names:
                names = next(({"train": pair} for pair in _PAIRS if pair[0] in have), {})
            if not names:
                raise DataError(
                    f"{path} holds {', '.join(sorted(have)) or 'nothing'}; expected images and "
                    "labels, x and y, or x_train, y_train, x_test and y_test"
                )
            arrays = {
                split: (content[x], content[y] if y in have else None)
                for split, (x, y) in names.items()
            }
    except DataError:
        raise
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    return as_parts(arrays, str(path), partly=True)


def _unreadable(path: Path, error: Exception) -> DataError:
    if "Object arrays" in str(error) or "Python objects" in str(error):
        return DataError(
            f"{path} holds Python objects, which are pickled and never loaded; save plain arrays, "
            "for example np.stack(images).astype(np.uint8)"
        )
    return DataError(f"{path} is damaged or no numpy file ({error}); save it again")


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
        with _open(path) as file:
            return _is_header(file.read(4))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False


def _open(path: Path) -> BinaryIO | gzip.GzipFile:
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if gzipped else path.open("rb")


def _is_header(head: bytes) -> bool:
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in _IDX_TYPES and 1 <= head[3] <= 4


def _read_idx(path: Path) -> NDArray[np.generic]:
    """One IDX file, gzipped or not, as an array of the file's own type and shape."""
    try:
        with _open(path) as file:
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
            if expected > MAX_BYTES:
                raise DataError(
                    f"{path} claims {expected} bytes of values; at most {MAX_BYTES} are read"
                )
            content = file.read(expected + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}); fetch it again") from error
    if len(content) != expected:
        more = "more" if len(content) > expected else str(len(content))
        raise DataError(
            f"{path} has {more} bytes of values, its header {shape} says {expected}; "
            "the file is truncated or damaged, fetch it again"
        )
    return np.frombuffer(bytearray(content), dtype).reshape(shape).astype(dtype.newbyteorder("="))


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
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    arrays = {}
    for split, path in paths.items():
        try:
            content = loadmat(path, variable_names=["X", "y"])
        except NotImplementedError as error:
            mend = "save it again in Matlab with -v7"
            raise DataError(f"{path} is a Matlab 7.3 (HDF5) file; {mend}") from error
        except (MatReadError, OSError, ValueError, TypeError, KeyError, zlib.error) as error:
            raise DataError(
                f"{path} is no readable Matlab file ({error}); fetch it again"
            ) from error
        if "X" not in content or "y" not in content:
            raise DataError(f"{path} has no variables X and y; expected SVHN's cropped format")
        x = content["X"]
        if x.ndim != 4:
            raise DataError(f"{path}: X has shape {x.shape}, expected (H, W, C, N) with C = 1 or 3")
        labels = as_labels(content["y"], x.shape[3], where)
        if labels.max(initial=0) > 10:
            raise DataError(f"{path}: labels reach {labels.max()}, expected 1..9 and 10 for a zero")
        arrays[split] = x.transpose(3, 0, 1, 2), labels % 10
    return as_parts(arrays, where, tuple("0123456789"))


def read_cifar10(path: Path) -> Parts:
    """Reads `cifar-10-binary.tar.gz`; members are read as data and never unpacked to disk.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     tarfile.open(f"{folder}/x.tar", "w").close()
        ...     read_cifar10(Path(folder, "x.tar"))
        Traceback (most recent call last):
        twofold.errors.DataError: ...x.tar lacks data_batch_1.bin, ...
    """
    batches: dict[str, bytes] = {}
    expected = [name for names in _CIFAR10_FILES.values() for name in names]
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if name not in expected or not member.isfile():
                    continue
                if member.size > MAX_BYTES // 8:
                    raise DataError(f"{path}: {member.name} claims {member.size} bytes; not read")
                file = archive.extractfile(member)
                batches[name] = file.read() if file else b""
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is a damaged archive ({error}); fetch it again") from error
    if missing := [name for name in expected if name not in batches]:
        raise DataError(
            f"{path} lacks {', '.join(missing)}; expected the binary version of CIFAR-10, "
            "cifar-10-binary.tar.gz (the Python and Matlab versions are not read)"
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
        groups[split] = Part(records["image"].copy(), records["label"].astype(np.int64))
    return Parts(groups, CIFAR10_NAMES)
