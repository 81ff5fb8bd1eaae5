"""A tree of image files, in a folder or a zip: its folders say classes and splits.

`cat/1.png` is of the class "cat"; `train/cat/1.png` is, besides, in the split "train". Beside the
class folders, `unlabeled/1.png` has no label; "unlabelled" and "unknown" say the same. A zip is
read in memory and never unpacked to disk.
"""

import os
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from twofold.data.pixels import (
    MAX_BYTES,
    UNLABELED,
    Part,
    Parts,
    first_names,
    list_odd_sizes,
    stack_images,
)
from twofold.data.resize import EXTENSIONS, decode, reason
from twofold.errors import DataError

__all__ = ["SPLIT_NAMES", "check_members", "is_hidden", "is_image", "natural", "read_images"]

SPLIT_NAMES = {  # as people write them
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_UNLABELED_NAMES = ("unlabeled", "unlabelled", "unknown")
_MAX_RATIO = 1000  # deflate's limit is 1032; photographs and drawings stay far below
_LARGE = 1 << 20  # bytes; small members may be as empty as they like


@dataclass(frozen=True)
class _File:
    """The path of a file below the root, and how to get its bytes."""

    path: PurePosixPath
    read: Callable[[], bytes]

    @property
    def top(self) -> str:
        """The outermost folder it lies in, or ""."""
        return self.path.parts[0] if len(self.path.parts) > 1 else ""

    def without_top(self) -> "_File":
        return replace(self, path=self.path.relative_to(self.top))


def read_images(path: Path, size: tuple[int, int] | None, gray: bool) -> Parts:
    """Reads a folder of images, a zip of one, or a single image, fitted to `size` (H, W).

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("cat", "owl"):
        ...         Path(folder, name).mkdir()
        ...         Image.new("L", (8, 6)).save(f"{folder}/{name}/1.png")
        ...     parts = read_images(Path(folder), size=None, gray=False)
        >>> parts.class_names, parts.groups["train"].files, parts.groups["train"].labels
        (('cat', 'owl'), ('cat/1.png', 'owl/1.png'), array([0, 1]))
    """
    if path.is_dir():
        names = (PurePosixPath(file.relative_to(path).as_posix()) for file in _walk(path))
        files = (_File(name, (path / name).read_bytes) for name in names)
        return _read_tree(*_without_others(files), str(path), size, gray)
    if is_image(path.name):
        file = _File(PurePosixPath(path.name), path.read_bytes)
        return _read_tree([file], [], str(path.parent), size, gray)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            check_members(members, path)
            # zipfile never yields more than the declared size, which is checked.
            files = (_File(PurePosixPath(m.filename), partial(archive.read, m)) for m in members)
            return _read_tree(*_without_others(files), str(path), size, gray)
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
        name, windows = member.filename, PureWindowsPath(member.filename)
        if ".." in windows.parts or windows.drive or windows.root:
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


def is_image(name: str) -> bool:
    """Whether a file's extension is one that is read.

    Example:
        >>> is_image("cat.JPG"), is_image("notes.txt")
        (True, False)
    """
    return name.lower().endswith(EXTENSIONS)


def is_hidden(name: str) -> bool:
    """Whether an operating system, and no person, put a file or folder there.

    Example:
        >>> is_hidden(".DS_Store"), is_hidden("cat.png")
        (True, False)
    """
    return name.startswith(".") or name == "__MACOSX"


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts names as people do.

    Example:
        >>> sorted(["10", "2", "cat"], key=natural)
        ['2', '10', 'cat']
    """
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts if p]


def _walk(root: Path) -> Iterator[Path]:
    """Every file below `root` outside hidden folders; links are followed, loops are not."""
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


def _without_others(found: Iterable[_File]) -> tuple[list[_File], list[str]]:
    """Those files that are images and are not hidden, and a note if there are others."""
    files, ignored = [], Counter[str]()
    for file in found:
        if any(map(is_hidden, file.path.parts)) or not is_image(file.path.name):
            ignored[file.path.suffix or file.path.name] += 1
        else:
            files.append(file)
    kinds = ", ".join(suffix for suffix, _ in ignored.most_common(5))
    note = f"{ignored.total()} file(s) that are no images were ignored ({kinds})"
    return files, [note] if ignored else []


def _read_tree(
    files: Sequence[_File],
    notes: Sequence[str],
    where: str,
    size: tuple[int, int] | None,
    gray: bool,
) -> Parts:
    """Reads every image and labels it by its folder, -1 where the folder is called unlabeled."""
    if not files:
        raise DataError(
            f"{where} holds no images; looked for {', '.join(EXTENSIONS)} in it and its folders"
        )
    while (  # folders around the whole tree, as archives have them
        all(len(file.path.parts) > 2 for file in files)
        and len({file.top for file in files}) == 1
        and files[0].top.lower() not in (*SPLIT_NAMES, *_UNLABELED_NAMES)
    ):
        files = [file.without_top() for file in files]
    groups = _by_split(sorted(files, key=lambda file: file.path), where)
    class_names, more = _class_names(groups, where)
    numbers = {name: k for k, name in enumerate(class_names)}
    images, done = _read_all([f for group in groups.values() for f in group], where, size, gray)
    ends = np.cumsum([len(group) for group in groups.values()])
    parts = {}
    for (split, group), pixels in zip(groups.items(), np.split(images, ends[:-1]), strict=True):
        labels = np.array([numbers.get(file.top, UNLABELED) for file in group])
        paths = tuple(str(file.path) for file in group)
        parts[split] = Part(pixels, labels if class_names else None, paths)
    return Parts(parts, class_names, (*notes, *more, *done))


def _by_split(files: Sequence[_File], where: str) -> dict[str, list[_File]]:
    tops = {file.top for file in files}
    named = {top for top in tops if top.lower() in SPLIT_NAMES}
    if not named:
        return {"train": list(files)}
    if "train" not in {SPLIT_NAMES[top.lower()] for top in named}:
        if named != {top for top in tops if top.lower() not in _UNLABELED_NAMES}:
            return {"train": list(files)}  # a class called "test"
        raise DataError(f"{where} has {', '.join(sorted(named))} but no train folder; add one")
    if named != tops:
        others = ", ".join(sorted(top or "images" for top in tops - named))
        raise DataError(
            f"{where} has the folder train and, beside it, {others}; expected only train, "
            "validation and test there, and the class folders inside them (images without a label "
            "in train/unlabeled)"
        )
    groups: dict[str, list[_File]] = {}
    for file in files:
        groups.setdefault(SPLIT_NAMES[file.top.lower()], []).append(file.without_top())
    return groups


def _class_names(
    groups: Mapping[str, Sequence[_File]], where: str
) -> tuple[tuple[str, ...], list[str]]:
    """The class folders in natural order ("2" before "10"), or () if there are none, and notes."""
    tops = {split: {file.top for file in files} - {""} for split, files in groups.items()}
    unlabeled = sorted(t for t in set().union(*tops.values()) if t.lower() in _UNLABELED_NAMES)
    names = {split: folders.difference(unlabeled) for split, folders in tops.items()}
    for split, files in groups.items():
        loose = sum(not file.top for file in files)
        if loose and any(names.values()):
            raise DataError(
                f"{where}: {loose} images of {split} lie beside class folders; put each into the "
                "folder of its class, those without a label into a folder "
                f"{'unlabeled' if split == 'train' else 'train/unlabeled'}, or all of them into "
                "one folder"
            )
        if unknown := sorted(names[split] - names["train"]):
            raise DataError(
                f"{where}: {split} has classes that train lacks: {first_names(unknown)}; "
                "the class folders must have the same names"
            )
    classes = tuple(sorted(names["train"], key=natural))
    if len(classes) != 1:
        quoted = unlabeled if classes else []
        return classes, [f"the images in {name!r} were taken to have no label" for name in quoted]
    if unlabeled:
        raise DataError(
            f"{where} has a single class folder, {classes[0]!r}, beside {unlabeled[0]!r}, whose "
            "images have no label; expected two classes or more: add the folder of another, rename "
            f"{unlabeled[0]!r} if it is one, or put all images into one folder"
        )
    return (), [f"the single folder {classes[0]!r} was not taken for a class"]


def _read_all(
    files: Sequence[_File], where: str, size: tuple[int, int] | None, gray: bool
) -> tuple[NDArray[np.uint8], list[str]]:
    """All images in one array (N, C, H, W), and notes; every bad one is named in one error."""
    from PIL import Image

    arrays: list[NDArray[np.uint8]] = []
    sizes: list[tuple[int, int] | None] = []
    unreadable: list[str] = []
    done: Counter[str] = Counter()
    with warnings.catch_warnings():
        # Pillow refuses images of more pixels than it would warn of.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for file in files:
            try:
                pixels, what = decode(file.read(), size, gray)
            except Exception as error:  # Pillow's decoders raise many kinds
                unreadable.append(f"{file.path} ({reason(error)})")
                sizes.append(None)
                continue
            if pixels.nbytes * len(files) > MAX_BYTES:
                raise DataError(
                    f"{where}: {len(files)} images like {file.path}, {pixels.shape[2]}×"
                    f"{pixels.shape[1]}, would fill more than {MAX_BYTES >> 30} GiB; "
                    "pass a size, for example size=64"
                )
            done.update(what)
            sizes.append(pixels.shape[1:])
            if sizes[0] == sizes[-1] or not arrays:
                arrays.append(pixels)
    problems = []
    if unreadable:
        problems.append(
            f"{len(unreadable)} of {len(files)} images cannot be read; replace or remove them: "
            + first_names(unreadable)
        )
    if any(sizes) and (odd := list_odd_sizes([str(file.path) for file in files], sizes)):
        problems.append(odd)
    if problems:
        raise DataError("\n".join(f"{where}: {problem}" for problem in problems))
    return stack_images(arrays, done)
