"""Running a report again: its experiments over seeds, their figures, and the page of both."""

from dataclasses import dataclass
from pathlib import Path

from twofold.apply.evaluate import evaluate
from twofold.errors import unknown_name
from twofold.experiments.run import Run
from twofold.experiments.siblings import Seeds, train_seeds
from twofold.files import write_json, write_text
from twofold.report.words import duration
from twofold.reproduction.book import BUDGETS, Book, Budget, book_names, load_book
from twofold.reproduction.collect import collect, keep_sheets
from twofold.reproduction.page import page
from twofold.reproduction.plan import Step, plan, seconds_left
from twofold.reproduction.results import load_results
from twofold.training.progress import Console, Progress

__all__ = ["Reproduction", "plan_reproduction", "reproduce"]

FOLDER = Path("runs/reproduce")


@dataclass(frozen=True)
class Reproduction:
    """What was done.

    Attributes:
        page: The Markdown file with the figures of the reports beside ours.
        runs: Trained and evaluated, in the order of the books.
    """

    page: Path
    runs: tuple[Run, ...]


def reproduce(
    report: str,
    *,
    budget: str = "laptop",
    seeds: Seeds = (0, 1, 2),
    out: str | Path = FOLDER,
    progress: Progress | None = None,
) -> Reproduction:
    """Trains and evaluates the experiments of a report, and writes its figures beside ours.

    What is done already is skipped, and an interrupted run continued; the page and its JSON are
    written after every experiment.

    Arguments:
        report: A name of `book_names()`, or `all`.
        budget: `full` as reported, or `laptop`, with fewer epochs where a book says so.
        seeds: Draws of each experiment, as numbers or as text: `0,1,2` or `0..4`.
        out: A folder for runs, figures and page.
        progress: Who is told how it goes.

    Raises:
        UsageError: If there is no such report or budget, before anything is run.
        RunError: If a run fails or a folder holds something else.
    """
    progress, out = progress or Console(), Path(out)
    books = _books(report)
    plans = [plan(book, _checked(budget), seeds, out) for book in books]
    progress.say("timing a few steps of each experiment")
    left = seconds_left([step for steps in plans for step in steps])
    progress.say(f"about {duration(left)} of training to do, and evaluation on top")
    done: list[Run] = []
    path = out / "reproduction.md"
    for book, steps in zip(books, plans, strict=True):
        of_book: list[Run] = []
        for step in steps:
            of_book += _run(step, seeds, progress)
            write_json(out / "results" / f"{book.name}.json", collect(of_book))
            keep_sheets(of_book, out / "results")
            write_text(path, page(books, load_results(out / "results")))
        done += of_book
    return Reproduction(path, tuple(done))


def plan_reproduction(
    report: str,
    *,
    budget: str = "laptop",
    seeds: Seeds = (0, 1, 2),
    out: str | Path = FOLDER,
) -> list[str]:
    """What `reproduce` would do, in lines: runs to train, those that are there, and the time."""
    lines, total = [], 0.0
    for book in _books(report):
        lines.append(book.title)
        for step in plan(book, _checked(budget), seeds, Path(out)):
            left = seconds_left([step])
            total += left
            there = len(step.siblings) - step.unfinished
            news = f"about {duration(left)}" if step.unfinished else "done"
            lines.append(f"  {step.folder.name}: {there} of {len(step.siblings)} there, {news}")
    return [*lines, f"about {duration(total)} of training, and evaluation on top"]


def _books(report: str) -> list[Book]:
    return [load_book(name) for name in (book_names() if report == "all" else [report])]


def _checked(budget: str) -> Budget:
    for known in BUDGETS:
        if budget == known:
            return known
    raise unknown_name("budget", budget, BUDGETS)


def _run(step: Step, seeds: Seeds, progress: Progress) -> list[Run]:
    """The runs of a step, trained and evaluated."""
    draws = step.chapter.draws(seeds)
    runs = train_seeds(step.experiment, out=step.folder, progress=progress, **draws)
    if not runs[-1].finished:
        raise KeyboardInterrupt
    for run in runs:
        missing = [name for name in step.chapter.measures if not _is_measured(run, name)]
        if missing:
            evaluate(run, missing, progress=progress)
    return runs


def _is_measured(run: Run, kind: str) -> bool:
    """Whether a kind of measure was taken of the weights as they are, or could not be had."""
    evaluation = run.evaluation or {}
    if evaluation.get("settings", {}).get("step") != run.progress[0]:
        return False
    return kind in evaluation.get("seconds", {})
