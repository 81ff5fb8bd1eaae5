"""What `evaluate` keeps while it goes on, what it prints, and what may be asked of it."""

import json

import pytest

from twofold.errors import UsageError
from twofold.evaluation.figure import Figure
from twofold.evaluation.measure import Measure, measures
from twofold.experiments.run import Run
from twofold.experiments.train import resume, train
from twofold.verbs.evaluate import evaluate

TOY = {
    "epochs": 1,
    "schedule": "constant",
    "layers": "fc-16",
    "latent_dim": 4,
    "limit": 200,
    "log_every": 5,
}


@pytest.fixture(scope="module")
def cvae(tmp_path_factory, silent):
    out = tmp_path_factory.mktemp("runs") / "cvae"
    return train("digits-cvae", TOY, out=out, progress=silent)


def test_each_figure_is_kept_as_soon_as_its_measure_is_done(tmp_path, silent, monkeypatch):
    class Stopped(Measure):
        def take(self, context):
            yield Figure("seen", "seen", 1.0, "")
            raise KeyboardInterrupt

    run = train("digits-cvae", TOY, out=tmp_path / "r", progress=silent)
    functions = {**measures(), "cost": Stopped()}
    monkeypatch.setattr("twofold.verbs.evaluate.known_measures", lambda: functions)
    with pytest.raises(KeyboardInterrupt):
        evaluate(run, ["losses", "cost"], device="cpu", progress=silent)
    saved = json.loads((run.path / "evaluation.json").read_text())
    names = {measure["name"] for measure in saved["measures"]}
    assert "loss/train/vae" in names
    assert "seen" not in names
    facts = json.loads(run.checkpoint.read_text())
    assert saved["settings"]["sha256"] == facts["sha256"]
    saved["settings"]["sha256"] = "0" * 64  # of other weights of the same step
    (run.path / "evaluation.json").write_text(json.dumps(saved))
    evaluate(run, "likelihood", iwae_samples=2, device="cpu", progress=silent)
    assert "loss/train/vae" not in {m["name"] for m in run.evaluation["measures"]}


def test_a_run_that_trains_on_keeps_the_figures_of_the_weights_that_are_measured(
    tmp_path, silent, monkeypatch
):
    class Trained(Measure):
        def take(self, context):
            resume(run, silent, epochs=2)
            yield Figure("seen", "seen", 1.0, "")

    run = train("digits-cvae", TOY, out=tmp_path / "r", progress=silent)
    step = run.model_step
    functions = {**measures(), "cost": Trained()}
    monkeypatch.setattr("twofold.verbs.evaluate.known_measures", lambda: functions)
    evaluate(run, ["losses", "cost"], device="cpu", progress=silent)
    saved = json.loads((run.path / "evaluation.json").read_text())
    assert {"loss/train/vae", "seen"} <= {measure["name"] for measure in saved["measures"]}
    assert saved["settings"]["step"] == step < run.model_step
    assert Run(run.path).current_evaluation == {}


def test_a_figure_is_asked_for_by_its_measure(cvae, silent):
    with pytest.raises(UsageError, match="fid is a figure of the measure distance"):
        evaluate(cvae, "fid", progress=silent)


def test_figures_are_printed_by_question_and_what_comes_next(cvae, twofold):
    code, output, errors = twofold(
        "evaluate", cvae.path, "--measures", "cost,likelihood,classification", "--iwae-samples", 2
    )
    assert code == 0, errors
    lines = [line.strip() for line in output.splitlines()]
    assert lines.index("Likelihood") < lines.index("Cost")
    assert any(line.startswith("ELBO") for line in lines[lines.index("Likelihood") :])
    assert "Recognition" not in lines, "nothing stands under it"
    assert "classification was not measured: a CVAE names no classes" in " ".join(lines)
    assert "measure 3 of 3" in output + errors
    assert errors.strip().endswith(f"next: twofold compare {cvae.path}")
