"""What several experiments say together: a table, a picture, and a reading of both.

No number of a reading is typed: it names the figures, which are filled in from the results, and
where one of them is missing there is no reading.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from twofold.metrics.measure import Measure
from twofold.pictures.dots import Panel, draw_dots
from twofold.pictures.style import Picture
from twofold.report.words import mean_and_spread, number, with_unit
from twofold.reproduction.figures import picture_name
from twofold.reproduction.reports import Finding, Report
from twofold.reproduction.results import Draws, Results

__all__ = ["Answer", "answers", "figure_name"]

PLACE = re.compile(r"\{([\w-]+)\.([^}]+)\}")


def figure_name(finding: Finding) -> str:
    """Of the picture of its figures, without the ending."""
    return f"finding-{finding.name}"


@dataclass(frozen=True)
class Answer:
    """A finding with our figures.

    Attributes:
        report: Whose finding.
        finding: The question.
        draws: Of each row, None where it was not run.
    """

    report: Report
    finding: Finding
    draws: dict[str, Draws | None]

    def measures(self, row: str, heading: str) -> list[Measure]:
        """One figure of one row, of every run; empty unless all have it."""
        draws, one = self.draws[row], self.finding.rows[row]
        if draws is None or heading in one.without:
            return []
        return draws.measures(self.finding.columns[heading].format(variant=one.variant))

    def cell(self, row: str, heading: str) -> str:
        """Mean ± standard deviation over the runs; blank where there is none."""
        found = self.measures(row, heading)
        if not found:
            return ""
        return mean_and_spread([measure.value for measure in found])

    def runs(self, row: str) -> str:
        """How many, and whether at the laptop budget."""
        draws = self.draws[row]
        if draws is None:
            return ""
        count = str(len(draws.runs))
        return count if draws.budget == "full" else f"{count}, laptop budget"

    @property
    def was_run(self) -> bool:
        """Whether there is anything to compare."""
        return sum(draws is not None for draws in self.draws.values()) > 1

    @property
    def reading(self) -> str:
        """The text with our figures; empty where one that it names is missing."""
        text, missing = self.finding.reading, False

        def fill(match: re.Match[str]) -> str:
            nonlocal missing
            found = self.measures(match[1], match[2])
            missing = missing or not found
            return with_unit(self.cell(match[1], match[2]), found[0].unit) if found else ""

        filled = PLACE.sub(fill, text)
        return "" if missing else filled

    @property
    def pictures(self) -> dict[str, str]:
        """Files of the rows that have one, by their labels."""
        return {
            row.label: picture_name(
                self.report.experiment(row.experiment).stem(draws.budget), draws.seed, row.picture
            )
            for key, row in self.finding.rows.items()
            if row.picture and (draws := self.draws[key]) is not None
        }

    @cached_property
    def floors(self) -> dict[str, float | None]:
        """Of each column the figure of real data, where all runs agree on it."""
        return {heading: self._floor(heading) for heading in self.finding.columns}

    def _floor(self, heading: str) -> float | None:
        found = {
            number(measure.floor): measure.floor
            for row in self.finding.rows
            for measure in self.measures(row, heading)
            if measure.floor is not None
        }
        return next(iter(found.values())) if len(found) == 1 else None

    def picture(self) -> Picture:
        """Every run as a dot, a panel for each column."""
        rows = self.finding.rows
        panels = [
            Panel(
                heading,
                [[measure.value for measure in self.measures(row, heading)] for row in rows],
                self.floors[heading],
            )
            for heading in self.finding.columns
        ]
        names = [row.label for row in rows.values()]
        return draw_dots(names, panels, figure_name(self.finding), self.finding.title)


def answers(report: Report, results: Results) -> Iterator[Answer]:
    """The findings of a report of which two rows or more were run."""
    for finding in report.findings:
        draws = {
            key: results.of(report.experiment(row.experiment)) for key, row in finding.rows.items()
        }
        answer = Answer(report, finding, draws)
        if answer.was_run:
            yield answer
