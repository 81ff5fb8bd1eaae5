"""What was computed once of real images and is wanted again: classifiers, features, references."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

import twofold
from twofold.data.download import cache_folder
from twofold.errors import RunError, UnreadableError
from twofold.files import read_arrays, write_arrays
from twofold.locks import TEMPORARY, locked, sweep
from twofold.training.progress import Silent

__all__ = ["digest_of", "made_once", "remember"]


def remember(
    kind: str,
    parts: Iterable[object],
    make: Callable[[], Mapping[str, Any]],
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Arrays from a sub-folder of the cache, or made now and kept there.

    The name hashes the texts of the parts: all that the arrays depend on, beside the code of this
    package and the versions of torch and NumPy.
    """
    key = _digest("\n".join(map(str, [_code(), *parts])).encode())
    path = cache_folder() / kind / f"{key}.npz"
    with made_once(path, f"is making {path}", say or Silent().say):
        if path.exists():
            try:
                return read_arrays(path)
            except UnreadableError:
                raise
            except RunError:
                path.unlink(missing_ok=True)  # a cache can be made again
        write_arrays(path, make())
        return read_arrays(path)


@contextmanager
def made_once(path: Path, doing: str, say: Callable[[str], None]) -> Iterator[None]:
    """A block that makes an entry of the cache, or finds it made by another process meanwhile.

    Arguments:
        path: The entry.
        doing: What the block does, in words: `is training the classifier`.
        say: Told of another process that is in it and is waited for.

    Raises:
        RunError: If the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"cannot write {path.parent}: {error.strerror or error}; set TWOFOLD_CACHE to a folder "
            "that can be written"
        ) from error
    with locked(path.with_name(f"{TEMPORARY}{path.name}"), doing, say):
        sweep(path.parent)
        yield


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
