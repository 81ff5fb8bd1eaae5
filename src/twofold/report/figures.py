"""Every picture of the page, and those of measures with their noise, a point per run or a curve."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from twofold.evaluation.comparison import THRESHOLD, comparable
from twofold.evaluation.figure import Figure
from twofold.evaluation.summary import RunSummary
from twofold.pictures.style import (
    INK,
    MUTED,
    RULE,
    Picture,
    badge,
    canvas,
    color,
    cut,
    drawing,
    label_ticks,
    render,
)
from twofold.report.curves import diagnosis_panels, draw_panel, panels
from twofold.report.maps import draw_confusions
from twofold.report.tables import class_tables
from twofold.words import capitalize, common_title, count, number, slug

__all__ = [
    "draw_bounds",
    "draw_limits",
    "draw_measures",
    "draw_per_class",
    "draw_pictures",
    "draw_quality_and_cost",
    "draw_tradeoffs",
]

SQUARE, WIDE = (4.0, 3.4), (4.0, 2.8)
CROSS: dict[str, Any] = {"markersize": 7, "markeredgewidth": 0}
THIN: dict[str, Any] = {"linewidth": 1.2}
DASHED: dict[str, Any] = {"linewidth": 1, "linestyle": (0, (4, 3))}
# Those with a figure of their own; of the others the table has to do
HEADLINES = ("elbo", "gan_test/classifier-cnn", "accuracy", "fid/classifier")
LIMIT = "fid_infinity/classifier"
TRADEOFFS = (("recall", "precision"), ("coverage", "density"))
EXTRACTORS = ("classifier", "random")
QUALITIES = ("fid/classifier", "gan_test/classifier-cnn", "elbo")
UNITS = ((3600, "hours"), (60, "minutes"), (1, "seconds"))
FAR_APART = 5.0  # a range of times this many times its least is shown on a logarithmic axis


def draw_pictures(runs: Sequence[RunSummary]) -> dict[str, list[tuple[str, Picture]]]:
    """What there is to draw of these runs: pictures with their headings, by section of the page."""
    return {
        "curves": [
            (panel.title, draw_panel(panel, runs))
            for panel in [*panels(runs), *diagnosis_panels(runs)]
        ],
        "measures": list(draw_measures(runs)),
        "tradeoffs": draw_tradeoffs(runs),
        "confusions": list(draw_confusions(runs)),
        "bounds": list(draw_bounds(runs)),
        "limits": list(draw_limits(runs)),
        "classes": [(name, draw_per_class(name, runs)) for name, *_ in class_tables(runs)],
        "cost": draw_quality_and_cost(runs),
    }


def draw_measures(runs: Sequence[RunSummary]) -> Iterator[tuple[str, Picture]]:
    """Of each headline: a dot per run, a bar of two standard errors, the floor as a dashed line."""
    for name in HEADLINES:
        having = _having(runs, name)
        if len(having) < 2:
            continue
        first = having[0][1].figures[name]
        title = common_title([run.figures[name].title for _, run in having])
        heading = capitalize(title.partition(":")[0])
        with drawing():
            figure, axes = canvas((4.0, 0.75 + 0.3 * len(having)))
            axes.grid(True, axis="x")
            axes.grid(False, axis="y")
            for row, (i, run) in enumerate(having):
                one = run.figures[name]
                axes.errorbar(
                    one.value, row, xerr=_bar(one.error), fmt="o", color=color(i), markersize=5.5
                )
            for floor in {run.figures[name].reference for _, run in having} - {None}:
                axes.axvline(floor or 0.0, color=MUTED, **DASHED)
            axes.set_yticks(range(len(having)), [run.letter for _, run in having])
            for tick, (i, _) in zip(axes.get_yticklabels(), having, strict=True):
                tick.set(color=color(i), fontweight="bold", fontsize=9)
            axes.set_ylim(len(having) - 0.5, -0.5)
            axes.margins(x=0.12)
            axes.set_xlabel(first.unit)
            axes.ticklabel_format(axis="x", useOffset=False)
            alt = f"{first.title} of every run"
            yield heading, render(figure, f"measure-{slug(name)}", alt)


def draw_per_class(name: str, runs: Sequence[RunSummary]) -> Picture:
    """One measure by class: a row per class, a letter's dot per run."""
    having = _having(runs, name)
    measure = having[0][1].figures[name]
    classes = list(dict.fromkeys(k for _, run in having for k in run.figures[name].per_class))
    with drawing():
        figure, axes = canvas((4.0, 0.75 + 0.22 * len(classes)))
        axes.grid(True, axis="both")
        for row, of in enumerate(classes):
            known = {i: run.figures[name].per_class.get(of) for i, run in having}
            shown = {i: v for i, v in known.items() if v is not None and math.isfinite(v)}
            if len(shown) > 1:
                ends = [min(shown.values()), max(shown.values())]
                axes.plot(ends, [row, row], color=RULE, linewidth=3)
            for i, value in shown.items():
                badge(axes, value, row, runs[i].letter, color(i))
        axes.set_yticks(range(len(classes)), [cut(of) for of in classes], color=INK)
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.margins(x=0.08)
        axes.set_xlabel(measure.unit)
        return render(figure, f"by-class-{slug(name)}", f"{measure.title} by class")


