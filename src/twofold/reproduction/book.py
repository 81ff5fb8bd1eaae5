"""What belongs to the reproduction of a report: its experiments, those that show most first."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from twofold.errors import unknown_name
from twofold.experiments.resolve import resolve
from twofold.experiments.schema import Experiment
from twofold.experiments.seed_runs import Seeds
from twofold.training.settings import Strict

__all__ = [
    "BUDGETS",
    "Book",
    "Budget",
    "Chapter",
    "Finding",
    "Plate",
    "Row",
    "book_names",
    "load_book",
]

FOLDER = Path(__file__).parent / "books"
Budget = Literal["full", "laptop"]
BUDGETS: tuple[Budget, ...] = ("full", "laptop")


class Plate(Strict):
    """A picture of the report, which a verb draws of our first run.

    Attributes:
        verb: Of `twofold.reproduction.plates.VERBS`, with the options of the function.
        place: Where the report has it.
        name: Sets apart two plates of one verb.
        options: What the verb is given.
    """

    verb: str
    place: str
    name: str = ""
    options: dict[str, Any] = Field(default_factory=dict)


class Chapter(Strict):
    """An experiment of a report.

    Attributes:
        experiment: Its name in the library.
        measures: What to evaluate, as `evaluate` names it.
        laptop: What the laptop budget changes, such as the epochs; nothing where it is cheap.
        labels: Whether the draws differ in the labels that are kept rather than in the seed.
        plates: The report's pictures of this model beyond a sheet of samples.
        verdicts: By figure: why ours is not the report's, where that is known.
    """

    experiment: str
    measures: tuple[str, ...]
    laptop: dict[str, Any] = Field(default_factory=dict)
    labels: bool = False
    plates: tuple[Plate, ...] = ()
    verdicts: dict[str, str] = Field(default_factory=dict)

    def settings(self, budget: Budget) -> Experiment:
        """The experiment at a budget."""
        return resolve(self.experiment, self.laptop if budget == "laptop" else {})

    def stem(self, budget: Budget) -> str:
        """How folders and pictures of its runs at a budget are named."""
        reduced = budget == "laptop" and self.laptop
        return f"{self.experiment}-laptop" if reduced else self.experiment

    def draws(self, seeds: Seeds) -> dict[str, Any]:
        """The seeds as `train_seeds` takes them."""
        return {"label_seeds" if self.labels else "seeds": seeds}


class Row(Strict):
    """One of the things that a finding compares.

    Attributes:
        label: In words.
        experiment: A chapter of the book.
        told: What stands for `{told}` in the measures of the columns.
        without: Headings of columns that are left blank.
        picture: Of the first run, to be shown beside those of the other rows: `samples`, or the
            name of a plate.
    """

    label: str
    experiment: str
    told: str = ""
    without: tuple[str, ...] = ()
    picture: str = ""


class Finding(Strict):
    """A question that several experiments answer together.

    Attributes:
        name: Of its picture's file.
        title: The question, or what the report concludes.
        columns: Headings, each with the measure below it; `{told}` in it is the row's.
        rows: What is compared, by a key.
        reading: What the figures say. `{row.heading}` stands for a figure of ours, so that no
            number is typed; without one of them there is no reading.
        floor: What the floors of the measures are of.
    """

    name: str
    title: str
    columns: dict[str, str]
    rows: dict[str, Row]
    reading: str = ""
    floor: str = "real images"


class Book(Strict):
    """A report and its experiments.

    Attributes:
        name: As on the command line, and how the names of its experiments start.
        title: For people.
        source: The reference.
        chapters: In the order in which they are run.
        findings: What the experiments say together.
        omitted: Experiments with a printed figure that are not run, and why.
        remarks: What a reader of the figures must know.
    """

    name: str
    title: str
    source: str
    chapters: tuple[Chapter, ...]
    findings: tuple[Finding, ...] = ()
    omitted: dict[str, str] = Field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def chapter(self, experiment: str) -> Chapter:
        """The chapter of an experiment.

        Raises:
            UsageError: If it has none.
        """
        known = {chapter.experiment: chapter for chapter in self.chapters}
        if experiment not in known:
            raise unknown_name(f"chapter of {self.name}", experiment, known)
        return known[experiment]


def book_names() -> list[str]:
    """The reports that can be reproduced, in the order of the alphabet."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def load_book(name: str) -> Book:
    """The book of a report.

    Raises:
        UsageError: If there is none of that name.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise unknown_name("report", name, [*book_names(), "all"])
    return Book.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
