"""What several experiments say together: no figure is typed, and none is made up."""

import pytest

from twofold.experiments.resolve import load_experiment
from twofold.reproduction.figures import draw_figures
from twofold.reproduction.finding import answers
from twofold.reproduction.page import page, publish
from twofold.reproduction.reports import Report
from twofold.reproduction.results import Results

REPORT = Report.model_validate(
    {
        "name": "digits",
        "title": "A toy",
        "source": "none",
        "experiments": [
            {"name": "digits-cvae", "measures": ["gan-test"]},
            {"name": "digits-cgan", "measures": ["gan-test"]},
        ],
        "findings": [
            {
                "name": "which",
                "title": "Which is better?",
                "columns": {"recognized": "gan_test/{variant}", "FID": "fid"},
                "rows": {
                    "vae": {
                        "label": "a CVAE",
                        "experiment": "digits-cvae",
                        "variant": "mlp",
                        "picture": "samples",
                    },
                    "gan": {"label": "a CGAN", "experiment": "digits-cgan", "variant": "cnn"},
                },
                "reading": "The CVAE has {vae.recognized}, the CGAN {gan.recognized}.",
            }
        ],
    }
)


def run(experiment, seed: int, **values: float) -> dict:
    measures = {
        name: {
            "title": name,
            "value": value,
            "error": None,
            "unit": "%",
            "better": "higher",
            "reference": 99.5,
            "provenance": {},
        }
        for name, value in values.items()
    }
    environment = {"processor": "x", "device": "cpu", "threads": 1, "cores": 2, "torch": "2"}
    return {
        "seed": seed,
        "label_seed": 0,
        "command": f"twofold train {experiment.name} seed={seed}",
        "recipe": experiment.settings("full").recipe(),
        "environment": environment,
        "training_seconds": 60.0,
        "measures": measures,
    }


def results(*, gan: bool = True, sheets: tuple[str, ...] = ()) -> Results:
    vae_experiment, gan_experiment = REPORT.experiments
    vae_runs = [run(vae_experiment, seed, **{"gan_test/mlp": 90.0 + seed}) for seed in (0, 1, 2)]
    content = {"experiments": {"digits-cvae": {"runs": vae_runs}}}
    if gan:
        one = run(gan_experiment, 0, **{"gan_test/cnn": 80.0, "fid": 3.0})
        content["experiments"]["digits-cgan"] = {"runs": [one]}
    return Results([content], sheets)


def test_a_reading_is_filled_in():
    (answer,) = answers(REPORT, results())
    assert answer.reading == "The CVAE has 91.0\u00a0±\u00a01.0\u00a0%, the CGAN 80\u00a0%."
    assert answer.cell("vae", "FID") == ""
    assert answer.references == {"recognized": 99.5, "FID": 99.5}
    picture = answer.picture()
    assert picture.png.startswith(b"\x89PNG")
    assert "a CVAE" in picture.svg


def test_a_column_that_says_nothing_of_a_row_is_left_blank():
    finding = REPORT.findings[0]
    rows = finding.rows | {"gan": finding.rows["gan"].model_copy(update={"without": ("FID",)})}
    report = REPORT.model_copy(update={"findings": (finding.model_copy(update={"rows": rows}),)})
    (answer,) = answers(report, results())
    assert (answer.cell("gan", "recognized"), answer.cell("gan", "FID")) == ("80", "")


def test_without_a_figure_there_is_no_reading():
    finding = REPORT.findings[0]
    asks = finding.model_copy(update={"reading": "{vae.FID} against {gan.FID}"})
    (answer,) = answers(REPORT.model_copy(update={"findings": (asks,)}), results())
    assert answer.reading == ""


def test_one_experiment_alone_answers_nothing():
    assert list(answers(REPORT, results(gan=False))) == []


def test_the_page_lays_it_out():
    text = page([REPORT], results(sheets=("finding-which.png",)))
    assert "| a CVAE | 91.0\u00a0±\u00a01.0 |  | 3 |" in text
    assert "| real images | 99.5 | 99.5 |  |" in text
    assert "![Which is better?](results/finding-which.png)" in text
    assert "| 1 | `twofold train digits-cvae seeds=0,1,2` | full | 1 | a |" in text
    assert "a: x, cpu, 1 thread of 2 cores, torch 2." in text


def test_a_picture_of_a_finding_is_shown_once():
    sheets = ("digits-cvae-seed0.png", "digits-cgan-seed0.png")
    text = page([REPORT], results(sheets=sheets))
    assert "| a CVAE |\n|---|\n| ![a CVAE](results/digits-cvae-seed0.png) |" in text
    assert text.count("digits-cvae-seed0.png") == text.count("digits-cgan-seed0.png") == 1


