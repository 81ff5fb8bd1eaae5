"""Fetching from a server of our own on 127.0.0.1 that misbehaves on demand."""

import dataclasses
import hashlib
import http.server
import io
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from twofold.data import catalog, download, load_dataset
from twofold.data.download import ProgressBar, RemoteFile, cache_folder, fetch
from twofold.errors import DataError

CONTENT = bytes(range(256)) * 1000
FILE = RemoteFile("a.bin", hashlib.sha256(CONTENT).hexdigest())


class Handler(http.server.BaseHTTPRequestHandler):
    """The first folder of the address says how to behave."""

    requests: ClassVar[Counter[str]] = Counter()
    release: ClassVar[threading.Event] = threading.Event()

    def do_GET(self):
        behavior, name = self.path.strip("/").split("/", 1)
        type(self).requests[behavior] += 1
        if self.headers["Accept-Encoding"] != "identity":
            return self.send_error(406)  # or a server might gzip a .gz and the client undo both
        if behavior in ("404", "500"):
            return self.send_error(int(behavior))
        if behavior == "flaky" and self.requests["flaky"] == 1:
            return self.send_error(503)
        content = self.server.files.get(name, CONTENT)  # type: ignore[attr-defined]
        self.send_response(200)
        if behavior not in ("drip", "endless"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if behavior == "truncate":
            self.wfile.write(content[:1000])
        elif behavior == "corrupt":
            self.wfile.write(b"x" + content[1:])
        elif behavior == "stall":
            self.wfile.write(content[:1000])
            self.wfile.flush()
            self.release.wait(20)
        elif behavior == "drip":
            while not self.release.wait(0.02):
                self.wfile.write(b"x")
                self.wfile.flush()
        elif behavior == "endless":
            while not self.release.is_set():
                self.wfile.write(content)
        else:
            self.wfile.write(content)
        return None

    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "READ_TIMEOUT", 1.0)  # a stalled answer lasts 20 s
    monkeypatch.setattr(Handler, "requests", Counter())
    monkeypatch.setattr(Handler, "release", threading.Event())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.files = {}  # type: ignore[attr-defined]
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield httpd
        Handler.release.set()
        httpd.shutdown()
        thread.join()


@pytest.fixture
def at(server):
    return lambda behavior: f"http://127.0.0.1:{server.server_port}/{behavior}/"


def files_in_cache():
    return sorted(p.name for p in cache_folder().rglob("*") if p.is_file())


def test_a_good_mirror(at):
    path = fetch("set", [FILE], [at("good")])["a.bin"]
    assert path == cache_folder() / "set" / "a.bin"
    assert path.read_bytes() == CONTENT
    assert files_in_cache() == ["a.bin"]


def test_a_second_fetch_asks_nobody(at):
    fetch("set", [FILE], [at("good")])
    fetch("set", [FILE], [at("good")])
    assert Handler.requests["good"] == 1


def test_a_damaged_cache_is_fetched_again(at):
    path = fetch("set", [FILE], [at("good")])["a.bin"]
    path.write_bytes(b"rot")
    assert fetch("set", [FILE], [at("good")])["a.bin"].read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("behavior", "words"),
    [
        ("404", "answered 404 Not Found"),
        ("500", "answered 500 Internal Server Error"),
        ("truncate", "broke off in the middle"),
        ("corrupt", "sent a file with another sha256"),
        ("stall", "timed out"),
    ],
)
def test_a_bad_mirror_fails_over_and_leaves_nothing(at, behavior, words, monkeypatch):
    monkeypatch.setattr(download, "ROUNDS", 1)
    start = time.perf_counter()
    assert fetch("set", [FILE], [at(behavior), at("good")])["a.bin"].read_bytes() == CONTENT
    assert (Handler.requests[behavior], Handler.requests["good"]) == (1, 1)
    assert files_in_cache() == ["a.bin"]
    (cache_folder() / "set" / "a.bin").unlink()
    with pytest.raises(DataError, match=words):
        fetch("set", [FILE], [at(behavior)])
    assert files_in_cache() == []
    assert time.perf_counter() - start < 15


def test_a_mirror_that_recovers_is_tried_again(at):
    assert fetch("set", [FILE], [at("flaky")])["a.bin"].read_bytes() == CONTENT
    assert Handler.requests["flaky"] == 2


