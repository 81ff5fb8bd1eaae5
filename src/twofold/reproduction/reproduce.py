"""Running a report again: its experiments over seeds, their figures, and the page of both."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

import torch

from twofold.errors import UsageError, unknown_name
from twofold.experiments.environment import pick_device
from twofold.experiments.parallel import ParallelRunner
from twofold.experiments.processes import num_cores, threads_each
from twofold.experiments.run import Run
from twofold.experiments.seed_runs import Seeds
from twofold.files import write_json
from twofold.reproduction.collect import collect
from twofold.reproduction.figures import draw_figures
from twofold.reproduction.page import publish
from twofold.reproduction.plan import Load, Step, about, loads
from twofold.reproduction.plan import plan as plan_steps
from twofold.reproduction.reports import BUDGETS, Report, load_report, report_names
from twofold.training.progress import Console, Progress
from twofold.verbs.evaluate import evaluate
from twofold.words import duration

__all__ = ["Reproduction", "plan_reproduction", "reproduce"]

MOST_JOBS = 8  # by default: each takes up to a gigabyte of memory


@dataclass(frozen=True)
class Reproduction:
    """What was done, or what would be."""

    page: Path  # markdown, with the figures of the reports beside ours
    runs: tuple[Run, ...] = ()  # trained and evaluated, in the order of the reports
    plan: tuple[str, ...] = ()  # what there is to run, in lines, where only that was asked for

    def __str__(self) -> str:
        return "\n".join(self.plan) or str(self.page)


def reproduce(
    report: str,
    *,
    budget: str = "laptop",
    seeds: Seeds = (0, 1, 2),
    out: str | Path = "runs/reproduce",
    jobs: int | None = None,
    plan: bool = False,
    progress: Progress | None = None,
) -> Reproduction:
    """Runs a report's experiments again and lays its figures beside ours.

    What is done already is skipped, and an interrupted run continued; the page, its pictures and
    its JSON are written after every experiment.

    Arguments:
        report: lam2023, gaikwad2020, belani2020, lin-yu2018, chen-fang-ju2016, or all.
        budget: `full` as reported, or `laptop`, with fewer epochs where training is long.
        seeds: Draws of each experiment, as in 0,1,2 or 0..4.
        out: A folder for runs, figures and page.
        jobs: Runs trained at a time; by default as many as there are cores, at most 8, and one
            where there is a GPU.
        plan: Say what would be run and how long it takes, and stop.
        progress: Who hears how it goes; by default the terminal or notebook.

    Raises:
        UsageError: If there is no such report or budget, before anything is run.
        RunError: If a run fails or a folder holds something else.

    Example:
        $ twofold reproduce lin-yu2018 --plan
    """
    progress, out, page = progress or Console(), Path(out), Path(out) / "reproduction.md"
    if plan:
        lines = plan_reproduction(report, budget=budget, seeds=seeds, out=out, jobs=jobs)
        return Reproduction(page, plan=tuple(lines))
    jobs = _jobs(jobs)
    plans = _plans(report, budget, seeds, out)
    reports, order = [one for one, _ in plans], _in_turn(plans)
    steps = [step for _, step in order]
    done: dict[str, list[Run]] = {one.name: [] for one in reports}
    with _threads(threads_each(jobs)):
        progress.say("timing a few steps of each experiment")
        left = dict(zip((step.folder for step in steps), loads(steps), strict=True))
        progress.say(about(left.values(), jobs, "to do"))
        with ParallelRunner(
            [one for step in steps for one in step.seed_runs], jobs, progress
        ) as trained:
            for one, step in order:
                runs = list(islice(trained, len(step.seed_runs)))
                for run in runs:
                    _measure(run, step.experiment.measures, progress)
                done[one.name] += runs
                write_json(out / "results" / f"{one.name}.json", collect(done[one.name]))
                first = min(runs, key=lambda r: (r.experiment.seed, r.experiment.data.label_seed))
                draw_figures(step.experiment, first, out / "results")
                publish(reports, out / "results", page)
                left.pop(step.folder)
                progress.say(f"{step.folder.name} is done; {about(left.values(), jobs, 'left')}")
    return Reproduction(page, tuple(run for runs in done.values() for run in runs))


def plan_reproduction(
    report: str,
    *,
    budget: str = "laptop",
    seeds: Seeds = (0, 1, 2),
    out: str | Path = "runs/reproduce",
    jobs: int | None = None,
) -> list[str]:
    """What `reproduce` would do, in lines: runs to train, those that are there, and the time."""
    jobs = _jobs(jobs)
    lines: list[str] = []
    every: list[Load] = []
    for one, steps in _plans(report, budget, seeds, Path(out)):
        lines.append(one.title)
        with _threads(threads_each(jobs)):
            found = loads(steps)
        every += found
        for step, load in zip(steps, found, strict=True):
            there = len(step.seed_runs) - load.runs
            news = f"about {duration(load.seconds)} a run" if load.runs else "done"
            lines.append(f"  {step.folder.name}: {there} of {len(step.seed_runs)} there, {news}")
    return [*lines, about(every, jobs, "to do")]


def _jobs(jobs: int | None) -> int:
    if jobs is None:
        return min(num_cores(), MOST_JOBS) if pick_device("auto").type == "cpu" else 1
    if jobs < 1:
        raise UsageError(f"jobs={jobs}: at least one run is trained at a time")
    return jobs


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads in this process, so that it does not fight with those that train."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _plans(report: str, budget: str, seeds: Seeds, out: Path) -> list[tuple[Report, list[Step]]]:
    """The steps of a report, or of all."""
    reports = [load_report(name) for name in (report_names() if report == "all" else [report])]
    if budget not in BUDGETS:
        raise unknown_name("budget", budget, BUDGETS)
    return [(one, plan_steps(one, budget, seeds, out)) for one in reports]


def _in_turn(plans: Sequence[tuple[Report, Sequence[Step]]]) -> list[tuple[Report, Step]]:
    """The first experiments of all reports, then the second ones, and so on."""
    rows = zip_longest(*([(report, step) for step in steps] for report, steps in plans))
    return [one for row in rows for one in row if one is not None]


def _measure(run: Run, measures: Sequence[str], progress: Progress) -> None:
    """Takes the measures that were not taken of the weights as they are, nor found impossible."""
    taken = run.current_evaluation.get("seconds", {})
    missing = [name for name in measures if name not in taken]
    if missing:
        evaluate(run, missing, progress=progress)
