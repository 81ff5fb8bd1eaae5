"""The reproduction book: verdicts, what is left to do, and a page that says what was run."""

import inspect
import json
import re
from pathlib import Path

import pytest
import yaml

from twofold.errors import UsageError
from twofold.experiments.resolve import experiment_names, load_experiment
from twofold.experiments.schema import Reported
from twofold.metrics.measure import Measure
from twofold.reproduction import book as books
from twofold.reproduction.book import book_names, load_book
from twofold.reproduction.collect import recipe_digest, settings_of
from twofold.reproduction.finding import PLACE
from twofold.reproduction.page import page, why
from twofold.reproduction.plates import SAMPLES, VERBS, verb_of
from twofold.reproduction.reproduce import _in_turn, plan_reproduction, reproduce
from twofold.reproduction.results import load_results
from twofold.reproduction.verdict import judge_figure
from twofold.training.optimizers import PhaseOptimizer

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"


def reported(value: float | str = 5.0, **fields: object) -> Reported:
    return Reported.model_validate({"measure": "x", "value": value, "place": "here", **fields})


def measured(*values: float, better: str | None = "lower") -> list[Measure]:
    return [Measure("x", "x", value, "%", better=better) for value in values]


@pytest.mark.parametrize(
    ("values", "better", "verdict"),
    [
        ((5.3, 4.9, 5.1), "lower", "reproduced"),  # 5 lies within two standard deviations
        ((3.0, 3.1, 3.2), "lower", "better"),
        ((3.0, 3.1, 3.2), "higher", "not reproduced"),
        ((7.0, 7.1, 7.2), "lower", "not reproduced"),
        ((7.0, 7.1, 7.2), "higher", "better"),
        ((7.0, 7.1, 7.2), None, "not reproduced"),
        ((5.0,), "lower", "reproduced"),
        ((5.1,), "lower", "not reproduced"),
        ((), "lower", ""),
    ],
)
def test_verdicts(values, better, verdict):
    assert judge_figure(reported(), measured(*values, better=better)).verdict == verdict


def test_a_tolerance_that_the_file_states():
    assert judge_figure(reported(tolerance=0.2), measured(5.1)).verdict == "reproduced"
    assert judge_figure(reported(tolerance=0.2), measured(5.3)).verdict == "not reproduced"


def test_an_error_beside_an_accuracy():
    """5 % error is 95 % accuracy, and less of it is better."""
    figure = judge_figure(reported(inverted=True), measured(97.0, 97.2, better="higher"))
    assert figure.mean == pytest.approx(2.9)
    assert figure.verdict == "better"
    worse = judge_figure(reported(inverted=True), measured(90.0, 90.2, better="higher"))
    assert worse.verdict == "not reproduced"


def test_what_is_not_comparable_is_shown_and_not_judged():
    figure = judge_figure(reported(incomparable="of another thing"), measured(5.0))
    assert (figure.verdict, figure.reason) == ("not comparable", "of another thing")
    assert figure.values == (5.0,)
    assert judge_figure(reported("clean digits"), []).verdict == "to look at"


def test_what_was_not_run_has_no_verdict():
    for one in (reported(), reported("clean digits"), reported(incomparable="of another thing")):
        assert judge_figure(one, [], was_run=False).verdict == ""


@pytest.mark.parametrize("name", book_names())
def test_books_name_what_there_is(name):
    from twofold.apply.measures import MEASURES

    book = load_book(name)
    assert book.name == name
    seen = [chapter.experiment for chapter in book.chapters]
    assert len(set(seen)) == len(seen)
    for chapter in book.chapters:
        assert set(chapter.measures) <= MEASURES.keys()
        full, laptop = chapter.settings("full"), chapter.settings("laptop")
        assert (recipe_digest(full) == recipe_digest(laptop)) == (not chapter.laptop)
        assert chapter.experiment.startswith(name)
        figures = {one.measure for one in load_experiment(chapter.experiment).reported}
        assert chapter.verdicts.keys() <= figures
        for plate in chapter.plates:
            assert plate.verb in VERBS
            inspect.signature(verb_of(plate)).bind("run", **plate.options)
        drawn = [plate.name or plate.verb for plate in chapter.plates]
        assert len({SAMPLES, *drawn}) == 1 + len(drawn)


@pytest.mark.parametrize("name", book_names())
def test_findings_speak_of_what_the_book_runs(name):
    """Every row is a chapter, and every figure of a reading stands in the table."""
    book = load_book(name)
    for finding in book.findings:
        for row in finding.rows.values():
            plates = book.chapter(row.experiment).plates
            assert row.picture in {"", SAMPLES, *(plate.name or plate.verb for plate in plates)}
            assert set(row.without) < finding.columns.keys()
        for row, heading in PLACE.findall(finding.reading):
            assert row in finding.rows
            assert heading in finding.columns
        typed = re.search(r"\d[.,]\d|\d\s*%", PLACE.sub("", finding.reading))
        assert typed is None, f"{typed} was typed"


def test_every_printed_figure_is_in_a_book_or_left_out_for_a_reason():
    for name in book_names():
        book = load_book(name)
        printed = {
            one
            for one in experiment_names()
            if one.startswith(name) and load_experiment(one).reported
        }
        shown = {chapter.experiment for chapter in book.chapters}
        assert printed <= shown | book.omitted.keys()
        assert not shown & book.omitted.keys()


