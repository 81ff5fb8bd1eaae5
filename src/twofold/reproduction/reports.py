"""What belongs to the reproduction of a report: its experiments, those that show most first."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from twofold.errors import unknown_name
from twofold.experiments.resolve import resolve
from twofold.experiments.schema import Experiment
from twofold.files import parse_yaml
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
    """A picture of the report, which a verb draws of our first run."""

    verb: str  # one of `twofold.reproduction.figures.VERBS`
    place: str  # where the report has it
    name: str = ""  # sets apart two figures of one verb
    options: dict[str, Any] = Field(default_factory=dict)  # for the function of the verb


class ReportExperiment(Strict):
    """An experiment of a report."""

    name: str  # in the library
    measures: tuple[str, ...]  # as `evaluate` names them
    laptop: dict[str, Any] = Field(default_factory=dict)  # what the laptop budget changes, if any
    labels: bool = False  # whether draws differ in the labels kept, not in the seed
    figures: tuple[Figure, ...] = ()  # the report's pictures beyond a sheet of samples
    verdicts: dict[str, str] = Field(default_factory=dict)  # why ours is not the report's

    def settings(self, budget: Budget) -> Experiment:
        """Its settings at a budget."""
        return resolve(self.name, self.laptop if budget == "laptop" else {})

    def stem(self, budget: Budget) -> str:
        """How folders and pictures of its runs at a budget are named."""
        reduced = budget == "laptop" and self.laptop
        return f"{self.name}-laptop" if reduced else self.name


class Row(Strict):
    """One of the things that a finding compares."""

    label: str  # in words
    experiment: str  # one of those of the report
    variant: str = ""  # what stands for `{variant}` in the measures of the columns
    without: tuple[str, ...] = ()  # headings of columns that are left blank
    picture: str = ""  # of the first run: `samples`, or the name of a figure


class Finding(Strict):
    """A question that several experiments answer together."""

    name: str  # of its picture's file
    title: str  # the question, or what the report concludes
    columns: dict[str, str]  # headings, each with its measure; `{variant}` is the row's
    rows: dict[str, Row]
    # What the figures say: `{row.heading}` stands for a figure of ours, so that no number is typed;
    # without one of them there is no reading
    reading: str = ""
    reference: str = "real images"  # what the references of the figures are of

    @property
    def stem(self) -> str:
        """How the picture of its figures is named, without the ending."""
        return f"finding-{self.name}"


class Report(Strict):
    """A report and its experiments."""

    name: str  # as on the command line, and how the names of its experiments start
    title: str
    source: str  # the reference
    experiments: tuple[ReportExperiment, ...]  # in the order in which they are run
    findings: tuple[Finding, ...] = ()  # what the experiments say together
    omitted: dict[str, str] = Field(default_factory=dict)  # why printed figures are not run
    remarks: tuple[str, ...] = ()  # what a reader of the figures must know

    def experiment(self, name: str) -> ReportExperiment:
        """One of its experiments; a UsageError names those that come near."""
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
    return Report.model_validate(parse_yaml(path.read_text(encoding="utf-8")))
