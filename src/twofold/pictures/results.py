"""What samples, reconstructions and labeled images look like on a sheet, whoever made them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.pictures.sheets import BACKGROUND, add_captions, grid

__all__ = ["label_columns", "labeled_sheet", "reconstructed_sheet", "sampled_sheet"]

COLUMNS = 10
ROWS = ("input", "reconstruction", "prior sample")


def sampled_sheet(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64] | None,
    seeds: NDArray[np.int64],
    class_names: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """A row per seed where there are several, else per class, else as they come.

    Arguments:
        images: Shape (n, C, H, W).
        labels: The class of each, (n,), or None.
        seeds: Of the code of each, (n,).
        class_names: Of the labels.
    """
    several = len(np.unique(seeds)) > 1
    groups = seeds if several else labels
    if groups is None:
        return _sheet(images, [np.arange(len(images))])
    keys: list[int] = list(dict.fromkeys(groups.tolist()))
    rows = [np.flatnonzero(groups == key) for key in keys]
    heads = [f"seed {key}" if several else class_names[key] for key in keys]
    across: list[int] = labels[rows[0]].tolist() if several and labels is not None else []
    return _sheet(images, rows, heads, [class_names[k] for k in across])


def reconstructed_sheet(three: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of inputs, reconstructions and samples (3, N, C, H, W), ten columns at a time."""
    _, N, *shape = three.shape
    columns = min(COLUMNS, N)
    blocks = -(-N // columns)
    cells = np.full((3, blocks * columns, *shape), BACKGROUND, np.uint8)
    cells[:, :N] = three
    cells = cells.reshape(3, blocks, columns, *shape).swapaxes(0, 1)
    return grid(cells.reshape(3 * blocks, columns, *shape), ROWS * blocks)


def labeled_sheet(
    images: NDArray[np.uint8],
    names: Sequence[str],
    probabilities: NDArray[np.floating],
    true: Sequence[str],
) -> NDArray[np.uint8]:
    """Images (n, C, H, W), each below its class and, in per cent, how sure that is.

    A class that is known to be another one stands in brackets; "" is one that is not known.
    """
    sure = np.rint(100 * probabilities).astype(int)
    words = [
        f"{name} {percent}%" + (f" ({other})" if other not in ("", name) else "")
        for name, percent, other in zip(names, sure, true, strict=True)
    ]
    return add_captions(images, words)


def label_columns(
    class_names: Sequence[str],
    probabilities: NDArray[np.floating],
    true: Sequence[str],
    files: Sequence[str],
) -> dict[str, Sequence[Any]]:
    """The table of what images were taken for, a row for each, by heading.

    Arguments:
        class_names: K names.
        probabilities: p(y|x), shape (N, K).
        true: The class of each, "" where it is not known.
        files: Where each lay; empty where they come from no files.
    """
    columns: dict[str, Sequence[Any]] = {"index": range(len(probabilities))}
    if files:
        columns["file"] = files
    if any(true):
        columns["true"] = true
    columns["predicted"] = [class_names[k] for k in probabilities.argmax(axis=1)]
    numbers = {"probability": probabilities.max(axis=1)}
    numbers |= {f"p({k})": p for k, p in zip(class_names, probabilities.T, strict=True)}
    return columns | {name: [f"{p:.6g}" for p in ps.tolist()] for name, ps in numbers.items()}


def _sheet(
    images: NDArray[np.uint8],
    groups: Sequence[NDArray[np.int64]],
    heads: Sequence[str] = (),
    column_heads: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Groups of images below each other, each in as many rows as it needs."""
    columns = len(column_heads) or min(COLUMNS, max(map(len, groups)))
    rows, row_heads = [], []
    for i, group in enumerate(groups):
        for start in range(0, len(group), columns):
            rows.append(group[start : start + columns])
            row_heads.append(heads[i] if heads and start == 0 else "")
    cells = np.full((len(rows), columns, *images.shape[1:]), BACKGROUND, np.uint8)
    for cell, row in zip(cells, rows, strict=True):
        cell[: len(row)] = images[row]
    return grid(cells, row_heads if heads else (), column_heads)
