"""What was computed once of real images and is wanted again: judges, features, floors."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

import twofold
from twofold.data.download import cache_folder
from twofold.errors import RunError
from twofold.files import read_arrays, write_arrays

__all__ = ["digest_of", "remember"]


def remember(
    kind: str, parts: Iterable[object], make: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """Arrays from a sub-folder of the cache, or made now and kept there.

    The name hashes the texts of the parts: all that the arrays depend on, beside the code of this
    package and the versions of torch and NumPy.
    """
    key = _digest("\n".join(map(str, [_code(), *parts])).encode())
    path = cache_folder() / kind / f"{key}.npz"
    if path.exists():
        try:
            return read_arrays(path)
        except RunError:
            path.unlink()  # a cache can be made again
    write_arrays(path, make())
    return read_arrays(path)


def digest_of(x: Tensor) -> str:
    """Twenty-four hex digits of the SHA-256 of a tensor's values."""
    return _digest(x.cpu().numpy().tobytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]


@cache
def _code() -> str:
    """Of all code that a figure may come from: mended mathematics makes its figures anew."""
    package = Path(twofold.__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(package.rglob("*.py")))
    return f"{_digest(sources)} torch {torch.__version__} numpy {numpy.__version__}"
