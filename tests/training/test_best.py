"""Keeping the best validation, and stopping when none becomes better."""

import json
import math
from pathlib import Path

import pytest
import torch

from twofold import models
from twofold.data import ImageDataset
from twofold.errors import UsageError
from twofold.evaluation.summary import gather
from twofold.experiments.fit import fit
from twofold.experiments.folders import state_of
from twofold.experiments.run import Run
from twofold.experiments.train import resume, train
from twofold.training.best import Best, figure_of
from twofold.training.checkpoint import load_checkpoint
from twofold.training.initial import weights_hash
from twofold.training.loop import Trainer
from twofold.training.progress import Silent

# The loss falls from validation to validation, so that the first has the most of it.
WORST = {"keep_best": "max:loss", "validate_every": 1, "epochs": 6}


@pytest.fixture
def trained(tmp_path: Path, toy_data: ImageDataset, toy_experiment, silent):
    def make(name: str, family: str = "cvae", progress=silent, **training: object) -> Run:
        experiment = toy_experiment(family, **training)
        return train(experiment, out=tmp_path / name, dataset=toy_data, progress=progress)

    return make


def same(a: Run, b: Run) -> bool:
    left, right = a.model().state_dict(), b.model().state_dict()
    return all(torch.equal(value, right[name]) for name, value in left.items())


def losses(run: Run) -> list[float]:
    return [r["terms"]["vae"]["loss"] for r in run.records if r["kind"] == "validation"]


def stop_at(step: int, monkeypatch) -> None:
    """As SIGKILL at the beginning of a step does: no checkpoint is written."""
    original = Trainer.train_step

    def killed(self, batch):
        if self.step == step:
            raise KeyboardInterrupt
        original(self, batch)

    monkeypatch.setattr(Trainer, "train_step", killed)


def test_the_model_of_a_finished_run_is_the_best(trained):
    """The first validation is after 5 steps, and so it is the model of a run of 5 steps."""
    kept, plain = trained("kept", **WORST), trained("plain", validate_every=1, epochs=6)
    five = trained("five", epochs=None, images=100)
    assert losses(kept) == losses(plain) == sorted(losses(plain), reverse=True)
    assert kept.progress == (27, 27)
    assert kept.model_step == 5
    assert kept.best is not None
    assert (kept.best["step"], kept.best["waited"]) == (5, 5)
    assert kept.best["value"] == losses(kept)[0]
    assert same(kept, five)
    assert not same(kept, plain)
    newest = load_checkpoint(kept.newest_checkpoint)[0]
    last = plain.model().state_dict()
    assert all(torch.equal(value, newest[f"model/{name}"]) for name, value in last.items())
    assert weights_hash(kept.path) == load_checkpoint(kept.checkpoint)[1]["sha256"][:16]
    names = sorted(path.name for path in (kept.path / "checkpoints").glob("best*"))
    assert names == ["best-00000005.json", "best-00000005.safetensors"]


def test_of_a_figure_that_only_gets_better_the_last_is_kept(trained):
    kept, plain = trained("kept", keep_best="elbo"), trained("plain")
    assert kept.model_step == kept.progress[0] == 18
    assert same(kept, plain)
    terms = kept.records[-1]["terms"]["vae"]
    assert kept.best is not None
    assert kept.best["value"] == pytest.approx(-(terms["recon_nll"] + terms["kl"]))


