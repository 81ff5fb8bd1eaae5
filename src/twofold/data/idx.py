"""IDX, the format of MNIST and its relatives: a big-endian header and the raw array.

Two zero bytes, a type code, the number of dimensions, one 32-bit size for each, then the values.
"""

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from twofold.data.pixels import MAX_BYTES, Parts, as_parts
from twofold.data.tree import is_image
from twofold.errors import DataError

__all__ = ["has_idx_header", "is_idx_name", "read_idx_folder"]

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def is_idx_name(name: str) -> bool:
    """Whether a file is named as IDX files are: train-images-idx3-ubyte, train-labels.idx1.gz.

    Example:
        >>> is_idx_name("train-images-idx3-ubyte.gz"), is_idx_name("train.gz")
        (True, False)
    """
    return re.search(r"[-._]idx[1-4]", name) is not None and not is_image(name)


def has_idx_header(path: Path) -> bool:
    """Whether a file starts as IDX files do, gzipped or not.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "x")
        ...     _ = path.write_bytes(bytes([0, 0, 8, 3, *(0, 0, 0, 1) * 3, 255]))
        ...     has_idx_header(path)
        True
    """
    try:
        with _open(path) as file:
            return _is_header(file.read(4))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False


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
        values = _read_idx(path)
        kind = "labels" if values.ndim == 1 else "images"
        if found.setdefault(_split_of(path.name), {}).setdefault(kind, values) is not values:
            raise DataError(
                f"{where} has more than one file of {kind} for the split "
                f"{_split_of(path.name)!r}, the second being {path.name}; expected one"
            )
    for name, kinds in found.items():
        if "images" not in kinds:
            raise DataError(f"{where} has labels but no images for {name}; add the images file")
    return as_parts({n: (k["images"], k.get("labels")) for n, k in found.items()}, where)


def _split_of(name: str) -> str:
    name = name.lower()
    if "t10k" in name or "test" in name:
        return "test"
    return "validation" if "val" in name else "train"


def _open(path: Path) -> BinaryIO | gzip.GzipFile:
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if gzipped else path.open("rb")


def _is_header(head: bytes) -> bool:
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in _DTYPES and 1 <= head[3] <= 4


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
            shape, dtype = struct.unpack(f">{head[3]}I", sizes), np.dtype(_DTYPES[head[2]])
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
