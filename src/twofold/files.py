"""Files that are either whole or not there, and what is read of them.

Every file Twofold writes goes through `atomic_write`: the bytes go to a temporary neighbor, are
flushed to the disk, and are renamed over the target, so that a process killed at any moment leaves
the old file or the new one and never half of either. A folder is made in the same way, by
`atomic_folder`. What is not the user's file is not replaced: a device, a pipe, a folder.

JSON and text are read by `read_json` and `read_text`, which tell damage from a file that may not be
read.
"""

import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from twofold.errors import RunError, UnreadableError, UsageError, shorten
from twofold.locks import new_temporary, sweep

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = [
    "atomic_folder",
    "atomic_write",
    "parse_yaml",
    "read_arrays",
    "read_json",
    "read_text",
    "require_free",
    "write_arrays",
    "write_bytes",
    "write_json",
    "write_text",
]

_MOST_VALUES = 100_000  # of a YAML file
_DEEPEST = 200  # mappings and lists in one another


@contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """Opens a binary file that becomes `path` when the block ends without an error.

    A link stays, and the file it leads to is written.

    Raises:
        RunError: If the file cannot be written, for example because the disk is full, or is none.
    """
    path, is_new = Path(path), True
    try:
        if path.exists():
            path, is_new = path.resolve(), False
            if not path.is_file():
                raise RunError(f"cannot write {path}: it is there and is no file; name another")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, descriptor = new_temporary(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    assert descriptor is not None
    try:
        with os.fdopen(descriptor, "wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
            temporary.chmod(0o666 & ~_umask())
            if os.name == "nt":  # where an open file has a fixed name
                handle.close()
            temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        before = "" if is_new else "; what was there before is untouched"
        raise RunError(f"cannot write {path}: {error.strerror or error}{before}") from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


@contextmanager
def atomic_folder(path: str | Path, is_replaced: bool = False) -> Iterator[Path]:
    """Gives a folder that becomes `path`, whole, when the block ends without an error.

    Arguments:
        path: Not there yet, or empty; what a process killed before left beside it is removed.
        is_replaced: Whether it may hold files. They stay, but for those of the same names: copies
            of them are in the new folder before it takes the old one's place. Between two renames
            there is no folder; the next writer puts a killed one's old folder back.

    Raises:
        UsageError: If it holds files and is not to be replaced.
        RunError: If it cannot be written, for example because the disk is full.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name[:200]}.before")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        if is_replaced and aside.exists() and not path.exists():
            aside.rename(path)
        require_free(path, is_replaced)
        temporary, descriptor = new_temporary(path.parent, is_folder=True)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield temporary
        require_free(path, is_replaced)
        temporary.chmod(0o777 & ~_umask())
        _put_in_place(temporary, path, aside)
        sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    except RunError as error:  # of a file within: the user knows it under its final name
        raise RunError(str(error).replace(str(temporary), str(path))) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def require_free(path: Path, is_replaced: bool = False) -> None:
    """Refuses a path where something lies that a new folder would not replace.

    Raises:
        UsageError: If it is a file or, unless it is replaced, a folder that is not empty.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is no folder; choose another name")
    if not is_replaced and path.exists() and any(path.iterdir()):
        raise UsageError(f"{path} is not an empty folder; choose another name")


def _put_in_place(temporary: Path, path: Path, aside: Path) -> None:
    if not path.exists() or not any(path.iterdir()):
        if os.name == "nt" and path.exists():
            path.rmdir()
        temporary.rename(path)
        return
    for one in path.iterdir():
        if not (temporary / one.name).exists():
            copy = shutil.copytree if one.is_dir() else shutil.copy2
            copy(one, temporary / one.name)
    shutil.rmtree(aside, ignore_errors=True)
    path.rename(aside)
    temporary.rename(path)
    shutil.rmtree(aside, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Has the names in a folder written to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_text(path: Path) -> str:
    """A file of UTF-8 text.

    Raises:
        RunError: If it is missing or no file, may not be read, or is damaged.
    """
    try:
        if path.exists() and not path.is_file():
            raise RunError(f"{path} is no file; put the file of that name back")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RunError(f"{path.parent} is incomplete: {path.name} is missing") from error
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is damaged: it is no UTF-8 text ({error.reason})") from error
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> UnreadableError:
    """The error for what is there and cannot be read."""
    hint = "; it may be whole: ask for the right to read it" * isinstance(error, PermissionError)
    return UnreadableError(f"cannot read {path}: {error.strerror or error}{hint}")


def read_json(path: Path, shape: "type[BaseModel]") -> dict[str, Any]:
    """A file of one JSON object, as plain data.

    Arguments:
        path: The file.
        shape: What it must be; it may hold more.

    Raises:
        RunError: If it is missing, may not be read, or is damaged, naming the field.
    """
    return parse_json(read_text(path), shape, str(path))


def parse_json(text: str, shape: "type[BaseModel]", place: str) -> dict[str, Any]:
    """One JSON object, as plain data, of a text that stands at `place`.

    Raises:
        RunError: If it is not of the shape, naming the field.
    """
    from pydantic import ValidationError

    try:
        content = json.loads(text, parse_constant=_no_number)
        shape.model_validate(content)
        return content
    except ValidationError as error:
        problem = error.errors(include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))[:80] or "the whole"
        raise RunError(f"{place} is damaged: {where}: {problem['msg'][:200]}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{place} is damaged: {error}") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def parse_yaml(text: str) -> Any:
    """YAML as plain data, by the fast parser where there is one.

    Raises:
        ValueError: If a key is given twice in one mapping, or what is written is nested too deeply
            or, its aliases written out, grows too large.
        yaml.YAMLError: If it is no YAML.
    """
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [(key.tag, str(key.value)) for key, _ in node.value]
            if twice := [value for key, value in keys if keys.count((key, value)) > 1]:
                raise ValueError(f"the key {shorten(twice[0])} is given twice; keep one of them")
            if any(tag == "tag:yaml.org,2002:merge" for tag, _ in keys):
                raise ValueError("the merge key << is not read; write the fields out")
            return super().construct_mapping(node, deep)

    try:
        if max(map(text.count, "[{-?")) > _DEEPEST:  # which the parser in C would not survive
            depth = 0
            for event in yaml.parse(text, Loader=base):
                starts = isinstance(event, yaml.CollectionStartEvent)
                depth += starts - isinstance(event, yaml.CollectionEndEvent)
                if depth > _DEEPEST:
                    raise RecursionError
        content = yaml.load(text, Loader=Loader)  # noqa: S506
        too_large = _written_out(content, {}) > _MOST_VALUES
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if too_large:
        raise ValueError(f"it holds more than {_MOST_VALUES} values, its aliases written out")
    return content


def _written_out(value: Any, known: dict[int, int]) -> int:
    """How many values plain data has when what is shared is written each time."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = _MOST_VALUES  # should it hold itself
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_written_out(one, known) for one in inner)
    return known[id(value)]


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
    except OSError as error:
        raise unreadable(Path(path), error) from error
    except Exception as error:  # numpy and zipfile raise a dozen kinds for a damaged file
        raise RunError(f"cannot read {path}: {error}") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
