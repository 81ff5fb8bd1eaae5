"""The tables of the report as plain rows of text; the template only lays them out."""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twofold.evaluation.comparison import (
    Group,
    best,
    comparable,
    contrast,
    group_by_recipe,
    has_repeats,
    interval,
)
from twofold.evaluation.summary import RunSummary, those_with
from twofold.report.kinds import Kind, by_kind
from twofold.words import (
    common_title,
    count,
    duration,
    memory,
    number,
    plural,
    plus_minus,
    with_unit,
)

__all__ = [
    "Cell",
    "MeasureGroup",
    "MeasureRow",
    "Row",
    "SeedTable",
    "class_tables",
    "cost_rows",
    "measure_groups",
    "missing",
    "one_machine",
    "seed_table",
    "version_rows",
]

ARROWS = {"higher": "↑", "lower": "↓", None: ""}
BY_CLASS = ("gan_test/classifier-cnn", "fid/classifier", "coverage/classifier", "accuracy")
DIGEST = re.compile(r" ([0-9a-f]{6})[0-9a-f]{10}$")
MACHINE = ("device", "processor", "cores", "threads")
OBVIOUS = ("extractor", "classifier_accuracy")
VERSIONS = {
    "Twofold": "twofold",
    "Python": "python",
    "PyTorch": "torch",
    "NumPy": "numpy",
    "Platform": "platform",
    "Started": "started",
}


@dataclass(frozen=True)
class Cell:
    """One figure; blank where it was not measured."""

    text: str = ""
    best: bool = False  # better than all others by more than noise
    small: str = ""  # what this run's figure depends on, where runs differ in that
    bar: float | None = None  # a share of the largest, for a drawn length


@dataclass(frozen=True)
class Row:
    """A title and a cell per run or recipe."""

    title: str
    cells: list[Cell]
    unit: str = ""


@dataclass(frozen=True)
class MeasureRow(Row):
    """A measure over all runs."""

    name: str = ""
    arrow: str = ""
    depends: str = ""
    floor: str = ""
    note: str = ""


@dataclass(frozen=True)
class MeasureGroup:
    """The measures of a kind, and what need not be said of each."""

    kind: Kind
    depends: list[str]  # on what all their figures do, then on what all of a run do
    note: str  # why none of them may be compared, where it is the same for all
    rows: list[MeasureRow]


@dataclass(frozen=True)
class SeedTable:
    """Recipes by their means: of two, the last cell of a row says how far they are apart."""

    over: str  # what the runs of a recipe differ in: seeds, label draws
    heads: list[tuple[str, str]]  # a mention and a number of draws for each recipe
    rows: list[Row]
    has_difference: bool


def measure_groups(runs: Sequence[RunSummary]) -> list[MeasureGroup]:
    """A row for every measure that any run has."""
    return [_group(runs, kind, names) for kind, names in by_kind(runs)]


def missing(runs: Sequence[RunSummary]) -> list[str]:
    """`likelihood (B): a CGAN bounds no likelihood` for all that was asked for in vain."""
    found: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        for name, reason in run.not_measured.items():
            found.setdefault((name, reason), []).append(run.mark)
    return [f"{name} {' '.join(marks)}: {reason}." for (name, reason), marks in found.items()]


def class_tables(runs: Sequence[RunSummary]) -> list[tuple[str, str, str, list[Row]]]:
    """For each of a few measures by class: name, title, unit and a row per class."""
    found = []
    for name in BY_CLASS:
        having = those_with(runs, name)
        by_class = [run.figures[name].per_class if run in having else {} for run in runs]
        rows = [
            Row(key, [Cell("" if one.get(key) is None else number(one[key])) for one in by_class])
            for key in dict.fromkeys(key for one in by_class for key in one)
        ]
        if rows:
            first = having[0].figures[name]
            found.append((name, first.title, first.unit, rows))
    return found


def seed_table(runs: Sequence[RunSummary]) -> SeedTable | None:
    """Means over seeds or label draws, where any recipe has several."""
    if not has_repeats(runs):
        return None
    groups = group_by_recipe(runs)
    nouns = {group.noun for group in groups if len(group.draws) > 1}
    heads = [(group.mention, plural(len(group.draws), group.noun)) for group in groups]
    two = len(groups) == 2
    rows = []
    for name in [name for _, names in by_kind(runs) for name in names]:
        known = [run.figures[name] for run in those_with(runs, name)]
        title = common_title([measure.title for measure in known])
        cells = []
        for group in groups:
            some = 0 < (n := len(group.values(name))) < len(group.draws)
            small = f"of {plural(n, group.noun)}" if some else ""
            cells.append(Cell(group.figure(name), small=small))
        cells += [_difference_cell(groups, name)] if two else []
        rows.append(Row(title, cells, known[0].unit))
    over = f"{nouns.pop()}s" if len(nouns) == 1 else "runs"
    return SeedTable(over, [*heads, ("difference", "")] if two else heads, rows, two)


