"""Processes that work in a folder, each with its share of the cores.

A process gets where to work from its argument and at what from the first line of standard input.
That input then stays open: when it ends, because who started it wants to stop or is no more, the
work is saved and the process ends too, so that none is left behind to collide with the next start.
"""

import json
import os
import subprocess
import sys
import threading
from _thread import interrupt_main
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twofold.errors import RunError, TwofoldError
from twofold.registry.plugins import load_plugin, plugin_files

__all__ = ["Processes", "num_cores", "threads_each", "work"]

INTERPRETER = (sys.executable, "-P")  # which runs no Python files of the working folder
INTERRUPTED = 130
ERROR = "error: "  # how the last line of a process that failed begins


def num_cores() -> int:
    """The cores that this process may use, which in a container are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_each(jobs: int) -> int:
    """The threads of one of so many processes; no more than OMP_NUM_THREADS, where that is set."""
    share = max(1, num_cores() // jobs)
    most = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(most)) if most.isdecimal() and int(most) else share


class Processes:
    """Starts processes, each waited for in a thread of its own, and ends them together.

    Arguments:
        jobs: How many there will be at a time, which share the cores.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._children: set[subprocess.Popen[bytes]] = set()
        self._leaving = False

    def carry_out(self, module: str, folder: Path, task: Mapping[str, Any]) -> None:
        """Has a module that ends with `sys.exit(work(...))` do a task, and waits for it.

        Raises:
            RunError: With the error of the process.
            KeyboardInterrupt: If it was interrupted, or all are to stop.
        """
        if self._leaving:
            raise KeyboardInterrupt
        content = {"plugins": [str(path) for path in plugin_files()], **task}
        with subprocess.Popen(
            [*INTERPRETER, "-m", module, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(threads_each(self.jobs))},
            start_new_session=True,  # a Ctrl-C reaches it through its input alone
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            self._children.add(child)
            try:
                child.stdin.write(json.dumps(content).encode() + b"\n")
                child.stdin.flush()
                said = child.stdout.read().decode(errors="replace")
            except (BrokenPipeError, ValueError):  # it died at once, or was closed on leaving
                said = child.stdout.read().decode(errors="replace")
            finally:
                self._children.discard(child)
        if self._leaving or child.returncode == INTERRUPTED:
            raise KeyboardInterrupt
        if child.returncode:
            raise RunError(_reason(said))

    def stop(self) -> None:
        """Has all of them save their work and end."""
        self._leaving = True
        for child in list(self._children):
            assert child.stdin is not None
            child.stdin.close()


def _reason(said: str) -> str:
    """Why a process failed: its own error, or the last line of whatever it printed."""
    _, found, error = said.rpartition(ERROR)
    lines = said.strip().splitlines() or ["it ended without a word"]
    return error.strip() if found else lines[-1]


def work(do: Callable[[Path, Mapping[str, Any]], bool]) -> int:
    """What a process does, as its exit status.

    Arguments:
        do: Given the folder and the task; says whether it came to its end.
    """
    folder = Path(sys.argv[1])
    task = json.loads(sys.stdin.buffer.readline())
    try:
        for path in task["plugins"]:
            load_plugin(path)
        # Not before all is imported: an interrupt in the middle of an import may get lost.
        threading.Thread(target=_end_with_the_input, daemon=True).start()
        return 0 if do(folder, task) else INTERRUPTED
    except TwofoldError as error:
        sys.stdout.buffer.write(f"{ERROR}{error}\n".encode())
        sys.stdout.flush()
        return 1


def _end_with_the_input() -> None:
    """Acts as Ctrl-C does when whoever started this process closes its input, or is gone."""
    os.read(sys.stdin.fileno(), 1)  # buffered, it would hold a lock when the interpreter ends
    interrupt_main()
