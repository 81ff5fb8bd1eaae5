"""Files that are either whole or not there.

Every file Twofold writes goes through `atomic_write`: the bytes go to a temporary neighbor, are
flushed to the disk, and are renamed over the target, so that a process killed at any moment leaves
the old file or the new one and never half of either.
"""

import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from twofold.errors import RunError

__all__ = [
    "atomic_folder",
    "atomic_write",
    "read_arrays",
    "write_arrays",
    "write_bytes",
    "write_json",
    "write_text",
]


@contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """Opens a binary file that becomes `path` when the block ends without an error.

    Raises:
        RunError: If the file cannot be written, for example because the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror or error}; what was there before is untouched"
        ) from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Gives a folder whose files go to `path` when the block ends without an error.

    A new folder is there whole or not at all. Files of other names that one holds already stay
    there, and the new ones come one after the other.

    Raises:
        RunError: If it cannot be written, for example because the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            temporary.replace(path)  # all of it at one moment
        else:
            for file in temporary.iterdir():
                file.replace(path / file.name)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def parse_yaml(text: str) -> Any:
    """YAML as plain data, by the fast parser where there is one."""
    import yaml

    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def write_bytes(path: str | Path, content: bytes) -> None:
    """Writes bytes atomically."""
    with atomic_write(path) as file:
        file.write(content)


def write_text(path: str | Path, content: str) -> None:
    """Writes UTF-8 text atomically."""
    write_bytes(path, content.encode())


def write_json(path: str | Path, content: Any) -> None:
    """Writes indented JSON atomically; NaN and infinities are refused, as JSON has none."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Writes named arrays as a compressed .npz, atomically."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def read_arrays(path: str | Path) -> dict[str, Any]:
    """The arrays of an .npz, as data and never code.

    Raises:
        RunError: If it cannot be read.
    """
    import numpy as np

    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"cannot read {path}: {error}") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
