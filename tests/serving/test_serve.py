"""The command: it starts, says where, and ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from twofold import packages
from twofold.errors import RunError, UsageError
from twofold.serving import serve as command
from twofold.serving.serve import serve

pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@posix
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_answers_and_ends_cleanly(run_of, tmp_path: Path, sign):
    run = run_of("cvae").path
    (tmp_path / "lost").mkdir()
    code = "from twofold.cli import main; main()"
    arguments = ["serve", str(run), str(tmp_path / "lost"), "--port", "0", "--device", "cpu"]
    command_line = [sys.executable, "-c", code, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command_line, **pipes) as process:
        try:
            address = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
            with urllib.request.urlopen(f"{address}api/models", timeout=30) as answer:
                one, lost = json.load(answer)["models"]
            assert one["model"] == "CVAE"
            assert "lost" in lost["error"]
            process.send_signal(sign)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == (0 if sign == signal.SIGINT else -signal.SIGTERM)
    assert "Traceback" not in errors
    assert "not opened" in errors


def test_without_the_extra_it_says_what_to_install(monkeypatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UsageError, match=r"twofold\[serve\]"):
        serve([tmp_path])
    assert packages.require("json", "serve") is json


def test_where_no_run_opens_it_does_not_start(twofold, tmp_path: Path):
    with pytest.raises(RunError, match="gone"):
        serve([tmp_path / "gone"], port=0)
    code, _, errors = twofold("serve", tmp_path / "gone", "--port", 0)
    assert code == 1
    assert "gone" in errors


def test_a_port_that_is_taken_is_an_error_in_words():
    with command._listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert listening.proto == socket.IPPROTO_TCP, "answers would wait 40 ms"
        with pytest.raises(UsageError, match=f"port {port}.*--port 0"):
            command._listen("127.0.0.1", port)
    with pytest.raises(UsageError, match=r"cannot listen at 192\.0\.2\.1"):
        command._listen("192.0.2.1", 0)
    with pytest.raises(UsageError, match="expected a number from 0 to 65535"):
        serve([], port=70_000)


@pytest.mark.parametrize(
    ("host", "local", "names"),
    [
        ("127.0.0.1", True, {"localhost", "127.0.0.1", "[::1]"}),
        ("127.1.2.3", True, {"localhost", "127.0.0.1", "[::1]", "127.1.2.3"}),
        ("::1", True, {"localhost", "127.0.0.1", "[::1]"}),
        ("localhost", True, {"localhost", "127.0.0.1", "[::1]"}),
        ("192.168.1.5", False, {"localhost", "127.0.0.1", "[::1]", "192.168.1.5"}),
        ("0.0.0.0", False, {"*"}),
    ],
)
def test_only_what_stays_on_this_machine_needs_no_token(host, local, names):
    assert command._is_local(host) is local
    assert set(command._names(host)) == names


def test_the_address_of_a_page_for_others_holds_the_token():
    assert command._address("192.168.1.5", 80, "abc") == "http://192.168.1.5:80/?token=abc"
    assert command._address("::1", 80, None) == "http://[::1]:80/"
