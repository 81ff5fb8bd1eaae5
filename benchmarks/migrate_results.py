"""Brings docs/results up to date when the fields of an experiment, or measures, were renamed.

    python benchmarks/migrate_results.py

Each run keeps the command that made it. That command is rewritten by `COMMANDS` below, read with
the experiment files as they are now, and the identity of the recipe written anew. A command that
can no longer be read stops the script: what was measured must stay reproducible. No figure is
changed, and a second time nothing is.
"""

import json
from pathlib import Path
from typing import Any

from twofold.reproduction.collect import command_of, settings_of

RESULTS = Path(__file__).parents[1] / "docs" / "results"
COMMANDS: dict[str, str] = {}  # parts of a command, and what they are now
MEASURES = {"mlp-judge": "recognition-mlp"}  # what `evaluate` is asked for
NAMES = {  # how names of figures begin
    "latents/leaking": "latents/label-conditioned",
    "latents/withheld": "latents/label-free",
}
FIELDS = {"floor": "reference", "depends": "provenance"}  # of a figure
PROVENANCE = {"floor": "reference"}  # what a figure depends on


def migrate(content: dict[str, Any]) -> None:
    """Rewrites the runs of experiments, or the figures of a verb."""
    for entry in content.get("experiments", {}).values():
        for run in entry["runs"]:
            for old, new in COMMANDS.items():
                run["command"] = run["command"].replace(old, new)
            experiment = settings_of(run["command"])
            run["command"], run["recipe"] = command_of(experiment), experiment.recipe()
            if run.get("evaluation_seconds"):
                run["evaluation_seconds"] = renamed(run["evaluation_seconds"], MEASURES)
            run["measures"] = {
                name_of(name): figure(entry) for name, entry in run["measures"].items()
            }
    if "experiments" not in content and "measures" in content:
        content["measures"] = [figure(entry) for entry in content["measures"]]


def figure(entry: dict[str, Any]) -> dict[str, Any]:
    """One figure by its fields of now; what was a caution is a list of notes."""
    found = renamed(entry, {**FIELDS, "caution": "notes"})
    found["provenance"] = renamed(found["provenance"], PROVENANCE)
    if isinstance(found.get("notes"), str):
        found["notes"] = [found["notes"]] if found["notes"] else []
    return found


def name_of(figure: str) -> str:
    """The name of a figure now."""
    for old, new in NAMES.items():
        if figure == old or figure.startswith(f"{old}/"):
            return figure.replace(old, new)
    return figure


def renamed(content: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The same with other keys, in the same order."""
    return {names.get(key, key): value for key, value in content.items()}


if __name__ == "__main__":
    for path in sorted(RESULTS.rglob("*.json")):
        before = path.read_text(encoding="utf-8")
        content = json.loads(before)
        if isinstance(content, dict):
            migrate(content)
        indent = 1 if "experiments" in content else 2
        after = json.dumps(content, indent=indent, ensure_ascii=False) + "\n"
        if ("experiments" in content or "measures" in content) and after != before:
            path.write_text(after, encoding="utf-8")
            print(path.relative_to(RESULTS))
