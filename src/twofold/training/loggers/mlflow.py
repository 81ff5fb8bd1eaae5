"""MLflow, as its own environment variables say.

MLFLOW_TRACKING_URI is where runs go, by default a store on this machine; MLFLOW_EXPERIMENT_NAME
names the experiment, `twofold` by default.

References:
    https://mlflow.org/docs/latest/api_reference/python_api/mlflow.client.html
"""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twofold.training.loggers import known_id, require

__all__ = ["MLflow"]

PARAMS = 100  # that a store takes at a time
LONGEST = 500  # characters of a parameter that every store takes


class MLflow:
    """See `Logger`. Parameters are those the run began with: MLflow lets none be changed."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], purge: int | None) -> None:  # noqa: ARG002
        mlflow = require("mlflow")
        self.entities, self.client = mlflow.entities, mlflow.MlflowClient()
        known = known_id(folder, "mlflow")
        if known is not None:
            self.run_id = known
            self.client.update_run(known, status="RUNNING")
            return
        experiment = _experiment(self.client, os.environ.get("MLFLOW_EXPERIMENT_NAME", "twofold"))
        made = self.client.create_run(experiment, run_name=folder.resolve().name)
        self.run_id = made.info.run_id
        known_id(folder, "mlflow", self.run_id)
        params = [self.entities.Param(_key(k), str(v)[:LONGEST]) for k, v in settings.items()]
        for start in range(0, len(params), PARAMS):
            self.client.log_batch(self.run_id, params=params[start : start + PARAMS])

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        now, metric = int(1000 * time.time()), self.entities.Metric
        metrics = [metric(_key(name), value, now, step) for name, value in values.items()]
        self.client.log_batch(self.run_id, metrics=metrics)

    def picture(self, path: Path, step: int) -> None:  # noqa: ARG002
        self.client.log_artifact(self.run_id, str(path), "samples")

    def figures(self, values: Mapping[str, float], step: int) -> None:
        self.scalars(values, step)

    def close(self) -> None:
        self.client.set_terminated(self.run_id)


def _experiment(client: Any, name: str) -> str:
    """The id of an experiment, which is made if there is none."""
    found = client.get_experiment_by_name(name)
    return client.create_experiment(name) if found is None else found.experiment_id


def _key(name: str) -> str:
    """A name of letters, digits and the few other characters that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "_", name)
