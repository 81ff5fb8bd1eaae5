"""The page: every printed figure beside ours, with a verdict, the hardware and the command."""

from collections.abc import Collection, Iterator, Sequence

from twofold.experiments.resolve import load_experiment
from twofold.experiments.schema import Reported
from twofold.report.words import number, plus_minus, with_unit
from twofold.reproduction.book import Book, Chapter
from twofold.reproduction.collect import sheet_name
from twofold.reproduction.results import Draws, Results
from twofold.reproduction.verdict import Figure, judge_figure

__all__ = ["page"]

HEAD = """# The reproduction book

Every figure that the reports print, beside ours. This page is made by `twofold reproduce` from
the figures of finished runs and is not edited by hand. Ours is the mean ± standard deviation over n
runs that differ in the training seed, or in the draw of labels where only some are kept.

A figure is *reproduced* where it lies within two of these standard deviations, or within a
tolerance that its experiment file states; *better* where ours lies beyond on the good side; *not
comparable* where the report measured something else, which the notes explain; *to look at* where
the report has a picture and words, and the samples of our runs are to be held beside it. What was
not run is blank, and so is a figure that no measure of ours gives.
"""
COLUMNS = ("figure", "place", "reported", "ours", "n", "verdict", "minutes a run")


def page(books: Sequence[Book], results: Results) -> str:
    """The whole page as Markdown."""
    return "\n".join([HEAD, *(_report(book, results) for book in books)])


def _report(book: Book, results: Results) -> str:
    lines = [f"## {book.title}", "", book.source, ""]
    lines += [_row(COLUMNS), "|---|---|---:|---:|---:|---|---:|"]
    notes: list[str] = []
    chapters = [(chapter, results.of(chapter)) for chapter in book.chapters]
    done = [(chapter, draws) for chapter, draws in chapters if draws is not None]
    for chapter, draws in chapters:
        for reported in load_experiment(chapter.experiment).reported:
            figure = _figure(reported, draws)
            lines.append(_row(_cells(chapter, figure, draws)))
            notes += _notes(chapter, figure)
    lines += ["", *(f"- {note}" for note in dict.fromkeys(notes))]
    lines += [f"- {remark}" for remark in book.remarks]
    lines += [f"- `{name}` is left out: {why}" for name, why in book.omitted.items()]
    lines += [f"- {_command(draws)}" for _, draws in done]
    hardware = {_hardware(run) for _, draws in done for run in draws.runs}
    lines += [f"- Hardware: {kind}." for kind in sorted(hardware)]
    for chapter, draws in done:
        lines += _picture(chapter, draws, results.sheets)
    return "\n".join(lines) + "\n"


def _figure(reported: Reported, draws: Draws | None) -> Figure:
    measured = draws.measured(reported.ours) if draws and reported.ours else []
    return judge_figure(reported, measured, was_run=draws is not None)


def _cells(chapter: Chapter, figure: Figure, draws: Draws | None) -> Iterator[str]:
    reported = figure.reported
    yield f"`{chapter.experiment}`: {reported.measure}"
    yield reported.place
    yield reported.value if isinstance(reported.value, str) else f"{reported.value:g}"
    if draws is None:
        yield from ("", "", "", "")
        return
    values = figure.values
    yield with_unit(plus_minus(figure.mean, figure.spread), figure.unit) if values else ""
    yield str(len(draws.runs))
    reduced = figure.verdict and not draws.is_full
    yield f"{figure.verdict}, laptop budget" if reduced else figure.verdict
    seconds = [run.get("training_seconds") for run in draws.runs]
    known = [value for value in seconds if value]
    yield number(sum(known) / len(known) / 60, 2) if known else ""


def _notes(chapter: Chapter, figure: Figure) -> Iterator[str]:
    name = f"`{chapter.experiment}`, {figure.reported.measure}"
    if figure.verdict == "not comparable":
        yield f"{name}: not comparable, {figure.reason}"
    if figure.verdict in ("not reproduced", "better"):
        why = chapter.verdicts.get(figure.reported.measure)
        if why:
            yield f"{name}: {why}"


def _command(draws: Draws) -> str:
    return f"`{draws.command}` and so on ({'as reported' if draws.is_full else 'laptop budget'})"


def _picture(chapter: Chapter, draws: Draws, sheets: Collection[str]) -> Iterator[str]:
    """Samples of the first run, not chosen by anybody."""
    name = sheet_name(chapter.experiment, draws.runs[0]["seed"])
    if name in sheets:
        yield f"\n`{chapter.experiment}`, samples of the first run:\n"
        yield f"![samples of {chapter.experiment}](results/{name})"


def _hardware(run: dict) -> str:
    return "{processor}, {device}, {threads} thread(s) of {cores} cores, torch {torch}".format(
        **run["environment"]
    )


def _row(cells: Sequence[str] | Iterator[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
