"""Samples of every run from one seed, a row per class where the model is told a class."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.apply.sample import Samples, sample
from twofold.errors import UsageError
from twofold.experiments.run import Run
from twofold.pictures import contact_sheet
from twofold.report.facts import Facts
from twofold.report.style import Picture, drawing, render
from twofold.report.words import number

__all__ = ["COLUMNS", "Sheet", "draw_sheet", "draw_sheets", "png_uri"]

COLUMNS = 10
MAX_CLASSES = 20


@dataclass(frozen=True)
class Sheet:
    """A run's samples, or why there are none.

    Attributes:
        facts: The run.
        picture: Shape (height, width, 4), transparent between the images; None without samples.
        rows: Name of the class of each row; empty when the model is told none.
        caption: What was drawn, or why nothing was.
    """

    facts: Facts
    picture: NDArray[np.uint8] | None
    rows: tuple[str, ...]
    caption: str

    @property
    def step(self) -> float:
        """Widths on the page are multiples of this, so that pixels stay even (or alternate)."""
        width = 0 if self.picture is None else self.picture.shape[1]
        return width if width < 200 else width / 2


def draw_sheet(run: Run, facts: Facts, seed: int) -> Sheet:
    """Ten images of every class, or a hundred of a model that is told none.

    Raises:
        RunError: If the checkpoint is damaged or of another experiment than the run says.
    """
    if not run.has_checkpoint:
        return Sheet(facts, None, (), "No samples: there is no checkpoint yet.")
    names = [str(name) for name in facts.data.get("class_names") or []]
    told = facts.condition == "class"
    rows = names[:MAX_CLASSES] if told else []
    try:
        labels = [name for name in rows for _ in range(COLUMNS)] if told else None
        samples = sample(run, n=COLUMNS * (len(rows) if told else 10), label=labels, seed=seed)
    except UsageError as error:
        return Sheet(facts, None, (), f"No samples: {error}.")
    return Sheet(facts, _picture(samples), tuple(rows), _caption(facts, seed, len(names), rows))


def draw_sheets(sheets: Sequence[Sheet]) -> list[Picture]:
    """Each sheet as a figure with the names of its rows, for the folder of figures."""
    return [_figure(sheet) for sheet in sheets if sheet.picture is not None]


def png_uri(picture: NDArray[np.uint8]) -> str:
    """A picture as a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _picture(samples: Samples) -> NDArray[np.uint8]:
    gap = 2 if samples.images.shape[2] > 16 else 1
    sheet = contact_sheet(samples.images, COLUMNS, gap=gap, background=0)
    colour = sheet if sheet.ndim == 3 else sheet[:, :, None].repeat(3, axis=2)
    opaque = contact_sheet(np.full_like(samples.images[:, :1], 255), COLUMNS, gap, background=0)
    return np.concatenate([colour, opaque[:, :, None]], axis=2)


def _caption(facts: Facts, seed: int, num_classes: int, rows: Sequence[str]) -> str:
    epoch = "" if facts.epochs_done is None else f" after {number(facts.epochs_done, 3)} epochs"
    text = f"{facts.model_title}{epoch}, seed {seed}, {facts.latent_dim} latents"
    if rows and num_classes > len(rows):
        text += f"; the first {len(rows)} of {num_classes} classes"
    return text + ("." if rows else "; told no class, so rows mean nothing.")


def _figure(sheet: Sheet) -> Picture:
    from matplotlib.figure import Figure

    assert sheet.picture is not None
    height, width = sheet.picture.shape[:2]
    with drawing():
        figure = Figure(figsize=(5.0, 5.0 * height / width), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(sheet.picture, interpolation="nearest")
        axes.grid(False)
        axes.spines[:].set_visible(False)
        step = height / max(1, len(sheet.rows))
        axes.set_xticks([])
        axes.set_yticks([step * (i + 0.5) for i in range(len(sheet.rows))], sheet.rows)
        return render(figure, f"samples-{sheet.facts.letter}", f"Samples of {sheet.facts.name}")
