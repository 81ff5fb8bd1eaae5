"""TensorBoard: event files in the run's folder `tensorboard`.

References:
    https://docs.pytorch.org/docs/stable/tensorboard.html
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twofold.training.loggers import require

__all__ = ["TensorBoard"]


class TensorBoard:
    """See `Logger`."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], purge: int | None) -> None:
        writer = require("tensorboard").SummaryWriter
        self.writer = writer(str(folder / "tensorboard"), purge_step=purge)
        rows = [f"| {key} | {value} |" for key, value in settings.items()]
        self.writer.add_text("settings", "\n".join(["| field | value |", "|---|---|", *rows]))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def picture(self, path: Path, step: int) -> None:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))  # (H, W, 3)
        self.writer.add_image("samples", pixels, step, dataformats="HWC")

    def figures(self, values: Mapping[str, float], step: int) -> None:
        self.scalars(values, step)

    def close(self) -> None:
        self.writer.close()
