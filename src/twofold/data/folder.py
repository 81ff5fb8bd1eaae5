"""Image files in a folder and the folders inside it."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NoReturn

from twofold.data.parts import Parts
from twofold.data.tree import ImageFile, is_hidden, is_image, read_tree

__all__ = ["read_image_file", "read_image_folder"]


def read_image_folder(root: Path, size: tuple[int, int] | None, gray: bool) -> Parts:
    """Reads a folder of images; see `tree` for what its folders mean.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("L", (8, 6)).save(f"{folder}/cat.png")
        ...     read_image_folder(Path(folder), size=None, gray=False).groups["train"].files
        ('cat.png',)
    """
    files, ignored = [], []
    for path in _files(root):
        if is_hidden(path.name) or not is_image(path.name):
            ignored.append(path.name)
        else:
            relative = PurePosixPath(path.relative_to(root).as_posix())
            files.append(ImageFile(relative, path.read_bytes))
    return read_tree(files, ignored, str(root), size, gray)


def read_image_file(path: Path, size: tuple[int, int] | None, gray: bool) -> Parts:
    """Reads a single image.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("L", (8, 6)).save(f"{folder}/cat.png")
        ...     parts = read_image_file(Path(folder, "cat.png"), size=None, gray=False)
        >>> parts.groups["train"].images.shape
        (1, 1, 6, 8)
    """
    file = ImageFile(PurePosixPath(path.name), path.read_bytes)
    return read_tree([file], [], str(path.parent), size, gray)


def _files(root: Path) -> Iterator[Path]:
    """Every file below `root` outside hidden folders; links are followed, loops are not."""
    visited: set[Path] = set()
    for folder, names, files in os.walk(root, onerror=_raise, followlinks=True):
        real = Path(folder).resolve()
        if real in visited:
            names.clear()
            continue
        visited.add(real)
        names[:] = sorted(name for name in names if not is_hidden(name))
        yield from (Path(folder) / name for name in sorted(files))


def _raise(error: OSError) -> NoReturn:
    """A folder that cannot be listed is an error; `os.walk` would pass it over."""
    raise error
