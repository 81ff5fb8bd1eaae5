"""The page: every reported result beside ours, with a verdict, the hardware and the command."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import get_args

from twofold.experiments.resolve import load_experiment
from twofold.files import write_bytes, write_text
from twofold.reproduction.figures import SAMPLES, VERBS, picture_name
from twofold.reproduction.finding import Answer, answers
from twofold.reproduction.reports import Report, ReportExperiment
from twofold.reproduction.results import (
    Comparison,
    Draws,
    Results,
    Verdict,
    compare_result,
    load_results,
)
from twofold.words import (
    capitalize,
    count,
    listing,
    mean_and_spread,
    number,
    plural,
    with_unit,
)

__all__ = ["page", "publish", "why"]

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
class _Reproduced:
    """A printed figure of an experiment beside ours, which was not run where there are no draws."""

    experiment: ReportExperiment
    draws: Draws | None
    comparison: Comparison

    @property
    def reduced(self) -> bool:
        """Whether ours was trained at less than the budget of the report."""
        return self.draws is not None and self.draws.budget != "full"


def publish(reports: Sequence[Report], results: Path, path: Path) -> None:
    """Draws the findings into the folder of results, and writes the page that lies beside it."""
    known = load_results(results)
    for report in reports:
        for answer in answers(report, known):
            write_bytes(results / f"{answer.finding.stem}.png", answer.picture().png)
    write_text(path, page(reports, load_results(results)))


def page(reports: Sequence[Report], results: Results) -> str:
    """The whole page as Markdown."""
    every = [one for report in reports for one in _compared(report, results)]
    overview = [f"In all, {_tally(every)}\n"] if len(reports) > 1 else []
    return "\n".join([HEAD, *overview, *(_section(report, results) for report in reports)])


def _section(report: Report, results: Results) -> str:
    done = [(one, draws) for one in report.experiments if (draws := results.of(one)) is not None]
    numbers = {one.name: str(place) for place, (one, _) in enumerate(done, 1)}
    compared = _compared(report, results)
    lines = [f"## {report.title}", "", report.source, ""]
    if compared:
        lines += [_tally(compared), ""]
        lines += _table(RESULTS, "llrrrlr", (_cells(one, numbers) for one in compared))
    lines += ["", *_notes(compared)]
    lines += [f"- {remark}" for remark in report.remarks]
    omitted = _together((why, f"`{name}`") for name, why in report.omitted.items())
    lines += [f"- Left out: {names}; {why}" for why, names in omitted.items()]
    if done:
        lines += ["", "### How it was run", "", *_runs(done, numbers)]
    found = list(answers(report, results))
    for answer in found:
        lines += ["", *_finding(answer, results)]
    there = set(results.sheets).difference(*(answer.pictures.values() for answer in found))
    pictures = [line for one, draws in done for line in _pictures(one, draws, there)]
    if pictures:
        lines += ["", "### Pictures", "", "Of the first seed; not chosen by hand.", *pictures]
    return "\n".join(lines) + "\n"


def _compared(report: Report, results: Results) -> list[_Reproduced]:
    """Every printed figure of a report, in the order of its experiments."""
    found = []
    for experiment in report.experiments:
        draws = results.of(experiment)
        for reported in load_experiment(experiment.name).reported:
            measured = draws.measures(reported.ours) if draws and reported.ours else []
            comparison = compare_result(reported, measured, was_run=draws is not None)
            found.append(_Reproduced(experiment, draws, comparison))
    return found


def _together(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each reason once, with the things that have it as an enumeration."""
    found: dict[str, list[str]] = {}
    for reason, thing in pairs:
        found.setdefault(reason, []).append(thing)
    return {reason: listing(things) for reason, things in found.items()}


def _tally(compared: Sequence[_Reproduced]) -> str:
    """How many of the reported results came out how."""
    numbers = sum(not isinstance(one.comparison.reported.value, str) for one in compared)
    found = Counter(one.comparison.verdict for one in compared)
    words = [
        f"{found[verdict]} {verdict or 'not run or not measured'}"
        for verdict in get_args(Verdict)
        if found[verdict]
    ]
    text = f"{plural(len(compared), 'result')}, {numbers} of them numbers: {listing(words)}."
    cut = sum(one.reduced and one.comparison.verdict == "not reproduced" for one in compared)
    if cut:
        text += f" Of those not reproduced, {count(cut)} had less training than the report's."
    return text


def _cells(one: _Reproduced, numbers: dict[str, str]) -> Iterator[str]:
    name, draws, comparison = one.experiment.name, one.draws, one.comparison
    reported, values, verdict = comparison.reported, comparison.values, comparison.verdict
    yield f"`{name}`: {reported.measure}"
    yield reported.place
    if isinstance(reported.value, str):
        yield reported.value
    else:
        within = reported.tolerance and not reported.incomparable
        yield f"{reported.value:g}" + (f" ± {reported.tolerance:g}" if within else "")
    if draws is None:
        yield from ("", "", "", "")
        return
    yield with_unit(mean_and_spread(values), comparison.unit) if values else ""
    yield str(len(draws.runs))
    yield f"{verdict}, laptop budget" if verdict and one.reduced else verdict
    yield numbers[name]