def test_patience_stops_a_run_which_then_is_finished(trained, toy_data, toy_experiment, silent):
    said: list[str] = []

    class Listening(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    run = trained("run", patience=2, progress=Listening(), log_every=50, **WORST)
    assert len(losses(run)) == 3
    assert run.finished
    assert run.progress == (14, 27)
    assert run.model_step == 5
    assert [r["step"] for r in run.records if r["kind"] == "train"] == [14]
    assert run.samples[-1].name == "epoch-0003.png"
    assert said[-1].startswith("stopped: no better one in 2 validations; the weights are those of")
    assert "epoch 1.1111, with the best max:loss" in said[-1]
    assert state_of(run.path, run.experiment) == "finished"
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    assert resume(run.path, silent).finished
    assert before == {p: p.stat().st_mtime_ns for p in run.path.rglob("*") if p.is_file()}
    with pytest.raises(UsageError, match=r"stopped before its end, as 2 .*patience=4 --out"):
        resume(run, silent, epochs=9)


@pytest.mark.parametrize("step", [3, 7, 11, 13])
@pytest.mark.parametrize("every", [0, 1000])
def test_a_killed_run_keeps_and_stops_as_one_that_was_not(
    step: int, every: int, trained, monkeypatch, silent, tmp_path
):
    """With a checkpoint after every step, and with none but the first."""
    fields = {**WORST, "patience": 2, "checkpoint_every": every}
    whole = trained("whole", **fields)
    with monkeypatch.context() as patch:
        stop_at(step, patch)
        with pytest.raises(KeyboardInterrupt):
            trained("killed", **fields)
    killed = Run(tmp_path / "killed")
    assert not killed.finished
    assert killed.model_step == killed.progress[0], "it has no best before its end"
    resumed = resume(killed, silent)
    assert resumed.best == whole.best
    assert resumed.progress == whole.progress
    assert losses(resumed) == losses(whole)
    assert same(resumed, whole)


def test_a_run_goes_on_to_be_longer(trained, silent):
    short = trained("short", **{**WORST, "epochs": 4})
    longer = resume(short, silent, epochs=6)
    whole = trained("whole", **WORST)
    assert longer.progress == (27, 27)
    assert longer.model_step == 5
    assert same(longer, whole)


def test_figures_are_of_the_weights_that_are_kept(trained):
    run = trained("run", **WORST)
    path = run.path / "evaluation.json"
    path.write_text(json.dumps({"measures": [], "settings": {"step": 5}}))
    assert run.current_evaluation
    assert not gather([run])[0].is_stale
    path.write_text(json.dumps({"measures": [], "settings": {"step": 27}}))
    assert not run.current_evaluation
    assert gather([run])[0].is_stale


def test_a_model_made_in_python_ends_with_the_best(tmp_path, toy_data, silent):
    vae = models.VAE("fc-8", "fc-8", latent_dim=4, image_shape=(1, 8, 8))
    fields = {**WORST, "batch_size": 20, "log_every": 1}
    run = fit(vae, toy_data, out=tmp_path / "r", progress=silent, **fields)
    kept = run.model().state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in vae.state_dict().items())


def test_what_no_validation_has_is_refused_with_what_there_is(trained, tmp_path):
    words = r"keep_best=elbo: this model's terms make up no ELBO; .* has discriminator/loss, "
    with pytest.raises(UsageError, match=words):
        trained("r", "cgan", keep_best="elbo")
    words = "loss could be discriminator/loss or generator/loss; a validation of this model has"
    with pytest.raises(UsageError, match=words):
        trained("r", "cgan", keep_best="loss")
    with pytest.raises(UsageError, match=r"no such figure; .* has elbo, vae/loss, vae/recon_nll"):
        trained("r", keep_best="fid")
    assert not (tmp_path / "r").exists()
    assert trained("r", "cgan", keep_best="diversity", epochs=1).best


def test_without_validation_images_it_is_refused(tmp_path, toy_data, toy_experiment, silent):
    parts = {"train": toy_data.splits["train"], "test": toy_data.splits["test"]}
    bare = ImageDataset(toy_data.images, toy_data.labels, toy_data.class_names, "b", splits=parts)
    with pytest.raises(UsageError, match=r"needs validation images.*as in validation=0\.1"):
        train(toy_experiment(keep_best="loss"), out=tmp_path / "r", dataset=bare, progress=silent)
    assert not (tmp_path / "r").exists()


def test_settings_that_mean_nothing_are_refused(toy_experiment):
    with pytest.raises(UsageError, match=r"patience=3 needs keep_best.*as in keep_best=loss"):
        toy_experiment(patience=3)
    for wrong in ("most:loss", "max:", ""):
        with pytest.raises(UsageError, match="expected a figure, as in loss, max:accuracy"):
            toy_experiment(keep_best=wrong)


def test_how_often_it_is_validated_decides_a_result_only_then(toy_experiment):
    def recipes(**fields: object) -> set[str]:
        return {toy_experiment(validate_every=n, **fields).recipe() for n in (1, 2)}

    assert len(recipes()) == 1
    assert len(recipes(keep_best="loss")) == 2


def test_the_way_is_that_of_the_figure():
    def kept(figure: str, values: list[float]) -> int | None:
        best = Best(figure)
        for step, value in enumerate(values):
            terms = {"net": {"accuracy": value, "loss": value, "recon_nll": value, "kl": 0.0}}
            best.improves({"step": step, "epoch": 0.0, "terms": terms})
        return best.step

    values = [math.nan, 2.0, 1.0, 3.0, 3.0, math.inf]
    assert kept("loss", values) == 2
    assert kept("accuracy", values) == kept("net/accuracy", values) == 3
    assert kept("min:accuracy", values) == 2
    assert kept("elbo", values) == 2, "its terms go up where it goes down"
    assert kept("loss", [math.nan]) is None
    assert "no validation had a finite loss" in Best("loss").words()


def test_the_elbo_of_m2_has_the_label_and_not_the_classifier():
    terms = {"recon_nll": 3.0, "kl": 2.0, "label_kl": 1.0, "cross_entropy": 9.0, "loss": 15.0}
    assert figure_of({"terms": {"m2": terms}}, "elbo") == -6.0
