"""The page: every reported result beside ours, with a verdict, the hardware and the command."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import get_args

from twofold.experiments.resolve import load_experiment
from twofold.experiments.schema import Reported
from twofold.report.words import count, listing, mean_and_spread, number, plural, with_unit
from twofold.reproduction.figures import list_pictures
from twofold.reproduction.finding import Answer, answers, figure_name
from twofold.reproduction.reports import Report, ReportExperiment
from twofold.reproduction.results import Draws, Results
from twofold.reproduction.verdict import Comparison, Verdict, compare_result

__all__ = ["page", "why"]

HEAD = """# Reproduction

The results of the reports beside ours: numbers that they print, or that were read off their
pictures or the logs of their authors, as the second column says, and pictures with what is said of
them. This page is made by `twofold reproduce` from finished runs and is not edited by hand. Ours is
the mean ± standard deviation over n runs that differ in the training seed, or in the draw of labels
where only some are kept.

A number is *reproduced* where it lies within two of these standard deviations, or within the
tolerance behind it; *better* where ours lies beyond on the good side; *not comparable* where the
report measured something else, which the notes explain. A picture is *to look at*: the report's
words are to be held beside ours. What was not run is blank, and so is what no measure of ours
gives. The *laptop budget* trains for fewer epochs than the report where that would be expensive,
the full one as the experiment says. Several runs shared a machine, so the minutes are no measure of
speed.

*GAN-test* is the share of generated images that a classifier of real images takes for the class
that was asked for, *GAN-train* the share of real test images that a classifier of generated ones
recognizes. *FID* is the Fréchet distance of generated from real images, *coverage* the share of
real images with a generated one near them, *recall* the share that lies among generated ones, all
by the features of a classifier. The *silhouette*, from −1 to 1, says how far classes lie apart. A
dot in a picture of these is a run, a stroke the mean of its runs, a dashed line the last row of the
table above.
"""
RESULTS = ("result", "place", "reported", "ours", "n", "verdict", "run")
RUNS = ("run", "command", "budget", "minutes a run", "machine")


@dataclass(frozen=True)
class _Judged:
    """A printed figure of an experiment beside ours, which was not run where there are no draws."""

    experiment: ReportExperiment
    draws: Draws | None
    comparison: Comparison

    @property
    def reduced(self) -> bool:
        """Whether ours was trained at less than the budget of the report."""
        return self.draws is not None and self.draws.budget != "full"


@dataclass(frozen=True)
class _Done:
    """An experiment that was run, and its place in the list of runs."""

    number: int
    experiment: ReportExperiment
    draws: Draws


def page(reports: Sequence[Report], results: Results) -> str:
    """The whole page as Markdown."""
    every = [one for report in reports for one in _judged(report, results)]
    overview = [f"In all, {_tally(every)}\n"] if len(reports) > 1 else []
    return "\n".join([HEAD, *overview, *(_section(report, results) for report in reports)])


def _section(report: Report, results: Results) -> str:
    having = [(one, draws) for one in report.experiments if (draws := results.of(one)) is not None]
    done = [_Done(i, experiment, draws) for i, (experiment, draws) in enumerate(having, 1)]
    judged = _judged(report, results)
    numbers = {one.experiment.name: one.number for one in done}
    lines = [f"## {report.title}", "", report.source, ""]
    if judged:
        lines += [_tally(judged), ""]
        lines += _table(RESULTS, "llrrrlr", (_cells(one, numbers) for one in judged))
    lines += ["", *_notes(judged)]
    lines += [f"- {remark}" for remark in report.remarks]
    lines += _omissions(report)
    if done:
        lines += ["", "### How it was run", "", *_runs(done)]
    found = list(answers(report, results))
    for answer in found:
        lines += ["", *_finding(answer, results)]
    there = set(results.sheets).difference(*(answer.pictures.values() for answer in found))
    pictures = [line for one in done for line in _pictures(one, there)]
    if pictures:
        lines += ["", "### Pictures", "", "Of the first seed; not chosen by hand.", *pictures]
    return "\n".join(lines) + "\n"


def _judged(report: Report, results: Results) -> list[_Judged]:
    """Every printed figure of a report, in the order of its experiments."""
    return [
        _Judged(experiment, draws, _comparison(reported, draws))
        for experiment in report.experiments
        for draws in [results.of(experiment)]
        for reported in load_experiment(experiment.name).reported
    ]


def _omissions(report: Report) -> Iterator[str]:
    """What is left out, those together that are so for one reason."""
    for why, names in _together((why, f"`{name}`") for name, why in report.omitted.items()):
        yield f"- Left out: {names}; {why}"


def _together(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each reason once, with the things that have it as an enumeration."""
    found: dict[str, list[str]] = {}
    for reason, thing in pairs:
        found.setdefault(reason, []).append(thing)
    return ((reason, listing(things)) for reason, things in found.items())


