"""Who is trained on, who is watched, who is measured: seeded, stratified, disjoint.

The pool is the images that have no split of their own yet. What is held out of it is drawn class
by class in proportion, the remainders going to the classes that they are largest for. Where some
images have no label, none of those is held out: what is measured has its label.
"""

import numpy as np
from numpy.typing import NDArray

from twofold.data.pixels import UNLABELED
from twofold.errors import DataError, UsageError

__all__ = ["balanced_order", "drawable", "hold_out", "hold_out_last", "resolve_count"]

Indices = NDArray[np.int64]


def resolve_count(value: int | float, total: int, what: str, of: str = "images") -> int:
    """Turns a count (int) or a fraction (float below 1) of `total` images into a count.

    A fraction above zero is at least one image.

    Example:
        >>> resolve_count(0.1, 1797, "test"), resolve_count(500, 1797, "test")
        (180, 500)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise UsageError(f"{what}={value!r}; expected a count such as 1000 or a fraction like 0.1")
    if isinstance(value, float | np.floating):
        if not 0 <= value < 1:
            raise UsageError(
                f"{what}={value}; a fraction lies in 0 <= {what} < 1, a count is a whole number"
            )
        return max(1, round(value * total)) if value > 0 else 0
    if not 0 <= value < max(total, 1):
        raise UsageError(
            f"{what}={value} of {total} {of}; expected 0 to {max(total - 1, 0)}, "
            "so that some are left to train on"
        )
    return int(value)


def drawable(pool: Indices, labels: NDArray[np.int64] | None) -> Indices:
    """The images of the pool that may be held out: those with a label, if any image has one.

    Example:
        >>> drawable(np.arange(4), np.array([0, -1, 1, -1]))
        array([0, 2])
    """
    return pool if labels is None else pool[labels[pool] != UNLABELED]


def hold_out_last(pool: Indices, count: int) -> tuple[Indices, Indices]:
    """The rest of the pool, and its last `count` images.

    Example:
        >>> hold_out_last(np.arange(5), 2)
        (array([0, 1, 2]), array([3, 4]))
    """
    return pool[: len(pool) - count], pool[len(pool) - count :]


def hold_out(
    pool: Indices,
    labels: NDArray[np.int64] | None,
    count: int,
    seed: int | tuple[int, ...],
    class_names: tuple[str, ...] = (),
) -> tuple[Indices, Indices]:
    """The rest of the pool, and `count` images drawn from it, in proportion to the classes.

    Arguments:
        pool: Indices to draw from, (P,).
        labels: Classes of the whole set, (N,), -1 for an image that is not to be drawn, or None to
            draw without regard to them.
        class_names: Names for the messages.

    Example:
        >>> rest, held = hold_out(np.arange(100), np.repeat([0, 1], [70, 30]), 10, seed=0)
        >>> len(rest), int((held < 70).sum())
        (90, 7)
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(drawable(pool, labels))
    if labels is None or count == 0:
        held = shuffled[:count]
    else:
        classes = labels[shuffled]
        sizes = np.bincount(classes)
        wanted = _allot(sizes, count, class_names)
        held = shuffled[_rank_in_class(classes) < wanted[classes]]
    return np.setdiff1d(pool, held), np.sort(held)


def balanced_order(pool: Indices, labels: NDArray[np.int64] | None, seed: int) -> Indices:
    """The pool in a seeded order whose every beginning has the classes as balanced as can be.

    The images without a label, -1, are one more group in that balance.

    Example:
        >>> labels = np.repeat([0, 1], [90, 10])
        >>> labels[balanced_order(np.arange(100), labels, seed=0)[:10]].mean()
        np.float64(0.5)
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(pool)
    if labels is None:
        return shuffled
    # A stable sort by rank within the class leaves each round of one-per-class in random order.
    return shuffled[np.argsort(_rank_in_class(labels[shuffled]), kind="stable")]


def _rank_in_class(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the same class stand before each position: 0 for the first of its class."""
    order = np.argsort(classes, kind="stable")
    starts = np.searchsorted(classes[order], classes[order], side="left")
    ranks = np.empty(len(classes), np.int64)
    ranks[order] = np.arange(len(classes)) - starts
    return ranks


def _allot(sizes: NDArray[np.int64], count: int, class_names: tuple[str, ...]) -> Indices:
    """How many of `count` each class gives, leaving at least one of each behind, (K,)."""
    alone = np.flatnonzero(sizes == 1)
    if len(alone):
        names = ", ".join(repr(class_names[k] if class_names else str(k)) for k in alone[:10])
        raise DataError(
            f"{len(alone)} class(es) have a single image, which cannot be both trained on and held "
            f"out: {names}; add images, leave the class out, or pass validation=0 and test=0"
        )
    capacity = np.maximum(sizes - 1, 0)
    if count > capacity.sum():
        raise DataError(
            f"cannot hold out {count} of {sizes.sum()} images in {np.count_nonzero(sizes)} classes "
            f"and leave one of each to train on; at most {capacity.sum()} can be held out"
        )
    share = sizes * (count / sizes.sum())
    wanted = np.minimum(np.floor(share).astype(np.int64), capacity)
    while wanted.sum() < count:
        wanted[np.argmax(np.where(wanted < capacity, share - wanted, -np.inf))] += 1
    return wanted
