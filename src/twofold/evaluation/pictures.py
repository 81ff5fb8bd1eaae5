"""Pictures of figures with their noise, a mark per run, that any measure can use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.summary import RunSummary, those_with
from twofold.pictures.sheets import contact_sheet
from twofold.pictures.style import (
    INK,
    MUTED,
    RULE,
    Picture,
    badge,
    canvas,
    cut,
    drawing,
    render,
)
from twofold.words import capitalize, common_title, slug

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DASHED", "SQUARE", "THIN", "WIDE", "Panel", "axis_title", "bars", "draw_by_class",
           "draw_dots", "draw_reference", "draw_strip", "draw_tradeoff", "keep_within"]  # fmt: skip

SQUARE, WIDE = (4.0, 3.4), (4.0, 2.8)
THIN: dict[str, Any] = {"linewidth": 1.2}
DASHED: dict[str, Any] = {"linewidth": 1, "linestyle": (0, (4, 3))}
BARS = "Bars are 95 % intervals over images; the dashed line is the same of real images."


@dataclass(frozen=True)
class Panel:
    """A picture of the report.

    Attributes:
        heading: May name runs by their mention.
        picture: What is drawn.
        note: How to read it; the page says it once for all panels that have it.
        folded: Whether it is shown only where the reader asks for it.
    """

    heading: str
    picture: Picture
    note: str = ""
    folded: bool = False


def draw_dots(runs: Sequence[RunSummary], quantity: Quantity, name: str) -> Panel | None:
    """A dot per run with its interval, the reference as a dashed line; None for a single run."""
    having = those_with(runs, name)
    if len(having) < 2:
        return None
    title = common_title([run.figures[name].title for run in having])
    with drawing():
        figure, axes = canvas((4.0, 0.75 + 0.3 * len(having)))
        axes.grid(True, axis="x")
        axes.grid(False, axis="y")
        for row, run in enumerate(having):
            one = run.figures[name]
            style = {"fmt": "o", "color": run.ink, "markersize": 5.5}
            axes.errorbar(one.value, row, xerr=bars(one), **style)
        draw_reference(axes, [run.figures[name] for run in having], "x")
        axes.set_yticks(range(len(having)), [run.letter for run in having])
        for tick, run in zip(axes.get_yticklabels(), having, strict=True):
            tick.set(color=run.ink, fontweight="bold", fontsize=9)
        axes.set_ylim(len(having) - 0.5, -0.5)
        axes.margins(x=0.12)
        axes.set_xlabel(having[0].figures[name].unit)
        axes.ticklabel_format(axis="x", useOffset=False)
        keep_within(axes, "x", quantity)
        picture = render(figure, f"measure-{slug(name)}", f"{title} of every run")
    return Panel(capitalize(title), picture, BARS)


def draw_by_class(runs: Sequence[RunSummary], name: str) -> Panel | None:
    """A figure by class: a row per class, a letter per run; None where no run has it by class."""
    having = [run for run in those_with(runs, name) if run.figures[name].per_class]
    if not having:
        return None
    first = having[0].figures[name]
    classes = list(dict.fromkeys(k for run in having for k in run.figures[name].per_class))
    with drawing():
        figure, axes = canvas((4.0, 0.75 + 0.22 * len(classes)))
        axes.grid(True, axis="both")
        for row, of in enumerate(classes):
            known = [(run, run.figures[name].per_class.get(of)) for run in having]
            shown = [(run, v) for run, v in known if v is not None and math.isfinite(v)]
            if len(shown) > 1:
                values = [value for _, value in shown]
                axes.plot([min(values), max(values)], [row, row], color=RULE, linewidth=3)
            for run, value in shown:
                badge(axes, value, row, run.letter, run.ink)
        axes.set_yticks(range(len(classes)), [cut(of) for of in classes], color=INK)
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.margins(x=0.08)
        axes.set_xlabel(first.unit)
        picture = render(figure, f"by-class-{slug(name)}", f"{first.title} by class")
    return Panel(f"{capitalize(first.title)} by class", picture, folded=True)


def draw_tradeoff(
    runs: Sequence[RunSummary], across: tuple[Quantity, str], up: tuple[Quantity, str], note: str
) -> Panel | None:
    """One figure against another, a badge per run, real images as a cross.

    Arguments:
        runs: Those that have both are drawn.
        across: The quantity of the horizontal axis and the name of its figure.
        up: Of the vertical axis.
        note: How to read it.
    """
    (of_x, x_name), (of_y, y_name) = across, up
    having = [run for run in those_with(runs, x_name) if y_name in run.figures]
    if not having:
        return None
    pairs = [(run.figures[x_name], run.figures[y_name]) for run in having]
    with drawing():
        figure, axes = canvas(SQUARE)
        axes.grid(True, axis="both")
        for i, (x, y) in enumerate(dict.fromkeys((x.reference, y.reference) for x, y in pairs)):
            if x is not None and y is not None:
                axes.plot(x, y, "P", color=MUTED, markersize=7, markeredgewidth=0)
                style = {"textcoords": "offset points", "color": MUTED, "fontsize": 7.5}
                words = "real images" if i == 0 else ""
                axes.annotate(words, (x, y), xytext=(0, -13), ha="center", **style)
        taken: dict[tuple[int, int], int] = {}  # points that lie on one another are fanned out
        spread = [_span([x.value for x, _ in pairs]), _span([y.value for _, y in pairs])]
        for run, (x, y) in zip(having, pairs, strict=True):
            axes.errorbar(x.value, y.value, xerr=bars(x), yerr=bars(y), color=run.ink, **THIN)
            cell = (round(20 * x.value / spread[0]), round(20 * y.value / spread[1]))
            taken[cell] = taken.get(cell, -1) + 1
            badge(axes, x.value + 0.05 * spread[0] * taken[cell], y.value, run.letter, run.ink)
        axes.margins(0.14)
        keep_within(axes, "x", of_x)
        keep_within(axes, "y", of_y)
        axes.set_xlabel(axis_title(pairs[0][0]))
        axes.set_ylabel(axis_title(pairs[0][1]))
        title = f"{capitalize(pairs[0][1].title)} against {pairs[0][0].title}"
        picture = render(figure, f"tradeoff-{slug(x_name)}", f"{title}, a point per run")
    return Panel(f"{capitalize(of_y.title)} and {of_x.title}", picture, note)


def draw_strip(images: NDArray[np.uint8], rows: Sequence[str], name: str, alt: str) -> Picture:
    """Images (R, n, C, H, W) pixel by pixel, with the names of the R rows."""
    sheet = contact_sheet(images.reshape(-1, *images.shape[2:]), images.shape[1], gap=1)
    height, width = sheet.shape[:2]
    with drawing():
        figure, axes = canvas((5.0, max(0.7, 5.0 * height / width)))
        axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.grid(False)
        axes.spines[:].set_visible(False)
        step = height / len(rows)
        axes.set_xticks([])
        axes.set_yticks([step * (i + 0.5) for i in range(len(rows))], rows)
        return render(figure, name, alt)


def draw_reference(axes: "Axes", figures: Sequence[Figure], axis: str) -> None:
    """The same of real images as a dashed line across an axis."""
    line = axes.axvline if axis == "x" else axes.axhline
    for value in {one.reference for one in figures} - {None}:
        line(value or 0.0, color=MUTED, **DASHED)


def keep_within(axes: "Axes", axis: str, quantity: Quantity) -> None:
    """Ends an axis a little beyond where the quantity ends."""
    low, high = axes.get_xlim() if axis == "x" else axes.get_ylim()
    room = 0.04 * (high - low)
    limits = max(low, quantity.least - room), min(high, quantity.most + room)
    (axes.set_xlim if axis == "x" else axes.set_ylim)(*limits)


def bars(figure: Figure) -> list[list[float]] | None:
    """How far its 95 % interval reaches below and above, shape (2, 1), where there is one."""
    if figure.ends is None:
        return None
    low, high = figure.ends
    return [[max(0.0, figure.value - low)], [max(0.0, high - figure.value)]]


def axis_title(figure: Figure) -> str:
    """`recall, classifier features, %` and which way is better, in lines that fit an axis."""
    better = f"{figure.better} is better" if figure.better else ""
    first = ", ".join(filter(None, [figure.title, figure.unit]))
    return "\n".join(filter(None, [cut(first, 44), better]))


def _span(values: Sequence[float]) -> float:
    return (max(values) - min(values)) or 1.0