def test_draws_that_differ_in_more_than_a_seed_have_a_command_each():
    experiment = REPORT.experiments[0]
    one, other = run(experiment, 0), run(experiment, 1)
    other |= {"label_seed": 1, "command": "twofold train digits-cvae seed=1 data.label_seed=1"}
    found = Results([{"experiments": {"digits-cvae": {"runs": [one, other]}}}])
    commands = "`twofold train digits-cvae seed=0; twofold train digits-cvae seed=1 data.label_"
    assert commands in page([REPORT], found)


def test_label_draws_have_one_command():
    experiment = REPORT.experiments[0]
    runs = [run(experiment, 0) for _ in range(2)]
    runs[1] |= {"label_seed": 4, "command": "twofold train digits-cvae seed=0 data.label_seed=4"}
    found = Results([{"experiments": {"digits-cvae": {"runs": runs}}}])
    assert "`twofold train digits-cvae label_seeds=0,4`" in page([REPORT], found)


def test_an_empty_folder_makes_a_page_of_blanks(tmp_path):
    publish([REPORT], tmp_path, tmp_path / "page.md")
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]
    assert "How it was run" not in (tmp_path / "page.md").read_text()


@pytest.mark.parametrize("verb", ["reconstruct", "latents"])
def test_figures_are_drawn_once_for_a_run(tmp_path, silent, verb):
    from twofold.experiments.train import train
    from twofold.reproduction.reports import ReportExperiment

    changes = {"epochs": 1, "layers": "fc-8", "latent_dim": 2, "limit": 100}
    trained = train("digits-cvae", changes, out=tmp_path / "run", progress=silent)
    figure = {"verb": verb, "place": "figure 1", "options": {"n": 20}}
    experiment = ReportExperiment.model_validate(
        {"name": "digits-cvae", "measures": [], "figures": [figure]}
    )
    draw_figures(experiment, trained, tmp_path / "out")
    path = tmp_path / "out" / f"digits-cvae-seed0-{verb}.png"
    before = path.stat().st_mtime_ns
    draw_figures(experiment, trained, tmp_path / "out")
    assert path.stat().st_mtime_ns == before
    assert (tmp_path / "out" / "digits-cvae-seed0.png").exists()


def test_verdicts_are_summed_up_over_reports():
    """Two of the same, with figures that were printed and nothing run."""
    report = Report.model_validate(
        {
            "name": "lin-yu2018",
            "title": "A report",
            "source": "none",
            "experiments": [{"name": "lin-yu2018-vae-z2", "measures": []}],
            "omitted": {"a": "too expensive", "b": "too expensive", "c": "no data"},
        }
    )
    text = page([report, report], Results([]))
    reported = load_experiment("lin-yu2018-vae-z2").reported
    each, numbers = len(reported), sum(not isinstance(one.value, str) for one in reported)
    assert (
        f"In all, {2 * each} results, {2 * numbers} of them numbers: "
        f"{2 * each} not run or not measured."
    ) in text
    assert "| 157.226 ± 1 |" in text, "with its tolerance"
    assert "- Left out: `a` and `b`; too expensive\n- Left out: `c`; no data\n" in text
    assert "In all" not in page([report], Results([]))


def test_a_run_cut_short_is_no_run_that_failed():
    report = Report.model_validate(
        {
            "name": "belani2020",
            "title": "A report",
            "source": "none",
            "experiments": [{"name": "belani2020-vae", "measures": [], "laptop": {"epochs": 50}}],
        }
    )
    (experiment,) = report.experiments
    trained = run(experiment, 0, **{"loss/train/vae": 3.0})
    text = page([report], Results([{"experiments": {"belani2020-vae": {"runs": [trained]}}}]))
    assert "1 not reproduced" in text
    assert "less training" not in text
    trained["recipe"] = experiment.settings("laptop").recipe()
    text = page([report], Results([{"experiments": {"belani2020-vae": {"runs": [trained]}}}]))
    assert "Of those not reproduced, 1 had less training than the report's." in text
    assert "training loss: not reproduced, trained for 50 of 200 epochs" in text
    trained["measures"]["loss/train/vae"]["value"] = 300.0
    text = page([report], Results([{"experiments": {"belani2020-vae": {"runs": [trained]}}}]))
    assert "training loss: better, trained for 50 of 200 epochs" in text
