"""What was computed once of real images and is wanted again: judges, features, floors."""

import hashlib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from twofold.errors import RunError
from twofold.files import read_arrays, write_arrays

__all__ = ["cache_folder", "digest_of", "remembered", "source_of"]


def cache_folder() -> Path:
    """`TWOFOLD_CACHE`, or the platform's place for caches."""
    if given := os.environ.get("TWOFOLD_CACHE"):
        return Path(given)
    import pooch

    return Path(pooch.os_cache("twofold"))


def remembered(
    kind: str, parts: Iterable[object], make: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """Arrays from the cache, or made now and kept there.

    Arguments:
        kind: The sub-folder.
        parts: All that the arrays depend on; their texts are hashed into the name.
        make: Computes them.
    """
    key = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:24]
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
    return hashlib.sha256(x.cpu().numpy().tobytes()).hexdigest()[:24]


def source_of(function: Callable[..., Any]) -> str:
    """The same of the file that a function stands in, so that mended code makes figures anew."""
    return hashlib.sha256(Path(inspect.getfile(function)).read_bytes()).hexdigest()[:24]
