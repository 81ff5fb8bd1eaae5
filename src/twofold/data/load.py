"""The front door: a name or a path in, an `ImageDataset` out, divided where the source is not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twofold.data.catalog import CATALOG, Entry, known_hashes
from twofold.data.dataset import SPLITS, ImageDataset
from twofold.data.download import fetch
from twofold.data.formats import read_path
from twofold.data.opening import is_there, place_of
from twofold.data.pixels import UNLABELED, Parts
from twofold.data.resize import checked_size, resize, to_gray
from twofold.data.splits import balanced_order, drawable, hold_out, hold_out_last, resolve_count
from twofold.data.stacked import stack
from twofold.errors import DataError, UsageError, unknown_name
from twofold.registry import is_known, make

__all__ = [
    "Division",
    "fit",
    "gather",
    "load_dataset",
    "load_images",
    "load_undivided",
    "prepare",
]


def load_dataset(
    source: str | Path,
    *,
    size: int | str | tuple[int, int] | None = None,
    gray: bool = False,
    limit: int | None = None,
    validation: int | float | None = None,
    test: int | float | None = None,
    split_seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> ImageDataset:
    """Loads a named set, or images of one's own.

    A name of the catalog wins over a file of that name; write "./mnist" for the file. A path may be
    a folder of images (sub-folders are classes; train/ and test/ are splits), a zip or tar of one,
    .npy, .npz, .csv (label,pixel0,...), IDX files, SVHN's .mat files, or CIFAR-10's binary archive.
    Training images may lack labels: those in a sub-folder "unlabeled", and those of label -1 in
    .npz. What of a source is not read is named in the notes.

    Arguments:
        source: A name of `list_datasets()`, or a path.
        size: Side, or (height, width), to bring every image to: center crop, then Lanczos. A text
            such as "32,44" or "32x44" is a height and a width too.
        gray: Convert to one channel.
        limit: Keep this many training images, as balanced over the classes as can be, and at most
            as many of the validation split; test images are all kept. Images without a label are
            one more group in the balance.
        validation: Size of the validation split, a count or a fraction of the images that have no
            split of their own; 0 for none. By default as the field divides the named set (MNIST
            and its like: the last 10 000; CIFAR-10: the last 5 000), otherwise 0.1, drawn with
            `split_seed` in proportion to the classes. Only labeled images are drawn and counted
            where some are not, and the others are all trained on.
        test: The same for the test split, by default 0.1, where the source has none of its own.
        split_seed: Seeds the divisions above and `limit`.
        options: Arguments of a data set that a plugin registered.

    Example:
        >>> dataset = load_dataset("digits")
        >>> {name: len(indices) for name, indices in dataset.splits.items()}
        {'train': 1437, 'validation': 180, 'test': 180}
    """
    shape = checked_size(size)
    division = Division(validation, test, split_seed)
    entry = CATALOG.get(source) if isinstance(source, str) else None
    if entry is None and isinstance(source, str) and is_known("dataset", source):
        from twofold.data.convert import as_dataset  # which loads names and paths by this module

        made = make("dataset", {"name": source, **(options or {})})
        dataset = replace(as_dataset(made, name=source), name=source)
    elif options:
        raise UsageError(f"{source} takes no options; only data sets of plugins do")
    elif entry is None:
        path = _existing(source)
        dataset = gather(read_path(path, shape, gray), path.resolve().name, str(path))
    else:
        dataset = gather(_read_named(entry), entry.info.name, entry.info.homepage)
        default, last = entry.validation, entry.validation_last
        division = replace(division, validation_default=default, validation_last=last)
    return prepare(dataset, division, limit, shape, gray)


def load_images(
    source: str | Path, *, size: int | str | tuple[int, int] | None = None, gray: bool = False
) -> ImageDataset:
    """The images of a source without any split: of a named set those of its test split.

    Arguments:
        source: A name of `list_datasets()`, or a path, which may be that of a single image.
        size, gray: As for `load_dataset`.

    Example:
        >>> len(load_images("digits"))
        180
    """
    if isinstance(source, str) and source in CATALOG:
        return load_dataset(source, size=size, gray=gray).split("test")
    return replace(load_undivided(source, size=size, gray=gray), splits={})


def load_undivided(
    source: str | Path, *, size: int | str | tuple[int, int] | None = None, gray: bool = False
) -> ImageDataset:
    """The images of a path with the splits that they come with, and no others.

    Arguments:
        source: A path, which may be that of a single image.
        size, gray: As for `load_dataset`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/noise.npy", np.zeros((5, 8, 8), np.uint8))
        ...     found = load_undivided(f"{folder}/noise.npy")
        >>> len(found), "test" in found.splits
        (5, False)
    """
    path, shape = _existing(source), checked_size(size)
    parts = read_path(path, shape, gray)
    dataset = gather(parts, path.resolve().name, str(path))
    return fit(dataset, shape, gray)


@dataclass(frozen=True)
class Division:
    """How images without a split of their own are divided.

    Arguments:
        validation, test: Count or fraction of the split, or None for its default.
        validation_last: Take the last images for validation, and draw none.

    Example:
        >>> Division(validation=500, test=None, seed=0).test_default
        0.1
    """

    validation: int | float | None
    test: int | float | None
    seed: int
    validation_default: int | float = 0.1
    test_default: int | float = 0.1
    validation_last: bool = False


def gather(parts: Parts, name: str, source: str) -> ImageDataset:
    """All images in one array, in the order of the splits that the source has.

    Raises:
        DataError: If there is nothing to train on, or the parts do not fit one another.

    Example:
        >>> from twofold.data.pixels import Part
        >>> parts = Parts({k: Part(np.zeros((3, 1, 8, 8), np.uint8)) for k in ("train", "test")})
        >>> gather(parts, "x", "memory").splits["test"]
        array([3, 4, 5])
    """
    groups = {split: parts.groups[split] for split in SPLITS if split in parts.groups}
    shapes = {group.images.shape[1:] for group in groups.values()}
    if len(shapes) > 1:
        raise DataError(
            f"the splits of {name} have images of shapes {sorted(shapes)}; expected one"
        )
    if "train" not in groups or not len(groups["train"].images):
        raise DataError(f"{name} holds no images to train on")
    unlabeled = [split for split, group in groups.items() if group.labels is None]
    if unlabeled and len(unlabeled) < len(groups):
        raise DataError(
            f"{name} has labels, but none for {', '.join(unlabeled)}; "
            "give them to all splits or to none"
        )
    for split, group in groups.items():
        unknown = 0 if group.labels is None else int((group.labels == UNLABELED).sum())
        if unknown and split != "train":
            raise DataError(
                f"{unknown} of {len(group.images)} {split} images of {name} have no label; "
                "only training images may lack one, so give them theirs or move them to train"
            )
    images = [group.images for group in groups.values()]
    labels = [group.labels for group in groups.values() if group.labels is not None]
    return ImageDataset(
        np.concatenate(images) if images[1:] else images[0],
        np.concatenate(labels) if labels else None,
        parts.class_names,
        name,
        source,
        _numbered({split: len(group.images) for split, group in groups.items()}),
        parts.notes,
        tuple(file for group in groups.values() for file in group.files),
    )


def prepare(
    dataset: ImageDataset,
    division: Division,
    limit: int | None = None,
    size: tuple[int, int] | None = None,
    gray: bool = False,
) -> ImageDataset:
    """Draws the splits that are not there, keeps what `limit` keeps, and fits the images.

    Arguments:
        dataset: With the splits of its own; without any, all images are there to be divided.
        limit: Keep this many training images, at most as many of the validation split, and all
            test images.
        size, gray: As for `fit`.

    Example:
        >>> dataset = ImageDataset(np.zeros((20, 1, 8, 8), np.uint8), None)
        >>> dataset = prepare(dataset, Division(None, None, seed=0), limit=5)
        >>> {name: len(indices) for name, indices in dataset.splits.items()}
        {'train': 5, 'validation': 2, 'test': 2}
    """
    whole = isinstance(limit, int | np.integer) and not isinstance(limit, bool)
    if limit is not None and (not whole or limit < 1):
        raise UsageError(f"limit={limit}; expected a number of images from 1, or None for all")
    dataset = _divide(dataset, division)
    if limit is not None:
        chosen = dict(dataset.splits)
        for name in chosen.keys() - {"test"}:
            chosen[name] = balanced_order(chosen[name], dataset.labels, division.seed)[:limit]
        kept = dataset.subset(np.concatenate(list(chosen.values())))
        dataset = replace(kept, splits=_numbered({name: len(chosen[name]) for name in chosen}))
    return fit(dataset, size, gray)


def fit(dataset: ImageDataset, size: tuple[int, int] | None, gray: bool) -> ImageDataset:
    """The same images in one size, (H, W), and, where asked, in one channel.

    Example:
        >>> dataset = ImageDataset(np.zeros((2, 3, 8, 8), np.uint8), None)
        >>> fit(dataset, (4, 4), gray=True).image_shape
        (1, 4, 4)
    """
    images = to_gray(dataset.images) if gray else dataset.images
    images = images if size is None else resize(images, size)
    return dataset if images is dataset.images else replace(dataset, images=images)


def _read_named(entry: Entry) -> Parts:
    if entry.read is None:
        return stack(load_dataset(entry.stacks), entry.info.counts)
    parts = entry.read(fetch(entry.info.name, entry.files, entry.mirrors, known_hashes()))
    return Parts(parts.groups, entry.class_names, parts.notes)


def _existing(source: str | Path) -> Path:
    path = place_of(source)
    if source != "" and is_there(path):
        return path
    error = unknown_name("data set", str(source), CATALOG)
    raise UsageError(f"{error} (nor is there a file or folder {path})")


def _divide(dataset: ImageDataset, division: Division) -> ImageDataset:
    splits = dict(dataset.splits) or {"train": np.arange(len(dataset))}
    if "train" not in splits:
        raise UsageError(f"{dataset.name} has the split {', '.join(splits)}, but none called train")
    counts = _counts(dataset, splits["train"], division)
    for number, split in enumerate(("test", "validation")):
        if not counts[split]:
            continue
        if split == "validation" and division.validation_last:
            held = hold_out_last(splits["train"], counts[split])
        else:
            seed, names = (division.seed, number), dataset.class_names
            held = hold_out(splits["train"], dataset.labels, counts[split], seed, names)
        splits["train"], splits[split] = held
    return replace(dataset, splits=splits)


def _counts(dataset: ImageDataset, train: np.ndarray, division: Division) -> dict[str, int]:
    """How many images to train on go to each split that the set does not have itself."""
    pool = len(drawable(train, dataset.labels))
    of = "images" if pool == len(train) else "labeled images"
    counts = {}
    for split, asked, default in (
        ("validation", division.validation, division.validation_default),
        ("test", division.test, division.test_default),
    ):
        if split not in dataset.splits:
            counts[split] = resolve_count(default if asked is None else asked, pool, split, of)
        elif asked is None:
            counts[split] = 0
        else:
            raise UsageError(
                f"{split}={asked}, but {dataset.name} comes with its own {split} split of "
                f"{len(dataset.splits[split])} images; leave {split} out"
            )
    if sum(counts.values()) >= pool:
        raise UsageError(
            f"validation takes {counts['validation']} and test {counts['test']} of the {pool} "
            f"{of} of {dataset.name}, which leaves none to train on; pass smaller numbers, or 0"
        )
    return counts


def _numbered(sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The indices of splits that follow one another."""
    ends = np.cumsum(list(sizes.values()))
    return dict(zip(sizes, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))
