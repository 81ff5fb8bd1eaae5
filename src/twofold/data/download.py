"""Files of the named sets: found in a folder of the user's, in the cache, or at a mirror.

Every file is checked against its SHA-256 wherever it was found. A download goes to a temporary
neighbor and is renamed only when its hash is right, so a partial file never has the final name
and two processes that fetch the same file each end with a whole one.
"""

import hashlib
import logging
import os
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from twofold.data.progress import progress_bar
from twofold.errors import DataError

__all__ = ["RemoteFile", "cache_folder", "fetch"]

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # seconds without a byte before the next mirror is tried
ROUNDS = 2  # times the whole list of mirrors is tried
PAUSE = 1.0  # seconds between rounds
_CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch and the hash it must have.

    Arguments:
        name: Its name at every mirror.
        sha256: Of the file as served.
        unzipped_sha256: Of its content, where people also keep it without the .gz.

    Example:
        >>> RemoteFile("a.gz", hashlib.sha256(b"a").hexdigest()).sha256[:8]
        'ca978112'
    """

    name: str
    sha256: str
    unzipped_sha256: str | None = None


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
        return Path(chosen).expanduser()
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
        files: What it consists of.
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
    found = {}
    for file in files:
        found[file.name] = _in_user_folder(name, file, known_hashes)
    folder = cache_folder() / name
    for file in files:
        if found[file.name] is not None:
            continue
        path, failures = folder / file.name, []
        if not (path.is_file() and _sha256(path) == file.sha256):
            failures = _download(file, folder, mirrors)
        if failures:
            missing = [f for f in files if found[f.name] is None and not (folder / f.name).exists()]
            raise DataError(_unreachable(name, missing or [file], mirrors, failures, folder))
        found[file.name] = path
    return found


def _in_user_folder(name: str, file: RemoteFile, known_hashes: Container[str]) -> Path | None:
    root = os.environ.get("TWOFOLD_DATA")
    if not root:
        return None
    expected = {file.name: file.sha256}
    if file.unzipped_sha256:
        expected[file.name.removesuffix(".gz")] = file.unzipped_sha256
    for folder in (Path(root).expanduser() / name, Path(root).expanduser()):
        for file_name, sha256 in expected.items():
            path = folder / file_name
            if not path.is_file():
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
            except ValueError:  # pooch's word for a wrong hash
                failures.append(f"{mirror}{file.name}: sent a file with another sha256")
            except OSError as error:
                raise DataError(
                    f"cannot write {folder / file.name}: {error.strerror or error}; make room, or "
                    "set TWOFOLD_CACHE to a folder that can be written"
                ) from error
    return list(dict.fromkeys(failures))


def _retrieve(url: str, file: RemoteFile, folder: Path) -> None:
    import pooch

    with _quiet(pooch.get_logger()), progress_bar(file.name) as bar:
        downloader: Any = pooch.HTTPDownloader(  # pooch's own annotations miss this use of it
            progressbar=cast(bool, bar or False),
            chunk_size=_CHUNK,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            # Some servers declare a .gz to be an encoding, and it would be unzipped on the way.
            headers={"Accept-Encoding": "identity"},
        )
        pooch.retrieve(url, f"sha256:{file.sha256}", file.name, folder, downloader=downloader)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    """A line a person can read, out of exceptions that quote their own representation."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, exceptions.Timeout) or "timed out" in str(error):
        return "timed out"
    if isinstance(error, exceptions.ChunkedEncodingError):
        return "broke off in the middle"
    if isinstance(error, exceptions.SSLError):
        return "no secure connection"
    if isinstance(error, exceptions.ConnectionError):
        return "cannot be reached"
    return f"{type(error).__name__}"


def _unreachable(
    name: str,
    missing: Sequence[RemoteFile],
    mirrors: Sequence[str],
    failures: Sequence[str],
    folder: Path,
) -> str:
    lines = [f"cannot download {name}:"]
    lines += [f"  {failure}" for failure in failures]
    lines += [
        "if this machine is offline, fetch these files elsewhere and put them into "
        f"$TWOFOLD_DATA/{name}/ or {folder}/:"
    ]
    for file in missing:
        lines.append(f"  {file.name}  sha256 {file.sha256}")
        lines += [f"    {mirror}{file.name}" for mirror in mirrors]
    return "\n".join(lines)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
