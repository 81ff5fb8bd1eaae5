"""Images decoded, whatever their orientation, transparency and depth; in one size, one channel."""

import io
import re
import reprlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.data import opening
from twofold.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["EXTENSIONS", "checked_size", "decode", "reason", "resize", "to_gray", "to_pixels"]

EXTENSIONS = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".pbm", ".pgm", ".ppm", ".pnm"),
)
_GRAY_MODES = ("1", "L", "LA", "La", "I;16")
_CHUNK = 1024  # images at a time, to bound the memory of the copies in between


def checked_size(size: int | str | Sequence[int] | None) -> tuple[int, int] | None:
    """(H, W) from a side, a pair, or a text such as 32, 32,44 or 32x44.

    Raises:
        UsageError: If it is none of these, or a side is not 1 to 4096.

    Example:
        >>> checked_size(28), checked_size((32, 24)), checked_size("32x44")
        ((28, 28), (32, 24), (32, 44))
    """
    if size is None:
        return None
    pair: Any = size if isinstance(size, tuple | list) else (size, size)
    if isinstance(size, str) and re.fullmatch(r"[0-9]{1,4}(\s*[,x×]\s*[0-9]{1,4})?", size.strip()):
        sides = [int(side) for side in re.findall("[0-9]+", size)]
        pair = sides[0], sides[-1]
    whole = all(isinstance(side, int | np.integer) and not isinstance(side, bool) for side in pair)
    if len(pair) != 2 or not whole or not all(1 <= side <= 4096 for side in pair):
        raise UsageError(
            f"size={reprlib.repr(size)}; expected a side such as 28, or height and width such as "
            "32,44, each 1 to 4096"
        )
    return int(pair[0]), int(pair[1])


def resize(images: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Crops the center to the aspect of `size` (H, W), resizes it with antialiased Lanczos.

    Rows are resampled first and columns then, each for itself; so many images, stacked on one
    another, take Pillow two calls. At the crop's edge the filter still sees what lies beyond it, as
    if the whole image had been resized first and cropped then.

    Arguments:
        images: uint8 (N, C, H, W).
        size: The new (H, W).

    Returns:
        uint8 (N, C, *size); the same array if it has that size.

    Example:
        >>> resize(np.full((2, 3, 8, 6), 7, np.uint8), (4, 4)).shape
        (2, 3, 4, 4)
    """
    N, C, H, W = images.shape
    if size == (H, W):
        return images
    scale = min(W / size[1], H / size[0])  # of the largest centered part with the aspect of `size`
    crop_w, crop_h = size[1] * scale, size[0] * scale
    left, top = (W - crop_w) / 2, (H - crop_h) / 2
    what = f"{N} images of {size[0]}×{size[1]}"
    opening.check_room(N * C * size[0] * size[1], what, "pass a smaller size")
    out = np.empty((N, C, *size), np.uint8)
    for start in range(0, N, _CHUNK):
        rows = _resample(images[start : start + _CHUNK], size[1], left, left + crop_w)
        columns = _resample(rows.swapaxes(2, 3), size[0], top, top + crop_h)
        out[start : start + _CHUNK] = columns.swapaxes(2, 3)
    return out


def _resample(x: NDArray[np.uint8], width: int, left: float, right: float) -> NDArray[np.uint8]:
    """The part of every row from `left` to `right`, (B, C, H, W) -> (B, C, H, width)."""
    from PIL import Image

    B, C, H, W = x.shape
    rows = Image.fromarray(np.ascontiguousarray(x).reshape(B * C * H, W))
    box = (left, 0, right, rows.height)
    out = rows.resize((width, rows.height), Image.Resampling.LANCZOS, box=box)
    return np.asarray(out).reshape(B, C, H, width)


def to_gray(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel by the luma of ITU-R BT.601, (N, 3, H, W) -> (N, 1, H, W).

    Y = 0.299 R + 0.587 G + 0.114 B, in the 16-bit fixed point that Pillow uses, so that arrays and
    files give the same gray.

    Example:
        >>> to_gray(np.array([[[[255]], [[0]], [[0]]]], np.uint8))
        array([[[[76]]]], dtype=uint8)
    """
    if images.shape[1] == 1:
        return images
    out = np.empty((len(images), 1, *images.shape[2:]), np.uint8)
    for start in range(0, len(images), _CHUNK):
        R, G, B = images[start : start + _CHUNK].astype(np.uint32).swapaxes(0, 1)
        out[start : start + _CHUNK, 0] = (R * 19595 + G * 38470 + B * 7471 + 0x8000) >> 16
    return out


def decode(
    content: bytes, size: tuple[int, int] | None = None, gray: bool = False
) -> tuple[NDArray[np.uint8], list[str]]:
    """Reads an image file, upright, over white where it is transparent, in 8 bits.

    Returns:
        Pixels (C, H, W), C = 1 for a gray image and 3 otherwise, fitted to `size` (H, W) if there
        is one; and what was done to them.

    Raises:
        Exception: Whatever Pillow raises for a file it cannot read; see `reason`.

    Example:
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (6, 4), "red").save(file, "png")
        >>> decode(file.getvalue(), size=(2, 2))[0][:, 0, 0]
        array([255,   0,   0], dtype=uint8)
    """
    from PIL import Image

    if not content:
        raise ValueError("empty file")
    done = []
    with Image.open(io.BytesIO(content)) as opened:
        if getattr(opened, "is_animated", False):
            done.append("several frames, of which the first was taken")
        opened.load()
        pixels, more = to_pixels(opened, size, gray)
    return pixels, done + more


def to_pixels(
    image: "Image", size: tuple[int, int] | None = None, gray: bool = False
) -> tuple[NDArray[np.uint8], list[str]]:
    """The pixels of an opened image, as `decode` gives those of a file.

    Example:
        >>> from PIL import Image
        >>> to_pixels(Image.new("RGBA", (2, 1)))
        (array([[[255, 255]],
                [[255, 255]],
                [[255, 255]]], dtype=uint8), ['an alpha channel, which was laid over white'])
    """
    from PIL import Image, ImageOps

    done = []
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow may keep in 32 bits
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"values from {values.min()} to {values.max()}, expected 0 to 65535")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
        done.append("16 bits a pixel, which were scaled to 8")
    mode = "L" if gray or image.mode in _GRAY_MODES else "RGB"
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
        done.append("an alpha channel, which was laid over white")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range; save them as .npy in [0, 1]")
    pixels = np.asarray(image.convert(mode))
    pixels = pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)  # (C, H, W)
    return (pixels if size is None else resize(pixels[None], size)[0]), done


def reason(error: Exception) -> str:
    """Why an image could not be read, in a few words.

    Example:
        >>> reason(OSError("image file is truncated\\n"))
        'image file is truncated'
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "not an image that Pillow knows"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS} pixels"
    return opening.reason(error)
