"""Which reader a path is for; and the readers of numpy's files, of SVHN and of CIFAR-10.

Nothing that is pickled is read, since that can run code: neither objects in .npy and .npz, nor the
Python version of CIFAR-10.
"""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from twofold.data.idx import has_idx_header, is_idx_name, read_idx_folder
from twofold.data.pixels import MAX_BYTES, Part, Parts, as_labels, as_parts
from twofold.data.tree import check_members, is_hidden, is_image, read_images
from twofold.errors import DataError

__all__ = ["CIFAR10_NAMES", "SVHN_FILES", "read_cifar10", "read_mat_files", "read_path"]

_PAIRS = (("images", "labels"), ("x", "y"), ("X", "y"))  # the names people give arrays
_SPLITS = {  # as Keras has them
    "train": ("x_train", "y_train"),
    "validation": ("x_val", "y_val"),
    "test": ("x_test", "y_test"),
}
_MAGIC = b"\x93NUMPY"
_DAMAGE = (ValueError, OSError, EOFError, KeyError, zlib.error, zipfile.BadZipFile)
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
    """Reads the images at a path.

    Arguments:
        path: A folder or a file.
        size: (H, W) to bring image files of several sizes to while they are read.
        gray: Read image files as one channel.

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
    if idx := [f for f in files if is_idx_name(f.name)]:
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
    if is_idx_name(name) or has_idx_header(path):
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
        x, y = _load_mat(path)
        labels = as_labels(y, x.shape[3], where)
        if labels.max(initial=0) > 10:
            raise DataError(f"{path}: labels reach {labels.max()}, expected 1..9 and 10 for a zero")
        arrays[split] = x.transpose(3, 0, 1, 2), labels % 10
    return as_parts(arrays, where, tuple("0123456789"))


def _load_mat(path: Path) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, variable_names=["X", "y"])
    except NotImplementedError as error:
        mend = "save it again in Matlab with -v7"
        raise DataError(f"{path} is a Matlab 7.3 (HDF5) file; {mend}") from error
    except (MatReadError, OSError, ValueError, TypeError, KeyError, zlib.error) as error:
        raise DataError(f"{path} is no readable Matlab file ({error}); fetch it again") from error
    if "X" not in content or "y" not in content:
        raise DataError(f"{path} has no variables X and y; expected SVHN's cropped format")
    if content["X"].ndim != 4:
        raise DataError(
            f"{path}: X has shape {content['X'].shape}, expected (H, W, C, N) with C = 1 or 3"
        )
    return content["X"], content["y"]


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
