"""What belongs to the reproduction of a report: its experiments, those that show most first."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from twofold.errors import unknown_name
from twofold.experiments.resolve import resolve
from twofold.experiments.schema import Experiment
from twofold.training.settings import Strict

__all__ = [
    "BUDGETS",
    "Budget",
    "Figure",
    "Finding",
    "Report",
    "ReportExperiment",
    "Row",
    "load_report",
    "report_names",
]

FOLDER = Path(__file__).parent / "reports"
Budget = Literal["full", "laptop"]
BUDGETS: tuple[Budget, ...] = ("full", "laptop")


class Figure(Strict):
    """A picture of the report, which a verb draws of our first run.

    Attributes:
        verb: Of `twofold.reproduction.figures.VERBS`, with the options of the function.
        place: Where the report has it.
        name: Sets apart two figures of one verb.
        options: What the verb is given.
    """

    verb: str
    place: str
    name: str = ""
    options: dict[str, Any] = Field(default_factory=dict)


class ReportExperiment(Strict):
    """An experiment of a report.

    Attributes:
        name: Its name in the library.
        measures: What to evaluate, as `evaluate` names it.
        laptop: What the laptop budget changes, such as the epochs; nothing where it is cheap.
        labels: Whether the draws differ in the labels that are kept rather than in the seed.
        figures: The report's pictures of this model beyond a sheet of samples.
        verdicts: By figure: why ours is not the report's, where that is known.
    """

    name: str
    measures: tuple[str, ...]
    laptop: dict[str, Any] = Field(default_factory=dict)
    labels: bool = False
    figures: tuple[Figure, ...] = ()
    verdicts: dict[str, str] = Field(default_factory=dict)

    def settings(self, budget: Budget) -> Experiment:
        """Its settings at a budget."""
        return resolve(self.name, self.laptop if budget == "laptop" else {})

    def stem(self, budget: Budget) -> str:
        """How folders and pictures of its runs at a budget are named."""
        reduced = budget == "laptop" and self.laptop
        return f"{self.name}-laptop" if reduced else self.name


class Row(Strict):
    """One of the things that a finding compares.

    Attributes:
        label: In words.
        experiment: The name of one of the experiments of the report.
        variant: What stands for `{variant}` in the measures of the columns.
        without: Headings of columns that are left blank.
        picture: Of the first run, to be shown beside those of the other rows: `samples`, or the
            name of a figure.
    """

    label: str
    experiment: str
    variant: str = ""
    without: tuple[str, ...] = ()
    picture: str = ""


class Finding(Strict):
    """A question that several experiments answer together.

    Attributes:
        name: Of its picture's file.
        title: The question, or what the report concludes.
        columns: Headings, each with the measure below it; `{variant}` in it is the row's.
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

    @property
    def stem(self) -> str:
        """How the picture of its figures is named, without the ending."""
        return f"finding-{self.name}"


class Report(Strict):
    """A report and its experiments.

    Attributes:
        name: As on the command line, and how the names of its experiments start.
        title: For people.
        source: The reference.
        experiments: In the order in which they are run.
        findings: What the experiments say together.
        omitted: Experiments with a printed figure that are not run, and why.
        remarks: What a reader of the figures must know.
    """

    name: str
    title: str
    source: str
    experiments: tuple[ReportExperiment, ...]
    findings: tuple[Finding, ...] = ()
    omitted: dict[str, str] = Field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def experiment(self, name: str) -> ReportExperiment:
        """One of its experiments.

        Raises:
            UsageError: If there is none of that name.
        """
        known = {one.name: one for one in self.experiments}
        if name not in known:
            raise unknown_name(f"experiment of {self.name}", name, known)
        return known[name]


def report_names() -> list[str]:
    """The reports that can be reproduced, in the order of the alphabet."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def load_report(name: str) -> Report:
    """A report and its experiments.

    Raises:
        UsageError: If there is none of that name.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise unknown_name("report", name, [*report_names(), "all"])
    return Report.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
