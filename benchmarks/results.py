"""Collects finished runs into docs/results: the figures as JSON, the table as Markdown, the sheets.

    python benchmarks/results.py collect runs/lam2023-cvae-0 runs/lam2023-cvae-1 … --name lam2023
    python benchmarks/results.py collect runs/lam2023-vae-0 … --name lam2023 --add
    python benchmarks/results.py draw runs/lam2023-cvae-0   # its pictures alone
    python benchmarks/results.py write            # tables and page again, from the committed JSON

The Markdown, docs/reproduction.md included, is never edited by hand; a test fails when it differs
from its JSON.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twofold.experiments.run import Run
from twofold.reproduction.collect import collect
from twofold.reproduction.figures import draw_figures
from twofold.reproduction.page import publish
from twofold.reproduction.reports import ReportExperiment, load_report, report_names
from twofold.words import mean_and_spread, number

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "results"


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
            f"| {title} | {first['unit']} | {' | '.join(cells)} | {_reference(experiments, name)} |"
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
    return mean_and_spread(values)


def _reference(experiments: dict[str, Any], name: str) -> str:
    """The same of real data; where runs of different data have different ones, none."""
    found = {
        number(run["measures"][name]["reference"])
        for entry in experiments.values()
        for run in entry["runs"]
        if run["measures"].get(name, {}).get("reference") is not None
    }
    return found.pop() if len(found) == 1 else ""


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


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Both sets of runs; a draw of a recipe that is in both is taken from the new one."""
    experiments = dict(old["experiments"])
    for name, entry in new["experiments"].items():
        before = experiments.get(name, {"runs": []})["runs"]
        again = {_draw(run) for run in entry["runs"]}
        kept = [run for run in before if _draw(run) not in again]
        experiments[name] = {**entry, "runs": sorted([*kept, *entry["runs"]], key=_draw)}
    return {"experiments": experiments}


def _draw(run: dict[str, Any]) -> tuple[str, int, int]:
    return run["recipe"], run["seed"], run["label_seed"]


def draw_pictures(runs: Sequence[Run]) -> None:
    """The last samples of every run, and the figures of the first of each experiment."""
    experiments = {
        one.name: one for name in report_names() for one in load_report(name).experiments
    }
    for run in sorted(runs, key=lambda run: run.experiment.seed):
        name = run.experiment.name
        experiment = experiments.get(name, ReportExperiment(name=name, measures=()))
        draw_figures(experiment, run, FOLDER, anew=True)
        experiments[name] = experiment.model_copy(update={"figures": ()})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    collecting = commands.add_parser("collect")
    collecting.add_argument("runs", nargs="+", type=Path)
    collecting.add_argument("--name", required=True)
    collecting.add_argument("--add", action="store_true", help="keep the runs that are there")
    collecting.add_argument("--no-sheets", action="store_true", help="draw no pictures")
    drawing = commands.add_parser("draw")
    drawing.add_argument("runs", nargs="+", type=Path)
    commands.add_parser("write")
    arguments = parser.parse_args()
    if arguments.command == "collect":
        runs = [Run(path) for path in arguments.runs]
        path, results = FOLDER / f"{arguments.name}.json", collect(runs)
        if arguments.add and path.exists():
            results = merged(json.loads(path.read_text()), results)
        path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        if not arguments.no_sheets:
            draw_pictures(runs)
    if arguments.command == "draw":
        draw_pictures([Run(path) for path in arguments.runs])
    for path in sorted(FOLDER.glob("*.json")):
        results = json.loads(path.read_text())
        if "experiments" in results:
            write(path.stem, results)
    publish([load_report(name) for name in report_names()], FOLDER, DOCS / "reproduction.md")


if __name__ == "__main__":
    main()
