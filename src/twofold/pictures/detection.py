"""Curves of a detector, and several detectors side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.pictures.style import MUTED, Picture, canvas, color, drawing, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_areas", "draw_detection"]

SIZE = (6.4, 3.0)  # inches
CHANCE = {"color": MUTED, "linewidth": 0.8, "linestyle": (0, (4, 3))}


def draw_detection(
    roc: Sequence[tuple[str, NDArray[Any], NDArray[Any]]],
    precision: Sequence[tuple[str, NDArray[Any], NDArray[Any]]],
    share: float,
    name: str,
    alt: str,
) -> Picture:
    """ROC curves on the left, precision by recall on the right.

    Arguments:
        roc: What each curve is of, false alarms (T,) and hits (T,).
        precision: What each curve is of, recall (U,) and precision (U,).
        share: Of the images that are anomalous, the precision of chance.
        name: Of the picture's files.
        alt: What it shows.
    """
    from matplotlib.figure import Figure

    with drawing():
        figure = Figure(figsize=SIZE, layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], **CHANCE)
        _lines(left, roc, "false alarms", "anomalies found")
        right.axhline(share, **CHANCE)
        _lines(right, precision, "anomalies found", "precision")
        _explain(figure, left, len(roc))
        return render(figure, name, alt)


def _lines(
    axes: "Axes", lines: Sequence[tuple[str, NDArray[Any], NDArray[Any]]], across: str, up: str
) -> None:
    for i, (label, x, y) in enumerate(lines):
        axes.plot(x, y, color=color(i), linewidth=1.4, label=label)
    axes.grid(True, axis="both")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=across, ylabel=up)


def _explain(figure: "Figure", axes: "Axes", columns: int) -> None:
    """What each color is, above the axes."""
    handles, labels = axes.get_legend_handles_labels()
    style: dict[str, Any] = {"frameon": False, "fontsize": 7.5, "ncols": columns}
    figure.legend(handles, labels, loc="outside upper left", **style)


def draw_areas(
    labels: Sequence[str],
    areas: Sequence[tuple[str, NDArray[Any], NDArray[Any] | None]],
    name: str,
    alt: str,
) -> Picture:
    """The area under the ROC curve of several detectors, for each of several tasks.

    Arguments:
        labels: Of the T tasks.
        areas: What each detector is, its areas (T,), and standard errors (T,) or None; the mean
            over tasks stands in the legend, and as a line.
        name: Of the picture's files.
        alt: What it shows.
    """
    with drawing():
        figure, axes = canvas((6.4, 3.2))
        axes.axhline(0.5, **CHANCE)
        for i, (label, values, errors) in enumerate(areas):
            x = np.arange(len(values)) + 0.16 * (i - (len(areas) - 1) / 2)
            ink = color(i)
            bars = None if errors is None else 2 * errors
            text = f"{label}, mean {values.mean():.3f}"
            axes.errorbar(x, values, bars, fmt="o", color=ink, markersize=5, label=text)
            axes.axhline(values.mean(), color=ink, linewidth=0.8, alpha=0.6)
        axes.set_xticks(np.arange(len(labels)), labels)
        axes.set(ylim=(min(0.45, min(v.min() for _, v, _ in areas) - 0.05), 1.02))
        axes.set(xlabel="class that was left out of training", ylabel="area under the ROC curve")
        _explain(figure, axes, 2)
        return render(figure, name, alt)
