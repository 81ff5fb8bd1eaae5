"""The reproduction of reports: verdicts, what is left to do, and a page that says what was run."""

import inspect
import json
import re
from pathlib import Path

import pytest
import yaml

from twofold.errors import UsageError
from twofold.evaluation.figure import Figure
from twofold.experiments.resolve import experiment_names, load_experiment
from twofold.experiments.schema import Reported
from twofold.reproduction import reports
from twofold.reproduction.collect import settings_of
from twofold.reproduction.figures import SAMPLES, VERBS, verb_of
from twofold.reproduction.finding import PLACE
from twofold.reproduction.page import page, why
from twofold.reproduction.reports import load_report, report_names
from twofold.reproduction.reproduce import _in_turn, plan_reproduction, reproduce
from twofold.reproduction.results import compare_result, load_results
from twofold.training.optimizers import PhaseOptimizer

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"


def reported(value: float | str = 5.0, **fields: object) -> Reported:
    return Reported.model_validate({"measure": "x", "value": value, "place": "here", **fields})


def measured(*values: float, better: str | None = "lower") -> list[Figure]:
    return [Figure("x", "x", value, "%", better=better) for value in values]


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
    assert compare_result(reported(), measured(*values, better=better)).verdict == verdict


def test_a_tolerance_that_the_file_states():
    assert compare_result(reported(tolerance=0.2), measured(5.1)).verdict == "reproduced"
    assert compare_result(reported(tolerance=0.2), measured(5.3)).verdict == "not reproduced"


def test_an_error_beside_an_accuracy():
    """5 % error is 95 % accuracy, and less of it is better."""
    found = compare_result(reported(inverted=True), measured(97.0, 97.2, better="higher"))
    assert found.values == pytest.approx((3.0, 2.8))
    assert found.verdict == "better"
    worse = compare_result(reported(inverted=True), measured(90.0, 90.2, better="higher"))
    assert worse.verdict == "not reproduced"


def test_what_is_not_comparable_is_shown_and_gets_no_verdict():
    found = compare_result(reported(incomparable="of another thing"), measured(5.0))
    assert found.verdict == "not comparable"
    assert found.values == (5.0,)
    assert compare_result(reported("clean digits"), []).verdict == "to look at"


def test_what_was_not_run_has_no_verdict():
    for one in (reported(), reported("clean digits"), reported(incomparable="of another thing")):
        assert compare_result(one, [], was_run=False).verdict == ""


@pytest.mark.parametrize("name", report_names())
def test_reports_name_what_there_is(name):
    from twofold.evaluation.measure import measures

    report = load_report(name)
    assert report.name == name
    seen = [experiment.name for experiment in report.experiments]
    assert len(set(seen)) == len(seen)
    for experiment in report.experiments:
        assert set(experiment.measures) <= measures().keys()
        full, laptop = experiment.settings("full"), experiment.settings("laptop")
        assert (full.recipe() == laptop.recipe()) == (not experiment.laptop)
        assert experiment.name.startswith(name)
        figures = {one.measure for one in load_experiment(experiment.name).reported}
        assert experiment.verdicts.keys() <= figures
        for figure in experiment.figures:
            assert figure.verb in VERBS
            inspect.signature(verb_of(figure)).bind("run", **figure.options)
        pictures = [figure.name or figure.verb for figure in experiment.figures]
        assert len({SAMPLES, *pictures}) == 1 + len(pictures)


@pytest.mark.parametrize("name", report_names())
def test_findings_speak_of_what_the_report_runs(name):
    """Every row is an experiment of it, and every figure of a reading stands in the table."""
    report = load_report(name)
    for finding in report.findings:
        for row in finding.rows.values():
            figures = report.experiment(row.experiment).figures
            assert row.picture in {"", SAMPLES, *(figure.name or figure.verb for figure in figures)}
            assert set(row.without) < finding.columns.keys()
        for row, heading in PLACE.findall(finding.reading):
            assert row in finding.rows
            assert heading in finding.columns
        typed = re.search(r"\d[.,]\d|\d\s*%", PLACE.sub("", finding.reading))
        assert typed is None, f"{typed} was typed"


