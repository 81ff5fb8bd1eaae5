"""Which class is taken for which, as a map."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from twofold.evaluation.figure import Figure
from twofold.evaluation.pictures import Panel
from twofold.evaluation.summary import RunSummary, those_with
from twofold.pictures.style import INK, PAPER, Picture, canvas, cut, drawing, render
from twofold.words import slug

__all__ = ["draw_confusions"]

LEGIBLE = 12  # classes up to which shares are printed
LEAST = 0.005  # a share that rounds to 1 %
MOST = 30  # classes up to which the map is drawn
NOTE = (
    "Per cent of each row; the stronger the color the more, by its square root, so that rare "
    "mistakes are seen. Less than half a per cent is blank."
)


def draw_confusions(runs: Sequence[RunSummary], name: str, rows: str) -> Iterator[Panel]:
    """A heat map for every run whose figure has a matrix of confusions."""
    for run in those_with(runs, name):
        figure = run.figures[name]
        counts = np.array(figure.details.get("confusion", []), np.float64)
        square = counts.ndim == 2 and counts.shape[0] == counts.shape[1] <= MOST
        if square and counts.sum() > 0:
            picture = _draw_confusion(counts, run, figure, rows)
            yield Panel(f"{run.mention} {figure.title}", picture, NOTE, folded=len(runs) > 4)


def _draw_confusion(
    counts: NDArray[np.float64], run: RunSummary, figure: Figure, rows: str
) -> Picture:
    """From images of class i (rows) taken for class j (columns), shape (K, K)."""
    from matplotlib.patches import Rectangle

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    num_classes = len(shares)
    known = len(run.class_names) == num_classes
    names = run.class_names if known else [str(k) for k in range(num_classes)]
    with drawing():
        drawn, axes = canvas((4.0, 3.7))
        axes.grid(False)
        strength = np.sqrt(shares)  # so that rare mistakes are seen
        for row, column in np.argwhere(shares >= LEAST):
            style = {"alpha": float(strength[row, column]), "linewidth": 0}
            corner = (column - 0.48, row - 0.48)
            axes.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=run.ink, **style))
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
        axes.set_ylabel(rows)
        alt = f"{figure.title}: shares of each class taken for each, {run.name}"
        return render(drawn, f"confusion-{slug(figure.name)}-{run.letter}", alt)
