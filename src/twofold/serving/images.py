"""Images from the page and to it."""

import base64
import binascii
import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.data import ImageDataset
from twofold.data.resize import decode, reason
from twofold.errors import UsageError
from twofold.experiments.context import Context
from twofold.serving.requests import Sent
from twofold.verbs.result import pixels

__all__ = ["MOST_PIXELS", "packed", "received"]

MOST_PIXELS = 4_000_000  # of an image file: more is not decoded
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


def received(sent: Sent, context: Context) -> ImageDataset:
    """The one image that was sent, labeled where it is a test image with a label.

    Raises:
        UsageError: If it is no image, has too many pixels, or there is no such test image.
        RunError: If the test images are gone.
    """
    if sent.test is not None:
        images = context.test
        if sent.test >= len(images):
            raise UsageError(f"there is no test image {sent.test}; the last is {len(images) - 1}")
        return images.subset(np.array([sent.test]))
    if sent.pixels is not None:
        return ImageDataset(_drawn(_bytes(sent.pixels), context.model.image_shape)[None], None)
    return ImageDataset(_decoded(_bytes(sent.file or ""))[None], None, name="the uploaded file")


def packed(images: Any) -> dict[str, Any]:
    """Images in [0, 1], (N, C, H, W), as JSON: their shape and base64 of their bytes.

    Example:
        >>> packed(np.ones((1, 1, 1, 2)))
        {'shape': [1, 1, 1, 2], 'data': '//8='}
    """
    bytes_ = pixels(images)
    return {"shape": list(bytes_.shape), "data": base64.b64encode(bytes_.tobytes()).decode()}


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"the image is not in base64 ({error})") from error


def _drawn(content: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    C, H, W = shape
    if len(content) != C * H * W:
        raise UsageError(f"got {len(content)} bytes of pixels; expected {C} × {H} × {W}")
    return np.frombuffer(content, np.uint8).reshape(C, H, W).copy()


def _decoded(content: bytes) -> NDArray[np.uint8]:
    """The pixels (C, H, W) of a file, whose head says how many they are before any is decoded."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about sizes that are refused here
            with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
                width, height = opened.size
            if width * height > MOST_PIXELS:
                raise UsageError(
                    f"the image has {width} × {height} pixels; at most {MOST_PIXELS} are read"
                )
            return decode(content)[0].copy()  # torch wants to write
    except (UsageError, MemoryError):
        raise
    except Exception as error:  # whatever a decoder raises
        kinds = ", ".join(FORMATS)
        raise UsageError(
            f"this is no image that can be read ({reason(error)}); send {kinds}"
        ) from error
