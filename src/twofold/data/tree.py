"""A tree of image files, in a folder or an archive: its folders say classes and splits.

`cat/1.png` is of the class "cat"; `train/cat/1.png` is, besides, in the split "train". Beside the
class folders, `unlabeled/1.png` has no label; "unlabelled" and "unknown" say the same. Labels may
also stand in a `dataset.json`, as beside the images of StyleGAN, whose folders are no classes.
"""

import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.data.archive import Member, is_hidden, open_tree
from twofold.data.opening import reading
from twofold.data.pixels import (
    UNLABELED,
    Part,
    Parts,
    as_labels,
    first_names,
    list_odd_sizes,
    stack_images,
)
from twofold.data.resize import EXTENSIONS, decode, reason
from twofold.errors import DataError

__all__ = ["is_image", "natural", "read_images", "read_tree", "split_of"]

_SPLIT_WORDS = {  # as people write them
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "evaluation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_BESIDE_SPLITS = ("", "set", "data", "dataset", "split", "images", "seg")  # which say nothing
_UNLABELED_NAMES = ("unlabeled", "unlabelled", "unknown")
_LABELS = "dataset.json"
_BUCKET = re.compile(r"\d{5}/img\d{8}\.\w+")  # where StyleGAN puts an image, whatever its class


def split_of(name: str) -> str | None:
    """The split that a folder or an array is named after, or None.

    Example:
        >>> [split_of(name) for name in ("Training_Set", "testset", "dev", "seg_train", "cat")]
        ['train', 'test', 'validation', 'train', None]
    """
    words = [re.sub("(set|data)$", "", word) for word in re.split(r"[\W_]+", name.lower())]
    words = [word for word in words if word not in _BESIDE_SPLITS]
    return _SPLIT_WORDS.get(words[0]) if len(words) == 1 else None


def read_images(path: Path, size: tuple[int, int] | None, gray: bool) -> Parts:
    """Reads a folder of images, an archive of one, or a single image, fitted to `size` (H, W).

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
    with open_tree(path) as members:
        return read_tree(members, str(path.parent if is_image(path.name) else path), size, gray)


def read_tree(
    members: Sequence[Member], where: str, size: tuple[int, int] | None, gray: bool
) -> Parts:
    """Reads every image and labels it by its folder, -1 where the folder is called unlabeled.

    Example:
        >>> read_tree([], "x.zip", None, gray=False)
        Traceback (most recent call last):
        twofold.errors.DataError: x.zip holds no images; looked for .png, .jpg, ...
    """
    listed = _listed_labels(members, where)
    files, notes = _without_others(members, listed is not None)
    if not files:
        raise DataError(
            f"{where} holds no images; looked for {', '.join(EXTENSIONS)} in it and its folders"
        )
    if listed is not None:
        return _read_listed(files, listed, notes, where, size, gray)
    files = _unwrapped(files, lambda name: not split_of(name) and not _says_unlabeled(name))
    if all(_BUCKET.fullmatch(str(file.path)) for file in files):
        return _read_listed(files, {}, notes, where, size, gray)
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


def is_image(name: str) -> bool:
    """Whether a file's extension is one that is read.

    Example:
        >>> is_image("cat.JPG"), is_image("notes.txt")
        (True, False)
    """
    return name.lower().endswith(EXTENSIONS)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts names as people do.

    Example:
        >>> sorted(["10", "2", "cat"], key=natural)
        ['2', '10', 'cat']
    """
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts if p]


def _says_unlabeled(name: str) -> bool:
    return name.lower() in _UNLABELED_NAMES


def _without_others(found: Sequence[Member], labels_read: bool) -> tuple[list[Member], list[str]]:
    """Those files that are images and are not hidden, and a note if there are others."""
    files, ignored = [], Counter[str]()
    for file in found:
        if labels_read and file.path.name == _LABELS:
            continue
        if any(map(is_hidden, file.path.parts)) or not is_image(file.path.name):
            ignored[file.path.suffix or file.path.name] += 1
        else:
            files.append(file)
    kinds = ", ".join(suffix for suffix, _ in ignored.most_common(5))
    note = f"{ignored.total()} file(s) that are no images were ignored ({kinds})"
    return files, [note] if ignored else []


def _unwrapped(files: Sequence[Member], is_around: Callable[[str], bool]) -> list[Member]:
    """Without the folders around the whole tree, as archives have them; one folder is left."""
    parents = [file.path.parts[:-1] for file in files]
    shared = takewhile(
        lambda pair: pair[0] == pair[1], zip(min(parents), max(parents), strict=False)
    )
    around = list(takewhile(is_around, (name for name, _ in shared)))
    count = max(min(len(around), *(len(parent) - 1 for parent in parents)), 0)
    return [file.without(count) for file in files]


