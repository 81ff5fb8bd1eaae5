"""What several experiments say together: a table, a picture, and a reading of both.

No number of a reading is typed: it names the figures, which are filled in from the results, and
where one of them is missing there is no reading.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from twofold.evaluation.figure import Figure
from twofold.pictures.charts import Panel, draw_dots
from twofold.pictures.style import Picture
from twofold.reproduction.figures import picture_name
from twofold.reproduction.reports import Finding, Report
from twofold.reproduction.results import Draws, Results
from twofold.words import mean_and_spread, number, with_unit

__all__ = ["Answer", "answers"]

PLACE = re.compile(r"\{([\w-]+)\.([^}]+)\}")


@dataclass(frozen=True)
class Answer:
    """A finding with our figures."""

    report: Report
    finding: Finding
    draws: dict[str, Draws | None]  # of each row, None where it was not run

    def measures(self, row: str, heading: str) -> list[Figure]:
        """One figure of one row, of every run; empty unless all have it."""
        draws, one = self.draws[row], self.finding.rows[row]
        if draws is None or heading in one.without:
            return []
        return draws.measures(self.finding.columns[heading].format(variant=one.variant))

    def cell(self, row: str, heading: str) -> str:
        """Mean ± standard deviation over the runs; blank where there is none."""
        values = [measure.value for measure in self.measures(row, heading)]
        return mean_and_spread(values) if values else ""

    @property
    def reading(self) -> str:
        """The text with our figures; empty where one that it names is missing."""

        def fill(match: re.Match[str]) -> str:
            unit = self.measures(match[1], match[2])[0].unit
            return with_unit(self.cell(match[1], match[2]), unit)

        places = PLACE.findall(self.finding.reading)
        known = all(self.measures(row, heading) for row, heading in places)
        return PLACE.sub(fill, self.finding.reading) if known else ""

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
    def references(self) -> dict[str, float | None]:
        """Of each column the figure of real data, where all runs agree on it."""
        found: dict[str, float | None] = {}
        for heading in self.finding.columns:
            each = [
                one.reference for row in self.finding.rows for one in self.measures(row, heading)
            ]
            known = {number(one): one for one in each if one is not None}
            found[heading] = next(iter(known.values())) if len(known) == 1 else None
        return found

    def picture(self) -> Picture:
        """Every run as a dot, a panel for each column."""
        rows = self.finding.rows
        panels = [
            Panel(
                heading,
                [[measure.value for measure in self.measures(row, heading)] for row in rows],
                self.references[heading],
            )
            for heading in self.finding.columns
        ]
        names = [row.label for row in rows.values()]
        return draw_dots(names, panels, self.finding.stem, self.finding.title)


def answers(report: Report, results: Results) -> Iterator[Answer]:
    """The findings of a report of which two rows or more were run."""
    for finding in report.findings:
        draws = {
            key: results.of(report.experiment(row.experiment)) for key, row in finding.rows.items()
        }
        if sum(one is not None for one in draws.values()) > 1:
            yield Answer(report, finding, draws)
