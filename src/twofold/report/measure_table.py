"""The table of measures as plain rows of text, by kind; the template only lays them out."""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twofold.report.facts import Facts
from twofold.report.kinds import Kind, by_kind
from twofold.report.noise import best, comparable
from twofold.report.seeds import has_repeats
from twofold.report.tables import Cell
from twofold.report.words import common_title, count, number, plus_minus

__all__ = ["MeasureGroup", "MeasureRow", "measure_groups", "missing"]

DIGEST = re.compile(r" ([0-9a-f]{6})[0-9a-f]{10}$")
OBVIOUS = ("extractor", "classifier_accuracy")
ARROWS = {"higher": "↑", "lower": "↓", None: ""}


@dataclass(frozen=True)
class MeasureRow:
    """A measure over all runs."""

    name: str
    title: str
    unit: str
    arrow: str
    depends: str
    floor: str
    cells: list[Cell]
    note: str


@dataclass(frozen=True)
class MeasureGroup:
    """The measures of a kind, and what need not be said of each.

    Attributes:
        kind: What they say.
        depends: On what all their figures depend, then on what all of a run do.
        note: Why none of them may be compared, where it is the same for all.
        rows: One for every measure.
    """

    kind: Kind
    depends: list[str]
    note: str
    rows: list[MeasureRow]


def measure_groups(runs: Sequence[Facts]) -> list[MeasureGroup]:
    """A row for every measure that any run has."""
    return [_group(runs, kind, names) for kind, names in by_kind(runs)]


def missing(runs: Sequence[Facts]) -> list[str]:
    """`likelihood (B): a CGAN bounds no likelihood` for all that was asked for in vain."""
    found: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        for name, reason in run.not_measured.items():
            found.setdefault((name, reason), []).append(run.mark)
    return [f"{name} {' '.join(marks)}: {reason}." for (name, reason), marks in found.items()]


def _group(runs: Sequence[Facts], kind: Kind, names: Sequence[str]) -> MeasureGroup:
    of_runs = {
        run.letter: found
        for run in runs
        if (found := [run.measures[name].depends for name in names if name in run.measures])
    }
    several = len(names) > 1
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
    depends = [f"All: {text}" for text in [_words(shared, short=True)] if text]
    return MeasureGroup(kind, depends + own_words, note, rows)


def _row(
    runs: Sequence[Facts],
    name: str,
    known: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
) -> MeasureRow:
    """A row, which need not repeat what is said of its group or of a run in it."""
    having = [run for run in runs if name in run.measures]
    measures = [run.measures[name] for run in having]
    top = None if has_repeats(runs) else best(runs, name)
    shared = _shared([measure.depends for measure in measures])
    said = {*known, *set.intersection(*(set(own[run.letter]) for run in having))}
    floors = dict.fromkeys(m.floor for m in measures if m.floor is not None)
    return MeasureRow(
        name=name,
        title=common_title([measure.title for measure in measures]),
        unit=measures[0].unit,
        arrow=ARROWS.get(measures[0].better, ""),
        depends=_words(_without(shared, said), short=True),
        floor=" / ".join(dict.fromkeys(number(floor, 3) for floor in floors)),
        cells=[_cell(run, name, run is top, {*shared, *own.get(run.letter, ())}) for run in runs],
        note=f"Not to be compared: {why}." if (why := comparable(having, name)) else "",
    )


def _shared(depends: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all these figures depend on alike."""
    first, *others = depends
    return {k: v for k, v in first.items() if all(k in one and one[k] == v for one in others)}


def _without(depends: Mapping[str, Any], keys: Container[str]) -> dict[str, Any]:
    return {key: value for key, value in depends.items() if key not in keys}


def _cell(run: Facts, name: str, is_best: bool, said: Container[str]) -> Cell:
    measure = run.measures.get(name)
    if measure is None:
        return Cell()
    small = [_words(_without(measure.depends, said))]
    if isinstance(value := measure.details.get("drawn"), float):
        small.append(f"drawn codes {number(value, 3)}")
    text = plus_minus(measure.value, measure.error)
    return Cell(text, is_best, ", ".join(filter(None, small)))


def _words(depends: Mapping[str, Any], short: bool = False) -> str:
    """`test split, 10 000 images, classifier classifier-cnn, …`.

    Arguments:
        depends: What figures depend on.
        short: Leave out what the title or the floor says, and the digests of judges, which matter
            only where they differ.
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
