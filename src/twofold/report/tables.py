"""The tables of the report as plain rows of text; the template only lays them out."""

import re
from collections.abc import Container, Mapping, Sequence
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
from twofold.evaluation.figure import Figure
from twofold.evaluation.measure import OTHER, Question, measures, quantity_of
from twofold.evaluation.summary import RunSummary, those_with
from twofold.words import (
    capitalize,
    common_title,
    count,
    listing,
    number,
    plural,
    plus_minus,
    to_precision,
)

__all__ = [
    "Cell",
    "MeasureGroup",
    "MeasureRow",
    "Row",
    "SeedTable",
    "failures",
    "measure_groups",
    "missing",
    "of_environment",
    "seed_table",
    "version_rows",
]

ARROWS = {"higher": "↑", "lower": "↓", None: ""}
DIGEST = re.compile(r" ([0-9a-f]{6})[0-9a-f]{10}$")
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
    provenance: str = ""
    reference: str = ""
    note: str = ""
    hint: str = ""  # where it comes from, and when it misleads


@dataclass(frozen=True)
class MeasureGroup:
    """The measures of a kind, and what need not be said of each."""

    question: Question
    provenance: list[str]  # on what all their figures do, then on what all of a run do
    note: str  # why none of them may be compared, where it is the same for all
    notes: list[str]  # what the figures say of themselves, and whose
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
    return [_group(runs, question, names) for question, names in by_question(runs)]


def by_question(runs: Sequence[RunSummary]) -> list[tuple[Question, list[str]]]:
    """The names of all listed figures that any run has, by question; what fits none comes last."""
    found: dict[Question, list[str]] = {}
    known: set[str] = set()
    for measure in measures().values():
        names = [name for name in measure.names(runs) if name not in known]
        known |= set(names)
        listed = [name for name in names if measure.quantity(name).listed]
        of_question = found.setdefault(measure.question, [])
        of_question += listed
        of_question.sort(key=lambda name: name.endswith("/random"))
    everything = dict.fromkeys(name for run in runs for name in run.figures)
    found.setdefault(OTHER, []).extend(name for name in everything if name not in known)
    return [(question, names) for question, names in found.items() if names]


def missing(runs: Sequence[RunSummary]) -> list[str]:
    """`likelihood (B): a CGAN bounds no likelihood` for all that was asked for in vain."""
    found: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        for name, reason in run.not_measured.items():
            found.setdefault((name, reason), []).append(run.mark)
    return [f"{name} {' '.join(marks)}: {reason}." for (name, reason), marks in found.items()]


def seed_table(runs: Sequence[RunSummary]) -> SeedTable | None:
    """Means over seeds or label draws, where any recipe has several."""
    if not has_repeats(runs):
        return None
    groups = group_by_recipe(runs)
    nouns = {group.noun for group in groups if len(group.draws) > 1}
    heads = [(group.mention, plural(len(group.draws), group.noun)) for group in groups]
    two = len(groups) == 2
    rows = []
    for name in [name for _, names in by_question(runs) for name in names]:
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


def version_rows(runs: Sequence[RunSummary]) -> list[Row]:
    """The software that made each run."""
    return [of_environment(runs, title, key) for title, key in VERSIONS.items()]


def _group(runs: Sequence[RunSummary], question: Question, names: Sequence[str]) -> MeasureGroup:
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
    return MeasureGroup(question, provenance + own_words, note, _notes(runs, names), rows)


def _notes(runs: Sequence[RunSummary], names: Sequence[str]) -> list[str]:
    """What figures say of themselves, each text once, with the figures and the runs it is of."""
    said: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for name in names:
        for run in those_with(runs, name):
            for text in run.figures[name].notes:
                titles, of = said.setdefault(text, ({}, {}))
                titles[run.figures[name].title] = None
                of[run.mark] = None
    whom = [f" {' '.join(of)}" if len(runs) > 1 else "" for _, of in said.values()]
    return [
        f"{capitalize(listing(list(titles)))}{who}: {text.rstrip('.')}."
        for (text, (titles, _)), who in zip(said.items(), whom, strict=True)
    ]


def _row(
    runs: Sequence[RunSummary],
    name: str,
    known: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
) -> MeasureRow:
    """A row, which need not repeat what is said of its group or of a run in it."""
    having = those_with(runs, name)
    measured = [run.figures[name] for run in having]
    top = None if has_repeats(runs) or all(map(failures, runs)) else best(runs, name)
    shared = _shared([one.provenance for one in measured])
    said = {*known, *set.intersection(*(set(own[run.letter]) for run in having))}
    real = dict.fromkeys(number(m.reference, 3) for m in measured if m.reference is not None)
    return MeasureRow(
        name=name,
        title=common_title([one.title for one in measured]),
        unit=measured[0].unit,
        arrow=ARROWS.get(measured[0].better, ""),
        hint=hint_of(name),
        provenance=_words(_without(shared, said), short=True),
        reference=" / ".join(real),
        cells=[_cell(run, name, run is top, {*shared, *own.get(run.letter, ())}) for run in runs],
        note=f"Not to be compared: {why}." if (why := comparable(having, name)) else "",
    )


def _shared(provenance: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all these figures depend on alike."""
    first, *others = provenance
    return {k: v for k, v in first.items() if all(k in one and one[k] == v for one in others)}


def _without(provenance: Mapping[str, Any], keys: Container[str]) -> dict[str, Any]:
    return {key: value for key, value in provenance.items() if key not in keys}


def _cell(run: RunSummary, name: str, is_best: bool, said: Container[str]) -> Cell:
    measure = run.figures.get(name)
    if measure is None:
        return Cell()
    small = [_words(_without(measure.provenance, said))]
    if measure.aside:
        small.append(measure.aside)
    text = figure_text(measure)
    return Cell(text, is_best, ", ".join(filter(None, small)))


def _words(provenance: Mapping[str, Any], short: bool = False) -> str:
    """`test split, 10 000 images, classifier classifier-cnn, …`.

    In short without what the title or the reference says, and without the digests of judges, which
    matter only where they differ.
    """
    words = []
    for key, value in provenance.items():
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


def failures(run: RunSummary) -> list[str]:
    """The plain checks that a run fails, by every measure's own rules."""
    return [text for measure in measures().values() for text in measure.failures(run)]


def figure_text(figure: Figure) -> str:
    """A number with its standard error, or with the ends of its interval where that is lopsided."""
    if figure.interval is None:
        return plus_minus(figure.value, figure.error)
    low, high = figure.interval
    value, low, high = to_precision([figure.value, low, high], (high - low) / 2)
    return f"{value} ({low} to {high})"


def hint_of(name: str) -> str:
    """Where a quantity comes from, and when it misleads."""
    quantity = quantity_of(name)
    return (
        " ".join(filter(None, [quantity.paper and f"{quantity.paper}.", quantity.caveat]))
        if quantity
        else ""
    )


def _difference_cell(groups: Sequence[Group], name: str) -> Cell:
    """`26 (20 to 33)`, and whether that is noise."""
    found = contrast(groups, name)
    if found is None:
        return Cell()
    noise = found.difference.within_noise
    amount, ends = interval(found.difference)
    small = f"{'within' if noise else 'more than'} noise: {found.how}"
    return Cell(f"{amount} ({ends})", not noise, small)


def of_environment(runs: Sequence[RunSummary], title: str, key: str) -> Row:
    """What the environments of the runs say under a key."""
    values = [run.environment.get(key) for run in runs]
    return Row(title, [Cell("" if value is None else str(value)) for value in values])
