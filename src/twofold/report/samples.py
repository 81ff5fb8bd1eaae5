"""Images shown pixel by pixel: samples of every run."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError
from twofold.evaluation.pictures import draw_grid, image_grid
from twofold.evaluation.summary import RunSummary
from twofold.experiments.run import Run
from twofold.pictures.style import Picture
from twofold.verbs.result import pixels as shown
from twofold.verbs.sample import sample
from twofold.words import epochs

__all__ = ["Pixels", "draw_sheet"]

COLUMNS = 10
MAX_CLASSES = 20


@dataclass(frozen=True)
class Pixels:
    """A grid of images."""

    name: str  # of its files
    alt: str  # what it shows
    array: NDArray[np.uint8]  # (height, width, 4), transparent between the images
    rows: tuple[str, ...] = ()  # what stands beside each row; nothing where rows mean nothing

    @property
    def step(self) -> float:
        """Widths on the page are multiples of this, so that pixels stay even (or alternate)."""
        width = self.array.shape[1]
        return width if width < 200 else width / 2

    @property
    def uri(self) -> str:
        """The grid as a data URI."""
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(self.array).save(buffer, format="PNG", optimize=True)
        return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

    def draw(self) -> Picture:
        """The grid with the names of its rows."""
        return draw_grid(self.array, self.rows, self.name, self.alt)


def draw_sheet(run: Run, of: RunSummary, seed: int) -> tuple[Pixels | None, str]:
    """Ten images of every class, or a hundred of a model that is conditioned on none.

    With them goes a caption: what was drawn from the seed, or why nothing was.
    """
    if not run.has_checkpoint:
        return None, "No samples: there is no checkpoint yet."
    names = of.class_names
    rows = names[:MAX_CLASSES] if of.condition == "class" else []
    labels = [name for name in rows for _ in range(COLUMNS)] or None
    try:
        samples = sample(run, n=COLUMNS * (len(rows) or 10), label=labels, seed=seed)
    except UsageError as error:
        return None, f"No samples: {error}."
    array, alt = image_grid(shown(samples.images), COLUMNS), f"Samples of {of.name}"
    after = "" if of.epochs_done is None else f" after {epochs(of.epochs_done)}"
    caption = f"{of.model_title}{after}, drawn with seed {seed}, {of.latent_dim} latents"
    if rows and len(names) > len(rows):
        caption += f"; the first {len(rows)} of {len(names)} classes"
    caption += "." if rows else "; not conditioned on the class, so rows mean nothing."
    return Pixels(f"samples-{of.letter}", alt, array, tuple(rows)), caption
