"""The committed figures of runs, read back."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twofold.errors import RunError
from twofold.metrics.measure import Measure
from twofold.reproduction.reports import BUDGETS, Budget, ReportExperiment

__all__ = ["Results", "load_results"]


@dataclass(frozen=True)
class Draws:
    """The runs of one recipe.

    Attributes:
        runs: What is committed of each, in the order of their seeds.
        budget: At which they were trained.
    """

    runs: tuple[dict[str, Any], ...]
    budget: Budget

    @property
    def seed(self) -> int:
        """Of the first run, whose pictures are shown."""
        return self.runs[0]["seed"]

    def measures(self, name: str) -> list[Measure]:
        """A measure of every run; empty unless all have it."""
        found = [run["measures"].get(name) for run in self.runs]
        if not found or any(entry is None for entry in found):
            return []
        return [Measure(name=name, **entry) for entry in found if entry is not None]


class Results:
    """All figures of a folder, by experiment and recipe.

    Arguments:
        contents: What the files hold.
        sheets: Names of the pictures beside them.
    """

    def __init__(self, contents: Sequence[dict[str, Any]], sheets: Collection[str] = ()) -> None:
        self.sheets = sheets
        self._runs: dict[str, list[dict[str, Any]]] = {}
        for content in contents:
            for name, entry in content.get("experiments", {}).items():
                self._runs.setdefault(name, []).extend(entry["runs"])

    def of(self, experiment: ReportExperiment) -> Draws | None:
        """The draws of an experiment: as reported if there are any, else at the laptop budget."""
        having = self._runs.get(experiment.name, ())
        for budget in BUDGETS:
            digest = experiment.settings(budget).recipe()
            runs = [run for run in having if run.get("recipe") == digest]
            if runs:
                return Draws(tuple(_distinct(runs)), budget)
        return None


def _distinct(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One run for each draw."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for run in runs:
        found.setdefault((run["seed"], run.get("label_seed", 0)), run)
    return [found[draw] for draw in sorted(found)]


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
