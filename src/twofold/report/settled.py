"""Whether a figure has settled: bounds by the number of draws, FID by the number of images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twofold.pictures.canvas import canvas, color, label_ticks
from twofold.pictures.style import MUTED, Picture, drawing, render
from twofold.report.facts import Facts
from twofold.report.noise import THRESHOLD
from twofold.report.words import count, number

__all__ = ["draw_bounds", "draw_limits"]

SIZE = (4.0, 2.8)
LIMIT = "fid_infinity/classifier"


def draw_bounds(runs: Sequence[Facts]) -> list[tuple[Facts, Picture]]:
    """For every run that has them: the IWAE bound by its k, and AIS as a dashed line.

    AIS is of few images, so its line lies as far above the end of the curve as AIS was above the
    IWAE bound of those few.
    """
    curves = [(run, color(i), _curve(run)) for i, run in enumerate(runs)]
    return [(run, _draw_bound(run, ink, curve)) for run, ink, curve in curves if len(curve) > 1]


def draw_limits(runs: Sequence[Facts]) -> list[tuple[Facts, Picture]]:
    """For every run that has them: FID of fewer and of more images, and the line to its limit."""
    found = []
    for i, run in enumerate(runs):
        points = run.measures[LIMIT].details.get("points") if LIMIT in run.measures else None
        if points and len(points) > 1:
            found.append((run, _draw_limit(run, color(i), points)))
    return found


def _curve(run: Facts) -> Sequence[Sequence[Any]]:
    """Rows of k, bound, standard error."""
    bounds = (m for name, m in run.measures.items() if name.startswith("iwae/"))
    curves = [measure.details.get("convergence") or [] for measure in bounds]
    return max(curves, key=len, default=[])


def _draw_bound(run: Facts, ink: str, curve: Sequence[Sequence[Any]]) -> Picture:
    k, values, errors = ([row[i] for row in curve] for i in range(3))
    bars = [THRESHOLD * (error or 0.0) for error in errors]
    with drawing():
        figure, axes = canvas(SIZE)
        axes.set_xscale("log")
        axes.errorbar(k, values, yerr=bars, fmt="o-", color=ink, linewidth=1.2, markersize=3.5)
        if "ais" in run.measures and (above := run.measures["ais"].details.get("above_iwae")):
            style = {"linewidth": 1, "linestyle": (0, (4, 3))}
            axes.axhline(values[-1] + above[0], color=ink, **style)
        axes.margins(x=0.06, y=0.12)
        axes.set_xticks(k)
        label_ticks(axes, lambda value: count(round(value)))
        axes.set_xlabel("k, draws from q(z|x) for each image")
        axes.set_ylabel("nats per image")
        alt = f"The IWAE bound of {run.name} by its number of draws"
        return render(figure, f"iwae-by-k-{run.letter}", alt)


def _draw_limit(run: Facts, ink: str, points: Sequence[Sequence[float]]) -> Picture:
    measure = run.measures[LIMIT]
    counts, values = np.array(points, dtype=np.float64).T
    slope = np.polyfit(1 / counts, values, 1)[0]
    with drawing():
        figure, axes = canvas(SIZE)
        end = 1 / counts.min()
        line = [measure.value, measure.value + slope * end]
        axes.plot([0, end], line, color=ink, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot(1 / counts, values, "o", color=ink, markersize=3.5)
        bar = None if measure.error is None else THRESHOLD * measure.error
        axes.errorbar(0, measure.value, yerr=bar, fmt="D", color=ink, markersize=4.5)
        if measure.floor is not None:
            axes.axhline(measure.floor, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        shown = [counts.max(), np.median(counts), counts.min()]
        texts = [count(round(n)) for n in shown]
        axes.set_xticks([0, *(1 / n for n in shown)], ["∞", *texts])
        axes.margins(x=0.06, y=0.12)
        axes.set_xlabel("N images, by 1 / N")
        axes.set_ylabel("FID")
        alt = f"FID of {run.name} by 1 / N, and its limit of {number(measure.value)}"
        return render(figure, f"fid-by-n-{run.letter}", alt)
