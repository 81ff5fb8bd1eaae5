"""CIFAR-10 in its binary version: records of one label byte and 3·32·32 pixels, in a tar.

The Python version of the same set is pickled, which can run code, so it is not read.
"""

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from twofold.data.parts import Part, Parts
from twofold.data.pixels import MAX_BYTES
from twofold.errors import DataError

__all__ = ["CLASS_NAMES", "read_cifar10"]

CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_RECORD = 1 + 3 * 32 * 32
_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
_TEST = "test_batch.bin"


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
    try:
        batches = _members(path)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is a damaged archive ({error}); fetch it again") from error
    missing = [name for name in (*_TRAIN, _TEST) if name not in batches]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)}; expected the binary version of CIFAR-10, "
            "cifar-10-binary.tar.gz (the Python and Matlab versions are not read)"
        )
    return Parts(
        {
            "train": _decode(b"".join(batches[name] for name in _TRAIN), path),
            "test": _decode(batches[_TEST], path),
        },
        CLASS_NAMES,
    )


def _members(path: Path) -> dict[str, bytes]:
    batches: dict[str, bytes] = {}
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if name not in (*_TRAIN, _TEST) or not member.isfile():
                continue
            if member.size > MAX_BYTES // 8:
                raise DataError(f"{path}: {member.name} claims {member.size} bytes; not read")
            file = archive.extractfile(member)
            batches[name] = file.read() if file else b""
    return batches


def _decode(content: bytes, path: Path) -> Part:
    if not content or len(content) % _RECORD:
        raise DataError(
            f"{path} has a batch of {len(content)} bytes, expected a multiple of {_RECORD} "
            "(one label byte and 3072 pixels); fetch it again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    images = records[:, 1:].reshape(-1, 3, 32, 32).copy()
    return Part(images, records[:, 0].astype(np.int64))
