"""The committed figures of runs, read back, and whether one of them is what was printed."""

import json
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from twofold.errors import RunError
from twofold.evaluation.figure import Figure
from twofold.experiments.schema import Reported
from twofold.reproduction.reports import BUDGETS, Budget, ReportExperiment

__all__ = ["Comparison", "Draws", "Results", "Verdict", "compare_result", "load_results"]

Verdict = Literal["reproduced", "better", "not reproduced", "not comparable", "to look at", ""]
SPREADS = 2.0  # standard deviations over seeds within which a printed figure may lie


@dataclass(frozen=True)
class Draws:
    """The runs of one recipe."""

    runs: tuple[dict[str, Any], ...]  # what is committed of each, in the order of their seeds
    budget: Budget

    @property
    def seed(self) -> int:
        """Of the first run, whose pictures are shown."""
        return self.runs[0]["seed"]

    def measures(self, name: str) -> list[Figure]:
        """A measure of every run; empty unless all have it."""
        found = [run["measures"][name] for run in self.runs if run["measures"].get(name)]
        if len(found) < len(self.runs):
            return []
        return [Figure(name=name, **entry) for entry in found]


class Results:
    """What the files of a folder hold, by experiment and recipe, and the names of its pictures."""

    def __init__(self, contents: Sequence[dict[str, Any]], sheets: Collection[str] = ()) -> None:
        self.sheets = sheets
        self._runs: dict[str, list[dict[str, Any]]] = {}
        for content in contents:
            for name, entry in content.get("experiments", {}).items():
                self._runs.setdefault(name, []).extend(entry["runs"])

    def of(self, experiment: ReportExperiment) -> Draws | None:
        """The draws of an experiment: as reported if there are any, else at the laptop budget."""
        for budget in BUDGETS:
            digest = experiment.settings(budget).recipe()
            draws: dict[tuple[int, int], dict[str, Any]] = {}
            for run in self._runs.get(experiment.name, ()):
                if run.get("recipe") == digest:
                    draws.setdefault((run["seed"], run.get("label_seed", 0)), run)
            if draws:
                return Draws(tuple(draws[key] for key in sorted(draws)), budget)
        return None


def load_results(folder: Path) -> Results:
    """The figures of every JSON in a folder.

    Raises:
        RunError: If a file is damaged.
    """
    contents = []
    for path in sorted(folder.glob("*.json")):
        try:
            contents.append(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise RunError(f"{path} is damaged: {error}") from error
    return Results(contents, {path.name for path in folder.glob("*.png")})


@dataclass(frozen=True)
class Comparison:
    """A printed figure beside ours."""

    reported: Reported
    values: tuple[float, ...]  # ours, in the source's direction; empty where nothing was run
    unit: str  # of ours
    verdict: Verdict  # empty where nothing was run


def compare_result(
    reported: Reported, measured: Sequence[Figure], was_run: bool = True
) -> Comparison:
    """A verdict on one printed figure, by our measure of it of each draw.

    It is reproduced where it lies within the tolerance of our mean or within two standard
    deviations over seeds; better where ours lies beyond that on the good side. The spread is that
    of ours, for no report gives its own.
    """
    values = tuple(100 - m.value if reported.inverted else m.value for m in measured)
    verdict: Verdict = ""
    if not was_run:
        values = ()
    elif reported.incomparable:
        verdict = "not comparable"
    elif isinstance(reported.value, str):
        verdict = "to look at"
    elif values:
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        above, better = statistics.mean(values) - reported.value, measured[0].better
        if abs(above) <= max(reported.tolerance, SPREADS * spread):
            verdict = "reproduced"
        elif better and (above > 0) == ((better == "higher") != reported.inverted):
            verdict = "better"
        else:
            verdict = "not reproduced"
    return Comparison(reported, values, measured[0].unit if values else "", verdict)
