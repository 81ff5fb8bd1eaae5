"""Weights & Biases, as its own environment variables say.

WANDB_MODE=offline keeps everything in the run's folder `wandb`, from where `wandb sync` sends it;
WANDB_PROJECT names the project, `twofold` by default. No code and no output is recorded.

References:
    https://docs.wandb.ai/ref/python/init/
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twofold.training.loggers import known_id, require

__all__ = ["WeightsAndBiases"]


class WeightsAndBiases:
    """See `Logger`."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], purge: int | None) -> None:  # noqa: ARG002
        self.wandb = require("wandb")
        self.run = self.wandb.init(
            project=os.environ.get("WANDB_PROJECT", "twofold"),
            name=folder.resolve().name,
            id=known_id(folder, "wandb") or known_id(folder, "wandb", secrets.token_hex(4)),
            resume="allow",
            reinit="create_new",  # a run that the user has open stays the user's
            dir=str(folder),
            config=dict(settings),
            settings=self.wandb.Settings(console="off", save_code=False, silent=True),
        )

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self.run.log(dict(values), step=step)

    def picture(self, path: Path, step: int) -> None:
        self.run.log({"samples": self.wandb.Image(str(path))}, step=step)

    def figures(self, values: Mapping[str, float], step: int) -> None:
        self.run.summary.update({**values, "evaluation/step": step})

    def close(self) -> None:
        self.run.finish()
