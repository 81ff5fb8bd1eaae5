"""A tree of image files, on disk or in an archive: its folders say classes and splits.

`cat/1.png` is of the class "cat"; `train/cat/1.png` is, besides, in the split "train". Beside the
class folders, `unlabeled/1.png` has no label; "unlabelled" and "unknown" say the same.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from twofold.data.decode import EXTENSIONS, decode, reason
from twofold.data.parts import UNLABELED, Part, Parts
from twofold.data.pixels import MAX_BYTES, first_names, list_odd_sizes, stack_images
from twofold.errors import DataError

__all__ = ["SPLIT_NAMES", "ImageFile", "is_hidden", "is_image", "natural", "read_tree"]

SPLIT_NAMES = {  # as people write them
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_UNLABELED_NAMES = ("unlabeled", "unlabelled", "unknown")


@dataclass(frozen=True)
class ImageFile:
    """A file of the tree.

    Arguments:
        path: Relative to the root.
        read: Gives its bytes.

    Example:
        >>> ImageFile(PurePosixPath("train/cat/1.png"), lambda: b"").folders
        ('train', 'cat')
    """

    path: PurePosixPath
    read: Callable[[], bytes]

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders it lies in, outermost first."""
        return self.path.parts[:-1]


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


def read_tree(
    files: Sequence[ImageFile],
    ignored: Iterable[str],
    where: str,
    size: tuple[int, int] | None,
    gray: bool,
) -> Parts:
    """Reads every image and labels it by its folder, -1 where the folder is called unlabeled.

    Arguments:
        files: The images.
        ignored: Names of the files that were passed over, for the notes.
        where: The root, for messages.
        size: (H, W) to fit each image to.
        gray: Read as one channel.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> Image.new("L", (8, 8)).save(png := io.BytesIO(), "png")
        >>> names = ("cat/1.png", "owl/1.png", "owl/2.png", "unlabeled/1.png")
        >>> files = [ImageFile(PurePosixPath(name), png.getvalue) for name in names]
        >>> parts = read_tree(files, [], "pets", size=None, gray=False)
        >>> parts.class_names, parts.groups["train"].labels
        (('cat', 'owl'), array([ 0,  1,  1, -1]))
    """
    if not files:
        raise DataError(
            f"{where} holds no images; looked for {', '.join(EXTENSIONS)} in it and its folders"
        )
    groups = _by_split(_unwrapped(files), where)
    class_names = _class_names(groups, where)
    unlabeled = _unlabeled(groups)
    notes = _ignored_notes(ignored)
    if len(class_names) == 1:
        _refuse_beside_one_class(unlabeled, class_names[0], where)
        notes.append(f"the single folder {class_names[0]!r} was not taken for a class")
        class_names = ()
    if class_names:
        notes += [f"the images in {name!r} were taken to have no label" for name in unlabeled]
    numbers = {name: k for k, name in enumerate(class_names)}
    ordered = [file for group in groups.values() for file in group]
    images, done = _read_all(ordered, where, size, gray)
    parts, start = {}, 0
    for split, group in groups.items():
        stop = start + len(group)
        labels = [numbers.get(file.folders[0], UNLABELED) for file in group] if numbers else None
        parts[split] = Part(
            images[start:stop],
            None if labels is None else np.array(labels),
            tuple(str(file.path) for file in group),
        )
        start = stop
    return Parts(parts, class_names, (*notes, *done))


def _unwrapped(files: Sequence[ImageFile]) -> Sequence[ImageFile]:
    """Without the folders around the whole tree, as archives have them."""
    while (
        all(len(file.folders) >= 2 for file in files)
        and len({file.folders[0] for file in files}) == 1
        and files[0].folders[0].lower() not in (*SPLIT_NAMES, *_UNLABELED_NAMES)
    ):
        files = [_without_first_folder(file) for file in files]
    return files


def _without_first_folder(file: ImageFile) -> ImageFile:
    return replace(file, path=PurePosixPath(*file.path.parts[1:]))