def test_offline_says_what_to_put_where(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    other = RemoteFile("b.bin", "0" * 64)
    with pytest.raises(DataError) as caught:
        fetch("set", [FILE, other], ["http://127.0.0.1:9/"])
    message = str(caught.value)
    assert "http://127.0.0.1:9/a.bin: cannot be reached" in message
    assert f"$TWOFOLD_DATA/set/ or {cache_folder() / 'set'}/" in message
    assert f"a.bin  sha256 {FILE.sha256}" in message
    assert f"b.bin  sha256 {'0' * 64}" in message
    assert "\n    http://127.0.0.1:9/b.bin" in message


def test_a_cache_that_cannot_be_written(at, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot write .*a\.bin.*set TWOFOLD_CACHE"):
        fetch("set", [FILE], [at("good")])


def test_a_mirror_that_does_not_end_is_left(at, monkeypatch):
    """The next one is asked, and what came lies nowhere."""
    file = dataclasses.replace(FILE, size=len(CONTENT))
    written: Counter[str] = Counter()
    monkeypatch.setattr(download, "hashlib", Counted(written))
    assert fetch("set", [file], [at("endless"), at("good")])["a.bin"].read_bytes() == CONTENT
    assert written["bytes"] <= 2 * len(CONTENT) + (1 << 16)
    assert files_in_cache() == ["a.bin"]


class Counted:
    """hashlib, which counts what is given to it."""

    def __init__(self, written):
        self.written = written

    def sha256(self, content=b""):
        digest, written = hashlib.sha256(content), self.written

        class Digest:
            def update(self, chunk):
                written["bytes"] += len(chunk)
                digest.update(chunk)

            hexdigest = staticmethod(digest.hexdigest)

        return Digest()

    file_digest = staticmethod(hashlib.file_digest)


def test_a_mirror_that_drips_is_left(at, monkeypatch):
    start = time.monotonic()
    assert fetch("set", [FILE], [at("drip"), at("good")])["a.bin"].read_bytes() == CONTENT
    assert 1 < time.monotonic() - start < 5  # READ_TIMEOUT is 1 s here
    assert files_in_cache() == ["a.bin"]


def test_what_killed_fetches_left_is_removed(at):
    folder = cache_folder() / "set"
    folder.mkdir(parents=True)
    for name, age in (("old", 3600), ("new", 0)):
        path = folder / f".a.bin.{name}.part"
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age, time.time() - age))
    fetch("set", [FILE], [at("good")])
    assert files_in_cache() == [".a.bin.new.part", "a.bin"]


