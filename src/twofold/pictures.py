"""Images laid out on a sheet, as PNG."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError

__all__ = ["MAX_ROWS", "contact_sheet", "png_bytes", "to_uint8"]

MAX_ROWS = 100  # of a sheet with a row per class: where there are more, the first are shown


def to_uint8(images: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Floats in [0, 1] to 0..255, rounded."""
    return np.rint(np.clip(images, 0.0, 1.0) * 255).astype(np.uint8)


def contact_sheet(
    images: NDArray[np.uint8], columns: int, gap: int = 2, scale: int = 1, background: int = 128
) -> NDArray[np.uint8]:
    """One picture of many: rows of `columns` images with a gap between them.

    Arguments:
        images: Shape (N, C, H, W), C = 1 or 3.
        columns: Images in a row.
        gap: Pixels between images and around them.
        scale: By how much each pixel is enlarged.
        background: Grey level of the gaps.

    Returns:
        Shape (height, width) for grey images, (height, width, 3) for colour.
    """
    if columns < 1 or len(images) == 0:
        raise UsageError(f"a sheet needs images and columns, got {len(images)} and {columns}")
    images = images.repeat(scale, axis=2).repeat(scale, axis=3)
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, channels), background, np.uint8
    )
    for i, image in enumerate(images):
        top = gap + (i // columns) * (height + gap)
        left = gap + (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return sheet[:, :, 0] if channels == 1 else sheet


def png_bytes(picture: NDArray[np.uint8], text: Sequence[tuple[str, str]] = ()) -> bytes:
    """A PNG file of (H, W) or (H, W, 3), with text fields that say where it came from."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in text:
        info.add_text(key, value)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True, pnginfo=info)
    return buffer.getvalue()
