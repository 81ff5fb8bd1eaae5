"""Images laid out on a sheet, with words beside them where they help."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError

__all__ = [
    "BACKGROUND",
    "MAX_ROWS",
    "add_captions",
    "beside",
    "contact_sheet",
    "grid",
    "side_of",
    "stack",
    "to_uint8",
]

INK, PAPER = 32, 255  # gray levels of words and of what is behind them
BACKGROUND = 128  # gray level of what is between images
WORDS = 13  # pixels: the size of a heading
CAPTIONED = 84  # pixels of an image with a word above it
MAX_ROWS = 100  # of a sheet with a row per class: where there are more, the first are shown


def to_uint8(images: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Floats in [0, 1] to 0..255, rounded."""
    return np.rint(np.clip(images, 0.0, 1.0) * 255).astype(np.uint8)


def contact_sheet(
    images: NDArray[np.uint8],
    columns: int,
    gap: int = 2,
    scale: int = 1,
    background: int = BACKGROUND,
) -> NDArray[np.uint8]:
    """One picture of many: rows of `columns` images with a gap between them.

    Arguments:
        images: Shape (N, C, H, W), C = 1 or 3.
        columns: Images in a row.
        gap: Pixels between images and around them.
        scale: By how much each pixel is enlarged.
        background: Gray level of the gaps.

    Returns:
        Shape (height, width) for gray images, (height, width, 3) for color.
    """
    if columns < 1 or len(images) == 0:
        raise UsageError(f"a sheet needs images and columns, got {len(images)} and {columns}")
    images = images.repeat(scale, axis=2).repeat(scale, axis=3)
    rows = -(-len(images) // columns)
    edges = ((0, rows * columns - len(images)), (0, 0), (gap, 0), (gap, 0))
    tiles = np.pad(images, edges, constant_values=background)  # a gap above and left of each
    _, C, H, W = tiles.shape
    sheet = tiles.reshape(rows, columns, C, H, W).transpose(0, 3, 1, 4, 2)
    sheet = sheet.reshape(rows * H, columns * W, C)
    sheet = np.pad(sheet, ((0, gap), (0, gap), (0, 0)), constant_values=background)
    return sheet[:, :, 0] if C == 1 else sheet


def grid(
    images: NDArray[np.uint8],
    row_heads: Sequence[str] = (),
    column_heads: Sequence[str] = (),
    scale: int | None = None,
) -> NDArray[np.uint8]:
    """Images in rows and columns, with a heading for each where there are headings.

    Arguments:
        images: Shape (rows, columns, C, H, W).
        row_heads: Words to the left of the rows.
        column_heads: Words above the columns; one that is wider than its column is cut.
        scale: By how much each pixel is enlarged; by default to 56 pixels or so.

    Returns:
        Shape (height, width), or (height, width, 3) for color.

    Raises:
        UsageError: If the headings are not as many as the rows or columns.
    """
    rows, columns, *shape = images.shape
    for heads, count, what in ((row_heads, rows, "rows"), (column_heads, columns, "columns")):
        if heads and len(heads) != count:
            raise UsageError(f"{len(heads)} headings for {count} {what}")
    scale = scale or max(1, round(56 / shape[1]))
    sheet = contact_sheet(images.reshape(-1, *shape), columns, scale=scale)
    if not row_heads and not column_heads:
        return sheet
    return _with_heads(sheet, row_heads, column_heads)


def add_captions(
    images: NDArray[np.uint8], words: Sequence[str], columns: int = 10
) -> NDArray[np.uint8]:
    """Images (N, C, H, W) in rows, each with its word above it, cut where it is wider.

    Returns:
        Shape (height, width), or (height, width, 3) for color.

    Raises:
        UsageError: If there are no images, or not one word for each.
    """
    if len(images) == 0 or len(words) != len(images):
        raise UsageError(f"{len(words)} words for {len(images)} images; expected one for each")
    columns = min(columns, len(images))
    missing = -len(images) % columns
    filled = np.pad(images, ((0, missing), *[(0, 0)] * 3), constant_values=PAPER)
    heads = [*words, *[""] * missing]
    scale = max(1, CAPTIONED // images.shape[3])
    rows = [
        grid(filled[None, i : i + columns], column_heads=heads[i : i + columns], scale=scale)
        for i in range(0, len(filled), columns)
    ]
    return np.concatenate(rows)


def side_of(count: int) -> int:
    """How many columns bring so many images closest to a square."""
    return math.ceil(count**0.5)


def beside(
    pictures: Sequence[NDArray[np.uint8]], titles: Sequence[str], gap: int = 2 * WORDS
) -> NDArray[np.uint8]:
    """Pictures of one height next to each other, each below its title.

    Arguments:
        pictures: Shapes (H, W) or (H, W, 3), all of one kind.
        gap: Pixels of paper between them.
    """
    first, *others = pictures
    space = np.full((len(first), gap, *first.shape[2:]), PAPER, np.uint8)
    row = np.concatenate([first, *(part for other in others for part in (space, other))], axis=1)
    head = np.full((2 * WORDS, *row.shape[1:]), PAPER, np.uint8)
    words, left = [], 0
    for picture, title in zip(pictures, titles, strict=True):
        words.append((left + picture.shape[1] / 2, WORDS, title, "mm"))
        left += picture.shape[1] + gap
    return _write(np.concatenate([head, row]), words)


def stack(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures (H, W) or (H, W, 3) one below the other, their right edges in line.

    Returns:
        Shape (height, width) where all are gray, else (height, width, 3).
    """
    gray = all(picture.ndim == 2 for picture in pictures)
    widest = max(picture.shape[1] for picture in pictures)
    rows = [np.atleast_3d(picture) for picture in pictures]
    rows = [row if gray or row.shape[2] == 3 else row.repeat(3, axis=2) for row in rows]
    edges = [((0, 0), (widest - row.shape[1], 0), (0, 0)) for row in rows]
    page = [np.pad(row, edge, constant_values=PAPER) for row, edge in zip(rows, edges, strict=True)]
    sheet = np.concatenate(page)
    return sheet[:, :, 0] if gray else sheet


def _with_heads(
    sheet: NDArray[np.uint8], row_heads: Sequence[str], column_heads: Sequence[str]
) -> NDArray[np.uint8]:
    from PIL import ImageFont

    font = ImageFont.load_default(WORDS)
    left = int(max((font.getlength(head) for head in row_heads), default=-WORDS)) + WORDS
    top = 2 * WORDS if column_heads else 0
    height, width = sheet.shape[:2]
    page = np.full((top + height, left + width, *sheet.shape[2:]), PAPER, np.uint8)
    page[top:, left:] = sheet
    words = []
    for i, head in enumerate(row_heads):
        middle = top + (i + 0.5) * height / len(row_heads)
        words.append((left - WORDS // 2, middle, head, "rm"))
    for i, head in enumerate(column_heads):
        middle = left + (i + 0.5) * width / len(column_heads)
        words.append((middle, top / 2, _cut(head, width / len(column_heads) - 6, font), "mm"))
    return _write(page, words)


def _write(
    page: NDArray[np.uint8], words: Sequence[tuple[float, float, str, str]]
) -> NDArray[np.uint8]:
    """A page with words on it: across, down, the word, and Pillow's anchor."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(page)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(WORDS)
    for x, y, word, anchor in words:
        pen.text((x, y), word, INK if page.ndim == 2 else (INK,) * 3, font, anchor=anchor)
    return np.asarray(picture)


def _cut(text: str, width: float, font: Any) -> str:
    """As much of a heading as fits into so many pixels."""
    whole = text
    while text and font.getlength(text if text == whole else text + "…") > width:
        text = text[:-1]
    return text if text == whole else text + "…"
