"""Training several runs at a time, each in a process of its own with its share of the cores.

A process is told what to train as YAML on its standard input, and where by its argument; what goes
wrong comes back as text. Small networks leave most cores idle, so two runs side by side take
little longer than one.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from twofold.errors import RunError, TwofoldError
from twofold.experiments.resolve import parse_experiment, to_yaml
from twofold.experiments.run import Run
from twofold.experiments.siblings import Sibling, train_sibling
from twofold.experiments.train import state_of
from twofold.training.progress import Progress, Silent

__all__ = ["threads_each", "train_all"]

INTERRUPTED = 130


def threads_each(jobs: int) -> int:
    """The threads of one of so many processes on this machine."""
    return max(1, (os.cpu_count() or 1) // jobs)


def train_all(siblings: Sequence[Sibling], jobs: int, progress: Progress) -> Iterator[Run]:
    """Trains what is not finished, and gives every run in the order of the siblings.

    Later runs go on being trained while the caller looks at an earlier one.

    Arguments:
        siblings: What to train, and where.
        jobs: Processes at a time; a single run at a time is trained in this one, with its bar.
        progress: Told when one starts and ends.

    Raises:
        RunError: If a run fails; those under way are finished, and no other is started.
        KeyboardInterrupt: After Ctrl-C, when every run under way has saved itself.
    """
    if jobs == 1:
        yield from (_here(one, progress) for one in siblings)
        return
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(_apart, one, threads_each(jobs), progress) for one in siblings]
        try:
            for one, future in zip(siblings, futures, strict=True):
                future.result()
                yield Run(one.folder)
        finally:
            for future in futures:
                future.cancel()


def _here(sibling: Sibling, progress: Progress) -> Run:
    if sibling.state != "finished":
        progress.say(f"{sibling.folder}: {sibling.draw}, training")
    try:
        run = train_sibling(sibling, progress)
    except RunError as error:
        raise RunError(f"{sibling.draw} in {sibling.folder}: {error}") from error
    if not run.finished:
        raise KeyboardInterrupt
    return run


def _apart(sibling: Sibling, threads: int, progress: Progress) -> None:
    """Trains one run in a process of its own."""
    if sibling.state == "finished":
        return
    progress.say(f"{sibling.folder}: {sibling.draw}, training")
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(sibling.folder)],
        input=to_yaml(sibling.experiment),
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RunError(f"{sibling.draw} in {sibling.folder}: {lines[-1]}")
    progress.say(f"{sibling.folder}: trained in {time.monotonic() - started:.0f} s")


def main() -> int:
    """What a process does: one run, from its start or from where it stopped."""
    folder = Path(sys.argv[1])
    try:
        experiment = parse_experiment(yaml.safe_load(sys.stdin), str(folder))
        state = state_of(folder, experiment)
        run = train_sibling(Sibling("", experiment, folder, state), Silent())
    except TwofoldError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0 if run.finished else INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
