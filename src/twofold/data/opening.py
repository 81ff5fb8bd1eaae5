"""One way to files of others: only regular ones, no more than memory holds, and errors in words.

Decoders raise whatever they like, so what they raise is told once, by `reading`, with the file's
name; what may not be read is told from what is damaged.
"""

import bz2
import gzip
import lzma
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from twofold.errors import DataError, TwofoldError, UsageError, printable

__all__ = [
    "MAX_BYTES",
    "check_expansion",
    "check_room",
    "is_there",
    "open_plain",
    "place_of",
    "read_exactly",
    "read_file",
    "reading",
    "reason",
]

# What images may fill: half of this machine's memory, and never more than small images need.
MAX_BYTES = 8 << 30
if hasattr(os, "sysconf"):  # Windows has no such question
    MAX_BYTES = min(MAX_BYTES, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
MAX_FILE = 256 << 20  # bytes of one file that holds one image
_MAX_RATIO = 1000  # deflate's limit is 1032; photographs and drawings stay far below
_LARGE = 1 << 20  # bytes; small contents may be as empty as they like
_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7z": lzma.open}


@contextmanager
def reading(what: str | Path, mend: str = "fetch or save it again") -> Iterator[None]:
    """A block in which everything that is raised becomes a `DataError` that names the file.

    Example:
        >>> with reading("x.mat"):
        ...     raise IndexError("index out of range")
        Traceback (most recent call last):
        twofold.errors.DataError: x.mat is damaged or no such file (index out of range); fetch or...
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of decoders, about what they read all the same
            yield
    except (TwofoldError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except MemoryError as error:
        raise DataError(f"{what} needs more memory than there is; give fewer images") from error
    except OSError as error:
        if error.errno is None:  # a decoder's word for damage
            raise DataError(
                f"{what} is damaged or no such file ({reason(error)}); {mend}"
            ) from error
        raise _refused(error, error.filename or what) from error
    except BaseException as error:  # also what Rust calls a panic, which is no Exception
        raise DataError(f"{what} is damaged or no such file ({reason(error)}); {mend}") from error


def reason(error: BaseException) -> str:
    """Why a file could not be read, in a few words.

    Example:
        >>> reason(OSError("image file is truncated\\n")), reason(IndexError())
        ('image file is truncated', 'IndexError')
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).splitlines()
    return lines[0][:200] if lines and lines[0] else type(error).__name__


def is_there(path: Path) -> bool:
    """Whether there is a regular file or a folder.

    Raises:
        UsageError: If that cannot be seen, or it is a device or a pipe, which are never read.

    Example:
        >>> is_there(Path("/")), is_there(Path("/no/such/file"))
        (True, False)
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise _refused(error, str(path)[:200]) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UsageError(f"{path} is a device, a pipe or a socket; expected a file or a folder")
    return True


def place_of(name: str | Path) -> Path:
    """A path as people write it, with ~ for a home folder.

    Raises:
        UsageError: If there is no such home folder, or the path is no text, so that no run could
            note it.

    Example:
        >>> place_of("~/images").name
        'images'
    """
    try:
        str(name).encode()
        return Path(name).expanduser()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the path {printable(str(name))} is not UTF-8; give the folder another name, or a link"
        ) from error
    except RuntimeError as error:
        raise UsageError(f"{name}: {reason(error)}; write the folder in full") from error


def read_file(path: Path, limit: int = MAX_FILE) -> bytes:
    """The content of a regular file, if it is no larger than `limit` bytes.

    Raises:
        DataError, UsageError: If it is larger, no file, or may not be read.

    Example:
        >>> read_file(Path("/no/such/file"))
        Traceback (most recent call last):
        twofold.errors.DataError: cannot read /no/such/file: No such file or directory
    """
    is_there(path)
    with reading(path):
        size = path.stat().st_size
        if size > limit:
            raise DataError(f"{path} has {size} bytes; at most {limit} are read")
        with path.open("rb") as file:
            return file.read(limit)


def open_plain(path: Path) -> IO[bytes]:
    """A file opened for reading, unpacked on the way where gzip, bzip2 or xz packed it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "x.gz")
        ...     _ = path.write_bytes(gzip.compress(b"abc"))
        ...     open_plain(path).read()
        b'abc'
    """
    is_there(path)
    with path.open("rb") as file:
        head = file.read(3)
    unpack: Any = next((u for magic, u in _PACKED.items() if head.startswith(magic)), open)
    return unpack(path, "rb")


def read_exactly(file: IO[bytes], size: int, to_end: bool = True) -> NDArray[np.uint8]:
    """So many bytes of an open file, in memory of their own that may be written to.

    Arguments:
        to_end: Whether nothing must follow them.

    Raises:
        EOFError: If there are fewer, or more.

    Example:
        >>> import io
        >>> read_exactly(io.BytesIO(b"abc"), 2, to_end=False)
        array([97, 98], dtype=uint8)
    """
    content = np.empty(size, np.uint8)
    view, have = memoryview(content), 0  # type: ignore[arg-type]
    while have < size and (got := file.readinto(view[have : have + (1 << 24)])):  # type: ignore[attr-defined]
        have += got
    if have < size or (to_end and file.read(1)):
        had = "more" if have == size else f"only {have}"
        raise EOFError(f"{size} bytes of values are expected and there are {had}")
    return content


def check_expansion(size: int, packed: int, what: str) -> None:
    """Refuses what expands without bound.

    Example:
        >>> check_expansion(size=1 << 30, packed=1 << 10, what="x.zip")
        Traceback (most recent call last):
        twofold.errors.DataError: x.zip expands 1024 bytes to 1073741824, more than 1000 times; ...
    """
    if size > max(_LARGE, _MAX_RATIO * packed):
        raise DataError(
            f"{what} expands {packed} bytes to {size}, more than {_MAX_RATIO} times; not read, as "
            "only damaged files and archives made to fill a memory do so"
        )
    check_room(size, what)


def check_room(size: int, what: str, mend: str = "give fewer or smaller images") -> None:
    """Refuses to ask for more memory than images may fill.

    Example:
        >>> check_room(1 << 60, "x.npy")
        Traceback (most recent call last):
        twofold.errors.DataError: x.npy would fill 1073741824.0 GiB, and at most ...
    """
    if size > MAX_BYTES:
        raise DataError(
            f"{what} would fill {size / 2**30:.1f} GiB, and at most {MAX_BYTES / 2**30:.1f} GiB "
            f"are read; {mend}"
        )


def _refused(error: OSError | ValueError, what: Any) -> TwofoldError:
    """What keeps a path from being looked at, or read."""
    if isinstance(error, PermissionError):
        return DataError(f"{what} may not be read; change its permissions")
    return DataError(f"cannot read {what}: {reason(error)}")
