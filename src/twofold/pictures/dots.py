"""Figures of several things side by side: a row for each thing, a panel for each figure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twofold.pictures.style import INK, MUTED, Picture, drawing, label_ticks, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Panel", "draw_dots"]

PANEL_WIDTH, NAMES_WIDTH, ROW_HEIGHT, FRAME_HEIGHT = 1.7, 2.0, 0.3, 0.75  # inches
WIDE = 20.0  # positive figures this many times apart are shown on a logarithmic axis


@dataclass(frozen=True)
class Panel:
    """One figure of all things.

    Attributes:
        heading: What it is, with its unit.
        values: Of each thing, one for each run; empty where there is none.
        floor: The same of real data, or None.
    """

    heading: str
    values: Sequence[Sequence[float]]
    floor: float | None = None


def draw_dots(names: Sequence[str], panels: Sequence[Panel], name: str, alt: str) -> Picture:
    """A dot for each run, a stroke at their mean, a dashed line for real data.

    Arguments:
        names: Of the things, from top to bottom.
        panels: From left to right.
        name: Of the picture's files.
        alt: What it shows.
    """
    from matplotlib.figure import Figure

    size = NAMES_WIDTH + PANEL_WIDTH * len(panels), FRAME_HEIGHT + ROW_HEIGHT * len(names)
    with drawing():
        figure = Figure(figsize=size, layout="constrained")
        every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(every, panels, strict=True):
            _fill(axes, panel)
        every[0].set_yticks(range(len(names)), names)
        every[0].tick_params(axis="y", labelcolor=INK)
        every[0].set_ylim(len(names) - 0.5, -0.5)
        return render(figure, name, alt)


def _fill(axes: "Axes", panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(panel.heading, fontsize=8, color=INK, loc="left")
    axes.grid(True, axis="x")
    everything = [value for values in panel.values for value in values]
    if panel.floor is not None:
        everything.append(panel.floor)
        axes.axvline(panel.floor, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
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
