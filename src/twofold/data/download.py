"""Files of the named sets: found in a folder of the user's, in the cache, or at a mirror.

Every file is checked against its SHA-256 wherever it was found. A download goes to a temporary
neighbor and is renamed only when its hash is right, so a partial file never has the final name
and two processes that fetch the same file each end with a whole one.
"""

import hashlib
import os
import sys
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from twofold.data.opening import MAX_BYTES, is_there, place_of
from twofold.errors import DataError

__all__ = ["RemoteFile", "cache_folder", "fetch", "local_files"]

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # seconds without a byte before the next mirror is tried
ROUNDS = 2  # times the whole list of mirrors is tried
PAUSE = 1.0  # seconds between rounds
LEAST_SPEED = 10_000  # bytes a second, on average, once READ_TIMEOUT is over
_CHUNK = 1 << 16
_PART = ".part"  # how the name of a file ends that is not whole yet


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch and the hash it must have.

    Arguments:
        name: Its name at every mirror.
        sha256: Of the file as served.
        unzipped_sha256: Of its content, where people also keep it without the .gz.
        size: Bytes, of which no more are fetched.

    Example:
        >>> RemoteFile("a.gz", hashlib.sha256(b"a").hexdigest()).sha256[:8]
        'ca978112'
    """

    name: str
    sha256: str
    unzipped_sha256: str | None = None
    size: int | None = None


def cache_folder() -> Path:
    """`TWOFOLD_CACHE`, or the platform's cache folder for this project.

    Example:
        >>> from unittest.mock import patch
        >>> with patch.dict(os.environ, TWOFOLD_CACHE="~/images"):
        ...     cache_folder() == Path.home() / "images"
        True
    """
    chosen = os.environ.get("TWOFOLD_CACHE")
    if chosen:
        return place_of(chosen)
    import pooch

    return Path(pooch.os_cache("twofold"))


def fetch(
    name: str,
    files: Sequence[RemoteFile],
    mirrors: Sequence[str],
    known_hashes: Container[str] = (),
) -> dict[str, Path]:
    """Finds or downloads the files of a named set.

    Looks in `$TWOFOLD_DATA/<name>/` and `$TWOFOLD_DATA/`, then in the cache, then tries each mirror
    in turn.

    Arguments:
        name: The set's name, which is also its folder's.
        mirrors: Addresses of folders, ending in "/", in the order to try them.
        known_hashes: Hashes of other sets' files, which may have the same names: such a file lying
            directly in `TWOFOLD_DATA` is passed over.

    Returns:
        The name of each file -> where it lies.

    Raises:
        DataError: If a file in `TWOFOLD_DATA` has the wrong hash, or no mirror serves a right one.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from unittest.mock import patch
        >>> file = RemoteFile("a.gz", hashlib.sha256(b"a").hexdigest())
        >>> with TemporaryDirectory() as folder, patch.dict(os.environ, TWOFOLD_DATA=folder):
        ...     _ = Path(folder, "a.gz").write_bytes(b"a")
        ...     fetch("letters", [file], mirrors=[])["a.gz"].read_bytes()
        b'a'
    """
    folder = cache_folder() / name
    local = local_files(name, files, known_hashes)
    found = {file.name: local[file.name] or folder / file.name for file in files}
    for file in files:
        if local[file.name]:
            continue
        if failures := _download(file, folder, mirrors):
            lines = [f"cannot download {name}:", *(f"  {failure}" for failure in failures)]
            lines += [
                "if this machine is offline, fetch these files elsewhere and put them into "
                f"$TWOFOLD_DATA/{name}/ or {folder}/:"
            ]
            for missing in [f for f in files if not is_there(found[f.name])] or [file]:
                lines.append(f"  {missing.name}  sha256 {missing.sha256}")
                lines += [f"    {mirror}{missing.name}" for mirror in mirrors]
            raise DataError("\n".join(lines))
    return found


def local_files(
    name: str, files: Sequence[RemoteFile], known_hashes: Container[str] = ()
) -> dict[str, Path | None]:
    """Where the files of a named set lie on this machine; None for one that is yet to be fetched.

    Arguments: as for `fetch`.

    Raises:
        DataError: If a file in `TWOFOLD_DATA` has the wrong hash.

    Example:
        >>> local_files("letters", [RemoteFile("a.gz", "0")])
        {'a.gz': None}
    """
    found = {file.name: _in_user_folder(name, file, known_hashes) for file in files}
    for file in files:
        path = cache_folder() / name / file.name
        if not found[file.name] and is_there(path) and _sha256(path) == file.sha256:
            found[file.name] = path
    return found


def _in_user_folder(name: str, file: RemoteFile, known_hashes: Container[str]) -> Path | None:
    root = os.environ.get("TWOFOLD_DATA")
    if not root:
        return None
    expected = {file.name: file.sha256}
    if file.unzipped_sha256:
        expected[file.name.removesuffix(".gz")] = file.unzipped_sha256
    for folder in (place_of(root) / name, place_of(root)):
        for file_name, sha256 in expected.items():
            path = folder / file_name
            if not is_there(path):
                continue
            got = _sha256(path)
            if got == sha256:
                return path
            if got not in known_hashes:
                raise DataError(
                    f"{path} has sha256 {got}, expected {sha256} for {name}; it is damaged or "
                    "another file of that name: replace it or take it away"
                )
    return None


def _download(file: RemoteFile, folder: Path, mirrors: Sequence[str]) -> list[str]:
    """Fetches one file into the cache; returns why every mirror failed, or nothing."""
    from requests.exceptions import RequestException

    failures: list[str] = []
    for attempt in range(ROUNDS):
        if attempt:
            time.sleep(PAUSE)
        for mirror in mirrors:
            try:
                _retrieve(mirror + file.name, file, folder)
                return []
            except RequestException as error:
                failures.append(f"{mirror}{file.name}: {_reason(error)}")
            except ValueError:
                failures.append(f"{mirror}{file.name}: sent a file with another sha256")
            except OSError as error:
                raise DataError(
                    f"cannot write {folder / file.name}: {error.strerror or error}; make room, or "
                    "set TWOFOLD_CACHE to a folder that can be written"
                ) from error
    return list(dict.fromkeys(failures))


def _retrieve(url: str, file: RemoteFile, folder: Path) -> None:
    """Fetches a file under a name of its own, and renames it when it is the right one.

    Raises:
        ValueError: If it is another file.
        requests.RequestException: If it cannot be fetched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_left(folder)
    part = folder / f".{file.name}.{os.getpid()}{_PART}"
    bar = ProgressBar(file.name, file.size) if sys.stderr.isatty() else None
    try:
        digest = hashlib.sha256()
        with part.open("wb") as out:
            for chunk in _chunks(url, file.size):
                out.write(chunk)
                digest.update(chunk)
                if bar is not None:
                    bar.update(len(chunk))
        if digest.hexdigest() != file.sha256:
            raise ValueError("another hash")
        part.replace(folder / file.name)
    finally:
        part.unlink(missing_ok=True)
        if bar is not None:
            bar.close()


