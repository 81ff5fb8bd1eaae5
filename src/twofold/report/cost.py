"""What the runs cost, as a table and against what they give."""

from collections.abc import Callable, Sequence
from typing import Any

from twofold.evaluation.comparison import comparable
from twofold.evaluation.measure import quantity_of
from twofold.evaluation.pictures import SQUARE, THIN, Panel, axis_title, bars, draw_reference
from twofold.evaluation.summary import RunSummary
from twofold.pictures.style import badge, canvas, drawing, label_ticks, render
from twofold.report.tables import Cell, Row, of_environment
from twofold.words import capitalize, count, duration, memory, number, plural

__all__ = ["cost_rows", "draw_quality_and_cost", "headlines", "one_machine"]

MACHINE = ("device", "processor", "cores", "threads")
UNITS = ((3600, "hours"), (60, "minutes"), (1, "seconds"))
FAR_APART = 5.0  # a range of times this many times its least is shown on a logarithmic axis


def headlines(runs: Sequence[RunSummary]) -> list[str]:
    """The names of figures that have a sentence of their own, in the order they were taken."""
    names = dict.fromkeys(name for run in runs for name in run.figures)
    return [name for name in names if (one := quantity_of(name)) and one.headline]


def cost_rows(runs: Sequence[RunSummary]) -> list[Row]:
    """What the runs cost: time, speed, memory, operations, parameters, machine."""
    sizes = [run.parameters for run in runs]
    rows = [
        _amounts("Time per epoch", [run.seconds_per_epoch for run in runs], duration),
        _amounts("Training time in all", [run.seconds for run in runs], duration),
        _amounts("Epochs done", [run.epochs_done for run in runs], number, bar=False),
        _amounts("Images a second", [run.images_per_second for run in runs], _rounded),
        _amounts("Peak memory in training", [run.last.get("memory") for run in runs], memory),
        _amounts("Parameters in all", [sum(one.values()) for one in sizes], count),
    ]
    for network in dict.fromkeys(name for one in sizes for name in one):
        title = f"… of the {network.replace('_', ' ')}"
        rows.append(_amounts(title, [one.get(network) for one in sizes], count, bar=False))
    if not one_machine(runs):
        rows += [of_environment(runs, key.capitalize(), key) for key in MACHINE]
    return [row for row in rows if any(cell.text for cell in row.cells)]


def one_machine(runs: Sequence[RunSummary]) -> str:
    """`AMD EPYC, 2 cores, 1 thread, cpu` where all runs are of one machine, or nothing."""
    if len({run.hardware for run in runs}) > 1:
        return ""
    processor, cores, threads, device = runs[0].hardware
    parts = [
        str(processor or ""),
        plural(cores, "core") if cores else "",
        plural(threads, "thread") if threads else "",
        f"device {device}" if device else "",
    ]
    return ", ".join(filter(None, parts))


def draw_quality_and_cost(runs: Sequence[RunSummary]) -> list[Panel]:
    """The first of a few measures that all trained runs have, by the time that training took."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    timed = [run for run in runs if run.seconds and (run.is_vae or run.is_gan)]
    alike = [name for name in headlines(runs) if all(name in run.figures for run in timed)]
    names = [name for name in alike if len(timed) > 1 and not comparable(timed, name)]
    if not names:
        return []
    name = names[0]
    first = timed[0].figures[name]
    with drawing():
        figure, axes = canvas(SQUARE)
        axes.grid(True, axis="both")
        times = [run.seconds or 0.0 for run in timed]
        size, unit = next((one for one in UNITS if max(times) > 2 * one[0]), UNITS[-1])
        axes.xaxis.set_major_locator(MaxNLocator(6))
        if max(times) > FAR_APART * min(times):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=7))
        label_ticks(axes, lambda time: number(time / size, 3))
        axes.set_xlabel(f"training time, {unit}, lower is better")
        draw_reference(axes, [run.figures[name] for run in timed], "y")
        for run in timed:
            time, one = run.seconds or 0.0, run.figures[name]
            axes.errorbar(time, one.value, yerr=bars(one), color=run.ink, **THIN)
            badge(axes, time, one.value, run.letter, run.ink)
        axes.margins(0.14)
        axes.set_ylabel(axis_title(first))
        alt = f"{first.title} by training time, a point per run"
        picture = render(figure, "quality-and-cost", alt)
    return [Panel(f"{capitalize(first.title)}, against training time", picture)]


def _amounts(
    title: str, values: Sequence[float | None], text: Callable[[Any], str], bar: bool = True
) -> Row:
    most = max((value for value in values if value), default=0.0)
    drawn = bar and len(values) > 1
    cells = [
        Cell(text(value), bar=value / most if drawn else None) if value else Cell()
        for value in values
    ]
    return Row(title, cells)


def _rounded(value: float) -> str:
    return number(value, 3)
