"""Maps by class: which class is taken for which, and latent codes of test images on the plane."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.evaluation.summary import RunSummary
from twofold.pictures.charts import draw_scatter
from twofold.pictures.style import INK, PAPER, Picture, canvas, color, cut, drawing, render
from twofold.words import slug

__all__ = ["draw_confusions", "draw_maps"]

# Measures with a confusion matrix, and what its rows are
ROWS = {"gan_test/classifier-cnn": "asked for", "accuracy": "true class"}
LEGIBLE = 12  # classes up to which shares are printed
LEAST = 0.005  # a share that rounds to 1 %
MOST = 30  # classes up to which the map is drawn
CONDITIONS = {"withheld": "true class withheld", "leaking": "encoder given the true class"}
TITLES = {"code": "The two latents", "pca": "Principal components", "tsne": "t-SNE"}


def draw_confusions(runs: Sequence[RunSummary]) -> Iterator[tuple[str, Picture]]:
    """A heat map for every run and measure that has a confusion matrix."""
    for name in ROWS:
        for index, run in enumerate(runs):
            measure = run.figures.get(name)
            counts = np.array(measure.details.get("confusion", []) if measure else [], np.float64)
            square = counts.ndim == 2 and counts.shape[0] == counts.shape[1] <= MOST
            if measure and square and counts.sum() > 0:
                heading = f"{run.mention} {measure.title.partition(':')[0]}"
                yield heading, _draw_confusion(counts, index, run, name)


def _draw_confusion(counts: NDArray[np.float64], index: int, run: RunSummary, name: str) -> Picture:
    """From images of class i (rows) taken for class j (columns), shape (K, K)."""
    from matplotlib.patches import Rectangle

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    num_classes = len(shares)
    known = len(run.class_names) == num_classes
    names = run.class_names if known else [str(k) for k in range(num_classes)]
    with drawing():
        figure, axes = canvas((4.0, 3.7))
        axes.grid(False)
        strength = np.sqrt(shares)  # so that rare mistakes are seen
        for row, column in np.argwhere(shares >= LEAST):
            style = {"alpha": float(strength[row, column]), "linewidth": 0}
            corner = (column - 0.48, row - 0.48)
            axes.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=color(index), **style))
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
        alt = f"{run.figures[name].title}: shares of each class taken for each, {run.name}"
        return render(figure, f"confusion-{slug(name)}-{run.letter}", alt)


def draw_maps(runs: Sequence[RunSummary]) -> list[tuple[str, list[tuple[str, Picture]]]]:
    """For every run that kept its codes: a title and a map for each way to lay them out."""
    found = [(run.mention, list(_maps(run, run.arrays.get("latents") or {}))) for run in runs]
    return [(mention, maps) for mention, maps in found if maps]


def _maps(run: RunSummary, arrays: Mapping[str, Any]) -> Iterator[tuple[str, Picture]]:
    for condition, words in CONDITIONS.items():
        flat = "code" if f"{condition}_code" in arrays else "pca"
        for layout in (flat, "tsne"):
            name = f"{condition}_{layout}"
            points = arrays.get(name)
            if points is None or points.ndim != 2 or points.shape[1] != 2:
                continue
            title = TITLES[layout]
            if f"leaking_{layout}" in arrays:
                title += f", {words}"
            yield (
                title,
                draw_scatter(
                    points,
                    np.asarray(arrays["label"]),
                    [str(one) for one in arrays["class_names"]],
                    _axes_names(layout, arrays.get(f"{condition}_pca_share", [])),
                    f"latents-{slug(name)}-{run.letter}",
                    f"Codes of {len(points)} test images by {run.name}: {title}, colored by class",
                ),
            )


def _axes_names(layout: str, shares: Sequence[float]) -> tuple[str, str] | None:
    """What the directions mean; in t-SNE they mean nothing."""
    if layout == "tsne":
        return None
    if layout == "pca" and len(shares) == 2:
        first, second = (100 * share for share in shares)
        return f"first, {first:.0f} % of variance", f"second, {second:.0f} % of variance"
    return "first latent", "second latent"
