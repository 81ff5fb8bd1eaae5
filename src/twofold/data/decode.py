"""One image file to pixels: orientation, transparency, palettes and depth dealt with."""

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.data.resize import resize

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["EXTENSIONS", "decode", "reason", "to_pixels"]

EXTENSIONS = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".pbm", ".pgm", ".ppm", ".pnm"),
)
_GRAY_MODES = ("1", "L", "LA", "La", "I;16")


def decode(
    content: bytes, size: tuple[int, int] | None = None, gray: bool = False
) -> tuple[NDArray[np.uint8], list[str]]:
    """Reads an image file, upright, over white where it is transparent, in 8 bits.

    Arguments:
        content: The file's bytes.
        size: (H, W) to fit the image to, or None to keep its own.
        gray: Convert to one channel.

    Returns:
        Pixels (C, H, W), C = 1 for a gray image and 3 otherwise, and what was done to them.

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
    """Why a file could not be read, in a few words.

    Example:
        >>> reason(OSError("image file is truncated\\n"))
        'image file is truncated'
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "not an image that Pillow knows"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS} pixels"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
