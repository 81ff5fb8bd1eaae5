"""Images shown pixel by pixel: samples of every run, and pairs with training images."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError
from twofold.evaluation.summary import RunSummary
from twofold.experiments.run import Run
from twofold.pictures.sheets import contact_sheet
from twofold.pictures.style import Picture, drawing, render
from twofold.verbs.result import pixels as shown
from twofold.verbs.sample import sample
from twofold.words import epochs, number

__all__ = ["Pixels", "draw_pairs", "draw_sheet", "grid"]

COLUMNS = 10
MAX_CLASSES = 20
PAIRS = {"first": "Not chosen", "closest": "Those that lie nearest"}
ROWS = ("generated", "training")


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
        from matplotlib.figure import Figure

        height, width = self.array.shape[:2]
        with drawing():
            figure = Figure(figsize=(5.0, max(0.6, 5.0 * height / width)), layout="constrained")
            axes = figure.add_subplot()
            axes.imshow(self.array, interpolation="nearest")
            axes.grid(False)
            axes.spines[:].set_visible(False)
            step = height / max(1, len(self.rows))
            axes.set_xticks([])
            axes.set_yticks([step * (i + 0.5) for i in range(len(self.rows))], self.rows)
            return render(figure, self.name, self.alt)


def grid(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Images (N, C, H, W) in rows of so many, on nothing: shape (height, width, 4)."""
    gap = 2 if images.shape[2] > 16 else 1
    sheet = contact_sheet(images, columns, gap=gap, background=0)
    color = sheet if sheet.ndim == 3 else sheet[:, :, None].repeat(3, axis=2)
    opaque = contact_sheet(np.full_like(images[:, :1], 255), columns, gap, background=0)
    return np.concatenate([color, opaque[:, :, None]], axis=2)


def draw_sheet(run: Run, facts: RunSummary, seed: int) -> tuple[Pixels | None, str]:
    """Ten images of every class, or a hundred of a model that is conditioned on none.

    With them goes a caption: what was drawn from the seed, or why nothing was.
    """
    if not run.has_checkpoint:
        return None, "No samples: there is no checkpoint yet."
    names = facts.class_names
    rows = names[:MAX_CLASSES] if facts.condition == "class" else []
    labels = [name for name in rows for _ in range(COLUMNS)] or None
    try:
        samples = sample(run, n=COLUMNS * (len(rows) or 10), label=labels, seed=seed)
    except UsageError as error:
        return None, f"No samples: {error}."
    array, alt = grid(shown(samples.images), COLUMNS), f"Samples of {facts.name}"
    after = "" if facts.epochs_done is None else f" after {epochs(facts.epochs_done)}"
    caption = f"{facts.model_title}{after}, seed {seed}, {facts.latent_dim} latents"
    if rows and len(names) > len(rows):
        caption += f"; the first {len(rows)} of {len(names)} classes"
    caption += "." if rows else "; not conditioned on the class, so rows mean nothing."
    return Pixels(f"samples-{facts.letter}", alt, array, tuple(rows)), caption


def draw_pairs(runs: Sequence[RunSummary]) -> list[tuple[str, list[tuple[str, Pixels]]]]:
    """For every run that kept them: generated images above the training images nearest to them."""
    found = [(run.mention, list(_strips(run, run.arrays.get("nearest") or {}))) for run in runs]
    return [(mention, strips) for mention, strips in found if strips]


def _strips(run: RunSummary, arrays: Mapping[str, Any]) -> Iterator[tuple[str, Pixels]]:
    """From (2, n, C, H, W), generated and training."""
    for kind, words in PAIRS.items():
        pairs, distances = arrays.get(kind), arrays.get(f"{kind}_distance")
        if pairs is None or pairs.ndim != 5 or len(pairs) != len(ROWS):
            continue
        caption = f"{words}."
        if distances is not None and len(distances):
            low, high = (number(float(end), 2) for end in (distances.min(), distances.max()))
            caption = f"{words}; {low} to {high} apart."
        alt = f"Images of {run.name} above the nearest training images: {words.lower()}"
        array = grid(pairs.reshape(-1, *pairs.shape[2:]), pairs.shape[1])
        yield caption, Pixels(f"nearest-{kind}-{run.letter}", alt, array, ROWS)
