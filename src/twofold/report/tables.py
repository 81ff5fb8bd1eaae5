"""The tables of the report as plain rows of text; the template only lays them out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twofold.metrics.measure import Measure
from twofold.report.contrast import contrast, interval
from twofold.report.facts import Facts
from twofold.report.kinds import by_kind
from twofold.report.seeds import Group, group_by_recipe, has_repeats
from twofold.report.words import common_title, count, duration, memory, number, plural, with_unit

__all__ = [
    "Cell",
    "Row",
    "SeedRow",
    "SeedTable",
    "class_tables",
    "cost_rows",
    "one_machine",
    "seed_table",
    "version_rows",
]

MACHINE = ("device", "processor", "cores", "threads")
BY_CLASS = ("gan_test/classifier-cnn", "fid/classifier", "coverage/classifier", "accuracy")


@dataclass(frozen=True)
class Cell:
    """One figure; blank where it was not measured.

    Attributes:
        text: The figure, or nothing.
        best: Whether it is better than all others by more than noise.
        small: What this run's figure depends on, where runs differ in that.
    """

    text: str = ""
    best: bool = False
    small: str = ""


@dataclass(frozen=True)
class Row:
    """A title and a text per run; `bars` are shares of the largest, for a drawn length."""

    title: str
    cells: list[str]
    bars: list[float | None]


@dataclass(frozen=True)
class SeedRow:
    """Mean ± standard deviation of every recipe, and how far the first is above the second."""

    title: str
    unit: str
    cells: list[Cell]
    difference: Cell


@dataclass(frozen=True)
class SeedTable:
    """Recipes with their numbers of draws, and a row per measure.

    Attributes:
        over: What the runs of a recipe differ in: seeds, label draws.
        heads: A mention and a number of draws for each recipe.
        rows: One for every measure.
    """

    over: str
    heads: list[tuple[str, str]]
    rows: list[SeedRow]

    @property
    def has_difference(self) -> bool:
        return len(self.heads) == 2


def class_tables(runs: Sequence[Facts]) -> list[tuple[str, str, str, list[Row]]]:
    """For each of a few measures by class: name, title, unit and a row per class."""
    found = []
    for name in BY_CLASS:
        having = {run.letter: run.measures[name] for run in runs if name in run.measures}
        classes = dict.fromkeys(c for measure in having.values() for c in measure.per_class)
        first = next(iter(having.values()), None)
        rows = [Row(c, [_class_cell(having.get(r.letter), c) for r in runs], []) for c in classes]
        if first is not None and rows:
            found.append((name, first.title, first.unit, rows))
    return found


def cost_rows(runs: Sequence[Facts]) -> list[Row]:
    """What the runs cost: time, speed, memory, operations, parameters, machine."""
    rows = [
        _amounts(runs, "Time per epoch", lambda r: r.seconds_per_epoch, duration),
        _amounts(runs, "Training time in all", lambda r: r.seconds, duration),
        _amounts(runs, "Epochs done", lambda r: r.epochs_done, number, bar=False),
        _amounts(runs, "Images a second", lambda r: r.images_per_second, lambda v: number(v, 3)),
        _measured(runs, "Images generated a second", "generation_speed"),
        _amounts(runs, "Peak memory in training", lambda r: r.peak_memory, memory),
        _measured(runs, "Operations per image in training", "training_flops"),
        _measured(runs, "Operations per generated image", "generation_flops"),
        _amounts(
            runs, "Parameters in all", lambda r: sum(r.parameters.values()), lambda v: count(int(v))
        ),
    ]
    for network in dict.fromkeys(name for run in runs for name in run.parameters):
        title = f"… of the {network.replace('_', ' ')}"
        rows.append(
            _amounts(
                runs,
                title,
                lambda r, n=network: r.parameters.get(n),
                lambda v: count(int(v)),
                False,
            )
        )
    if not one_machine(runs):
        rows += [_environment(runs, key.capitalize(), key) for key in MACHINE]
    return [row for row in rows if any(row.cells)]


def one_machine(runs: Sequence[Facts]) -> str:
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
    return ", ".join(part for part in parts if part)


def seed_table(runs: Sequence[Facts]) -> SeedTable | None:
    """Means over seeds or label draws, where any recipe has several."""
    if not has_repeats(runs):
        return None
    groups = group_by_recipe(runs)
    known = {name: [] for run in runs for name in run.measures}
    for run in runs:
        for name, measure in run.measures.items():
            known[name].append(measure)
    nouns = {group.noun for group in groups if len(group.draws) > 1}
    return SeedTable(
        over=f"{nouns.pop()}s" if len(nouns) == 1 else "runs",
        heads=[(group.mention, plural(len(group.draws), group.noun)) for group in groups],
        rows=[
            SeedRow(
                title=common_title([measure.title for measure in known[name]]),
                unit=known[name][0].unit,
                cells=[_mean_cell(group, name) for group in groups],
                difference=_difference_cell(groups, name),
            )
            for _, names in by_kind(runs)
            for name in names
        ],
    )


def version_rows(runs: Sequence[Facts]) -> list[Row]:
    """The software that made each run."""
    keys = {
        "Twofold": "twofold",
        "Python": "python",
        "PyTorch": "torch",
        "NumPy": "numpy",
        "Platform": "platform",
        "Started": "started",
    }
    return [_environment(runs, title, key) for title, key in keys.items()]


def _mean_cell(group: Group, name: str) -> Cell:
    values = group.values(name)
    some = f"of {plural(len(values), group.noun)}" if 0 < len(values) < len(group.draws) else ""
    return Cell(group.figure(name), small=some)


def _difference_cell(groups: Sequence[Group], name: str) -> Cell:
    """`26 (20 to 33)`, and whether that is noise."""
    found = contrast(groups, name) if len(groups) == 2 else None
    if found is None:
        return Cell()
    one = found.difference
    verdict = "within noise" if one.within_noise else "more than noise"
    amount, ends = interval(one)
    return Cell(f"{amount} ({ends})", not one.within_noise, f"{verdict}: {found.how}")


def _class_cell(measure: Measure | None, name: str) -> str:
    value = None if measure is None else measure.per_class.get(name)
    return "" if value is None else number(value)


def _amounts(
    runs: Sequence[Facts],
    title: str,
    value: Callable[[Facts], float | None],
    text: Callable[[float], str],
    bar: bool = True,
) -> Row:
    values = [value(run) or None for run in runs]
    most = max((v for v in values if v), default=0.0)
    bars = [v / most if v and bar and len(runs) > 1 else None for v in values]
    return Row(title, [text(v) if v else "" for v in values], bars)


def _measured(runs: Sequence[Facts], title: str, name: str) -> Row:
    """A cost that `evaluate` measured, with its unit where that is not in the title."""
    units = {run.costs[name].unit for run in runs if name in run.costs}
    unit = "".join(units - {"images per s"})
    return _amounts(
        runs,
        title,
        lambda run: run.costs[name].value if name in run.costs else None,
        lambda value: with_unit(number(value, 3), unit),
    )


def _environment(runs: Sequence[Facts], title: str, key: str) -> Row:
    values = [run.environment.get(key) for run in runs]
    return Row(title, ["" if v is None else str(v) for v in values], [])
