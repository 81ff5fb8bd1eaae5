"""Brings docs/results up to date when the fields of an experiment, or measures, were renamed.

    python benchmarks/migrate_results.py

Each run keeps the command that made it. That command is rewritten by `RENAMED` below, read with the
experiment files as they are now, and the identity of the recipe written anew. A command that can no
longer be read stops the script: what was measured must stay reproducible.
"""

import json
from pathlib import Path
from typing import Any

from twofold.reproduction.collect import command_of, settings_of

RESULTS = Path(__file__).parents[1] / "docs" / "results"
RENAMED = {"model.condition_binary": "model.condition.binary"}  # in a command, and what it is now
MEASURES = {"memory": "memorization"}  # what `evaluate` is asked for
DEPENDS = {"told": "condition"}  # what a figure depends on
TITLES = {"share of images that discriminator told right": "accuracy of discriminator"}


def migrate(path: Path) -> int:
    """Rewrites one file and returns how many runs it holds."""
    content = json.loads(path.read_text(encoding="utf-8"))
    entries = content.get("experiments", {}).values()
    for entry in entries:
        entry["title"] = entry["title"].replace("CVAE told ", "CVAE conditioned on ")
    runs = [run for entry in entries for run in entry["runs"]]
    for run in runs:
        for old, new in RENAMED.items():
            run["command"] = run["command"].replace(old, new)
        experiment = settings_of(run["command"])
        run["command"], run["recipe"] = command_of(experiment), experiment.recipe()
        if run.get("evaluation_seconds"):
            run["evaluation_seconds"] = renamed(run["evaluation_seconds"], MEASURES)
        for measure in run["measures"].values():
            measure["provenance"] = renamed(measure["provenance"], DEPENDS)
            if measure["provenance"].get("condition") == "nothing":
                measure["provenance"]["condition"] = "none"
            for old, new in TITLES.items():
                measure["title"] = measure["title"].replace(old, new)
    if runs:
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(runs)


def renamed(content: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The same with other keys, in the same order."""
    return {names.get(key, key): value for key, value in content.items()}


if __name__ == "__main__":
    for path in sorted(RESULTS.glob("*.json")):
        if count := migrate(path):
            print(f"{path.name}: {count} runs")
