"""Files and folders that are whole or not there, and locks that end with their process."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from twofold.errors import RunError, UsageError
from twofold.files import atomic_folder, atomic_write, read_json, read_text, write_text
from twofold.locks import TEMPORARY, locked, new_temporary, sweep

posix = pytest.mark.skipif(os.name == "nt", reason="pipes and signals of POSIX")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@posix
def test_what_is_no_file_is_not_replaced(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "null.png").symlink_to("/dev/null")
    for name in ("pipe.png", "folder.png", "null.png"):
        with pytest.raises(RunError, match="is no file; name another"):
            write_text(tmp_path / name, "text")
    assert (tmp_path / "pipe.png").is_fifo()
    assert Path("/dev/null").is_char_device()
    assert names(tmp_path) == ["folder.png", "null.png", "pipe.png"]


@posix
def test_a_link_stays_and_its_file_is_written(tmp_path: Path):
    write_text(tmp_path / "a", "old")
    (tmp_path / "link").symlink_to("a")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_text() == "new"


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path):
    write_text(tmp_path / ("a" * 255), "text")
    assert (tmp_path / ("a" * 255)).read_text() == "text"


def write_on_a_full_disk(path: Path) -> None:
    with atomic_write(path):
        raise OSError(28, "No space left on device")


def test_a_failure_leaves_what_was_there_and_says_so_only_then(tmp_path: Path):
    write_text(tmp_path / "a", "old")
    for name, said in (("a", True), ("b", False)):
        with pytest.raises(RunError, match="cannot write") as failure:
            write_on_a_full_disk(tmp_path / name)
        assert ("untouched" in str(failure.value)) == said
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


class Shape(BaseModel):
    step: int


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1]", "is damaged: the whole"),
        ('{"step": "x"}', "is damaged: step: "),
        ('{"step": NaN}', "is damaged: NaN is no number"),
        ('{"step": ' + "9" * 5000 + "}", "is damaged: "),
        ("[" * 100_000, "is damaged: "),
        ("", "is damaged: "),
    ],
)
def test_json_of_another_shape_is_named(tmp_path: Path, content: str, said: str):
    write_text(tmp_path / "a.json", content)
    with pytest.raises(RunError, match=rf"a\.json {said}"):
        read_json(tmp_path / "a.json", Shape)


@posix
def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch):
    write_text(tmp_path / "a", "text")

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(RunError, match=r"cannot read .*Permission denied; it may be whole"):
        read_text(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="is no file"):
        read_text(tmp_path / "pipe")


def fill(out: Path, then: Callable[[], object]) -> None:
    with atomic_folder(out) as folder:
        write_text(folder / "a", "mine")
        then()


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path):
    out = tmp_path / "out"
    with pytest.raises(ZeroDivisionError):
        fill(out, lambda: 1 / 0)
    assert names(tmp_path) == []
    out.mkdir()
    with atomic_folder(out) as folder:
        write_text(folder / "a", "1")
        write_text(folder / "sub" / "b", "2")
        assert not any(out.iterdir())
    assert names(tmp_path) == ["out"]
    assert names(out) == ["a", "sub"]


def test_a_folder_of_others_is_refused_also_when_it_comes_late(tmp_path: Path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="not an empty folder"):
        fill(out, lambda: write_text(out / "a", "another's"))
    assert names(tmp_path) == ["out"]
    assert (out / "a").read_text() == "another's"


@pytest.mark.parametrize("killed", ["never", "between the renames", "after them"])
def test_a_replaced_folder_keeps_the_files_of_others(tmp_path: Path, killed: str):
    out, aside = tmp_path / "out", tmp_path / ".out.before"
    write_text(out / "theirs", "kept")
    write_text(out / "a", "old")
    if killed == "between the renames":
        out.rename(aside)
    elif killed == "after them":
        write_text(aside / "a", "older")
    with atomic_folder(out, is_replaced=True) as folder:
        write_text(folder / "a", "new")
        write_text(folder / "b", "new")
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        **{"theirs": "kept", "a": "new", "b": "new"}
    }
    assert names(tmp_path) == ["out"]


def test_only_what_nobody_writes_any_longer_is_swept(tmp_path: Path):
    (tmp_path / f"{TEMPORARY}dead").write_text("half")
    (tmp_path / f"{TEMPORARY}deadfolder").mkdir()
    (tmp_path / "another's").write_text("whole")
    alive, descriptor = new_temporary(tmp_path)
    assert descriptor is not None
    sweep(tmp_path)
    assert names(tmp_path) == sorted(["another's", alive.name])
    os.close(descriptor)
    sweep(tmp_path)
    assert names(tmp_path) == ["another's"]


def test_a_lock_is_waited_for_where_that_is_asked_for(tmp_path: Path):
    lock, inside, said = tmp_path / ".lock", [], []

    def wait() -> None:
        with locked(lock, "is at it", said.append):
            inside.append(True)

    with locked(lock, "is at it"):
        other = threading.Thread(target=wait)
        other.start()
        other.join(0.3)
        assert not inside
    other.join()
    assert inside == [True]
    assert said == [f"another process (pid {os.getpid()}) is at it; waiting for it"]
    assert not lock.exists()


HOLDER = """
import sys, time
from pathlib import Path
from twofold.locks import locked
with locked(Path(sys.argv[1]), "is at it"):
    print("held", flush=True)
    time.sleep(60)
"""


@posix
def test_a_lock_goes_with_a_process_that_is_killed(tmp_path: Path):
    lock = tmp_path / ".lock"
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match=rf"pid {holder.pid}\) is at it"):
            locked(lock, "is at it").__enter__()
        holder.send_signal(signal.SIGKILL)
    assert lock.exists()
    with locked(lock, "is at it"):
        assert lock.read_text() == str(os.getpid())
    assert not lock.exists()