def _listed_labels(members: Sequence[Member], where: str) -> dict[PurePosixPath, Any] | None:
    """The label of each image by the outermost dataset.json; None where there is no such list."""
    lists = [file for file in members if file.path.name == _LABELS]
    if not lists:
        return None
    outermost = min(lists, key=lambda file: len(file.path.parts))
    with reading(f"{where}: {outermost.path}", "write it again, or take it away"):
        content = json.loads(outermost.read())
        if not isinstance(content, dict) or "labels" not in content:
            return None
        home = outermost.path.parent
        return {home / name.replace("\\", "/"): y for name, y in content["labels"] or ()}


def _read_listed(
    files: Sequence[Member],
    labels: Mapping[PurePosixPath, Any],
    notes: Sequence[str],
    where: str,
    size: tuple[int, int] | None,
    gray: bool,
) -> Parts:
    """Images whose folders are no classes, with the labels of a list or none."""
    files = sorted(files, key=lambda file: file.path)
    known = [labels.get(file.path) for file in files]
    y = None
    if missing := len(labels.keys() - {file.path for file in files}):
        notes = [*notes, f"{_LABELS} labels {missing} image(s) that are not there"]
    if any(label is not None for label in known):
        with reading(f"{where}: {_LABELS}", "give each image a whole number"):
            numbers = np.array([UNLABELED if label is None else label for label in known])
        y = as_labels(numbers, len(files), f"{where}: {_LABELS}", partly=True)
        notes = [*notes, f"labels were read from {_LABELS}; folders are no classes"]
    else:
        notes = [*notes, "folders such as 00000 were not taken for classes; there are no labels"]
    images, done = _read_all(files, where, size, gray)
    part = Part(images, y, tuple(str(file.path) for file in files))
    return Parts({"train": part}, (), (*notes, *done))


def _by_split(files: Sequence[Member], where: str) -> dict[str, list[Member]]:
    tops = {file.top for file in files}
    splits = {top: split for top in tops if (split := split_of(top))}
    named = splits.keys()
    if not named:
        return {"train": list(files)}
    if "train" not in splits.values():
        if named != {top for top in tops if not _says_unlabeled(top)}:
            return {"train": list(files)}  # a class called "test"
        raise DataError(f"{where} has {', '.join(sorted(named))} but no train folder; add one")
    if named != tops:
        others = ", ".join(sorted(top or "images" for top in tops - named))
        raise DataError(
            f"{where} has the folder train and, beside it, {others}; expected only "
            "train, validation and test there, and the class folders inside them (images without a "
            "label in train/unlabeled)"
        )
    groups: dict[str, list[Member]] = {}
    for file in files:
        groups.setdefault(splits[file.top], []).append(file.without(1))
    # Some repeat the name of the split in it: seg_train/seg_train/sea/1.png.
    return {
        name: _unwrapped(group, lambda top: bool(split_of(top))) for name, group in groups.items()
    }


def _class_names(
    groups: Mapping[str, Sequence[Member]], where: str
) -> tuple[tuple[str, ...], list[str]]:
    """The class folders in natural order ("2" before "10"), or () if there are none, and notes."""
    tops = {split: {file.top for file in files} - {""} for split, files in groups.items()}
    unlabeled = sorted(t for t in set().union(*tops.values()) if _says_unlabeled(t))
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
        notes = [f"the images in {name!r} were taken to have no label" for name in quoted]
        return classes, [*notes, *_inner_folders(groups, classes)]
    if unlabeled:
        raise DataError(
            f"{where} has a single class folder, {classes[0]!r}, beside {unlabeled[0]!r}, whose "
            "images have no label; expected two classes or more: add the folder of another, rename "
            f"{unlabeled[0]!r} if it is one, or put all images into one folder"
        )
    return (), [f"the single folder {classes[0]!r} was not taken for a class"]


def _inner_folders(groups: Mapping[str, Sequence[Member]], classes: Sequence[str]) -> Iterator[str]:
    """A note where class folders hold folders that make no difference."""
    deep = [f.path for group in groups.values() for f in group if len(f.path.parts) > 2]
    inner = sorted({str(path.parent) for path in deep if path.parts[0] in classes}, key=natural)
    if inner:
        yield (
            f"{len(inner)} folder(s) inside class folders make no classes of their own; the class "
            f"is the outermost folder: {first_names(inner)}"
        )


def _read_all(
    files: Sequence[Member], where: str, size: tuple[int, int] | None, gray: bool
) -> tuple[NDArray[np.uint8], list[str]]:
    """All images in one array (N, C, H, W), and notes; every bad one is named in one error."""
    from PIL import Image

    unreadable: list[str] = []
    done: Counter[str] = Counter()

    def decoded() -> Iterator[NDArray[np.uint8] | None]:
        for file in files:
            try:
                pixels, what = decode(file.read(), size, gray)
            except Exception as error:  # Pillow's decoders raise many kinds
                unreadable.append(f"{file.path} ({reason(error)})")
                yield None
                continue
            done.update(what)
            yield pixels

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about files that it reads all the same
        # Pillow refuses images of more pixels than it would warn of.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        images, sizes, notes = stack_images(decoded(), len(files), where, done)
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
    return images, notes