def test_every_printed_figure_is_in_a_report_or_left_out_for_a_reason():
    for name in report_names():
        report = load_report(name)
        printed = {
            one
            for one in experiment_names()
            if one.startswith(name) and load_experiment(one).reported
        }
        shown = {experiment.name for experiment in report.experiments}
        assert printed <= shown | report.omitted.keys()
        assert not shown & report.omitted.keys()


def test_a_recipe_is_all_but_words_seeds_and_the_machine():
    one = load_experiment("lam2023-cvae")
    digest = one.recipe()
    assert one.model_copy(update={"seed": 7, "title": "x"}).recipe() == digest
    assert settings_of("twofold train lam2023-cvae seed=3 device=cuda").recipe() == digest
    assert settings_of("twofold train lam2023-cvae epochs=49").recipe() != digest


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_committed_results_are_of_the_experiments_as_they_are(path):
    """A result whose experiment file has changed since is no result of it."""
    for name, entry in json.loads(path.read_text()).get("experiments", {}).items():
        for run in entry["runs"]:
            assert settings_of(run["command"]).recipe() == run["recipe"], (
                f"{name} has changed since {run['command']!r} was run"
            )


def test_the_page_is_that_of_the_committed_results():
    """Made by `python benchmarks/results.py write`, never edited."""
    expected = page([load_report(name) for name in report_names()], load_results(RESULTS))
    assert (ROOT / "docs" / "reproduction.md").read_text() == expected


def test_what_was_not_reproduced_has_a_reason():
    results = load_results(RESULTS)
    for report in map(load_report, report_names()):
        for experiment in report.experiments:
            draws = results.of(experiment)
            for one in load_experiment(experiment.name).reported:
                found = draws.measures(one.ours) if draws and one.ours else []
                comparison = compare_result(one, found, was_run=draws is not None)
                if comparison.verdict == "not reproduced":
                    assert why(experiment, draws, comparison), f"{experiment.name}: {one.measure}"


TOY = {
    "name": "digits",
    "title": "A toy",
    "source": "none",
    "experiments": [
        {
            "name": "digits-cvae",
            "measures": ["losses"],
            "laptop": {"epochs": 1, "data.limit": 200, "training.batch_size": 50},
            "figures": [{"verb": "reconstruct", "place": "figure 7", "options": {"n": 3}}],
        }
    ],
}


@pytest.fixture
def toy_report(tmp_path, monkeypatch):
    """A report of one small experiment."""
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "digits.yaml").write_text(yaml.safe_dump(TOY))
    monkeypatch.setattr(reports, "FOLDER", folder)
    reports.load_report.cache_clear()
    yield
    reports.load_report.cache_clear()


@pytest.mark.usefixtures("toy_report")
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
    (path,) = re.findall(r"!\[reconstructions, figure 7 of digits-cvae\]\((.+)\)", text)
    assert (out / path).exists()
    committed = json.loads((out / "results" / "digits.json").read_text())
    assert len(committed["experiments"]["digits-cvae"]["runs"]) == 2
    before = [(run.path / "evaluation.json").stat().st_mtime_ns for run in done.runs]
    drawn_at = (out / path).stat().st_mtime_ns
    again = reproduce("digits", seeds="0,1", out=out, progress=silent)
    assert (out / path).stat().st_mtime_ns == drawn_at
    assert [(run.path / "evaluation.json").stat().st_mtime_ns for run in again.runs] == before
    assert "done" in plan_reproduction("digits", seeds="0,1", out=out)[1]


def test_all_reports_begin_with_their_first_experiments():
    one, two = load_report("lam2023"), load_report("belani2020")
    names = [[experiment.name for experiment in report.experiments] for report in (one, two)]
    plans = [(one, names[0]), (two, names[1])]
    order = [step for _, step in _in_turn(plans)]  # type: ignore[arg-type]
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
