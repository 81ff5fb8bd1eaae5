"""A folder, a zip or a tar as one list of files: where each lies below the root, and its bytes.

Archives are read in memory and never unpacked to disk.
"""

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NoReturn

from twofold.data.opening import MAX_FILE, check_expansion, open_plain, read_file, reading
from twofold.data.resize import EXTENSIONS
from twofold.errors import DataError, printable

__all__ = ["Member", "check_members", "is_hidden", "is_tar", "open_tree"]

_KEPT = (*EXTENSIONS, ".bin", ".json")  # of the members of a tar, which is read from end to end
_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


@dataclass(frozen=True)
class Member:
    """A file of a folder or an archive.

    Attributes:
        path: Below the root, fit to be printed.
        read: Gives its bytes.

    Example:
        >>> file = Member(PurePosixPath("a/b/1.png"), read=bytes)
        >>> file.top, file.without(1).top
        ('a', 'b')
    """

    path: PurePosixPath
    read: Callable[[], bytes]

    @property
    def top(self) -> str:
        """The outermost folder it lies in, or ""."""
        return self.path.parts[0] if len(self.path.parts) > 1 else ""

    def without(self, count: int) -> "Member":
        """The same file with its outermost folders taken off."""
        return replace(self, path=PurePosixPath(*self.path.parts[count:])) if count else self


@contextmanager
def open_tree(path: Path) -> Iterator[list[Member]]:
    """The files of a folder, a zip or a tar, or the one file that a path is.

    Raises:
        DataError: If an archive is damaged, points outside itself or expands without bound.

    Example:
        >>> with open_tree(Path("x/1.png")) as members:
        ...     [str(member.path) for member in members]
        ['1.png']
    """
    if path.is_dir():
        files = ((file, file.relative_to(path).as_posix()) for file in _walk(path))
        yield [Member(_place(name), partial(read_file, file)) for file, name in files]
    elif path.name.lower().endswith(".zip"):
        with reading(path, "make it again"):
            archive = zipfile.ZipFile(path)
        with archive:
            infos = [info for info in archive.infolist() if not info.filename.endswith(("/", "\\"))]
            check_members(infos, path)
            # zipfile never yields more than the declared size, which is checked.
            yield [Member(_inner(info.filename), partial(archive.read, info)) for info in infos]
    elif is_tar(path.name):
        with reading(path, "fetch or make it again"):
            members = list(_tar_members(path))
        yield members
    else:
        yield [Member(_place(path.name), partial(read_file, path))]


def is_tar(name: str) -> bool:
    """Whether a file is named like a tar, packed or not.

    Example:
        >>> is_tar("images.tar.gz"), is_tar("images.gz")
        (True, False)
    """
    return name.lower().endswith(_TAR_ENDINGS)


def is_hidden(name: str) -> bool:
    """Whether an operating system, and no person, put a file or folder there.

    Example:
        >>> is_hidden(".DS_Store"), is_hidden("cat.png")
        (True, False)
    """
    return name.startswith(".") or name == "__MACOSX"


def check_members(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuses an archive that points outside itself, is encrypted or expands without bound.

    Example:
        >>> check_members([zipfile.ZipInfo("../a.png")], Path("x.zip"))
        Traceback (most recent call last):
        twofold.errors.DataError: x.zip: the member '../a.png' points outside the archive; not read
    """
    for member in members:
        name = member.filename
        _check_member(name, member.file_size, member.compress_size, path)
        if member.flag_bits & 0x41:
            raise DataError(f"{path}: {name} is encrypted; make the zip again without a password")
    packed = sum(member.compress_size for member in members)
    check_expansion(sum(member.file_size for member in members), packed, str(path))


def _check_member(name: str, size: int, packed: int, path: Path) -> None:
    """Refuses one member that points outside its archive or expands without bound."""
    windows = PureWindowsPath(name)
    if ".." in windows.parts or windows.drive or windows.root:
        raise DataError(f"{path}: the member {name!r} points outside the archive; not read")
    check_expansion(size, packed, f"{path}: {name}")


def _tar_members(path: Path) -> Iterator[Member]:
    packed, total = path.stat().st_size, 0
    with open_plain(path) as stream:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for info in archive:
                if info.isdir():
                    continue
                _check_member(info.name, info.size, packed, path)
                if not info.isreg() or info.issparse() or info.size > MAX_FILE:
                    raise DataError(
                        f"{path}: {info.name} is a link, a device or too large; unpack the archive "
                        "and pass the folder"
                    )
                total += info.size
                check_expansion(total, packed, str(path))
                wanted = info.name.lower().endswith(_KEPT) and archive.extractfile(info)
                content = wanted.read() if wanted else b""
                if wanted and len(content) < info.size:
                    raise EOFError(f"{info.name} is cut off")
                yield Member(_inner(info.name), partial(bytes, content))
        rest = 0  # to the end, where the sum of a packed file stands, which is then checked
        while chunk := stream.read(1 << 20):
            rest += len(chunk)
            check_expansion(total + rest, packed, str(path))


def _place(name: str) -> PurePosixPath:
    return PurePosixPath(printable(name))


def _inner(name: str) -> PurePosixPath:
    """Where a member lies: Windows separates folders by backslashes, also in zips that it makes."""
    return _place(name.replace("\\", "/"))


def _walk(root: Path) -> Iterator[Path]:
    """Every file below `root`; links are followed, loops are not."""
    visited: set[Path] = set()
    # A folder that cannot be listed is an error; `os.walk` would pass it over.
    for folder, names, files in os.walk(root, onerror=_raise, followlinks=True):
        real = Path(folder).resolve()
        if real in visited:
            names.clear()
            continue
        visited.add(real)
        names[:] = sorted(name for name in names if not is_hidden(name))
        yield from (Path(folder) / name for name in sorted(files))


def _raise(error: OSError) -> NoReturn:
    raise error
