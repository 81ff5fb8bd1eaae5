"""Charts: points on the plane, curves and areas of detectors, figures of several things in rows.

Each is given the `name` of its files, and as `alt` what it shows, for those who cannot see it.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.pictures.style import (
    CLASS_COLORS,
    INK,
    MUTED,
    Picture,
    canvas,
    color,
    cut,
    drawing,
    label_ticks,
    render,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Panel", "draw_areas", "draw_detection", "draw_dots", "draw_scatter"]

LAYERS = 8  # in which points are drawn, so that no class lies on top of all others
HAIR = 1e-4  # the length of a dot as a share of the map
NAMED = 20  # classes up to which the colors are explained
DASHED: dict[str, Any] = {"color": MUTED, "linestyle": (0, (4, 3))}
CHANCE = {**DASHED, "linewidth": 0.8}
PANEL_WIDTH, NAMES_WIDTH, ROW_HEIGHT, FRAME_HEIGHT = 1.7, 2.0, 0.3, 0.75  # inches
WIDE = 20.0  # positive figures this many times apart are shown on a logarithmic axis


def draw_scatter(
    points: NDArray[Any],
    labels: NDArray[Any] | None,
    class_names: Sequence[str],
    axes_names: tuple[str, str] | None,
    name: str,
    alt: str,
) -> Picture:
    """A map of points.

    Arguments:
        points: Shape (N, 2).
        labels: The class of each, shape (N,), or None.
        class_names: Of the labels.
        axes_names: What the directions mean; None where they mean nothing.
    """
    with drawing():
        figure, axes = canvas((3.3, 3.5))  # inches
        axes.grid(False)
        length = HAIR * float(np.ptp(points, axis=0)[0] or 1.0)
        if labels is None:
            _dots(axes, points, length, INK)
        else:
            for layer in range(LAYERS):
                here = np.arange(len(points)) % LAYERS == layer
                for k in np.unique(labels):
                    _dots(axes, points[here & (labels == k)], length, _color(k))
        axes.autoscale_view()
        axes.margins(0.04)
        if axes_names is None:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        else:
            axes.grid(True, axis="both")
            axes.set(xlabel=axes_names[0], ylabel=axes_names[1])
        if labels is not None:
            _name_classes(axes, class_names, np.unique(labels))
        return render(figure, name, alt)


def _dots(axes: "Axes", points: NDArray[Any], length: float, ink: str) -> None:
    """All points as one path of round lines of next to no length: a file many times smaller.

    Of no length at all they would be in the SVG and not in the PNG.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not len(points):
        return
    codes = np.tile([Path.MOVETO, Path.LINETO], len(points))
    ends = np.stack([points, points + np.array([length, 0.0])], axis=1)
    style = {"linewidth": 2.6, "capstyle": "round", "facecolor": "none", "edgecolor": ink}
    axes.add_patch(PathPatch(Path(ends.reshape(-1, 2), codes), snap=False, zorder=2, **style))


def _name_classes(axes: "Axes", names: Sequence[str], classes: NDArray[Any]) -> None:
    """The names of the classes in their colors, below."""
    from matplotlib.lines import Line2D

    if len(classes) > NAMED:
        return
    shown = {k: cut(str(names[k]) if k < len(names) else str(k), 11) for k in classes}
    style: dict[str, Any] = {"marker": "o", "linestyle": "", "markersize": 4.5}
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.legend(
        handles=[Line2D([], [], color=_color(k), label=shown[k], **style) for k in classes],
        loc="outside lower center",
        ncols=5 if max(map(len, shown.values())) < 5 else 3,
        frameon=False,
        fontsize=7.5,
        handletextpad=0.1,
        columnspacing=0.8,
        borderpad=0.1,
    )


def _color(k: int) -> str:
    return CLASS_COLORS[int(k) % len(CLASS_COLORS)]


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
    """
    from matplotlib.figure import Figure

    with drawing():
        figure = Figure(figsize=(6.4, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], **CHANCE)
        _lines(left, roc, "false alarms", "anomalies found")
        right.axhline(share, **CHANCE)
        _lines(right, precision, "anomalies found", "precision")
        _name_lines(figure, left, len(roc))
        return render(figure, name, alt)


def _lines(
    axes: "Axes", lines: Sequence[tuple[str, NDArray[Any], NDArray[Any]]], across: str, up: str
) -> None:
    for i, (label, x, y) in enumerate(lines):
        axes.plot(x, y, color=color(i), linewidth=1.4, label=label)
    axes.grid(True, axis="both")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=across, ylabel=up)


def _name_lines(figure: "Figure", axes: "Axes", columns: int) -> None:
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
        _name_lines(figure, axes, 2)
        return render(figure, name, alt)


@dataclass(frozen=True)
class Panel:
    """One figure of all things.

    Attributes:
        heading: What it is, with its unit.
        values: Of each thing, one for each run; empty where there is none.
        reference: The same of real data, or None.
    """

    heading: str
    values: Sequence[Sequence[float]]
    reference: float | None = None


def draw_dots(names: Sequence[str], panels: Sequence[Panel], name: str, alt: str) -> Picture:
    """A dot for each run, a stroke at their mean, a dashed line for real data.

    Arguments:
        names: Of the things, from top to bottom.
        panels: From left to right.
    """
    from matplotlib.figure import Figure

    size = NAMES_WIDTH + PANEL_WIDTH * len(panels), FRAME_HEIGHT + ROW_HEIGHT * len(names)
    with drawing():
        figure = Figure(figsize=size, layout="constrained")
        every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(every, panels, strict=True):
            _draw_panel(axes, panel)
        every[0].set_yticks(range(len(names)), names)
        every[0].tick_params(axis="y", labelcolor=INK)
        every[0].set_ylim(len(names) - 0.5, -0.5)
        return render(figure, name, alt)


def _draw_panel(axes: "Axes", panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(panel.heading, fontsize=8, color=INK, loc="left")
    axes.grid(True, axis="x")
    everything = [value for values in panel.values for value in values]
    if panel.reference is not None:
        everything.append(panel.reference)
        axes.axvline(panel.reference, linewidth=1, **DASHED)
    if everything and min(everything) > 0 and max(everything) > WIDE * min(everything):
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    label_ticks(axes, lambda value: f"{value:g}".replace("-", "\N{MINUS SIGN}"))
    for row, values in enumerate(panel.values):
        if not values:
            continue
        axes.plot(values, [row] * len(values), "o", color=INK, alpha=0.45, markersize=5, mew=0)
        mean = statistics.fmean(values)
        axes.plot([mean, mean], [row - 0.3, row + 0.3], color=INK, linewidth=1.8)
