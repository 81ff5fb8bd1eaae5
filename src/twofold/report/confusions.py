"""Which class is taken for which: a heat map per run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.pictures.canvas import canvas, color, cut
from twofold.pictures.style import INK, PAPER, Picture, drawing, render
from twofold.report.facts import Facts
from twofold.report.words import slug

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_confusions"]

# Measures with a confusion matrix, and what its rows are
ROWS = {"gan_test/classifier-cnn": "asked for", "accuracy": "true class"}
LEGIBLE = 12  # classes up to which shares are printed
LEAST = 0.005  # a share that rounds to 1 %
MOST = 30  # classes up to which the map is drawn


def draw_confusions(runs: Sequence[Facts]) -> list[tuple[str, Facts, Picture]]:
    """For every run and measure that has one: the measure's title, the run, its map."""
    return [
        (run.measures[name].title.partition(":")[0], run, _draw(counts, index, run, name))
        for name in ROWS
        for index, run in enumerate(runs)
        if (counts := _counts(run, name)) is not None
    ]


def _counts(run: Facts, name: str) -> NDArray[np.float64] | None:
    """Images of class i (rows) taken for class j (columns), shape (K, K)."""
    measure = run.measures.get(name)
    counts = np.array(measure.details.get("confusion", []) if measure else [], dtype=np.float64)
    square = counts.ndim == 2 and counts.shape[0] == counts.shape[1] <= MOST
    return counts if square and counts.sum() > 0 else None


def _draw(counts: NDArray[np.float64], index: int, run: Facts, name: str) -> Picture:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    num_classes = len(shares)
    names = [str(one) for one in run.data.get("class_names") or []]
    if len(names) != num_classes:
        names = [str(k) for k in range(num_classes)]
    with drawing():
        figure, axes = canvas((4.0, 3.7))
        axes.grid(False)
        strength = np.sqrt(shares)  # so that rare mistakes are seen
        for row, column in np.argwhere(shares >= LEAST):
            _box(axes, row, column, color(index), float(strength[row, column]))
            if num_classes <= LEGIBLE:
                text = f"{100 * shares[row, column]:.0f}"
                ink = PAPER if strength[row, column] > 0.7 else INK
                style = {"ha": "center", "va": "center_baseline", "fontsize": 7}
                axes.text(column, row, text, color=ink, **style)
        axes.set_xlim(-0.5, num_classes - 0.5)
        axes.set_ylim(num_classes - 0.5, -0.5)
        axes.set_aspect("equal")
        long = max(map(len, names)) > 2
        axes.set_xticks(range(num_classes), [cut(n, 12) for n in names], rotation=90 if long else 0)
        axes.set_yticks(range(num_classes), [cut(n, 12) for n in names])
        axes.set_xlabel("recognized as")
        axes.set_ylabel(ROWS[name])
        alt = f"{run.measures[name].title}: shares of each class taken for each, {run.name}"
        return render(figure, f"confusion-{slug(name)}-{run.letter}", alt)


def _box(axes: "Axes", row: int, column: int, ink: str, strength: float) -> None:
    from matplotlib.patches import Rectangle

    corner = (column - 0.48, row - 0.48)
    axes.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=ink, alpha=strength, linewidth=0))
