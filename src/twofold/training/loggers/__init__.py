"""Where the log of a run is written beside its metrics.jsonl: TensorBoard, W&B, MLflow.

Each is an adapter of a few lines in a file of its own; its package is imported when it is asked
for. A logger decides nothing: one that fails is left, and the run goes on without it.
"""

import importlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from twofold.errors import UsageError, unknown_name
from twofold.files import write_json
from twofold.settings import flat
from twofold.training.callbacks import Callback

if TYPE_CHECKING:
    from twofold.training.loop import Outcome, Trainer

__all__ = [
    "LOGGERS",
    "Logger",
    "LoggerCallback",
    "known_id",
    "open_logger",
    "require",
    "scalars_of",
]

# The name of each, which is that of its extra and of its file; the package it needs; its class.
LOGGERS = {
    "tensorboard": ("torch.utils.tensorboard", "TensorBoard"),
    "wandb": ("wandb", "WeightsAndBiases"),
    "mlflow": ("mlflow", "MLflow"),
}
IDS = "trackers.json"


class Logger(Protocol):
    """What an adapter does. It is made by `open_logger` for a run folder and its settings."""

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Numbers of a step, by names such as train/vae/loss."""

    def picture(self, path: Path, step: int) -> None:
        """The file of a picture of samples."""

    def figures(self, values: Mapping[str, float], step: int) -> None:
        """What was measured of the weights of a step, by names such as evaluation/elbo."""

    def close(self) -> None:
        """Writes what is not written yet."""


def require(name: str) -> Any:
    """The package that a logger needs, imported.

    Raises:
        UsageError: If there is no such logger, or its package is not installed.
    """
    if name not in LOGGERS:
        raise unknown_name("logger", name, list(LOGGERS))
    try:
        return importlib.import_module(LOGGERS[name][0])
    except ImportError as error:
        raise UsageError(
            f"the logger {name} needs a package that is not installed ({error}): "
            f"pip install 'twofold[{name}]'"
        ) from error


def open_logger(
    name: str, folder: Path, settings: Mapping[str, Any], purge: int | None = None
) -> Logger:
    """A logger of a run, the same one again where the run has been logged before.

    Arguments:
        name: One of `LOGGERS`.
        folder: The run.
        settings: Its experiment, as nested plain data.
        purge: The first step of which what was logged before no longer counts, if any.

    Raises:
        UsageError: If there is no such logger, or its package is not installed.
    """
    require(name)
    adapter = importlib.import_module(f"{__name__}.{name}")
    return getattr(adapter, LOGGERS[name][1])(folder, flat(settings), purge)


def known_id(folder: Path, name: str, fresh: str | None = None) -> str | None:
    """By which id a tracker knows a run; a fresh one is written down, in trackers.json."""
    path = folder / IDS
    ids = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if fresh is not None:
        write_json(path, {**ids, name: fresh})
    return fresh or ids.get(name)


def scalars_of(entry: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line of metrics.jsonl.

    Example:
        >>> scalars_of({"kind": "train", "step": 9, "epoch": 1.0, "terms": {"vae": {"kl": 2.0}}})
        {'train/epoch': 1.0, 'train/vae/kl': 2.0}
    """
    fields = {key: value for key, value in entry.items() if key not in ("kind", "step", "terms")}
    numbers = flat({**fields, **entry.get("terms", {})}, f"{entry['kind']}.")
    return {
        name.replace(".", "/"): float(value)
        for name, value in numbers.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


class LoggerCallback(Callback):
    """Passes on what happens in a run to its loggers.

    Arguments:
        names: Of the loggers.

    Raises:
        UsageError: If a package is not installed.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.open: dict[str, Logger] = {}
        for name in self.names:
            require(name)

    def on_start(self, trainer: "Trainer") -> None:
        self.say = trainer.progress.say
        settings, step = trainer.origin or trainer.settings.model_dump(mode="json"), trainer.step
        for name in self.names:
            try:
                self.open[name] = open_logger(name, trainer.folder, settings, step + 1)
            except Exception as error:
                self._give_up(name, error)

    def on_record(self, entry: dict[str, Any]) -> None:
        self._tell("scalars", scalars_of(entry), entry["step"])

    def on_picture(self, path: Path, step: int) -> None:
        self._tell("picture", path, step)

    def on_end(self, outcome: "Outcome") -> None:  # noqa: ARG002
        self._tell("close")
        self.open.clear()

    def _tell(self, what: str, *arguments: Any) -> None:
        for name, logger in list(self.open.items()):
            try:
                getattr(logger, what)(*arguments)
            except Exception as error:
                del self.open[name]
                self._give_up(name, error)

    def _give_up(self, name: str, error: Exception) -> None:
        self.say(
            f"the logger {name} failed and is left ({type(error).__name__}: {error}); "
            f"`twofold track RUN --to {name}` writes the whole run when it is back"
        )
