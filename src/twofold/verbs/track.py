"""A run in an experiment tracker: its log, its pictures and what was measured of it."""

import math
from pathlib import Path
from typing import Any

from twofold.errors import RunError
from twofold.experiments.adopt import as_run
from twofold.experiments.context import Subject
from twofold.experiments.run import Run
from twofold.training.loggers import Logger, open_logger, require, scalars_of
from twofold.training.progress import Progress

__all__ = ["track", "track_figures"]


def track(run: Subject, to: str = "tensorboard") -> str:
    """Writes the log, the pictures and the figures of a run to an experiment tracker.

    Of TensorBoard the files are in the run's folder; W&B and MLflow go where their own environment
    variables say, such as WANDB_MODE=offline or MLFLOW_TRACKING_URI.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        to: Which: tensorboard, wandb or mlflow.

    Raises:
        UsageError: If there is no such tracker, or its package is not installed.
        RunError: If the run has no log, or the tracker fails.

    Example:
        $ twofold track runs/cvae --to tensorboard
    """
    require(to)
    found = as_run(run)
    records = found.records
    if not records:
        raise RunError(f"{found.path} has no log to be tracked; train it first")
    try:
        _write(found, records, open_logger(to, found.path, _settings(found), purge=0))
    except Exception as error:
        raise RunError(f"{to} failed: {type(error).__name__}: {error}") from error
    return f"{found.path}: {len(records)} records and {len(found.samples)} pictures in {to}"


def track_figures(run: Run, progress: Progress) -> None:
    """Writes what was measured to the trackers that a run's experiment names."""
    for name in run.experiment.training.loggers:
        try:
            logger = open_logger(name, run.path, _settings(run))
            logger.figures(_figures(run), run.model_step)
            logger.close()
        except Exception as error:
            progress.say(
                f"the figures are not in {name} ({type(error).__name__}: {error}); "
                f"`twofold track {run.path} --to {name}` writes them"
            )


def _write(run: Run, records: list[dict[str, Any]], logger: Logger) -> None:
    """Everything in the order of its steps, which a tracker may insist on."""
    pictures = [(_step_of(path, records), path) for path in run.samples]
    for entry in records:
        while pictures and pictures[0][0] < entry["step"]:
            step, path = pictures.pop(0)
            logger.picture(path, step)
        logger.scalars(scalars_of(entry), entry["step"])
    for step, path in pictures:
        logger.picture(path, step)
    if figures := _figures(run):
        logger.figures(figures, run.model_step)
    logger.close()


def _step_of(picture: Path, records: list[dict[str, Any]]) -> int:
    """The step of samples/epoch-0004.png: of the line of the log that is nearest to its epoch."""
    epoch = int(picture.stem.rpartition("-")[2])
    return min(records, key=lambda one: abs(one["epoch"] - epoch))["step"]


def _figures(run: Run) -> dict[str, float]:
    """What was measured of the weights as they are, by name."""
    measures = run.current_evaluation.get("measures", [])
    return {
        f"evaluation/{entry['name']}": float(entry["value"])
        for entry in measures
        if isinstance(entry.get("value"), int | float) and math.isfinite(entry["value"])
    }


def _settings(run: Run) -> dict[str, Any]:
    return run.experiment.model_dump(mode="json", exclude={"reported", "notes"})
