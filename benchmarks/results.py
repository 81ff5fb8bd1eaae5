"""Collects finished runs into docs/results: the figures as JSON, the table as Markdown, the sheets.

    python benchmarks/results.py collect runs/lam2023-cvae-0 runs/lam2023-cvae-1 … --name lam2023
    python benchmarks/results.py write            # the tables again, from the committed JSON

The Markdown is never edited by hand; a test fails when it differs from its JSON.
"""

import argparse
import json
import shutil
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from twofold.experiments.resolve import load_experiment
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.report.words import number, plus_minus

FOLDER = Path(__file__).parents[1] / "docs" / "results"
ENVIRONMENT = ("twofold", "python", "torch", "processor", "cores", "threads", "device")


def collect(runs: Iterable[Run]) -> dict[str, Any]:
    """The measures of every run, by experiment and seed."""
    experiments: dict[str, Any] = {}
    for run in runs:
        evaluation = run.evaluation
        if evaluation is None or not run.finished:
            raise SystemExit(f"{run.path} is not finished or not evaluated")
        entry = experiments.setdefault(
            run.experiment.name,
            {
                "title": run.experiment.title,
                "reported": [
                    figure.model_dump() for figure in load_experiment(run.experiment.name).reported
                ],
                "parameters": run.environment["parameters"],
                "runs": [],
            },
        )
        entry["runs"].append(
            {
                "seed": run.experiment.seed,
                "label_seed": run.experiment.data.label_seed,
                "command": command_of(run.experiment),
                "environment": {key: run.environment[key] for key in ENVIRONMENT},
                "data": run.environment["data"]["fingerprint"],
                "evaluation_settings": evaluation["settings"],
                "evaluation_seconds": evaluation.get("seconds"),
                "measures": {
                    measure["name"]: {
                        key: measure[key]
                        for key in ("title", "value", "error", "unit", "better", "floor", "depends")
                    }
                    for measure in evaluation["measures"]
                },
            }
        )
    return {"experiments": experiments}


def command_of(experiment: Experiment) -> str:
    """What to type for this run: the experiment's name, and what differs from its file."""
    mine = dict(_leaves(experiment.model_dump(mode="json")))
    file = dict(_leaves(load_experiment(experiment.name).model_dump(mode="json")))
    changed = {key: value for key, value in mine.items() if value != file.get(key, value)}
    changes = [f"{key}={json.dumps(value)}" for key, value in changed.items() if key != "seed"]
    return " ".join(["twofold train", experiment.name, f"seed={experiment.seed}", *changes])


def _leaves(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        elif key not in ("title", "source", "reported", "notes"):
            yield prefix + key, value


def table(results: dict[str, Any]) -> str:
    """One table of measures by experiment: mean ± standard deviation over the training seeds."""
    experiments = results["experiments"]
    measures: dict[str, dict[str, Any]] = {}
    for entry in experiments.values():
        for run in entry["runs"]:
            for name, measure in run["measures"].items():
                measures.setdefault(name, measure)
    lines = [
        "| measure | unit | " + " | ".join(experiments) + " | real data |",
        "|---|---|" + "---:|" * (len(experiments) + 1),
        "| seeds | | "
        + " | ".join(_seeds(entry["runs"]) for entry in experiments.values())
        + " | |",
    ]
    for name, first in measures.items():
        cells = [_cell(entry["runs"], name) for entry in experiments.values()]
        title = first["title"].replace("|", chr(92) + "|")
        lines.append(
            f"| {title} | {first['unit']} | {' | '.join(cells)} | {_floor(experiments, name)} |"
        )
    lines += ["", *_reported(experiments), "", *_hardware(experiments)]
    return "\n".join(lines) + "\n"


def _seeds(runs: list[dict[str, Any]]) -> str:
    """`0, 1, 2`, or `labels 0, 1, 2` where runs differ in the draw of labels alone."""
    labels = [str(run.get("label_seed", 0)) for run in runs]
    if len({run["seed"] for run in runs}) < len(runs):
        return f"labels {', '.join(labels)}"
    return ", ".join(str(run["seed"]) for run in runs)


def _cell(runs: list[dict[str, Any]], name: str) -> str:
    """Blank where it was not measured for every seed."""
    values = [run["measures"][name]["value"] for run in runs if name in run["measures"]]
    if len(values) < len(runs):
        return ""
    mean = statistics.mean(values)
    return plus_minus(mean, statistics.stdev(values) if len(values) > 1 else None)


def _floor(experiments: dict[str, Any], name: str) -> str:
    """The same of real data; where runs of different data have different ones, none."""
    floors = {
        number(run["measures"][name]["floor"])
        for entry in experiments.values()
        for run in entry["runs"]
        if run["measures"].get(name, {}).get("floor") is not None
    }
    return floors.pop() if len(floors) == 1 else ""


def _reported(experiments: dict[str, Any]) -> list[str]:
    found = []
    for name, entry in experiments.items():
        for figure in entry["reported"]:
            found.append(
                f"- `{name}`, reported: {figure['measure']} {figure['value']} ({figure['place']})"
            )
    return found


def _hardware(experiments: dict[str, Any]) -> list[str]:
    kinds = {
        "{processor}, {device}, {threads} thread(s) of {cores} cores, torch {torch}".format(
            **run["environment"]
        )
        for entry in experiments.values()
        for run in entry["runs"]
    }
    return [f"Hardware: {kind}." for kind in sorted(kinds)]


def write(name: str, results: dict[str, Any]) -> None:
    """The Markdown beside the JSON."""
    heading = f"# Results: {name}\n\nMade by `python benchmarks/results.py`; do not edit.\n\n"
    (FOLDER / f"{name}.md").write_text(heading + table(results))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    collecting = commands.add_parser("collect")
    collecting.add_argument("runs", nargs="+", type=Path)
    collecting.add_argument("--name", required=True)
    collecting.add_argument("--no-sheets", action="store_true", help="leave the samples out")
    commands.add_parser("write")
    arguments = parser.parse_args()
    if arguments.command == "collect":
        runs = [Run(path) for path in arguments.runs]
        text = json.dumps(collect(runs), indent=1, ensure_ascii=False) + "\n"
        (FOLDER / f"{arguments.name}.json").write_text(text)
        for run in [] if arguments.no_sheets else runs:
            sheet = FOLDER / f"{run.experiment.name}-seed{run.experiment.seed}.png"
            for last in run.samples[-1:]:  # a classifier draws none
                shutil.copyfile(last, sheet)
    for path in sorted(FOLDER.glob("*.json")):
        results = json.loads(path.read_text())
        if "experiments" in results:
            write(path.stem, results)


if __name__ == "__main__":
    main()