def draw_tradeoffs(runs: Sequence[RunSummary]) -> list[tuple[str, Picture]]:
    """Precision against recall and density against coverage, each with the floor as a cross.

    Of the classifier's features where any run has them, else of random ones.
    """
    for extractor in EXTRACTORS:
        found = []
        for x, y in TRADEOFFS:
            across, up = f"{x}/{extractor}", f"{y}/{extractor}"
            having = [(i, run) for i, run in _having(runs, across) if up in run.figures]
            if having:
                found.append((f"{capitalize(y)} and {x}", _draw_tradeoff(having, across, up)))
        if found:
            return found
    return []


def draw_quality_and_cost(runs: Sequence[RunSummary]) -> list[tuple[str, Picture]]:
    """The first of a few measures that all trained runs have, by the time that training took."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    timed = [(i, run) for i, run in enumerate(runs) if run.seconds and (run.is_vae or run.is_gan)]
    known = [run for _, run in timed]
    alike = [name for name in QUALITIES if all(name in run.figures for run in known)]
    names = [name for name in alike if len(timed) > 1 and not comparable(known, name)]
    if not names:
        return []
    name = names[0]
    first = timed[0][1].figures[name]
    with drawing():
        figure, axes = canvas(SQUARE)
        axes.grid(True, axis="both")
        times = [run.seconds or 0.0 for _, run in timed]
        size, unit = next((one for one in UNITS if max(times) > 2 * one[0]), UNITS[-1])
        axes.xaxis.set_major_locator(MaxNLocator(6))
        if max(times) > FAR_APART * min(times):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=7))
        label_ticks(axes, lambda time: number(time / size, 3))
        axes.set_xlabel(f"training time, {unit}, lower is better")
        for floor in {run.figures[name].reference for _, run in timed} - {None}:
            axes.axhline(floor or 0.0, color=MUTED, **DASHED)
        for i, run in timed:
            time, one = run.seconds or 0.0, run.figures[name]
            axes.errorbar(time, one.value, yerr=_bar(one.error), color=color(i), **THIN)
            badge(axes, time, one.value, run.letter, color(i))
        axes.margins(0.14)
        axes.set_ylabel(_axis(first))
        alt = f"{first.title} by training time, a point per run"
        picture = render(figure, "quality-and-cost", alt)
    return [(f"{capitalize(first.title)}, against training time", picture)]


def draw_bounds(runs: Sequence[RunSummary]) -> Iterator[tuple[str, Picture]]:
    """For every run that has them: the IWAE bound by its k, and AIS as a dashed line.

    AIS is of few images, so its line lies as far above the end of the curve as AIS was above the
    IWAE bound of those few.
    """
    for i, run in enumerate(runs):
        bounds = (m for name, m in run.figures.items() if name.startswith("iwae/"))
        curves = [measure.details.get("convergence") or [] for measure in bounds]
        curve = max(curves, key=len, default=[])  # rows of k, bound, standard error
        if len(curve) < 2:
            continue
        k, values, errors = ([row[i] for row in curve] for i in range(3))
        bars = [THRESHOLD * (error or 0.0) for error in errors]
        with drawing():
            figure, axes = canvas(WIDE)
            axes.set_xscale("log")
            axes.errorbar(k, values, yerr=bars, fmt="o-", color=color(i), markersize=3.5, **THIN)
            if "ais" in run.figures and (above := run.figures["ais"].details.get("above_iwae")):
                axes.axhline(values[-1] + above[0], color=color(i), **DASHED)
            axes.margins(x=0.06, y=0.12)
            axes.set_xticks(k)
            label_ticks(axes, lambda value: count(round(value)))
            axes.set_xlabel("k, draws from q(z|x) for each image")
            axes.set_ylabel("nats per image")
            alt = f"The IWAE bound of {run.name} by its number of draws"
            picture = render(figure, f"iwae-by-k-{run.letter}", alt)
        yield f"{run.mention} IWAE bound", picture


def draw_limits(runs: Sequence[RunSummary]) -> Iterator[tuple[str, Picture]]:
    """For every run that has them: FID of fewer and of more images, and the line to its limit."""
    for i, run in _having(runs, LIMIT):
        measure = run.figures[LIMIT]
        points = measure.details.get("points") or []
        if len(points) < 2:
            continue
        counts, values = np.array(points, dtype=np.float64).T
        slope = np.polyfit(1 / counts, values, 1)[0]
        with drawing():
            figure, axes = canvas(WIDE)
            end = 1 / counts.min()
            axes.plot(
                [0, end], [measure.value, measure.value + slope * end], color=color(i), **DASHED
            )
            axes.plot(1 / counts, values, "o", color=color(i), markersize=3.5)
            bar = _bar(measure.error)
            axes.errorbar(0, measure.value, yerr=bar, fmt="D", color=color(i), markersize=4.5)
            if measure.reference is not None:
                axes.axhline(measure.reference, color=MUTED, **DASHED)
            shown = [counts.max(), np.median(counts), counts.min()]
            texts = [count(round(n)) for n in shown]
            axes.set_xticks([0, *(1 / n for n in shown)], ["∞", *texts])
            axes.margins(x=0.06, y=0.12)
            axes.set_xlabel("N images, by 1 / N")
            axes.set_ylabel("FID")
            alt = f"FID of {run.name} by 1 / N, and its limit of {number(measure.value)}"
            picture = render(figure, f"fid-by-n-{run.letter}", alt)
        yield f"{run.mention} FID, classifier features", picture


def _having(runs: Sequence[RunSummary], name: str) -> list[tuple[int, RunSummary]]:
    """The runs that have a measure, with their places."""
    return [(i, run) for i, run in enumerate(runs) if name in run.figures]


def _draw_tradeoff(having: Sequence[tuple[int, RunSummary]], across: str, up: str) -> Picture:
    pairs = [(run.figures[across], run.figures[up]) for _, run in having]
    with drawing():
        figure, axes = canvas(SQUARE)
        axes.grid(True, axis="both")
        floors: list[Any] = [
            (x.reference, y.reference) for x, y in pairs if None not in (x.reference, y.reference)
        ]
        if floors:
            axes.plot(*zip(*dict.fromkeys(floors), strict=True), "P", color=MUTED, **CROSS)
            lowest = min(floors, key=lambda point: point[1])
            style = {"textcoords": "offset points", "color": MUTED, "fontsize": 7.5}
            axes.annotate("real images", lowest, xytext=(0, -13), ha="center", **style)
        for (i, run), (x, y) in zip(having, pairs, strict=True):
            axes.errorbar(
                x.value, y.value, xerr=_bar(x.error), yerr=_bar(y.error), color=color(i), **THIN
            )
            badge(axes, x.value, y.value, run.letter, color(i))
        axes.margins(0.14)
        axes.set_xlabel(_axis(pairs[0][0]))
        axes.set_ylabel(_axis(pairs[0][1]))
        title = f"{capitalize(pairs[0][1].title)} against {pairs[0][0].title}"
        return render(figure, f"tradeoff-{slug(across)}", f"{title}, a point per run")


def _bar(error: float | None) -> float | None:
    """Two standard errors, where there is one."""
    return None if error is None else THRESHOLD * error


def _axis(measure: Figure) -> str:
    """`recall, classifier features, %, higher is better`."""
    better = f"{measure.better} is better" if measure.better else ""
    return ", ".join(filter(None, [measure.title, measure.unit, better]))
