"""A sweep: an experiment trained with many settings, and which was best on validation images."""

import json
import shlex
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from twofold.errors import RunError, UsageError, unknown_name
from twofold.experiments.processes import Processes
from twofold.experiments.resolve import resolve
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.packages import require
from twofold.sweeps import worker
from twofold.sweeps.ledger import Ledger, holds_sweep
from twofold.sweeps.objective import Objective
from twofold.sweeps.space import Factor, cells, check_space, parse_space
from twofold.sweeps.trials import Trial, in_words, take_trial, trials_of
from twofold.training.progress import Console, Progress
from twofold.words import duration, number

__all__ = ["Sweep", "sweep"]

FEW = 3  # of the best that are named at the end
MOST_ROWS = 20  # of the table
Search = Literal["grid", "random", "tpe"]


@dataclass(frozen=True)
class Sweep:
    """What was tried, and how it went.

    Attributes:
        folder: The journal and the runs.
        objective: What is compared.
        is_higher_better: Which way.
        trials: By number.
    """

    folder: Path
    objective: str
    is_higher_better: bool
    trials: tuple[Trial, ...]

    @property
    def ranked(self) -> list[Trial]:
        """Those that were measured, the best first, each setting once."""
        sign = -1 if self.is_higher_better else 1
        done = [one for one in self.trials if one.state == "done" and one.value is not None]
        return sorted(done, key=lambda one: sign * (one.value or 0.0))

    @property
    def best(self) -> Trial:
        """The best trial.

        Raises:
            RunError: If none was measured, with the reason of the first.
        """
        if not self.ranked:
            reasons = [f"; trial {one.number}: {one.reason}" for one in self.trials if one.reason]
            raise RunError(f"no trial of {self.folder} came to a figure{''.join(reasons[:1])}")
        return self.ranked[0]

    @property
    def run(self) -> Run:
        """The run of the best trial."""
        return Run(self.best.folder)

    def __str__(self) -> str:
        lines = [*_table(self), ""]
        counts = {
            state: [one.state for one in self.trials].count(state)
            for state in ("done", "repeated", "pruned", "failed", "unfinished")
        }
        shown = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        lines.append(f"{len(self.trials)} trials in {self.folder}: {shown}")
        lines += [
            f"trial {one.number} ({in_words(one.settings)}) failed: {one.reason}"
            for one in self.trials
            if one.state == "failed"
        ]
        if not self.ranked:
            return "\n".join(lines)
        few = shlex.join(str(one.folder) for one in self.ranked[:FEW])
        return "\n".join(
            [
                *lines,
                f"best: {in_words(self.best.settings)}, with {self.objective} "
                f"{number(self.best.value or 0.0)} on validation images, in {self.best.folder}",
                "One seed each, and the best of many looks better than it is: before you conclude, "
                "train the best few with seeds=0..2 and measure them on test images.",
                f"next: twofold evaluate {few} && twofold compare {few}",
            ]
        )


def sweep(
    experiment: str | Path | Experiment,
    space: Iterable[str] | Mapping[str, Any] = (),
    /,
    *,
    search: Search = "grid",
    trials: int | None = None,
    objective: str = "elbo",
    prune: bool = False,
    jobs: int = 1,
    out: str | Path | None = None,
    num_samples: int = 10_000,
    search_seed: int = 0,
    progress: Progress | None = None,
    **fields: Any,
) -> Sweep:
    """Trains an experiment with many settings, and compares them on validation images.

    The same command again, here or on another machine that shares the folder, goes on with what is
    interrupted or not begun; what is done is not trained again.

    Arguments:
        experiment: An experiment's name (see twofold list experiments) or a YAML file.
        space: Fields and what to try: latent_dim=32,64,100 is a choice, lr=1e-4..1e-2 a range,
            logarithmic where its ends differ by a factor of ten or more. A field with one value,
            epochs=10, has it in every trial. Also a space by name, lam2023-grid, or a YAML file.
        search: `grid` takes every combination once; `random` draws; `tpe` draws more where it went
            well.
        trials: How many to draw; a grid has as many as there are combinations. More of them later
            go on where these ended.
        objective: The figure to choose by: elbo, fid, accuracy or another that `twofold evaluate`
            measures, taken of validation images; or a term of their records, such as loss.
        prune: Stop a trial that is worse than half of the others were after as many epochs.
        jobs: Trials at a time, each in a process of its own.
        out: The folder of the sweep; by default runs/EXPERIMENT-sweep.
        num_samples: Images to generate, where the objective is of these.
        search_seed: Of what is drawn.
        progress: Who hears how it goes; by default the terminal or notebook.
        fields: Fields and what to try, by their bare names; a list is a choice.

    Raises:
        UsageError: Before anything is written, if the space is empty or does not fit, the model
            cannot answer the objective, or Optuna is not installed.
        RunError: If the folder holds something else, or cannot be written.

    Example:
        $ twofold sweep digits-cvae latent_dim=2,8,32 lr=1e-4,1e-3 epochs=10 --objective elbo
    """
    require("optuna", "sweep")
    progress = progress or Console()
    fixed, factors = parse_space(space, fields)
    base = resolve(experiment, fixed)
    check_space(base, factors)
    counts = {"jobs": jobs, "num_samples": num_samples}
    for name, value in counts.items():
        if value < 1:
            raise UsageError(f"{name}={value}: at least one is needed")
    aim = Objective(objective, num_samples)
    plan = {
        "experiment": base.model_dump(mode="json"),
        "space": {key: asdict(factor) for key, factor in factors.items()},
        "search": search,
        "search_seed": search_seed,
        "objective": objective,
        "higher": aim.is_higher_better,
        "prune": prune,
        "num_samples": num_samples,
        "trials": _how_many(search, trials, factors),
    }
    folder = Path("runs") / f"{base.name}-sweep" if out is None else Path(out)
    if not holds_sweep(folder):
        first = {key: factor.examples()[0] for key, factor in factors.items()}
        aim.check(resolve(base, first), prune, progress)
    ledger = Ledger(folder, json.loads(json.dumps(plan)))
    news = _News(ledger, aim, progress)
    if jobs == 1:
        while take_trial(ledger, aim, progress):
            news.say()
    else:
        _take_apart(ledger, jobs, news)
    found = news.sweep()
    _ = found.best  # an error, where no trial came to a figure
    return found


