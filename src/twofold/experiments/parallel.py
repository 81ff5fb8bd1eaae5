"""Training several runs at a time, each in a process of its own with its share of the cores."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from twofold.errors import RunError
from twofold.experiments.folders import state_of
from twofold.experiments.processes import Processes, work
from twofold.experiments.resolve import parse_experiment
from twofold.experiments.run import Run
from twofold.experiments.seed_runs import SeedRun, train_seed_run
from twofold.training.progress import Progress, Silent

__all__ = ["ParallelRunner"]


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
        self._processes = Processes(jobs)
        self._failure: BaseException | None = None

    def __enter__(self) -> Iterator[Run]:
        if self.jobs == 1:
            return (_here(one, self.progress) for one in self.seed_runs)
        self._futures = [self._pool.submit(self._train, one) for one in self.seed_runs]
        return self._in_order()

    def __exit__(self, *_: object) -> None:
        self._processes.stop()
        self._pool.shutdown(cancel_futures=True)

    def _in_order(self) -> Iterator[Run]:
        for one, future in zip(self.seed_runs, self._futures, strict=True):
            future.result()
            yield Run(one.folder)

    def _train(self, seed_run: SeedRun) -> None:
        if seed_run.state == "finished":
            return
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
        task = {"experiment": seed_run.experiment.model_dump(mode="json")}
        try:
            self._processes.carry_out(__name__, seed_run.folder, task)
        except RunError as error:
            raise RunError(f"{seed_run.draw} in {seed_run.folder}: {error}") from error
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


def _train_one(folder: Path, task: Mapping[str, Any]) -> bool:
    """What a process does: one run, from its start or from where it stopped."""
    experiment = parse_experiment(task["experiment"], str(folder))
    state = state_of(folder, experiment)
    return train_seed_run(SeedRun("", experiment, folder, state), Silent()).finished


if __name__ == "__main__":
    sys.exit(work(_train_one))
