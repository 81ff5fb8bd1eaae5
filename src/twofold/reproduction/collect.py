"""The figures of finished runs as plain data, by experiment, as they lie in docs/results."""

import json
import shlex
from collections.abc import Iterable
from typing import Any

from twofold.errors import RunError
from twofold.experiments.resolve import load_experiment, resolve
from twofold.experiments.run import Run
from twofold.experiments.schema import UPKEEP, WORDS, Experiment
from twofold.settings import flat

__all__ = ["collect", "command_of", "settings_of"]

ENVIRONMENT = ("twofold", "python", "torch", "processor", "cores", "threads", "device")
KEPT = ("title", "value", "error", "unit", "better", "reference", "provenance")
FREE = WORDS | UPKEEP | {"name", "seed"}  # what needs no change in a command


def collect(runs: Iterable[Run]) -> dict[str, Any]:
    """The measures of every run, by experiment and seed.

    Raises:
        RunError: If a run is not finished or not evaluated.
    """
    experiments: dict[str, Any] = {}
    for run in runs:
        evaluation = run.evaluation
        if evaluation is None or not run.finished:
            raise RunError(f"{run.path} is not finished or not evaluated")
        name = run.experiment.name
        heading = {
            "title": run.experiment.title,
            "reported": [
                figure.model_dump(include={"measure", "value", "place"})
                for figure in load_experiment(name).reported
            ],
            "parameters": run.environment["parameters"],
            "runs": [],
        }
        experiments.setdefault(name, heading)["runs"].append(_figures(run, evaluation))
    return {"experiments": experiments}


def _figures(run: Run, evaluation: dict[str, Any]) -> dict[str, Any]:
    return {
        "seed": run.experiment.seed,
        "label_seed": run.experiment.data.label_seed,
        "command": command_of(run.experiment),
        "recipe": run.experiment.recipe(),
        "environment": {key: run.environment[key] for key in ENVIRONMENT},
        "data": run.environment["data"]["fingerprint"],
        "evaluation_settings": evaluation["settings"],
        "evaluation_seconds": evaluation.get("seconds"),
        "training_seconds": next(
            (r["seconds"] for r in reversed(run.records) if r["kind"] == "train"), None
        ),
        "measures": {
            measure["name"]: {key: measure[key] for key in KEPT}
            for measure in evaluation["measures"]
        },
    }


def command_of(experiment: Experiment) -> str:
    """What to type for this run: the experiment's name, and what differs from its file."""
    file = flat(load_experiment(experiment.name).model_dump(mode="json"))
    changes = [
        f"{key}={json.dumps(value)}"
        for key, value in flat(experiment.model_dump(mode="json")).items()
        if key not in FREE and (key not in file or value != file[key])
    ]
    return " ".join(["twofold train", experiment.name, f"seed={experiment.seed}", *changes])


def settings_of(command: str) -> Experiment:
    """The experiment that a committed command names, by the files as they are now.

    Raises:
        UsageError: If they have none of that name, or lack a field.
    """
    _, _, name, *changes = shlex.split(command)
    return resolve(name, changes)
