"""One shape for every set of images: uint8 (N, C, H, W), labels 0..K-1, and named splits.

N images, C channels, H height, W width, K classes, as in the rest of the project.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from twofold.data.pixels import UNLABELED
from twofold.data.splits import balanced_order
from twofold.errors import DataError, UsageError, printable, unknown_name

__all__ = ["SPLITS", "UNLABELED", "ImageDataset"]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images with, perhaps, a label each, and the indices of their splits.

    Arguments:
        images: Pixels, uint8 of shape (N, C, H, W) with C = 1 (gray) or 3 (RGB).
        labels: Class of each image, integers 0..K-1 of shape (N,), -1 where it is not known, or
            None.
        class_names: The K names; "0", "1", ... when there are labels and none are given.
        name: What the set is called, for example "mnist" or the folder's name.
        source: Where it came from, for the record.
        splits: "train", "validation", "test" -> indices; disjoint.
        notes: What was done to the files on the way in (scaled, ignored, composited).
        files: Where each image lay in its folder or archive; () where they have no names.

    Example:
        >>> images = np.zeros((4, 1, 8, 8), np.uint8)
        >>> dataset = ImageDataset(images, np.array([0, 1, 1, 1]), splits={"train": np.arange(3)})
        >>> dataset.image_shape, dataset.num_classes, dataset.class_counts
        ((1, 8, 8), 2, array([1, 3]))
        >>> len(dataset.split("train"))
        3
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...] = ()
    name: str = "images"
    source: str = ""
    splits: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        images = self.images
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            got = getattr(images, "dtype", type(images).__name__)
            raise DataError(
                f"images are {got}, expected a uint8 array; scale floats in [0, 1] with "
                "np.rint(images * 255).astype(np.uint8)"
            )
        if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
            raise DataError(
                f"images have shape {images.shape}, expected (N, C, H, W) with C = 1 or 3; "
                "use images[:, None] for (N, H, W), images.transpose(0, 3, 1, 2) for (N, H, W, C)"
            )
        if self.files and len(self.files) != len(images):
            raise DataError(f"{len(self.files)} names of files for {len(images)} images")
        if self.labels is not None:
            labels, names = _checked_labels(self.labels, tuple(self.class_names), len(images))
            object.__setattr__(self, "labels", labels)
            object.__setattr__(self, "class_names", names)
        elif self.class_names:
            raise DataError(f"{len(self.class_names)} class names but no labels; give both")
        for names in ("class_names", "files"):
            object.__setattr__(self, names, tuple(map(printable, getattr(self, names))))
        object.__setattr__(self, "name", printable(self.name))
        object.__setattr__(self, "splits", _checked_splits(self.splits, len(images)))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape of one image, (C, H, W)."""
        _, C, H, W = self.images.shape
        return C, H, W

    @property
    def num_classes(self) -> int:
        """K, or 0 without labels."""
        return len(self.class_names)

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """How many images each class has, shape (K,); empty without labels."""
        if self.labels is None:
            return np.zeros(0, np.int64)
        known = self.labels[self.labels != UNLABELED]
        return np.bincount(known, minlength=self.num_classes).astype(np.int64)

    @property
    def num_unlabeled(self) -> int:
        """How many images have no label."""
        return len(self) - int(self.class_counts.sum())

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of the SHA-256 of shape, images and labels, for the record of a run.

        Splits, names and notes are not part of it.
        """
        digest = hashlib.sha256(str(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        if self.labels is not None:
            digest.update(np.ascontiguousarray(self.labels, "<i8").data)
        return digest.hexdigest()[:16]

    def split(self, name: str) -> "ImageDataset":
        """The images of one split, in the split's order."""
        if name not in self.splits:
            have = ", ".join(f"{k} ({len(v)})" for k, v in self.splits.items()) or "none"
            raise UsageError(f"{self.name} has no split {name!r}; it has: {have}")
        return self.subset(self.splits[name])

    def subset(self, indices: NDArray[np.integer] | Iterable[int]) -> "ImageDataset":
        """The images at `indices`, in that order, with the same classes and without splits."""
        chosen = np.asarray(
            indices if isinstance(indices, np.ndarray) else list(indices), dtype=np.int64
        )
        _check_indices(chosen, len(self), "subset")
        return replace(
            self,
            images=self.images[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            splits={},
            files=tuple(self.files[i] for i in chosen) if self.files else (),
        )

    def without(self, classes: Iterable[str]) -> "ImageDataset":
        """All images but those of some classes, which keep their names and numbers.

        Raises:
            UsageError: If there is no such class, or nothing else.
        """
        gone = list(classes)
        for name in gone:
            if name not in self.class_names:
                raise unknown_name("class", name, self.class_names)
        if self.labels is None or not gone:
            return self
        kept = np.flatnonzero(~np.isin(self.labels, list(map(self.class_names.index, gone))))
        if not len(kept):
            raise UsageError(f"without all of its classes {self.name} has no images left")
        return self.subset(kept)

    def labeled(self) -> "ImageDataset":
        """The images whose class is known.

        Raises:
            DataError: If there is none.
        """
        if self.labels is None or self.num_unlabeled == len(self):
            raise DataError(
                f"the images of {self.name} have no labels; put each class into a sub-folder, or "
                "use a model that needs none"
            )
        return self.subset(np.flatnonzero(self.labels != UNLABELED))

    def keep_labels(self, count: int, seed: int = 0) -> "ImageDataset":
        """The same images with the labels of all but `count` forgotten, the classes in balance.

        Raises:
            UsageError: If so many are not there, or some class would be left without any.
        """
        num_labeled = len(self.labeled())
        if not self.num_classes <= count <= num_labeled:
            raise UsageError(
                f"labels={count}: {self.name} has {num_labeled} labeled images to train on, of "
                f"{self.num_classes} classes; expected {self.num_classes} to {num_labeled}, at "
                "least one of each class"
            )
        assert self.labels is not None, "labeled() found some"
        known = np.flatnonzero(self.labels != UNLABELED)
        kept = balanced_order(known, self.labels, seed)[:count]
        labels = np.full(len(self), UNLABELED, np.int64)
        labels[kept] = self.labels[kept]
        return replace(self, labels=labels)


def _checked_labels(
    labels: NDArray[np.integer], names: tuple[str, ...], num_images: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The labels as int64, and the names of the classes, which are their numbers by default."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise DataError(f"labels are {labels.dtype}, expected integers 0..K-1")
    if labels.shape != (num_images,):
        raise DataError(
            f"labels have shape {labels.shape} but there are {num_images} images; "
            f"expected shape ({num_images},), one label for each image"
        )
    labels = labels.astype(np.int64, copy=False)
    highest = int(labels.max(initial=-1))
    if not names and highest >= max(1000, num_images):
        raise DataError(
            f"labels reach {highest} with only {num_images} images; number the classes from 0 "
            "(np.unique(labels, return_inverse=True)[1]) or give class_names"
        )
    names = names or tuple(map(str, range(highest + 1)))
    if labels.size and (labels.min() < UNLABELED or highest >= len(names)):
        raise DataError(
            f"labels run from {labels.min()} to {labels.max()}, expected 0 to "
            f"{max(len(names) - 1, 0)} for {len(names)} classes, or {UNLABELED} where not known"
        )
    return labels, names


def _check_indices(indices: NDArray[np.int64], num_images: int, what: str) -> None:
    if indices.ndim != 1:
        raise DataError(f"{what} indices have shape {indices.shape}, expected one dimension")
    if indices.size and (indices.min() < 0 or indices.max() >= num_images):
        raise DataError(
            f"{what} indices run from {indices.min()} to {indices.max()}, expected 0 to "
            f"{num_images - 1} for {num_images} images"
        )


def _checked_splits(
    splits: Mapping[str, NDArray[np.int64]], num_images: int
) -> dict[str, NDArray[np.int64]]:
    checked = {name: np.asarray(indices, dtype=np.int64) for name, indices in splits.items()}
    for name, indices in checked.items():
        if name not in SPLITS:
            raise DataError(f"split {name!r} is not one of {', '.join(SPLITS)}")
        _check_indices(indices, num_images, f"split {name!r}")
    everything = np.sort(np.concatenate([*checked.values(), np.zeros(0, np.int64)]))
    repeated = int((everything[1:] == everything[:-1]).sum())
    if repeated:
        raise DataError(f"splits overlap or repeat in {repeated} places; expected disjoint indices")
    return {name: checked[name] for name in SPLITS if name in checked}
