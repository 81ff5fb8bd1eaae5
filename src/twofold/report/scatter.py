"""Every run as a point between two figures: fidelity and diversity, quality and cost."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twofold.metrics.measure import Measure
from twofold.pictures.canvas import badge, canvas, color, label_ticks
from twofold.pictures.style import MUTED, Picture, drawing, render
from twofold.report.facts import Facts
from twofold.report.noise import THRESHOLD, comparable
from twofold.report.words import capitalize, number, slug

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_quality_and_cost", "draw_tradeoffs"]

SIZE = (4.0, 3.4)
TRADEOFFS = (("recall", "precision"), ("coverage", "density"))
EXTRACTORS = ("classifier", "random")
QUALITIES = ("fid/classifier", "gan_test/classifier-cnn", "elbo")
UNITS = ((3600, "hours"), (60, "minutes"), (1, "seconds"))
WIDE = 5.0  # a range of times this many times its least is shown on a logarithmic axis


def draw_tradeoffs(runs: Sequence[Facts]) -> list[tuple[str, Picture]]:
    """Precision against recall and density against coverage, each with the floor as a cross.

    Of the classifier's features where any run has them, else of random ones.
    """
    for extractor in EXTRACTORS:
        pairs = [((x, y), (f"{x}/{extractor}", f"{y}/{extractor}")) for x, y in TRADEOFFS]
        found = [
            (f"{capitalize(y)} and {x}", _draw_tradeoff(having, *names))
            for (x, y), names in pairs
            if (having := [(i, r) for i, r in enumerate(runs) if set(names) <= r.measures.keys()])
        ]
        if found:
            return found
    return []


def draw_quality_and_cost(runs: Sequence[Facts]) -> tuple[str, Picture] | None:
    """The first of a few measures that all trained runs have, by the time that training took."""
    timed = [run for run in runs if run.seconds and (run.is_vae or run.is_gan)]
    for name in QUALITIES if len(timed) > 1 else ():
        if all(name in run.measures for run in timed) and not comparable(timed, name):
            title = timed[0].measures[name].title
            return f"{capitalize(title)}, against training time", _draw_cost(runs, timed, name)
    return None


def _draw_tradeoff(having: Sequence[tuple[int, Facts]], across: str, up: str) -> Picture:
    pairs = [(run.measures[across], run.measures[up]) for _, run in having]
    with drawing():
        figure, axes = canvas(SIZE)
        axes.grid(True, axis="both")
        floors = [(x.floor, y.floor) for x, y in pairs if None not in (x.floor, y.floor)]
        if floors:
            _floor(axes, list(dict.fromkeys(floors)))
        for (i, run), (x, y) in zip(having, pairs, strict=True):
            _point(axes, x.value, y.value, x.error, y.error, run.letter, color(i))
        axes.margins(0.14)
        axes.set_xlabel(_axis(pairs[0][0]))
        axes.set_ylabel(_axis(pairs[0][1]))
        title = f"{capitalize(pairs[0][1].title)} against {pairs[0][0].title}"
        return render(figure, f"tradeoff-{slug(across)}", f"{title}, a point per run")


def _draw_cost(runs: Sequence[Facts], timed: Sequence[Facts], name: str) -> Picture:
    first = timed[0].measures[name]
    seconds = [run.seconds or 0.0 for run in timed]
    with drawing():
        figure, axes = canvas(SIZE)
        axes.grid(True, axis="both")
        _time(axes, seconds)
        floors = {run.measures[name].floor for run in timed} - {None}
        for floor in floors:
            axes.axhline(floor or 0.0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for run, time in zip(timed, seconds, strict=True):
            measure = run.measures[name]
            ink = color([other.letter for other in runs].index(run.letter))
            _point(axes, time, measure.value, None, measure.error, run.letter, ink)
        axes.margins(0.14)
        axes.set_ylabel(_axis(first))
        return render(
            figure, "quality-and-cost", f"{first.title} by training time, a point per run"
        )


def _time(axes: "Axes", seconds: Sequence[float]) -> None:
    """A horizontal axis of times, logarithmic where they are far apart, with a few round ticks."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    size, unit = next((one for one in UNITS if max(seconds) > 2 * one[0]), UNITS[-1])
    axes.xaxis.set_major_locator(MaxNLocator(6))
    if max(seconds) > WIDE * min(seconds):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=7))
    label_ticks(axes, lambda time: number(time / size, 3))
    axes.set_xlabel(f"training time, {unit}, lower is better")


def _point(
    axes: "Axes",
    x: float,
    y: float,
    x_error: float | None,
    y_error: float | None,
    letter: str,
    ink: str,
) -> None:
    """A run's letter, with bars of two standard errors."""
    bars = [None if error is None else THRESHOLD * error for error in (x_error, y_error)]
    axes.errorbar(x, y, xerr=bars[0], yerr=bars[1], color=ink, linewidth=1.2)
    badge(axes, x, y, letter, ink)


def _floor(axes: "Axes", points: Sequence[tuple[Any, Any]]) -> None:
    axes.plot(*zip(*points, strict=True), "P", color=MUTED, markersize=7, markeredgewidth=0)
    lowest = min(points, key=lambda point: point[1])
    style = {"textcoords": "offset points", "color": MUTED, "fontsize": 7.5}
    axes.annotate("real images", lowest, xytext=(0, -13), ha="center", **style)


def _axis(measure: Measure) -> str:
    """`recall, classifier features, %, → higher is better`."""
    better = f"{measure.better} is better" if measure.better else ""
    return ", ".join(filter(None, [measure.title, measure.unit, better]))
