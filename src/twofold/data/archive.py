"""Image files in a zip, read in memory and never unpacked to disk."""

import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

from twofold.data.parts import Parts
from twofold.data.pixels import MAX_BYTES
from twofold.data.tree import ImageFile, is_hidden, is_image, read_tree
from twofold.errors import DataError

__all__ = ["check_members", "read_image_zip"]

_MAX_RATIO = 1000  # deflate's limit is 1032; photographs and drawings stay far below
_LARGE = 1 << 20  # bytes; small members may be as empty as they like


def read_image_zip(path: Path, size: tuple[int, int] | None, gray: bool) -> Parts:
    """Reads a zip of images; see `tree` for what its folders mean.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> with TemporaryDirectory() as folder, zipfile.ZipFile(f"{folder}/x.zip", "w") as archive:
        ...     for name in ("cat/1.bmp", "owl/1.bmp"):
        ...         with archive.open(name, "w") as file:
        ...             Image.new("L", (8, 8)).save(file, "bmp")
        ...     archive.close()
        ...     read_image_zip(Path(folder, "x.zip"), size=None, gray=False).class_names
        ('cat', 'owl')
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            check_members(members, path)
            files, ignored = [], []
            for member in members:
                name = PurePosixPath(member.filename)
                if any(map(is_hidden, name.parts)) or not is_image(name.name):
                    ignored.append(name.name)
                else:
                    # zipfile never yields more than the declared size, checked above.
                    files.append(ImageFile(name, partial(archive.read, member)))
            return read_tree(files, ignored, str(path), size, gray)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is no readable zip file ({error}); make it again") from error


def check_members(members: Sequence[zipfile.ZipInfo], path: Path) -> None:
    """Refuses an archive that points outside itself, is encrypted or expands without bound.

    Example:
        >>> check_members([zipfile.ZipInfo("../a.png")], Path("x.zip"))
        Traceback (most recent call last):
        twofold.errors.DataError: x.zip: the member '../a.png' points outside the archive; not read
    """
    for member in members:
        name = member.filename
        if _escapes(name):
            raise DataError(f"{path}: the member {name!r} points outside the archive; not read")
        if member.flag_bits & 0x1:
            raise DataError(f"{path}: {name} is encrypted; make the zip again without a password")
        if member.file_size > max(_LARGE, _MAX_RATIO * member.compress_size):
            raise DataError(
                f"{path}: {name} expands {member.compress_size} bytes to {member.file_size}, more "
                f"than {_MAX_RATIO} times; not read, as a zip bomb does so"
            )
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES:
        raise DataError(
            f"{path} expands to {total} bytes, at most {MAX_BYTES} are read; unpack it and pass "
            "the folder"
        )


def _escapes(name: str) -> bool:
    windows = PureWindowsPath(name)
    return ".." in windows.parts or bool(windows.drive or windows.root)
