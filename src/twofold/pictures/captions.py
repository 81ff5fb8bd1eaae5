"""Images with a word above each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError
from twofold.pictures.sheets import grid

__all__ = ["add_captions"]

WIDTH = 84  # pixels of an image and its word


def add_captions(
    images: NDArray[np.uint8], words: Sequence[str], columns: int = 10
) -> NDArray[np.uint8]:
    """Images in rows, each with its word above it.

    Arguments:
        images: Shape (N, C, H, W).
        words: N of them; one that is wider than its image is cut.
        columns: Images in a row.

    Returns:
        Shape (height, width), or (height, width, 3) for color.

    Raises:
        UsageError: If there are no images, or not one word for each.
    """
    if len(images) == 0 or len(words) != len(images):
        raise UsageError(f"{len(words)} words for {len(images)} images; expected one for each")
    columns = min(columns, len(images))
    missing = -len(images) % columns
    empty = np.full((missing, *images.shape[1:]), 255, np.uint8)
    filled = np.concatenate([images, empty]).reshape(-1, 1, columns, *images.shape[1:])
    heads = np.array([*words, *[""] * missing], dtype=object).reshape(-1, columns)
    scale = max(1, WIDTH // images.shape[3])
    rows = [
        grid(row, column_heads=list(head), scale=scale)
        for row, head in zip(filled, heads, strict=True)
    ]
    return np.concatenate(rows)
