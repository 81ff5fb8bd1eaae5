"""Which reader a path is for."""

from pathlib import Path

from twofold.data.archive import read_image_zip
from twofold.data.arrays import read_npy, read_npz
from twofold.data.cifar import read_cifar10
from twofold.data.folder import read_image_file, read_image_folder
from twofold.data.idx import has_idx_header, is_idx_name, read_idx_folder
from twofold.data.mat import read_mat_files
from twofold.data.parts import Parts
from twofold.data.tree import is_hidden, is_image
from twofold.errors import DataError

__all__ = ["read_path"]


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
        raise DataError(
            f"cannot read {error.filename or path}: {error.strerror or error}"
        ) from error


def _read_folder(path: Path, size: tuple[int, int] | None, gray: bool) -> Parts:
    files = sorted(f for f in path.iterdir() if f.is_file() and not is_hidden(f.name))
    mats = [f for f in files if f.suffix == ".mat"]
    if mats:
        return _read_mat_folder(path, mats)
    idx = [f for f in files if is_idx_name(f.name)]
    if idx:
        return read_idx_folder(idx, str(path))
    return read_image_folder(path, size, gray)


def _read_file(path: Path, size: tuple[int, int] | None, gray: bool) -> Parts:
    name = path.name.lower()
    if name.endswith(".mat"):
        return read_mat_files({"train": path}, str(path))
    if name.endswith((".tar.gz", ".tgz", ".tar")):
        return read_cifar10(path)
    if name.endswith(".npy"):
        return read_npy(path)
    if name.endswith(".npz"):
        return read_npz(path)
    if name.endswith(".zip"):
        return read_image_zip(path, size, gray)
    if is_image(name):
        return read_image_file(path, size, gray)
    if is_idx_name(name) or (not is_image(name) and has_idx_header(path)):
        return read_idx_folder([path], str(path))
    raise DataError(
        f"{path} is no kind of file that is read; expected a folder of images, an image, "
        ".zip, .npy, .npz, .mat (SVHN), IDX (MNIST) or cifar-10-binary.tar.gz"
    )


def _read_mat_folder(path: Path, mats: list[Path]) -> Parts:
    by_name = {f.name: f for f in mats}
    if "train_32x32.mat" not in by_name:
        raise DataError(
            f"{path} holds {', '.join(by_name)}, expected train_32x32.mat and test_32x32.mat; "
            "pass one .mat file by its own path"
        )
    pairs = {"train": by_name["train_32x32.mat"]}
    if "test_32x32.mat" in by_name:
        pairs["test"] = by_name["test_32x32.mat"]
    return read_mat_files(pairs, str(path))
