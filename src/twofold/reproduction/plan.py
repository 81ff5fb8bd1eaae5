"""What a reproduction still has to do, and how long that takes on this machine."""

import math
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from twofold.data import ImageDataset
from twofold.evaluation.cost import wait_for
from twofold.experiments.data import load_data
from twofold.experiments.processes import num_cores
from twofold.experiments.schema import Experiment
from twofold.experiments.seed_runs import SeedRun, Seeds, plan_seeds
from twofold.experiments.train import make_trainer
from twofold.reproduction.reports import Budget, Report, ReportExperiment
from twofold.training.loop import Trainer
from twofold.training.progress import Silent
from twofold.words import duration, plural

__all__ = ["Load", "Step", "about", "loads", "plan"]

WARM, TIMED = 2, 4  # rounds of all phases: the first steps allocate, the next are timed


@dataclass(frozen=True)
class Step:
    """An experiment with its runs."""

    experiment: ReportExperiment
    settings: Experiment  # at the budget
    folder: Path  # from which the folders of its runs are named
    seed_runs: tuple[SeedRun, ...]  # one for each draw, and how far it has come

    @property
    def unfinished(self) -> int:
        return sum(one.state != "finished" for one in self.seed_runs)


def plan(report: Report, budget: Budget, seeds: Seeds, out: Path) -> list[Step]:
    """The steps of a report, in the order of its experiments, each run in a folder of its own."""
    found = []
    for one in report.experiments:
        folder, settings = out / one.stem(budget), one.settings(budget)
        draws: dict[str, Any] = {"label_seeds" if one.labels else "seeds": seeds}
        found.append(Step(one, settings, folder, tuple(plan_seeds(settings, out=folder, **draws))))
    return found


@dataclass(frozen=True)
class Load:
    """What a step still costs: so many runs of so many seconds each, evaluation aside."""

    runs: int
    seconds: float


def loads(steps: Sequence[Step]) -> list[Load]:
    """What each step still costs, by timing a few steps of its training."""
    loaded: dict[str, ImageDataset] = {}
    found = []
    for step in steps:
        seconds = 0.0
        if step.unfinished:
            key = step.settings.data.model_dump_json()
            dataset = loaded.setdefault(key, load_data(step.settings.data))
            seconds = _seconds(step.settings, dataset)
        found.append(Load(step.unfinished, seconds))
    return found


def about(left: Iterable[Load], jobs: int, what: str) -> str:
    """How long that takes, so many runs at a time but no more than there are cores or runs.

    Example:
        >>> about([Load(3, 600.0), Load(0, 0.0)], jobs=1, what="to do")
        'about 30\xa0min 0\xa0s of training to do, and evaluation on top'
    """
    todo = [load for load in left if load.runs]
    if not todo:
        return f"no training {what}"
    together = min(jobs, num_cores(), sum(load.runs for load in todo))
    total = sum(load.runs * load.seconds for load in todo) / together
    seconds = max(total, *(load.seconds for load in todo), 0.0)
    aside = f", {plural(together, 'run')} at a time" if together > 1 else ""
    return f"about {duration(seconds)} of training {what}{aside}, and evaluation on top"


def _seconds(experiment: Experiment, dataset: ImageDataset) -> float:
    """One run's time by a few steps of each stretch of its training; nothing is written."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(experiment, dataset, Path(folder) / "timed", Silent())
        # A stretch lies between the steps at which a phase starts or stops
        epochs = [e for p in trainer.phase_optimizers for e in (p.settings.start, p.settings.stop)]
        steps = {math.ceil(e * trainer.steps_per_epoch) for e in epochs if e is not None}
        total = trainer.total_steps
        stretches = pairwise(sorted({0, total, *(step for step in steps if step < total)}))
        return sum((end - begin) * _step_seconds(trainer, begin) for begin, end in stretches)


def _step_seconds(trainer: Trainer, begin: int) -> float:
    """The time of a step, by a few rounds in which every phase has its turn."""
    steps = math.lcm(*(one.settings.every for one in trainer.phase_optimizers))
    started = 0.0
    for step in range((WARM + TIMED) * steps):
        if step == WARM * steps:
            wait_for(trainer.device)
            started = time.perf_counter()
        trainer.step = begin + step
        trainer.train_step(trainer.batches(trainer.step))
    wait_for(trainer.device)
    return (time.perf_counter() - started) / (TIMED * steps)
