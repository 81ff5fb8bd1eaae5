"""Who may write: locks that end with the process that holds them.

A lock is one of the operating system on an open file, so that a process which is killed leaves none
behind. Its file is there while it is held and says which process that is. Files and folders that
are not yet whole are locked too, so that those of a killed process can be told and removed.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from twofold.errors import RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["TEMPORARY", "locked", "new_temporary", "sweep"]

TEMPORARY = ".twofold-"  # how the names of what is not yet whole begin
PAUSE = 0.1  # seconds between two looks at a lock that another process holds


@contextmanager
def locked(path: Path, doing: str, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """A block that one process is in at a time.

    Arguments:
        path: The lock's file, in a folder that is there.
        doing: What the block does, in words: `is training runs/cvae`.
        waiting: Told who is in it, and waited for; without it nobody waits.

    Raises:
        RunError: Naming the process that is in it, or if the file cannot be written.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> with locked(folder / ".lock", "is counting"):
        ...     try:
        ...         with locked(folder / ".lock", "is counting"):
        ...             pass
        ...     except RunError as error:
        ...         print(str(error).replace(str(os.getpid()), "12"))
        another process (pid 12) is counting; wait for its end, or stop it
    """
    told = False
    while (descriptor := _take(path)) is None:
        holder = f"another process{_pid_in(path)} {doing}"
        if waiting is None:
            raise RunError(f"{holder}; wait for its end, or stop it")
        if not told:
            waiting(f"{holder}; waiting for it")
            told = True
        time.sleep(PAUSE)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        _give_back(descriptor, path)


def new_temporary(folder: Path, is_folder: bool = False) -> tuple[Path, int | None]:
    """A new file or folder of a random name, and its descriptor, which holds its lock.

    Where the system locks no folders the descriptor is None.
    """
    while True:
        if is_folder:
            path = Path(tempfile.mkdtemp(dir=folder, prefix=TEMPORARY))
            if fcntl is None:
                return path, None
            descriptor = os.open(path, os.O_RDONLY)
        else:
            descriptor, name = tempfile.mkstemp(dir=folder, prefix=TEMPORARY)
            path = Path(name)
        with suppress(BlockingIOError):  # one who sweeps may just look at it
            _lock(descriptor)
            if _is_at(descriptor, path):
                return path, descriptor
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Removes what killed processes left unfinished in a folder; what is being written stays."""
    import shutil

    for path in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            try:
                if _lock(descriptor):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            finally:
                os.close(descriptor)


def _take(path: Path) -> int | None:
    """The descriptor of a file that is locked now, or None while another has it."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from error
        try:
            _lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # whoever had it took it away meanwhile


def _give_back(descriptor: int, path: Path) -> None:
    if fcntl is not None:  # while it is held, lest another's be taken away
        path.unlink(missing_ok=True)
        os.close(descriptor)
        return
    os.close(descriptor)
    with suppress(OSError):
        path.unlink()


def _lock(descriptor: int) -> bool:
    """Locks an open file; False where the file system has no locks.

    Raises:
        BlockingIOError: If another has it locked.
    """
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # beyond what is read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            os.lseek(descriptor, 0, os.SEEK_SET)
    except (BlockingIOError, PermissionError) as error:
        raise BlockingIOError from error
    except OSError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether a path still names the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _pid_in(path: Path) -> str:
    try:
        text = path.read_bytes()[:20]
    except OSError:
        return ""
    return f" (pid {text.decode()})" if text.isdigit() else ""
