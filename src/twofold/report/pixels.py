"""Images in a grid, shown pixel by pixel: for the page as PNG, for the folder as a figure."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.pictures.sheets import contact_sheet
from twofold.pictures.style import Picture, drawing, render

__all__ = ["Pixels", "grid"]


@dataclass(frozen=True)
class Pixels:
    """A grid of images.

    Attributes:
        name: Of its files.
        alt: What it shows.
        array: Shape (height, width, 4), transparent between the images.
        rows: What stands beside each row; nothing where rows mean nothing.
    """

    name: str
    alt: str
    array: NDArray[np.uint8]
    rows: tuple[str, ...] = ()

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