def _how_many(search: str, trials: int | None, factors: Mapping[str, Factor]) -> int:
    if search not in get_args(Search):
        raise unknown_name("search", search, get_args(Search))
    if search == "grid":
        count = sum(1 for _ in cells(factors))
        if trials not in (None, count):
            raise UsageError(
                f"trials={trials} has no effect: a grid has its {count} combinations, each once; "
                "draw some of them with search=random"
            )
        return count
    if trials is None or trials < 1:
        raise UsageError(f"search={search} draws as many trials as it is told; give trials=20")
    return trials


class _News:
    """Says of each trial how it went, whoever took it."""

    def __init__(self, ledger: Ledger, objective: Objective, progress: Progress) -> None:
        self.ledger, self.objective, self.progress = ledger, objective, progress
        there = self.sweep().trials
        self._said = {one.number for one in there if one.state != "unfinished"}
        if there:
            progress.say(f"{len(self._said)} of {ledger.total} trials were taken before")

    def sweep(self) -> Sweep:
        """The sweep as it stands."""
        higher, trials = self.objective.is_higher_better, tuple(trials_of(self.ledger))
        return Sweep(self.ledger.folder, self.objective.name, higher, trials)

    def say(self) -> None:
        now = self.sweep()
        ended = [one for one in now.trials if one.state != "unfinished"]
        for one in ended:
            if one.number not in self._said:
                self._said.add(one.number)
                head = f"trial {one.number}, {in_words(one.settings)}: "
                best = ", the best so far" if now.ranked and one == now.ranked[0] else ""
                figure = f"{now.objective} {number(one.value or 0.0)}{best}"
                text = figure if one.state == "done" else f"{one.state} {one.reason}".rstrip()
                self.progress.say(f"{head}{text} ({len(ended)} of {self.ledger.total})")


def _take_apart(ledger: Ledger, jobs: int, news: _News) -> None:
    """Has processes take trials; what one leaves that dies, another goes on with."""
    processes = Processes(jobs)
    with ThreadPoolExecutor(jobs) as pool:
        left = {
            pool.submit(processes.carry_out, worker.__name__, ledger.folder, {})
            for _ in range(jobs)
        }
        failures: list[BaseException] = []
        try:
            while left:
                ended, left = wait(left, timeout=1.0)
                failures += [error for one in ended if (error := one.exception())]
                news.say()
        finally:
            processes.stop()
    trials = news.sweep().trials
    if failures and (len(trials) < ledger.total or any(t.state == "unfinished" for t in trials)):
        raise failures[0]
    for error in failures:
        news.progress.say(f"a process died ({error}), and another went on with its trial")


def _table(found: Sweep) -> list[str]:
    """The best trials in aligned columns, a line each, with a heading."""
    ranked = found.ranked
    shown = ranked[:MOST_ROWS]
    keys = list(found.trials[0].settings) if found.trials else []
    rows = [["trial", *keys, found.objective, "training"]]
    for one in shown:
        settings = [in_words({key: one.settings.get(key)}).partition("=")[2] for key in keys]
        took = "" if one.seconds is None else duration(one.seconds)
        rows.append([str(one.number), *settings, number(one.value or 0.0), took])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if len(ranked) > len(shown):
        lines.append(f"and {len(ranked) - len(shown)} more, which are no better")
    return lines
