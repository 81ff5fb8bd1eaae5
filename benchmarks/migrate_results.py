"""Brings docs/results up to date when the fields of an experiment, or measures, were renamed.

    python benchmarks/migrate_results.py

Each run keeps the command that made it. That command is rewritten by `RENAMED` below, read with the
experiment files as they are now, and the identity of the recipe written anew. A command that can no
longer be read stops the script: what was measured must stay reproducible.
"""

import json
from pathlib import Path

from twofold.reproduction.collect import command_of, recipe_digest, settings_of

RESULTS = Path(__file__).parents[1] / "docs" / "results"
RENAMED: dict[str, str] = {}  # a text of a command, and what it is now
MEASURES = {"memory": "memorization"}  # what `evaluate` is asked for


def migrate(path: Path) -> int:
    """Rewrites one file and returns how many runs it holds."""
    content = json.loads(path.read_text(encoding="utf-8"))
    runs = [run for entry in content.get("experiments", {}).values() for run in entry["runs"]]
    for run in runs:
        for old, new in RENAMED.items():
            run["command"] = run["command"].replace(old, new)
        experiment = settings_of(run["command"])
        run["command"], run["recipe"] = command_of(experiment), recipe_digest(experiment)
        seconds = run.get("evaluation_seconds") or {}
        for old, new in MEASURES.items():
            if old in seconds:
                seconds[new] = seconds.pop(old)
    if runs:
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(runs)


if __name__ == "__main__":
    for path in sorted(RESULTS.glob("*.json")):
        if count := migrate(path):
            print(f"{path.name}: {count} runs")
