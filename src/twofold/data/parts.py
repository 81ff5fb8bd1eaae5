"""What a reader hands back: images and labels as the files group them, before they are split."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNLABELED", "Part", "Parts"]

UNLABELED = -1  # as in scikit-learn: the label of an image whose class nobody has said


@dataclass(frozen=True, eq=False)
class Part:
    """Images that belong together.

    Arguments:
        images: Pixels, uint8 (N, C, H, W).
        labels: Classes, int64 (N,), -1 where one is not known, or None.
        files: Where each lay in its folder or archive; () where they have no names.

    Example:
        >>> part = Part(np.zeros((2, 1, 8, 8), np.uint8), np.array([3, UNLABELED]))
        >>> part.labels
        array([ 3, -1])
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Parts:
    """The groups of one source: "train" always, "validation" and "test" where it has its own.

    Arguments:
        groups: Name of the split -> its images.
        class_names: Names of the classes, or () to number them.
        notes: What the reader did to the files, for the summary.

    Example:
        >>> images = np.zeros((2, 1, 8, 8), np.uint8)
        >>> list(Parts({"train": Part(images), "test": Part(images)}).groups)
        ['train', 'test']
    """

    groups: Mapping[str, Part]
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
