"""What belongs to the reproduction of a report: its experiments, those that show most first."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from twofold.errors import unknown_name
from twofold.experiments.resolve import resolve
from twofold.experiments.schema import Experiment
from twofold.experiments.siblings import Seeds
from twofold.training.settings import Strict

__all__ = ["BUDGETS", "Book", "Budget", "Chapter", "book_names", "load_book"]

FOLDER = Path(__file__).parent / "books"
Budget = Literal["full", "laptop"]
BUDGETS: tuple[Budget, ...] = ("full", "laptop")


class Chapter(Strict):
    """An experiment of a report.

    Attributes:
        experiment: Its name in the library.
        measures: What to evaluate, as `evaluate` names it.
        laptop: What the laptop budget changes, such as the epochs; nothing where it is cheap.
        labels: Whether the draws differ in the labels that are kept rather than in the seed.
        verdicts: By figure: why ours is not the report's, where that is known.
    """

    experiment: str
    measures: tuple[str, ...]
    laptop: dict[str, Any] = Field(default_factory=dict)
    labels: bool = False
    verdicts: dict[str, str] = Field(default_factory=dict)

    def settings(self, budget: Budget) -> Experiment:
        """The experiment at a budget."""
        return resolve(self.experiment, self.laptop if budget == "laptop" else {})

    def draws(self, seeds: Seeds) -> dict[str, Any]:
        """The seeds as `train_seeds` takes them."""
        return {"label_seeds" if self.labels else "seeds": seeds}


class Book(Strict):
    """A report and its experiments.

    Attributes:
        name: As on the command line, and how the names of its experiments start.
        title: For people.
        source: The reference.
        chapters: In the order in which they are run.
        omitted: Experiments with a printed figure that are not run, and why.
        remarks: What a reader of the figures must know.
    """

    name: str
    title: str
    source: str
    chapters: tuple[Chapter, ...]
    omitted: dict[str, str] = Field(default_factory=dict)
    remarks: tuple[str, ...] = ()


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