def _comparison(reported: Reported, draws: Draws | None) -> Comparison:
    measured = draws.measures(reported.ours) if draws and reported.ours else []
    return compare_result(reported, measured, was_run=draws is not None)


def _tally(judged: Sequence[_Judged]) -> str:
    """How many of the reported results came out how."""
    numbers = sum(not isinstance(one.comparison.reported.value, str) for one in judged)
    found = Counter(one.comparison.verdict for one in judged)
    cut = Counter(one.comparison.verdict for one in judged if one.reduced)["not reproduced"]
    words = [
        f"{found[verdict]} {verdict or 'not run or not measured'}"
        for verdict in get_args(Verdict)
        if found[verdict]
    ]
    aside = (
        f" Of those not reproduced, {count(cut)} had less training than the report's."
        if cut
        else ""
    )
    return f"{plural(len(judged), 'result')}, {numbers} of them numbers: {listing(words)}.{aside}"


def _cells(one: _Judged, numbers: dict[str, int]) -> Iterator[str]:
    experiment, draws, comparison = one.experiment, one.draws, one.comparison
    reported = comparison.reported
    yield f"`{experiment.name}`: {reported.measure}"
    yield reported.place
    yield _said(reported)
    if draws is None:
        yield from ("", "", "", "")
        return
    values = comparison.values
    yield with_unit(mean_and_spread(values), comparison.unit) if values else ""
    yield str(len(draws.runs))
    yield (
        f"{comparison.verdict}, laptop budget"
        if comparison.verdict and one.reduced
        else comparison.verdict
    )
    yield str(numbers[experiment.name])


def _said(reported: Reported) -> str:
    if isinstance(reported.value, str):
        return reported.value
    within = reported.tolerance and not reported.incomparable
    return f"{reported.value:g}" + (f" ± {reported.tolerance:g}" if within else "")


def _notes(judged: Sequence[_Judged]) -> Iterator[str]:
    """Why figures are not the report's, those of an experiment together that have one reason."""
    for experiment, ones in groupby(judged, key=lambda one: one.experiment):
        for reason, names in _together(_reasons(ones)):
            yield f"- `{experiment.name}`, {names}: {reason}"


def _reasons(judged: Iterable[_Judged]) -> Iterator[tuple[str, str]]:
    for one in judged:
        comparison = one.comparison
        known = why(one.experiment, one.draws, comparison)
        reasons = {"not comparable": comparison.reason, "not reproduced": known, "better": known}
        if reason := reasons.get(comparison.verdict):
            yield f"{comparison.verdict}, {reason}", comparison.reported.measure


def why(experiment: ReportExperiment, draws: Draws | None, comparison: Comparison) -> str:
    """Why a figure is not the report's: what is known of it, and what the laptop budget changed."""
    reasons = [experiment.verdicts.get(comparison.reported.measure, "")]
    if draws is not None and draws.budget != "full":
        reasons.append(f"trained {listing(list(_reduced(experiment)))}")
    return "; ".join(filter(None, reasons))


def _reduced(experiment: ReportExperiment) -> Iterator[str]:
    """What the laptop budget changes; the length of training as a part of the whole."""
    whole = experiment.settings("full").training.epochs
    for key, value in experiment.laptop.items():
        if key == "epochs" and whole:
            yield f"for {value:g} of {whole:g} epochs"
        else:
            yield f"with {key}={value}"