def _by_split(files: Sequence[ImageFile], where: str) -> dict[str, list[ImageFile]]:
    tops = {file.folders[0] if file.folders else "" for file in files}
    named = {top for top in tops if top.lower() in SPLIT_NAMES}
    if not named:
        return {"train": sorted(files, key=lambda file: file.path)}
    if "train" not in {SPLIT_NAMES[top.lower()] for top in named}:
        if named != {top for top in tops if not _is_unlabeled(top)}:
            return {"train": sorted(files, key=lambda file: file.path)}  # a class called "test"
        raise DataError(f"{where} has {', '.join(sorted(named))} but no train folder; add one")
    if named != tops:
        others = ", ".join(sorted(top or "images" for top in tops - named))
        raise DataError(
            f"{where} has the folder train and, beside it, {others}; expected only train, "
            "validation and test there, and the class folders inside them (images without a label "
            "in train/unlabeled)"
        )
    groups: dict[str, list[ImageFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        split = SPLIT_NAMES[file.folders[0].lower()]
        groups.setdefault(split, []).append(_without_first_folder(file))
    return groups


def _class_names(groups: Mapping[str, Sequence[ImageFile]], where: str) -> tuple[str, ...]:
    """The class folders in natural order ("2" before "10"), or () if there are none."""
    names = {
        split: {f.folders[0] for f in files if f.folders and not _is_unlabeled(f.folders[0])}
        for split, files in groups.items()
    }
    for split, files in groups.items():
        loose = sum(not file.folders for file in files)
        if loose and any(names.values()):
            raise DataError(
                f"{where}: {loose} images of {split} lie beside class folders; put each into the "
                "folder of its class, those without a label into a folder "
                f"{'unlabeled' if split == 'train' else 'train/unlabeled'}, or all of them into "
                "one folder"
            )
        unknown = sorted(names[split] - names["train"])
        if unknown:
            raise DataError(
                f"{where}: {split} has classes that train lacks: {first_names(unknown)}; "
                "the class folders must have the same names"
            )
    return tuple(sorted(names["train"], key=natural))


def _unlabeled(groups: Mapping[str, Sequence[ImageFile]]) -> list[str]:
    """The folders whose images have no label."""
    tops = {file.folders[0] for files in groups.values() for file in files if file.folders}
    return sorted(filter(_is_unlabeled, tops))


def _is_unlabeled(folder: str) -> bool:
    return folder.lower() in _UNLABELED_NAMES


def _refuse_beside_one_class(unlabeled: Sequence[str], only: str, where: str) -> None:
    if unlabeled:
        raise DataError(
            f"{where} has a single class folder, {only!r}, beside {unlabeled[0]!r}, whose images "
            "have no label; expected two classes or more: add the folder of another, rename "
            f"{unlabeled[0]!r} if it is one, or put all images into one folder"
        )


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts names as people do.

    Example:
        >>> sorted(["10", "2", "cat"], key=natural)
        ['2', '10', 'cat']
    """
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts if p]


def _ignored_notes(ignored: Iterable[str]) -> list[str]:
    suffixes = Counter(PurePosixPath(name).suffix or PurePosixPath(name).name for name in ignored)
    if not suffixes:
        return []
    kinds = ", ".join(suffix for suffix, _ in suffixes.most_common(5))
    return [f"{suffixes.total()} file(s) that are no images were ignored ({kinds})"]


def _read_all(
    files: Sequence[ImageFile], where: str, size: tuple[int, int] | None, gray: bool
) -> tuple[NDArray[np.uint8], list[str]]:
    """All images in one array (N, C, H, W); every bad one is named in one error."""
    arrays: list[NDArray[np.uint8]] = []
    sizes: list[tuple[int, int] | None] = []
    unreadable: list[str] = []
    done: Counter[str] = Counter()
    with _bombs_are_errors():
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
    _refuse_bad(files, sizes, unreadable, where)
    return stack_images(arrays, done)


@contextmanager
def _bombs_are_errors() -> Iterator[None]:
    """Makes Pillow refuse images of more pixels than it warns of, instead of warning."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _refuse_bad(
    files: Sequence[ImageFile],
    sizes: Sequence[tuple[int, int] | None],
    unreadable: Sequence[str],
    where: str,
) -> None:
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