def test_a_recipe_is_all_but_words_seeds_and_the_machine():
    one = load_experiment("lam2023-cvae")
    digest = recipe_digest(one)
    assert recipe_digest(one.model_copy(update={"seed": 7, "title": "x"})) == digest
    assert recipe_digest(settings_of("twofold train lam2023-cvae seed=3 device=cuda")) == digest
    assert recipe_digest(settings_of("twofold train lam2023-cvae epochs=49")) != digest


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_committed_results_are_of_the_experiments_as_they_are(path):
    """A result whose experiment file has changed since is no result of it."""
    for name, entry in json.loads(path.read_text()).get("experiments", {}).items():
        for run in entry["runs"]:
            assert recipe_digest(settings_of(run["command"])) == run["recipe"], (
                f"{name} has changed since {run['command']!r} was run"
            )


def test_the_page_is_that_of_the_committed_results():
    """Made by `python benchmarks/results.py write`, never edited."""
    expected = page([load_book(name) for name in book_names()], load_results(RESULTS))
    assert (ROOT / "docs" / "reproduction.md").read_text() == expected


def test_what_was_not_reproduced_has_a_reason():
    results = load_results(RESULTS)
    for book in map(load_book, book_names()):
        for chapter in book.chapters:
            draws = results.of(chapter)
            for one in load_experiment(chapter.experiment).reported:
                found = draws.measured(one.ours) if draws and one.ours else []
                figure = judge_figure(one, found, was_run=draws is not None)
                if figure.verdict == "not reproduced":
                    assert why(chapter, draws, figure), f"{chapter.experiment}: {one.measure}"


TOY = {
    "name": "digits",
    "title": "A toy",
    "source": "none",
    "chapters": [
        {
            "experiment": "digits-cvae",
            "measures": ["losses"],
            "laptop": {"epochs": 1, "data.limit": 200, "training.batch_size": 50},
            "plates": [{"verb": "reconstruct", "place": "figure 7", "options": {"n": 3}}],
        }
    ],
}


@pytest.fixture
def toy_book(tmp_path, monkeypatch):
    """A report of one small experiment."""
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "digits.yaml").write_text(yaml.safe_dump(TOY))
    monkeypatch.setattr(books, "FOLDER", folder)
    books.load_book.cache_clear()
    yield
    books.load_book.cache_clear()


@pytest.mark.usefixtures("toy_book")
def test_a_report_is_run_once_and_then_only_read(tmp_path, silent):
    out = tmp_path / "out"
    lines = plan_reproduction("digits", seeds="0,1", out=out, jobs=1)
    assert "digits-cvae-laptop: 0 of 2 there, about" in lines[1]
    done = reproduce("digits", seeds="0,1", out=out, jobs=1, progress=silent)
    assert [run.path.name for run in done.runs] == [
        "digits-cvae-laptop-seed0",
        "digits-cvae-laptop-seed1",
    ]
    text = done.page.read_text()
    assert "A toy" in text
    (picture,) = re.findall(r"!\[samples of digits-cvae\]\((.+)\)", text)
    assert (out / picture).exists()
    (plate,) = re.findall(r"!\[reconstructions, figure 7 of digits-cvae\]\((.+)\)", text)
    assert (out / plate).exists()
    committed = json.loads((out / "results" / "digits.json").read_text())
    assert len(committed["experiments"]["digits-cvae"]["runs"]) == 2
    before = [(run.path / "evaluation.json").stat().st_mtime_ns for run in done.runs]
    drawn = (out / plate).stat().st_mtime_ns
    again = reproduce("digits", seeds="0,1", out=out, progress=silent)
    assert (out / plate).stat().st_mtime_ns == drawn
    assert [(run.path / "evaluation.json").stat().st_mtime_ns for run in again.runs] == before
    assert "done" in plan_reproduction("digits", seeds="0,1", out=out)[1]


def test_all_reports_begin_with_their_first_experiments():
    one, two = load_book("lam2023"), load_book("belani2020")
    names = [[chapter.experiment for chapter in book.chapters] for book in (one, two)]
    order = [step for _, step in _in_turn((one, two), names)]  # type: ignore[arg-type]
    assert order[:4] == [names[0][0], names[1][0], names[0][1], names[1][1]]
    assert sorted(order) == sorted(names[0] + names[1])


def test_unknown_reports_and_budgets(tmp_path):
    with pytest.raises(UsageError, match="unknown report 'lam2024'; did you mean 'lam2023'"):
        reproduce("lam2024", out=tmp_path)
    with pytest.raises(UsageError, match="unknown budget 'desktop'"):
        reproduce("lam2023", budget="desktop", out=tmp_path)
    with pytest.raises(UsageError, match="jobs=0: at least one run"):
        reproduce("lam2023", jobs=0, out=tmp_path)


def test_the_estimate_is_of_all_steps(tmp_path, monkeypatch):
    """A clock that gains one second with each reading: four timed steps take one second."""
    from twofold.reproduction import plan as plans

    ticks = iter(range(100))
    monkeypatch.setattr(plans.time, "perf_counter", lambda: float(next(ticks)))
    experiment = settings_of("twofold train digits-cvae epochs=3 batch_size=50 limit=400")
    dataset = plans.load_data(experiment.data)
    seconds = plans._seconds(experiment, dataset)
    assert seconds == pytest.approx(3 * 400 / 50 / plans.TIMED)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("family", "optimizers"),
    [
        ("m1m2", {"m1": {"stop": 1}, "m2": {"start": 1}}),
        ("cgan", {"discriminator": {}, "generator": {"every": 3}}),
    ],
)
def test_the_estimate_times_every_phase(family, optimizers, toy_experiment, toy_data, monkeypatch):
    """A phase that starts late, or plays at every third step alone, costs its time too."""
    from twofold.reproduction import plan as plans

    stepped = []
    take_step = PhaseOptimizer.take_step
    monkeypatch.setattr(
        PhaseOptimizer, "take_step", lambda *a: stepped.append(a[0].phase.name) or take_step(*a)
    )
    plans._seconds(toy_experiment(family, optimizers=optimizers), toy_data)
    assert set(stepped) == set(optimizers)