def cost_rows(runs: Sequence[RunSummary]) -> list[Row]:
    """What the runs cost: time, speed, memory, operations, parameters, machine."""
    sizes = [run.parameters for run in runs]
    rows = [
        _amounts("Time per epoch", [run.seconds_per_epoch for run in runs], duration),
        _amounts("Training time in all", [run.seconds for run in runs], duration),
        _amounts("Epochs done", [run.epochs_done for run in runs], number, bar=False),
        _amounts("Images a second", [run.images_per_second for run in runs], _rounded),
        _measured(runs, "Images generated a second", "generation_speed"),
        _amounts("Peak memory in training", [run.last.get("memory") for run in runs], memory),
        _measured(runs, "Operations per image in training", "training_flops"),
        _measured(runs, "Operations per generated image", "generation_flops"),
        _amounts("Parameters in all", [sum(one.values()) for one in sizes], count),
    ]
    for network in dict.fromkeys(name for one in sizes for name in one):
        title = f"… of the {network.replace('_', ' ')}"
        rows.append(_amounts(title, [one.get(network) for one in sizes], count, bar=False))
    if not one_machine(runs):
        rows += [_environment(runs, key.capitalize(), key) for key in MACHINE]
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


def version_rows(runs: Sequence[RunSummary]) -> list[Row]:
    """The software that made each run."""
    return [_environment(runs, title, key) for title, key in VERSIONS.items()]


def _group(runs: Sequence[RunSummary], kind: Kind, names: Sequence[str]) -> MeasureGroup:
    several = len(names) > 1
    of_runs = {
        run.letter: found
        for run in runs
        if (found := [run.figures[name].provenance for name in names if name in run.figures])
    }
    shared = _shared([one for found in of_runs.values() for one in found]) if several else {}
    own = {
        letter: _without(_shared(found), shared) if several else {}
        for letter, found in of_runs.items()
    }
    rows = [_row(runs, name, shared, own) for name in names]
    notes = {row.note for row in rows if sum(bool(cell.text) for cell in row.cells) > 1}
    note = notes.pop() if several and len(notes) == 1 else ""
    if note:
        rows = [replace(row, note="") for row in rows]
    own_words = [f"{run.mark} {text}" for run in runs if (text := _words(own.get(run.letter, {})))]
    provenance = [f"All: {text}" for text in [_words(shared, short=True)] if text]
    return MeasureGroup(kind, depends + own_words, note, rows)


def _row(
    runs: Sequence[RunSummary],
    name: str,
    known: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
) -> MeasureRow:
    """A row, which need not repeat what is said of its group or of a run in it."""
    having = those_with(runs, name)
    measures = [run.figures[name] for run in having]
    top = None if has_repeats(runs) else best(runs, name)
    shared = _shared([measure.provenance for measure in measures])
    said = {*known, *set.intersection(*(set(own[run.letter]) for run in having))}
    floors = dict.fromkeys(number(m.reference, 3) for m in measures if m.reference is not None)
    return MeasureRow(
        name=name,
        title=common_title([measure.title for measure in measures]),
        unit=measures[0].unit,
        arrow=ARROWS.get(measures[0].better, ""),
        provenance=_words(_without(shared, said), short=True),
        reference=" / ".join(floors),
        cells=[_cell(run, name, run is top, {*shared, *own.get(run.letter, ())}) for run in runs],
        note=f"Not to be compared: {why}." if (why := comparable(having, name)) else "",
    )


def _shared(depends: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all these figures depend on alike."""
    first, *others = depends
    return {k: v for k, v in first.items() if all(k in one and one[k] == v for one in others)}


def _without(provenance: Mapping[str, Any], keys: Container[str]) -> dict[str, Any]:
    return {key: value for key, value in depends.items() if key not in keys}


def _cell(run: RunSummary, name: str, is_best: bool, said: Container[str]) -> Cell:
    measure = run.figures.get(name)
    if measure is None:
        return Cell()
    small = [_words(_without(measure.provenance, said))]
    if isinstance(value := measure.details.get("drawn"), float):
        small.append(f"drawn codes {number(value, 3)}")
    text = plus_minus(measure.value, measure.error)
    return Cell(text, is_best, ", ".join(filter(None, small)))


def _words(provenance: Mapping[str, Any], short: bool = False) -> str:
    """`test split, 10 000 images, classifier classifier-cnn, …`.

    In short without what the title or the floor says, and without the digests of judges, which
    matter only where they differ.
    """
    words = []
    for key, value in depends.items():
        text = count(value) if isinstance(value, int) and not isinstance(value, bool) else value
        text = DIGEST.sub("" if short else r" \1", str(text))
        if short and key in OBVIOUS:
            continue
        if key == "split":
            words.append(f"{value} split")
        elif key in ("images", "samples"):
            words.append(f"{text} {key}")
        else:
            words.append(f"{key.replace('_', ' ')} {text}")
    return ", ".join(words)


def _difference_cell(groups: Sequence[Group], name: str) -> Cell:
    """`26 (20 to 33)`, and whether that is noise."""
    found = contrast(groups, name)
    if found is None:
        return Cell()
    noise = found.difference.within_noise
    amount, ends = interval(found.difference)
    small = f"{'within' if noise else 'more than'} noise: {found.how}"
    return Cell(f"{amount} ({ends})", not noise, small)


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


def _measured(runs: Sequence[RunSummary], title: str, name: str) -> Row:
    """A cost that `evaluate` measured, with its unit where that is not in the title."""
    found = [run.costs.get(name) for run in runs]
    unit = "".join({one.unit for one in found if one} - {"images per s"})
    values = [one and one.value for one in found]
    return _amounts(title, values, lambda value: with_unit(_rounded(value), unit))


def _rounded(value: float) -> str:
    return number(value, 3)


def _environment(runs: Sequence[RunSummary], title: str, key: str) -> Row:
    values = [run.environment.get(key) for run in runs]
    return Row(title, [Cell("" if value is None else str(value)) for value in values])
