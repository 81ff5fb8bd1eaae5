"""Images that somebody gives a trained model: brought to its size, its classes and a number."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twofold.data.dataset import UNLABELED, ImageDataset
from twofold.data.resize import resize, to_gray
from twofold.data.splits import balanced_order
from twofold.errors import UsageError, unknown_name

__all__ = ["class_index", "draw_some", "drawn_rows", "fit_to", "relabel"]


def class_index(label: int | str, names: Sequence[str]) -> int:
    """The number of a class given by number or name.

    Raises:
        UsageError: If there is none, naming those there are.

    Example:
        >>> class_index("dog", ["cat", "dog"]), class_index(0, ["cat", "dog"])
        (1, 0)
    """
    text = str(label)
    if text in names:
        return list(names).index(text)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    if text.lstrip("-").isdecimal():
        raise UsageError(
            f"there is no class {text}: this model knows {len(names)} classes, "
            f"0 to {len(names) - 1} ({', '.join(names)})"
        )
    raise unknown_name("class", text, names)


def fit_to(
    dataset: ImageDataset, shape: tuple[int, int, int], owner: str, may_resize: bool
) -> ImageDataset:
    """Images of a model's shape (C, H, W).

    Raises:
        UsageError: If they have another, and may not be resized; `owner` is who wants them.

    Example:
        >>> images = ImageDataset(np.zeros((2, 1, 4, 4), np.uint8), None)
        >>> fit_to(images, (3, 8, 8), "runs/cvae", may_resize=True).image_shape
        (3, 8, 8)
    """
    C, H, W = shape
    if dataset.image_shape == (C, H, W):
        return dataset
    if not may_resize:
        got, expected = (
            f"{h}×{w} pixels in {'gray' if c == 1 else 'color'}"
            for c, h, w in (dataset.image_shape, shape)
        )
        raise UsageError(
            f"{dataset.name} has images of {got} and {owner} was trained on {expected}; "
            "resize them with --resize (in Python: resize=True)"
        )
    images = resize(to_gray(dataset.images) if C == 1 else dataset.images, (H, W))
    if images.shape[1] < C:
        images = images.repeat(C, axis=1)
    return replace(dataset, images=images, splits={})


def relabel(
    dataset: ImageDataset, names: Sequence[str], label: int | str | None = None
) -> ImageDataset:
    """Labels by a model's classes: those of the same name, and `label` where there is none.

    Example:
        >>> images = ImageDataset(np.zeros((2, 1, 4, 4), np.uint8), np.array([0, -1]), ("dog", "x"))
        >>> relabel(images, ("cat", "dog", "x"), "cat").labels.tolist()
        [1, 0]
    """
    labels = None
    folders = {file.rpartition("/")[0] for file in dataset.files}  # one may be that of a class
    if dataset.labels is not None and set(dataset.class_names) <= set(names):
        numbers = np.array([names.index(name) for name in dataset.class_names])
        labels = np.where(dataset.labels == UNLABELED, UNLABELED, numbers[dataset.labels])
    elif dataset.labels is None and len(folders) == 1 and (folder := folders.pop()) in names:
        labels = np.full(len(dataset), names.index(folder))
    if label is not None:
        known = np.full(len(dataset), UNLABELED) if labels is None else labels
        labels = np.where(known == UNLABELED, class_index(label, names), known)
    kept = tuple(names) if labels is not None else ()
    return replace(dataset, labels=labels, class_names=kept, splits={})


def draw_some(dataset: ImageDataset, n: int | None, seed: int) -> ImageDataset:
    """`n` of the images, the classes in balance and in order; all of them if `n` is None.

    Raises:
        UsageError: If `n` is less than 1.

    Example:
        >>> images = ImageDataset(np.zeros((6, 1, 4, 4), np.uint8), np.arange(6) % 2, ("a", "b"))
        >>> draw_some(images, 4, seed=0).labels.tolist()
        [0, 0, 1, 1]
    """
    if n is None:
        return dataset
    if n < 1:
        raise UsageError(f"n={n}: ask for at least one image")
    return dataset.subset(drawn_rows(dataset, n, seed))


def drawn_rows(dataset: ImageDataset, n: int, seed: int) -> NDArray[np.int64]:
    """Which of the images `draw_some` draws, all of them at most.

    Example:
        >>> drawn_rows(ImageDataset(np.zeros((6, 1, 4, 4), np.uint8), None), 3, seed=0).tolist()
        [2, 3, 5]
    """
    everything = np.arange(len(dataset))
    if n >= len(dataset):
        return everything
    if dataset.labels is None:
        return np.sort(np.random.default_rng(seed).permutation(everything)[:n])
    chosen = balanced_order(everything, dataset.labels, seed)[:n]
    return chosen[np.argsort(dataset.labels[chosen], kind="stable")]
