"""The front door: a name or a path in, an `ImageDataset` out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.data.catalog import CATALOG, Entry
from twofold.data.dataset import SPLITS, ImageDataset
from twofold.data.download import fetch
from twofold.data.local import read_path
from twofold.data.parts import UNLABELED, Parts
from twofold.data.resize import checked_size, resize, to_gray
from twofold.data.splits import balanced_order, drawable, hold_out, hold_out_last, resolve_count
from twofold.data.stacked import stack
from twofold.errors import DataError, UsageError, unknown_name

__all__ = ["load_dataset", "load_images"]

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class _Division:
    """How images without a split of their own are divided."""

    validation: int | float | None
    test: int | float | None
    seed: int
    validation_default: int | float = 0.1
    validation_last: bool = False


def load_dataset(
    source: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    gray: bool = False,
    limit: int | None = None,
    validation: int | float | None = None,
    test: int | float | None = None,
    split_seed: int = 0,
) -> ImageDataset:
    """Loads a named set, or images of one's own.

    A name of the catalog wins over a file of that name; write "./mnist" for the file. A path may be
    a folder of images (sub-folders are classes; train/ and test/ are splits), a zip of one, .npy,
    .npz, IDX files, SVHN's .mat files, or CIFAR-10's binary archive. Training images may lack
    labels: those in a sub-folder "unlabeled", and those of label -1 in .npz.

    Arguments:
        source: A name of `list_datasets()`, or a path.
        size: Side, or (height, width), to bring every image to: center crop, then Lanczos.
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

    Example:
        >>> dataset = load_dataset("digits")
        >>> {name: len(indices) for name, indices in dataset.splits.items()}
        {'train': 1437, 'validation': 180, 'test': 180}
    """
    shape = checked_size(size)
    whole = isinstance(limit, int | np.integer) and not isinstance(limit, bool)
    if limit is not None and (not whole or limit < 1):
        raise UsageError(f"limit={limit}; expected a number of images from 1, or None for all")
    entry = CATALOG.get(source) if isinstance(source, str) else None
    if entry is not None:
        name, origin = entry.info.name, entry.info.homepage
        parts = _read_named(entry)
        default, last = entry.validation, entry.validation_last
    else:
        path = _existing(source)
        name, origin = path.resolve().name, str(path)
        parts = read_path(path, shape, gray)
        default, last = 0.1, False
    division = _Division(validation, test, split_seed, default, last)
    images, labels = _joined(parts, name)
    splits = _divide(parts, labels, division, name)
    if limit is not None:
        images, labels, splits = _limited(images, labels, splits, limit, split_seed)
    if gray:
        images = to_gray(images)
    if shape is not None:
        images = resize(images, shape)
    return ImageDataset(images, labels, parts.class_names, name, origin, splits, parts.notes)


def load_images(
    source: str | Path, *, size: int | tuple[int, int] | None = None, gray: bool = False
) -> ImageDataset:
    """The images of a source without any split: of a named set those of its test split.

    Arguments:
        source: A name of `list_datasets()`, or a path, which may be that of a single image.
        size: Side, or (height, width), to bring every image to.
        gray: Convert to one channel.
    """
    if isinstance(source, str) and source in CATALOG:
        return load_dataset(source, size=size, gray=gray).split("test")
    path, shape = _existing(source), checked_size(size)
    parts = read_path(path, shape, gray)
    name = path.resolve().name
    images, labels = _joined(parts, name)
    groups = [parts.groups[split] for split in SPLITS if split in parts.groups]
    files = tuple(file for group in groups for file in group.files)
    images = to_gray(images) if gray else images
    images = images if shape is None else resize(images, shape)
    return ImageDataset(
        images, labels, parts.class_names, name, str(path), notes=parts.notes, files=files
    )


def _read_named(entry: Entry) -> Parts:
    if entry.read is None:
        return stack(load_dataset(entry.stacks), entry.info.counts)
    parts = entry.read(fetch(entry.info.name, entry.files, entry.mirrors, _all_hashes()))
    return Parts(parts.groups, entry.class_names, parts.notes)


def _all_hashes() -> frozenset[str]:
    return frozenset(
        sha256
        for entry in CATALOG.values()
        for file in entry.files
        for sha256 in (file.sha256, file.unzipped_sha256)
        if sha256
    )


def _existing(source: str | Path) -> Path:
    path = Path(source).expanduser()
    if source != "" and path.exists():
        return path
    error = unknown_name("data set", str(source), CATALOG)
    raise UsageError(f"{error} (nor is there a file or folder {path})")


def _joined(parts: Parts, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    """All images and labels in one array each, in the order of the splits."""
    groups = [parts.groups[split] for split in SPLITS if split in parts.groups]
    shapes = {group.images.shape[1:] for group in groups}
    if len(shapes) > 1:
        raise DataError(
            f"the splits of {name} have images of shapes {sorted(shapes)}; expected one"
        )
    if "train" not in parts.groups or not len(parts.groups["train"].images):
        raise DataError(f"{name} holds no images to train on")
    unlabeled = [split for split in parts.groups if parts.groups[split].labels is None]
    if unlabeled and len(unlabeled) < len(groups):
        raise DataError(
            f"{name} has labels, but none for {', '.join(unlabeled)}; "
            "give them to all splits or to none"
        )
    _check_measured(parts, name)
    images = np.concatenate([group.images for group in groups]) if groups[1:] else groups[0].images
    if unlabeled:
        return images, None
    return images, np.concatenate([g.labels for g in groups if g.labels is not None])


def _check_measured(parts: Parts, name: str) -> None:
    for split, group in parts.groups.items():
        unknown = 0 if group.labels is None else int((group.labels == UNLABELED).sum())
        if unknown and split != "train":
            raise DataError(
                f"{unknown} of {len(group.images)} {split} images of {name} have no label; "
                "only training images may lack one, so give them theirs or move them to train"
            )


def _divide(
    parts: Parts, labels: NDArray[np.int64] | None, division: _Division, name: str
) -> dict[str, Indices]:
    splits, start = {}, 0
    for split in SPLITS:
        if split in parts.groups:
            stop = start + len(parts.groups[split].images)
            splits[split] = np.arange(start, stop)
            start = stop
    pool = len(drawable(splits["train"], labels))
    of = "images" if pool == len(splits["train"]) else "labeled images"
    counts = _counts(division, pool, of, splits, name)
    for number, split in enumerate(("test", "validation")):
        if not counts[split]:
            continue
        if split == "validation" and division.validation_last:
            held = hold_out_last(splits["train"], counts[split])
        else:
            seed = (division.seed, number)
            held = hold_out(splits["train"], labels, counts[split], seed, parts.class_names)
        splits["train"], splits[split] = held
    return {split: splits[split] for split in SPLITS if split in splits}


def _counts(
    division: _Division, pool: int, of: str, own: Mapping[str, Indices], name: str
) -> dict[str, int]:
    """How many of the pool go to each split that the source does not have itself."""
    counts = {}
    for split, asked, default in (
        ("validation", division.validation, division.validation_default),
        ("test", division.test, 0.1),
    ):
        if split in own:
            if asked is not None:
                raise UsageError(
                    f"{split}={asked}, but {name} comes with its own {split} split of "
                    f"{len(own[split])} images; leave {split} out"
                )
            counts[split] = 0
        else:
            counts[split] = resolve_count(default if asked is None else asked, pool, split, of)
    if sum(counts.values()) >= pool:
        raise UsageError(
            f"validation takes {counts['validation']} and test {counts['test']} of the {pool} "
            f"{of} of {name}, which leaves none to train on; pass smaller numbers, or 0"
        )
    return counts


def _limited(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    splits: Mapping[str, Indices],
    limit: int,
    seed: int,
) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None, dict[str, Indices]]:
    """Only what `limit` keeps, the splits renumbered."""
    chosen = {
        name: pool if name == "test" else balanced_order(pool, labels, seed)[:limit]
        for name, pool in splits.items()
    }
    kept = np.concatenate(list(chosen.values()))
    ends = np.cumsum([len(indices) for indices in chosen.values()])
    renumbered = np.split(np.arange(len(kept)), ends[:-1])
    return (
        images[kept],
        None if labels is None else labels[kept],
        dict(zip(chosen, renumbered, strict=True)),
    )
