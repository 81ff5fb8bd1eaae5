"""Small figures: curves of training, and measures with their noise."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from twofold.pictures.canvas import badge, canvas, color, cut
from twofold.pictures.style import INK, MUTED, PAPER, RULE, Picture, drawing, render
from twofold.report.curves import Curve, Panel
from twofold.report.facts import Facts
from twofold.report.noise import THRESHOLD
from twofold.report.words import slug

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_measure", "draw_panel", "draw_per_class"]

SIZE = (4.0, 2.55)
POINTS = 90  # of a curve, each the mean of a stretch


def draw_panel(panel: Panel, runs: Sequence[Facts]) -> Picture:
    """Curves over epochs; a line is a mean over a stretch, its band the range within."""
    with drawing():
        figure, axes = canvas(SIZE)
        shown, ends = [], {}
        for curve in panel.curves:
            x, mean = _draw_curve(axes, curve)
            shown.append((x, mean))
            ends.setdefault(curve.index, (x[-1], mean[-1]))  # training before held-out
        axes.set_xlabel(panel.across)
        axes.set_ylabel(panel.unit)
        axes.margins(x=0)
        axes.set_xlim(0, max(x[-1] for x, _ in shown) or 1)
        _scale(axes, panel, shown)
        _few_ticks(axes)
        _label_ends(axes, [(x, y, runs[i].letter, color(i)) for i, (x, y) in ends.items()])
        letters = ", ".join(runs[i].letter for i in ends)
        return render(figure, panel.key, f"{panel.title} by {panel.across}, runs {letters}")


def draw_measure(name: str, runs: Sequence[Facts]) -> Picture:
    """One measure: a dot per run, a bar of two standard errors, the floor as a dashed line."""
    having = [(i, run) for i, run in enumerate(runs) if name in run.measures]
    first = having[0][1].measures[name]
    with drawing():
        figure, axes = canvas((4.0, 0.75 + 0.3 * len(having)))
        axes.grid(True, axis="x")
        axes.grid(False, axis="y")
        for row, (i, run) in enumerate(having):
            measure = run.measures[name]
            bar = None if measure.error is None else THRESHOLD * measure.error
            axes.errorbar(measure.value, row, xerr=bar, fmt="o", color=color(i), markersize=5.5)
        floors = {run.measures[name].floor for _, run in having}
        for floor in (f for f in floors if f is not None):
            axes.axvline(floor, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_yticks(range(len(having)), [run.letter for _, run in having])
        for tick, (i, _) in zip(axes.get_yticklabels(), having, strict=True):
            tick.set(color=color(i), fontweight="bold", fontsize=9)
        axes.set_ylim(len(having) - 0.5, -0.5)
        axes.margins(x=0.12)
        axes.set_xlabel(first.unit)
        axes.ticklabel_format(axis="x", useOffset=False)
        return render(figure, f"measure-{slug(name)}", f"{first.title} of every run")


def draw_per_class(name: str, runs: Sequence[Facts]) -> Picture:
    """One measure by class: a row per class, a letter's dot per run."""
    having = [(i, run) for i, run in enumerate(runs) if name in run.measures]
    classes = list(dict.fromkeys(k for _, run in having for k in run.measures[name].per_class))
    with drawing():
        figure, axes = canvas((4.0, 0.75 + 0.22 * len(classes)))
        axes.grid(True, axis="both")
        values = np.full((len(classes), len(having)), np.nan)
        for column, (_, run) in enumerate(having):
            for row, of in enumerate(classes):
                value = run.measures[name].per_class.get(of)
                values[row, column] = np.nan if value is None else value
        for row in range(len(classes)):
            known = values[row][np.isfinite(values[row])]
            if len(known) > 1:
                axes.plot([known.min(), known.max()], [row, row], color=RULE, linewidth=3)
        for column, (i, _) in enumerate(having):
            for row, value in enumerate(values[:, column].tolist()):
                if math.isfinite(value):
                    badge(axes, value, row, runs[i].letter, color(i))
        axes.set_yticks(range(len(classes)), [cut(of) for of in classes], color=INK)
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.margins(x=0.08)
        measure = having[0][1].measures[name]
        axes.set_xlabel(measure.unit)
        return render(figure, f"by-class-{slug(name)}", f"{measure.title} by class")


def _stretches(curve: Curve) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Epochs, means, minima and maxima of at most `POINTS` stretches of a curve."""
    x, y = np.asarray(curve.x), np.asarray(curve.y)
    parts = np.array_split(np.arange(len(x)), min(POINTS, len(x)))
    last = np.array([x[part[-1]] for part in parts])
    return (
        last,
        np.array([y[part].mean() for part in parts]),
        np.array([y[part].min() for part in parts]),
        np.array([y[part].max() for part in parts]),
    )


def _draw_curve(axes: "Axes", curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Draws a curve; gives the epochs and means that it shows."""
    x, mean, low, high = _stretches(curve)
    ink = color(curve.index)
    if curve.held_out:
        marks = {"marker": "o", "markersize": 2.6, "markerfacecolor": PAPER}
        axes.plot(x, mean, color=ink, linewidth=0.9, linestyle=(0, (3, 2)), **marks)
    else:
        axes.fill_between(x, low, high, color=ink, alpha=0.16, linewidth=0)
        axes.plot(x, mean, color=ink, linewidth=1.7)
    return x, mean


def _scale(axes: "Axes", panel: Panel, shown: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    if panel.log and all((mean > 0).all() for _, mean in shown):
        axes.set_yscale("log")
    elif panel.unit == "share":
        axes.set_ylim(-0.02, 1.02)
    elif panel.across == "epoch":
        _leave_out_the_start(axes, shown)


def _leave_out_the_start(axes: "Axes", shown: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Scales to what follows the first tenth where that start would flatten all the rest."""
    everything = np.concatenate([mean for _, mean in shown])
    later = np.concatenate([mean[x >= 0.1 * x[-1]] for x, mean in shown])
    low, high = later.min(), later.max()
    if everything.max() - low <= 2.5 * (high - low) or high == low:
        return
    axes.set_ylim(low - 0.06 * (high - low), high + 0.22 * (high - low))
    text = f"early, up to {everything.max():.3g}: off the scale"
    style = {"ha": "right", "va": "top", "color": MUTED, "fontsize": 7.5}
    axes.text(0.98, 0.97, text, transform=axes.transAxes, **style)


def _label_ends(axes: "Axes", ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Each curve's letter at its end, moved apart where two would touch."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    points = 72 / figure.dpi
    lowest = -np.inf
    for x, y, text, ink in sorted(ends, key=lambda end: axes.transData.transform(end[:2])[1]):
        height = axes.transData.transform((x, y))[1] * points
        lowest = max(height, lowest + 11)
        axes.annotate(
            text,
            (x, y),
            xytext=(7, lowest - height),
            textcoords="offset points",
            va="center",
            color=ink,
            fontweight="bold",
            annotation_clip=False,
        )


def _few_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_locator(MaxNLocator(5))
        return
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=7))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
