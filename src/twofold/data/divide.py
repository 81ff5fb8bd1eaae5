"""The images of a source as one data set, divided where the source does not say how."""

from dataclasses import dataclass, replace

import numpy as np

from twofold.data.dataset import SPLITS, ImageDataset
from twofold.data.pixels import UNLABELED, Parts
from twofold.data.resize import resize, to_gray
from twofold.data.splits import balanced_order, drawable, hold_out, hold_out_last, resolve_count
from twofold.errors import DataError, UsageError

__all__ = ["Division", "fit", "gather", "prepare"]


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
    ends = np.cumsum([len(x) for x in images])
    return ImageDataset(
        np.concatenate(images) if images[1:] else images[0],
        np.concatenate(labels) if labels else None,
        parts.class_names,
        name,
        source,
        dict(zip(groups, np.split(np.arange(ends[-1]), ends[:-1]), strict=True)),
        parts.notes,
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
        division: How.
        limit: Keep this many training images, at most as many of the validation split, and all
            test images.
        size: (H, W) to bring every image to.
        gray: Convert to one channel.

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
        dataset = _limited(dataset, limit, division.seed)
    return fit(dataset, size, gray)


def fit(dataset: ImageDataset, size: tuple[int, int] | None, gray: bool) -> ImageDataset:
    """The same images in one size and, where asked, in one channel.

    Example:
        >>> dataset = ImageDataset(np.zeros((2, 3, 8, 8), np.uint8), None)
        >>> fit(dataset, (4, 4), gray=True).image_shape
        (1, 4, 4)
    """
    images = to_gray(dataset.images) if gray else dataset.images
    images = images if size is None else resize(images, size)
    return dataset if images is dataset.images else replace(dataset, images=images)


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


def _limited(dataset: ImageDataset, limit: int, seed: int) -> ImageDataset:
    """Only what `limit` keeps, the splits renumbered."""
    chosen = {
        name: pool if name == "test" else balanced_order(pool, dataset.labels, seed)[:limit]
        for name, pool in dataset.splits.items()
    }
    kept = np.concatenate(list(chosen.values()))
    ends = np.cumsum([len(indices) for indices in chosen.values()])
    renumbered = np.split(np.arange(len(kept)), ends[:-1])
    return replace(dataset.subset(kept), splits=dict(zip(chosen, renumbered, strict=True)))