def test_two_processes_at_once(at, tmp_path):
    """Each ends with a whole file, and neither leaves a temporary one."""
    program = (
        "from twofold.data.download import *; import sys;"
        "f = RemoteFile('a.bin', sys.argv[2]); print(fetch('set', [f], [sys.argv[1]])['a.bin'])"
    )
    command = [sys.executable, "-c", program, at("good"), FILE.sha256]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) for _ in range(2)]
    paths = {racer.communicate()[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0]
    assert len(paths) == 1
    assert files_in_cache() == ["a.bin"]


# TWOFOLD_DATA


@contextmanager
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("asked the network")

    with monkeypatch.context() as patch:
        patch.setattr(download, "_retrieve", refuse)
        yield


@pytest.mark.parametrize("folder", ["set", "."])
def test_files_of_the_user_are_found_first(tmp_path, monkeypatch, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "a.bin").write_bytes(CONTENT)
    monkeypatch.setenv("TWOFOLD_DATA", str(tmp_path))
    with no_network(monkeypatch):
        found = fetch("set", [FILE], ["http://127.0.0.1:9/"])["a.bin"]
    assert found.resolve() == (tmp_path / folder / "a.bin").resolve()


@pytest.mark.parametrize("folder", ["set", "."])
def test_a_wrong_file_of_the_user_is_an_error(tmp_path, monkeypatch, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "a.bin").write_bytes(b"other")
    monkeypatch.setenv("TWOFOLD_DATA", str(tmp_path))
    got = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(DataError, match=f"a.bin has sha256 {got}, expected {FILE.sha256} for set"):
        fetch("set", [FILE], [])


def test_the_same_name_of_another_set_is_passed_over(tmp_path, monkeypatch, at):
    """MNIST and Fashion-MNIST share their file names."""
    (tmp_path / "a.bin").write_bytes(b"other")
    monkeypatch.setenv("TWOFOLD_DATA", str(tmp_path))
    known = {hashlib.sha256(b"other").hexdigest()}
    assert fetch("set", [FILE], [at("good")], known)["a.bin"].read_bytes() == CONTENT


def test_unzipped_files_of_the_user(tmp_path, monkeypatch):
    (tmp_path / "b.bin").write_bytes(CONTENT)
    monkeypatch.setenv("TWOFOLD_DATA", str(tmp_path))
    file = RemoteFile("b.bin.gz", "0" * 64, FILE.sha256)
    assert fetch("set", [file], [])["b.bin.gz"] == tmp_path / "b.bin"
    (tmp_path / "b.bin").write_bytes(b"other")
    with pytest.raises(DataError, match="expected " + FILE.sha256):
        fetch("set", [file], [])


# The whole way


def test_a_named_set_from_a_mirror_to_images(server, at, mnist_folder, monkeypatch):
    entry = catalog.CATALOG["fashion-mnist"]
    contents = {path.name: path.read_bytes() for path in mnist_folder.iterdir()}
    server.files = contents
    files = tuple(RemoteFile(n, hashlib.sha256(c).hexdigest()) for n, c in contents.items())
    mirrors = (at("404"), at("good"))
    toy = dataclasses.replace(entry, files=files, mirrors=mirrors, validation=10)
    monkeypatch.setitem(catalog.CATALOG, "fashion-mnist", toy)
    dataset = load_dataset("fashion-mnist")
    assert {k: v.tolist() for k, v in dataset.splits.items()} == {
        "train": list(range(30)),
        "validation": list(range(30, 40)),  # the last of train, not a draw
        "test": list(range(40, 60)),
    }
    assert dataset.source == "https://github.com/zalandoresearch/fashion-mnist"
    assert dataset.class_names[9] == "Ankle boot"
    assert len(files_in_cache()) == 4


def test_every_named_set_is_well_formed():
    for name, entry in catalog.CATALOG.items():
        info = entry.info
        assert info.name == name
        assert len(entry.class_names) == info.num_classes == (1000 if entry.stacks else 10)
        assert (entry.read is None) == bool(entry.stacks)
        base = catalog.CATALOG[entry.stacks] if entry.stacks else entry
        assert info.embedded == (not base.files)
        for file in entry.files:
            assert len(file.sha256) == 64
            assert int(file.sha256, 16)
            assert file.size
            assert file.size > 4000
        for mirror in entry.mirrors:
            assert mirror.startswith("http")
            assert mirror.endswith("/")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_drawn_on_a_terminal_only(at, monkeypatch):
    drawn = []
    monkeypatch.setattr(ProgressBar, "update", lambda self, n: drawn.append(n))
    fetch("set", [FILE], [at("good")])
    assert not drawn
    (cache_folder() / "set" / "a.bin").unlink()
    monkeypatch.setattr(sys, "stderr", Terminal())
    fetch("set", [FILE], [at("good")])
    assert sum(drawn) == len(CONTENT)


def test_the_progress_bar_counts(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    bar = ProgressBar("a.bin", 100)
    bar.update(40)
    bar.update(10)
    (task,) = bar._progress.tasks
    assert (task.completed, task.total) == (50, 100)
    bar.close()
    bar.close()


# The real one


def test_mnist(users_data, monkeypatch):
    if not users_data or not (Path(users_data) / "mnist").is_dir():
        pytest.skip("TWOFOLD_DATA has no folder mnist")
    monkeypatch.setenv("TWOFOLD_DATA", users_data)
    dataset = load_dataset("mnist")
    assert {k: len(v) for k, v in dataset.splits.items()} == {
        "train": 50_000,
        "validation": 10_000,
        "test": 10_000,
    }
    assert dataset.class_counts.tolist() == [
        6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958,
    ]  # fmt: skip
    assert np.asarray(dataset.labels)[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.asarray(dataset.split("validation").labels)[-1] == 8  # the last training image
    assert np.isclose(dataset.images[:60_000].mean() / 255, 0.1307, atol=5e-5)
    assert len(load_dataset("mnist", validation=0).splits["train"]) == 60_000
