"""Training several runs at a time, each in a process of its own with its share of the cores.

A process gets where to train from its argument and what from the first line of standard input.
That input then stays open: when it ends, because this process wants to stop or is no more, the run
saves itself and ends too, so that no training is left behind to collide with the next start.
"""

import json
import os
import subprocess
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from twofold.errors import RunError, TwofoldError
from twofold.experiments.folders import state_of
from twofold.experiments.resolve import parse_experiment
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.experiments.seed_runs import SeedRun, train_seed_run
from twofold.registry.plugins import load_plugin, plugin_files
from twofold.training.progress import Progress, Silent

__all__ = ["ParallelRunner", "num_cores", "threads_each"]

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


class ParallelRunner:
    """Trains what is not finished, several runs at a time, as a block.

    Within `with ParallelRunner(seed_runs, 2, progress) as trained:`, `trained` gives every run in
    the order of `seed_runs`, while later ones go on being trained. Leaving the block, for whatever
    reason, ends what is under way; it can be resumed.

    Arguments:
        seed_runs: What to train, and where.
        jobs: Processes at a time; a single run at a time is trained in this one, with its bar.
        progress: Says when one starts and ends.

    Raises:
        RunError: When the run that failed is asked for; those under way by then are finished, and
            no other is started.
        KeyboardInterrupt: After Ctrl-C.
    """

    def __init__(self, seed_runs: Sequence[SeedRun], jobs: int, progress: Progress) -> None:
        self.seed_runs, self.jobs, self.progress = seed_runs, jobs, progress
        self._pool = ThreadPoolExecutor(jobs)
        self._futures: list[Future[None]] = []
        self._children: set[subprocess.Popen[bytes]] = set()
        self._failure: BaseException | None = None
        self._leaving = False

    def __enter__(self) -> Iterator[Run]:
        if self.jobs == 1:
            return (_here(one, self.progress) for one in self.seed_runs)
        self._futures = [self._pool.submit(self._train, one) for one in self.seed_runs]
        return self._in_order()

    def __exit__(self, *_: object) -> None:
        self._leaving = True
        for child in list(self._children):
            assert child.stdin is not None
            child.stdin.close()
        self._pool.shutdown(cancel_futures=True)

    def _in_order(self) -> Iterator[Run]:
        for one, future in zip(self.seed_runs, self._futures, strict=True):
            future.result()
            yield Run(one.folder)

    def _train(self, seed_run: SeedRun) -> None:
        if seed_run.state == "finished":
            return
        if self._leaving:
            raise KeyboardInterrupt
        if self._failure is not None:
            raise self._failure
        try:
            self._train_apart(seed_run)
        except BaseException as error:
            self._failure = self._failure or error
            raise

    def _train_apart(self, seed_run: SeedRun) -> None:
        self.progress.say(f"{seed_run.folder}: {seed_run.draw}, training")
        started = time.monotonic()
        with subprocess.Popen(
            [*INTERPRETER, "-m", __name__, str(seed_run.folder)],
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
                child.stdin.write(_task(seed_run.experiment))
                child.stdin.flush()
                said = child.stdout.read().decode(errors="replace")
            except (BrokenPipeError, ValueError):  # it died at once, or was closed on leaving
                said = child.stdout.read().decode(errors="replace")
            finally:
                self._children.discard(child)
        if self._leaving or child.returncode == INTERRUPTED:
            raise KeyboardInterrupt
        if child.returncode:
            raise RunError(f"{seed_run.draw} in {seed_run.folder}: {_reason(said)}")
        self.progress.say(f"{seed_run.folder}: trained in {time.monotonic() - started:.0f} s")


def _here(seed_run: SeedRun, progress: Progress) -> Run:
    if seed_run.state != "finished":
        progress.say(f"{seed_run.folder}: {seed_run.draw}, training")
    try:
        run = train_seed_run(seed_run, progress)
    except RunError as error:
        raise RunError(f"{seed_run.draw} in {seed_run.folder}: {error}") from error
    if not run.finished:
        raise KeyboardInterrupt
    return run


def _reason(said: str) -> str:
    """Why a process failed: its own error, or the last line of whatever it printed."""
    _, found, error = said.rpartition(ERROR)
    lines = said.strip().splitlines() or ["it ended without a word"]
    return error.strip() if found else lines[-1]


def _task(experiment: Experiment) -> bytes:
    """The line that tells a process what to train, and which plugins it needs for that."""
    content = {
        "plugins": [str(path) for path in plugin_files()],
        "experiment": experiment.model_dump(mode="json"),
    }
    return json.dumps(content).encode() + b"\n"


def main() -> int:
    """What a process does: one run, from its start or from where it stopped."""
    folder = Path(sys.argv[1])
    task = json.loads(sys.stdin.buffer.readline())
    try:
        for path in task["plugins"]:
            load_plugin(path)
        experiment = parse_experiment(task["experiment"], str(folder))
        # Not before all is imported: an interrupt in the middle of an import may get lost.
        threading.Thread(target=_end_with_the_input, daemon=True).start()
        state = state_of(folder, experiment)
        run = train_seed_run(SeedRun("", experiment, folder, state), Silent())
    except TwofoldError as error:
        sys.stdout.buffer.write(f"{ERROR}{error}\n".encode())
        sys.stdout.flush()
        return 1
    return 0 if run.finished else INTERRUPTED


def _end_with_the_input() -> None:
    """Acts as Ctrl-C does when whoever started this process closes its input, or is gone."""
    os.read(sys.stdin.fileno(), 1)  # buffered, it would hold a lock when the interpreter ends
    interrupt_main()


if __name__ == "__main__":
    sys.exit(main())
