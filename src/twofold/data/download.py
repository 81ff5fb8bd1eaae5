"""Files of the named sets: found in a folder of the user's, in the cache, or at a mirror.

Every file is checked against its SHA-256 wherever it was found. A download goes to a temporary
neighbor and is renamed only when its hash is right, so a partial file never has the final name
and two processes that fetch the same file each end with a whole one.
"""

import hashlib
import os
import sys
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

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
    own = {file.name: _in_user_folder(name, file, known_hashes) for file in files}
    found = {file.name: own[file.name] or folder / file.name for file in files}
    for file in files:
        path = found[file.name]
        if own[file.name] or (path.is_file() and _sha256(path) == file.sha256):
            continue
        if failures := _download(file, folder, mirrors):
            lines = [f"cannot download {name}:", *(f"  {failure}" for failure in failures)]
            lines += [
                "if this machine is offline, fetch these files elsewhere and put them into "
                f"$TWOFOLD_DATA/{name}/ or {folder}/:"
            ]
            for missing in [f for f in files if not found[f.name].exists()] or [file]:
                lines.append(f"  {missing.name}  sha256 {missing.sha256}")
                lines += [f"    {mirror}{missing.name}" for mirror in mirrors]
            raise DataError("\n".join(lines))
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

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    bar = ProgressBar(file.name) if sys.stderr.isatty() else None
    try:
        downloader: Any = pooch.HTTPDownloader(  # pooch's own annotations miss this use of it
            progressbar=cast(bool, bar or False),
            chunk_size=_CHUNK,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            # Some servers declare a .gz to be an encoding, and it would be unzipped on the way.
            headers={"Accept-Encoding": "identity"},
        )
        pooch.retrieve(url, f"sha256:{file.sha256}", file.name, folder, downloader=downloader)
    finally:
        logger.setLevel(level)
        if bar is not None:
            bar.close()


class ProgressBar:
    """The part of tqdm's interface that pooch calls, drawn by rich on standard error."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
        from rich.progress import TransferSpeedColumn as SpeedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), SpeedColumn())
        self.total = 0  # pooch sets it once it knows
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(title, total=None)
        self._progress.start()

    def update(self, num_bytes: int) -> None:
        """Counts bytes that arrived."""
        self._progress.update(self._task, advance=num_bytes, total=self.total or None)

    def reset(self) -> None:
        """Starts the count again."""
        self._progress.reset(self._task, total=self.total or None)

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