def _chunks(url: str, size: int | None) -> Iterator[bytes]:
    """What a server sends, as it comes: no more than expected, and no slower than `LEAST_SPEED`."""
    import requests
    from urllib3.exceptions import HTTPError

    # Some servers declare a .gz to be an encoding, and it would be unzipped on the way.
    headers, limits = {"Accept-Encoding": "identity"}, (CONNECT_TIMEOUT, READ_TIMEOUT)
    start, got = time.monotonic(), 0
    with requests.get(url, headers=headers, stream=True, timeout=limits) as answer:
        answer.raise_for_status()
        read = getattr(answer.raw, "read1", answer.raw.read)  # what is there, without waiting
        try:
            while chunk := read(_CHUNK, decode_content=False):
                got += len(chunk)
                if got > (size or MAX_BYTES):
                    raise ValueError("more than expected")
                seconds = time.monotonic() - start - READ_TIMEOUT
                if seconds > 0 and got < LEAST_SPEED * seconds:
                    raise requests.Timeout("timed out: too slow")
                yield chunk
        except HTTPError as error:
            raise requests.exceptions.ChunkedEncodingError(str(error)) from error
    if size and got < size:
        raise requests.exceptions.ChunkedEncodingError("ended early")


def _remove_left(folder: Path) -> None:
    """Takes away what fetches left that were killed; those that still go on write now and then."""
    for left in folder.glob(f".*{_PART}"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > 10 * READ_TIMEOUT:
                left.unlink()


class ProgressBar:
    """How far a download has come, drawn by rich on standard error."""

    def __init__(self, title: str, total: int | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
        from rich.progress import TransferSpeedColumn as SpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), SpeedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(title, total=total)
        self._progress.start()

    def update(self, num_bytes: int) -> None:
        """Counts bytes that arrived."""
        self._progress.update(self._task, advance=num_bytes)

    def close(self) -> None:
        """Takes the line away; closing twice is harmless."""
        self._progress.stop()


def _reason(error: Exception) -> str:
    """A line a person can read, out of exceptions that quote their own representation."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}".rstrip()
    if "timed out" in str(error):
        return "timed out"
    words = {
        exceptions.Timeout: "timed out",
        exceptions.ChunkedEncodingError: "broke off in the middle",
        exceptions.SSLError: "no secure connection",
        exceptions.ConnectionError: "cannot be reached",
    }
    return next(
        (said for kind, said in words.items() if isinstance(error, kind)), type(error).__name__
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