def _notes(compared: Sequence[_Reproduced]) -> Iterator[str]:
    """Why figures are not the report's, those of an experiment together that have one reason."""
    for experiment, ones in groupby(compared, key=lambda one: one.experiment):
        reasons = []
        for one in ones:
            verdict, reported = one.comparison.verdict, one.comparison.reported
            reason = reported.incomparable if verdict == "not comparable" else ""
            if verdict in ("not reproduced", "better"):
                reason = why(experiment, one.draws, one.comparison)
            if reason:
                reasons.append((f"{verdict}, {reason}", reported.measure))
        for reason, names in _together(reasons).items():
            yield f"- `{experiment.name}`, {names}: {reason}"


def why(experiment: ReportExperiment, draws: Draws | None, comparison: Comparison) -> str:
    """Why a figure is not the report's: what is known of it, and what the laptop budget changed."""
    reasons = [experiment.verdicts.get(comparison.reported.measure, "")]
    if draws is not None and draws.budget != "full":
        whole = experiment.settings("full").training.epochs
        changes = [
            f"for {value:g} of {whole:g} epochs"
            if key == "epochs" and whole
            else f"with {key}={value}"
            for key, value in experiment.laptop.items()
        ]
        reasons.append(f"trained {listing(changes)}")
    return "; ".join(filter(None, reasons))


def _runs(done: Sequence[tuple[ReportExperiment, Draws]], numbers: dict[str, str]) -> Iterator[str]:
    """The commands, and the machines on which they were run."""
    machines: dict[str, str] = {}
    rows = []
    for experiment, draws in done:
        hardware = dict.fromkeys(_hardware(run) for run in draws.runs)
        for one in hardware:
            machines.setdefault(one, chr(ord("a") + len(machines)))
        known = [value for run in draws.runs if (value := run["training_seconds"])]
        rows.append(
            (
                numbers[experiment.name],
                f"`{_command(draws)}`",
                draws.budget,
                number(sum(known) / len(known) / 60, 2) if known else "",
                ", ".join(sorted(machines[one] for one in hardware)),
            )
        )
    yield from _table(RUNS, "rllrl", rows)
    yield ""
    yield "; ".join(f"{letter}: {machine}" for machine, letter in machines.items()) + "."


def _hardware(run: dict) -> str:
    environment = run["environment"]
    threads = plural(environment["threads"], "thread")
    return (
        f"{environment['processor']}, {environment['device']}, {threads} of "
        f"{count(environment['cores'])} cores, torch {environment['torch']}"
    )


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
    rows = []
    for key, row in finding.rows.items():
        draws = answer.draws[key]
        runs = "" if draws is None else str(len(draws.runs))
        aside = ", laptop budget" if draws and draws.budget != "full" else ""
        cells = (answer.cell(key, heading) for heading in finding.columns)
        rows.append((row.label, *cells, runs + aside))
    references = ["" if one is None else number(one) for one in answer.references.values()]
    if any(references):
        rows.append((finding.reference, *references, ""))
    yield from _table(("", *finding.columns, "n"), "l" + "r" * (len(references) + 1), rows)
    if answer.reading:
        yield from ("", answer.reading)
    if f"{finding.stem}.png" in results.sheets:
        yield from ("", f"![{finding.title}](results/{finding.stem}.png)")
    pictures = {
        label: f"![{label}](results/{name})"
        for label, name in answer.pictures.items()
        if name in results.sheets
    }
    if pictures:
        yield ""
        yield from _table(list(pictures), "l" * len(pictures), [pictures.values()])


def _pictures(experiment: ReportExperiment, draws: Draws, there: Collection[str]) -> Iterator[str]:
    """What there is of the pictures of the first run, and what the report says of its own."""
    name, stem = experiment.name, experiment.stem(draws.budget)
    words = {SAMPLES: SAMPLES}
    for figure in experiment.figures:
        words[figure.name or figure.verb] = f"{VERBS[figure.verb]}, {figure.place}"
    files = [(text, picture_name(stem, draws.seed, one)) for one, text in words.items()]
    shown = [(text, file) for text, file in files if file in there]
    if not shown:
        return
    yield f"\n#### `{name}`"
    said = [
        f"{reported.measure} ({reported.place}): {reported.value}"
        for reported in load_experiment(name).reported
        if isinstance(reported.value, str)
    ]
    if said:
        yield f"\nThe report has {'; '.join(said)}."
    for text, file in shown:
        yield f"\n{capitalize(text)}:\n"
        yield f"![{text} of {name}](results/{file})"


def _table(headings: Sequence[str], sides: str, rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield _row(headings)
    yield _row([{"l": "---", "r": "---:"}[side] for side in sides], space="")
    yield from (_row(row) for row in rows)


def _row(cells: Iterable[str], space: str = " ") -> str:
    inner = f"{space}|{space}".join(cell.replace("|", r"\|") for cell in cells)
    return f"|{space}{inner}{space}|"