def _runs(done: Sequence[_Done]) -> Iterator[str]:
    """The commands, and the machines on which they were run."""
    machines: dict[str, str] = {}
    rows = []
    for one in done:
        for run in one.draws.runs:
            machines.setdefault(_hardware(run), chr(ord("a") + len(machines)))
        seconds = [run["training_seconds"] for run in one.draws.runs]
        known = [value for value in seconds if value]
        rows.append(
            (
                str(one.number),
                f"`{_command(one.draws)}`",
                one.draws.budget,
                number(sum(known) / len(known) / 60, 2) if known else "",
                ", ".join(sorted({machines[_hardware(run)] for run in one.draws.runs})),
            )
        )
    yield from _table(RUNS, "rllrl", rows)
    yield ""
    yield "; ".join(f"{letter}: {machine}" for machine, letter in machines.items()) + "."


def _command(draws: Draws) -> str:
    """One command for all draws, where they differ in seeds or in label draws alone."""
    draw = re.compile(r" (?:seed|data\.label_seed)=\d+")
    commands = {draw.sub("", run["command"]) for run in draws.runs}
    seeds, labels = ([run[key] for run in draws.runs] for key in ("seed", "label_seed"))
    if len(commands) > 1 or (len(set(seeds)) > 1 and len(set(labels)) > 1):
        return "; ".join(run["command"] for run in draws.runs)
    key, values = ("label_seeds", labels) if len(set(labels)) > 1 else ("seeds", seeds)
    return f"{commands.pop()} {key}={','.join(map(str, values))}"


def _finding(answer: Answer, results: Results) -> Iterator[str]:
    finding = answer.finding
    yield from (f"### {finding.title}", "")
    headings = ("", *finding.columns, "n")
    rows = [
        (row.label, *(answer.cell(key, heading) for heading in finding.columns), answer.runs(key))
        for key, row in finding.rows.items()
    ]
    if any(floor is not None for floor in answer.floors.values()):
        floors = (None if f is None else number(f) for f in answer.floors.values())
        rows.append((finding.floor, *(floor or "" for floor in floors), ""))
    yield from _table(headings, "l" + "r" * len(finding.columns) + "r", rows)
    if answer.reading:
        yield from ("", answer.reading)
    figure = f"{figure_name(finding)}.png"
    if figure in results.sheets:
        yield from ("", f"![{finding.title}](results/{figure})")
    pictures = {
        label: f"![{label}](results/{name})"
        for label, name in answer.pictures.items()
        if name in results.sheets
    }
    if pictures:
        yield ""
        yield from _table(list(pictures), "l" * len(pictures), [pictures.values()])


def _pictures(one: _Done, there: Collection[str]) -> Iterator[str]:
    name = one.experiment.name
    pictures = list(list_pictures(one.experiment, one.draws, there))
    if not pictures:
        return
    words = [
        f"{reported.measure} ({reported.place}): {reported.value}"
        for reported in load_experiment(name).reported
        if isinstance(reported.value, str)
    ]
    yield f"\n#### `{name}`"
    if words:
        yield f"\nThe report has {'; '.join(words)}."
    for text, file in pictures:
        yield f"\n{text[0].upper()}{text[1:]}:\n"
        yield f"![{text} of {name}](results/{file})"


def _hardware(run: dict) -> str:
    environment = run["environment"]
    threads = plural(environment["threads"], "thread")
    return (
        f"{environment['processor']}, {environment['device']}, {threads} of "
        f"{count(environment['cores'])} cores, torch {environment['torch']}"
    )


def _table(headings: Sequence[str], sides: str, rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield _row(headings)
    yield _row([{"l": "---", "r": "---:"}[side] for side in sides], space="")
    yield from (_row(row) for row in rows)


def _row(cells: Iterable[str], space: str = " ") -> str:
    inner = f"{space}|{space}".join(cell.replace("|", r"\|") for cell in cells)
    return f"|{space}{inner}{space}|"
