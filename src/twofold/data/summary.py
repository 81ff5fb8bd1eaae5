"""What `twofold data` shows of a set before anyone trains on it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.data.dataset import ImageDataset
from twofold.data.pixels import first_names

__all__ = ["Summary", "remarks", "summarize"]

_UNBALANCED = 10  # times the smallest class that the largest must be to be remarked on
_MANY_CLASSES = 100  # above which the summary does not count the images of each
_DARK = 16  # brightest pixel below which values were perhaps meant in another range


@dataclass(frozen=True)
class Summary:
    """A data set in figures.

    Arguments:
        image_shape: (C, H, W).
        splits: Split -> number of images.
        pixel_range: Smallest and largest value, of 0..255.
        pixel_mean, pixel_std: Over all values.
        class_counts: Class -> number of images; empty without labels.
        notes: What was done on the way in.
        warnings: What a user should know before training.

    Example:
        >>> summary = summarize(ImageDataset(np.zeros((4, 1, 8, 8), np.uint8), None))
        >>> summary.num_images, summary.warnings[1]
        (4, '4 of 4 images are one flat color')
    """

    name: str
    source: str
    fingerprint: str
    num_images: int
    image_shape: tuple[int, int, int]
    splits: Mapping[str, int]
    pixel_range: tuple[int, int]
    pixel_mean: float
    pixel_std: float
    class_counts: Mapping[str, int]
    num_unlabeled: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        C, H, W = self.image_shape
        color = "gray" if C == 1 else "RGB"
        low, high = self.pixel_range
        counts, classes = self.class_counts, "no labels"
        if len(counts) > _MANY_CLASSES:
            each = f"{min(counts.values())} to {max(counts.values())} images each"
            classes = f"{len(counts)} ({each})"
        elif counts:
            each = ", ".join(f"{name}: {count}" for name, count in counts.items())
            classes = f"{len(counts)} ({each})"
        lines = [
            f"{self.name}: {self.num_images} images, {H}×{W} {color}",
            f"  source       {self.source}",
            f"  fingerprint  {self.fingerprint}",
            "  splits       " + (", ".join(f"{k} {n}" for k, n in self.splits.items()) or "none"),
            f"  pixels       {low} to {high}, mean {self.pixel_mean:.2f}, std {self.pixel_std:.2f}",
            f"  classes      {classes}",
        ]
        if counts and self.num_unlabeled:
            lines.append(f"  unlabeled   {self.num_unlabeled} of {self.num_images} images")
        lines += [f"  note         {note}" for note in self.notes]
        lines += [f"  warning      {warning}" for warning in self.warnings]
        return "\n".join(lines)


def remarks(dataset: ImageDataset) -> list[str]:
    """What a verb that looks at images says of them first: notes, and what is amiss with pixels.

    Example:
        >>> remarks(ImageDataset(np.zeros((2, 1, 8, 8), np.uint8), None, notes=("scaled",)))[::2]
        ['images: scaled', 'images: 2 of 2 images are one flat color']
    """
    present = np.flatnonzero(_histogram(dataset))
    return [f"{dataset.name}: {one}" for one in (*dataset.notes, *_of_pixels(dataset, present))]


def summarize(dataset: ImageDataset) -> Summary:
    """Counts, pixel statistics and what looks amiss.

    Example:
        >>> from twofold.data import load_dataset
        >>> summary = summarize(load_dataset("digits"))
        >>> summary.pixel_range, summary.warnings
        ((0, 255), ())
    """
    histogram = _histogram(dataset)
    levels, total = np.arange(256), max(int(histogram.sum()), 1)
    mean = float(histogram @ levels) / total
    variance = float(histogram @ (levels - mean) ** 2) / total
    present = np.flatnonzero(histogram)
    low, high = (int(present[0]), int(present[-1])) if len(present) else (0, 0)
    return Summary(
        dataset.name,
        dataset.source,
        dataset.fingerprint,
        len(dataset),
        dataset.image_shape,
        {name: len(indices) for name, indices in dataset.splits.items()},
        (low, high),
        mean,
        variance**0.5,
        dict(zip(dataset.class_names, dataset.class_counts.tolist(), strict=True)),
        dataset.num_unlabeled,
        dataset.notes,
        (*_of_pixels(dataset, present), *_of_sets(dataset)),
    )


def _histogram(dataset: ImageDataset) -> NDArray[np.int64]:
    """How often each of the values 0..255 occurs, (256,)."""
    histogram = np.zeros(256, np.int64)
    for start in range(0, len(dataset), 4096):
        pixels = dataset.images[start : start + 4096].ravel()
        histogram += np.bincount(pixels, minlength=256)
    return histogram


def _of_pixels(dataset: ImageDataset, present: NDArray[np.int64]) -> Iterator[str]:
    """What looks amiss with the images, given the values that occur in them."""
    images = dataset.images
    if len(present) == 2:
        yield f"already binary: only the values {present[0]} and {present[1]} occur"
    if len(present) and present[-1] <= _DARK:
        yield (
            f"very dark: the brightest pixel is {present[-1]} of 255; if the values were meant in "
            f"0..{present[-1]}, scale them before saving"
        )
    if constant := int((images.min(axis=(1, 2, 3)) == images.max(axis=(1, 2, 3))).sum()):
        yield f"{constant} of {len(images)} images are one flat color"
    if images.shape[1] == 3 and len(images) and (images[:, :1] == images[:, 1:]).all():
        yield "gray images in three equal channels; gray=True loses nothing"


def _of_sets(dataset: ImageDataset) -> Iterator[str]:
    """What looks amiss with classes and splits."""
    images, counts, splits = dataset.images, dataset.class_counts, dataset.splits
    for number, what in ((0, "no images"), (1, "a single image")):
        if names := [dataset.class_names[k] for k in np.flatnonzero(counts == number)]:
            yield f"{len(names)} class(es) with {what}: {first_names(names)}"
    filled = counts[counts > 0]
    if len(filled) > 1 and filled.max() >= _UNBALANCED * filled.min():
        yield (
            f"strongly unbalanced: the largest class has {filled.max()} images, the smallest "
            f"{filled.min()}"
        )
    seen = {images[i].tobytes() for i in splits.get("train", ())}
    for name, indices in splits.items():
        copies = 0 if name == "train" else sum(images[i].tobytes() in seen for i in indices)
        if copies:
            yield f"{copies} of {len(indices)} {name} images are exact copies in train"
