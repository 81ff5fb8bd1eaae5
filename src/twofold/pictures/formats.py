"""Pixels as the bytes of a file: PNG, and WebP that moves."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError

__all__ = ["png_bytes", "webp_bytes"]


def png_bytes(
    picture: NDArray[np.uint8], text: Sequence[tuple[str, str]] = (), colors: int | None = None
) -> bytes:
    """A PNG file of (H, W) or (H, W, 3), with text fields that say where it came from.

    With `colors`, up to 256, these are reduced to so many: a drawing loses nothing that one sees.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in text:
        info.add_text(key, value)
    buffer = io.BytesIO()
    image = Image.fromarray(picture)
    image = image if colors is None else image.quantize(colors)
    image.save(buffer, format="PNG", optimize=True, pnginfo=info)
    return buffer.getvalue()


def webp_bytes(frames: Sequence[NDArray[np.uint8]], milliseconds: int = 120) -> bytes:
    """A lossless WebP that shows pictures of one size in turn, over and over.

    Arguments:
        frames: Shapes (H, W) or (H, W, 3).
        milliseconds: How long each is shown.

    Raises:
        UsageError: If there are none.
    """
    from PIL import Image

    if not frames:
        raise UsageError("an animation needs frames, got none")
    first, *others = [Image.fromarray(frame).convert("RGB") for frame in frames]
    buffer = io.BytesIO()
    moving = {"save_all": True, "append_images": others, "duration": milliseconds, "loop": 0}
    first.save(buffer, format="WEBP", lossless=True, **moving)
    return buffer.getvalue()
