"""A run that is given more epochs than it was asked for."""

import json
from pathlib import Path

import pytest
import torch
import yaml

from twofold.data import ImageDataset
from twofold.errors import RunError, UsageError
from twofold.experiments.folders import state_of
from twofold.experiments.run import Run
from twofold.experiments.train import resume, train
from twofold.training.checkpoint import load_checkpoint
from twofold.training.loop import Trainer

DROPOUT = {"encoder": {"layers": "fc-16", "dropout": 0.3}}
DECAY = {"name": "adam", "lr": 1e-2, "schedule": "exponential", "decay": 0.7, "decay_steps": 5}


def assert_same_training(a: Run, b: Run) -> None:
    """Weights, optimizers and random numbers, to the bit."""
    left, right = (
        {k: v for k, v in load_checkpoint(run.newest_checkpoint)[0].items() if "sums/" not in k}
        for run in (a, b)
    )
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


def stop_at(step: int, monkeypatch) -> None:
    """As SIGKILL at the beginning of a step does: no checkpoint is written."""
    original = Trainer.train_step

    def killed(self, batch):
        if self.step == step:
            raise KeyboardInterrupt
        original(self, batch)

    monkeypatch.setattr(Trainer, "train_step", killed)


@pytest.fixture
def trained(tmp_path: Path, toy_data: ImageDataset, toy_experiment, silent):
    def make(name: str, family: str = "cvae", **training: object) -> Run:
        model = DROPOUT if family == "cvae" else {}
        experiment = toy_experiment(family, model, **training)
        return train(experiment, out=tmp_path / name, dataset=toy_data, progress=silent)

    return make


@pytest.mark.parametrize("family", ["cvae", "cgan"])
@pytest.mark.parametrize("optimizer", [{}, DECAY])
def test_a_longer_run_has_the_bits_of_one_that_was_meant_to_be_long(
    family: str, optimizer: dict, trained, silent
):
    """Dropout, latent noise, batch norm and EMA; 5 epochs are 22.5 steps, which rounds up."""
    whole = trained("whole", family, epochs=8, optimizer=optimizer)
    short = trained("short", family, epochs=5, optimizer=optimizer)
    assert short.finished
    longer = resume(short, silent, epochs=8)
    assert longer.progress == whole.progress == (36, 36)
    assert longer.experiment == Run(longer.path).experiment == whole.experiment
    assert_same_training(whole, longer)
    assert longer.finished
    steps = [r["step"] for r in longer.records if r["kind"] == "train"]
    assert steps == sorted(set(steps))


def test_images_are_a_duration_too(trained, silent):
    whole, short = trained("whole", epochs=None, images=500), trained("short", epochs=4)
    longer = resume(short, silent, images=500)
    assert longer.experiment == whole.experiment
    assert_same_training(whole, longer)


def test_a_longer_run_may_be_killed(trained, silent, monkeypatch):
    """In the middle of training on, or between the two files that say how long it is."""
    whole = trained("whole", "cgan", epochs=8)
    short = trained("short", "cgan", epochs=4, checkpoint_every=0)
    with monkeypatch.context() as patch:
        stop_at(27, patch)
        with pytest.raises(KeyboardInterrupt):
            resume(short, silent, epochs=8)
    assert Run(short.path).progress == (27, 36)
    assert_same_training(whole, resume(short.path, silent))

    other = trained("other", "cgan", epochs=4)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "rewrite_experiment", lambda *_: (_ for _ in ()).throw(KeyError))
        with pytest.raises(KeyError):
            resume(other, silent, epochs=8)
    between = Run(other.path)
    assert between.experiment.training.epochs == 4
    assert between.progress == (18, 36)
    assert not between.finished
    assert between.model(), "its weights are there to be used"
    assert_same_training(whole, resume(other.path, silent))
    assert Run(other.path).experiment.training.epochs == 8


def test_the_evaluation_of_the_shorter_run_is_no_longer_that_of_the_run(trained, silent):
    run = trained("run")
    settings = {"step": 18, "total_steps": 18}
    (run.path / "evaluation.json").write_text(json.dumps({"measures": [], "settings": settings}))
    assert run.current_evaluation
    assert not resume(run, silent, epochs=5).current_evaluation


def test_an_interrupted_run_may_be_made_shorter_but_not_than_it_is(trained, silent, monkeypatch):
    expected = trained("expected", epochs=4)
    with monkeypatch.context() as patch:
        stop_at(10, patch)
        with pytest.raises(KeyboardInterrupt):
            trained("run", epochs=6, checkpoint_every=0)
    run = Run(expected.path.parent / "run")
    with pytest.raises(UsageError, match=r"epochs=2 is less than .* stands at step 10.* step 9;"):
        resume(run, silent, epochs=2)
    assert Run(run.path).experiment.training.epochs == 6
    assert_same_training(expected, resume(run, silent, epochs=4))


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_schedule_that_ends_with_the_run_is_refused(schedule, trained, silent):
    run = trained("run", "cgan", optimizers={"generator": {"schedule": schedule}})
    words = rf"to epochs=9: .*phase generator follows schedule={schedule}.*ends at 0 with epochs=4"
    with pytest.raises(UsageError, match=words):
        resume(run, silent, epochs=9)
    again = Run(run.path)
    assert again.finished
    assert again.experiment.training.epochs == 4
    assert again.model()


def test_nothing_but_the_duration_may_be_others(trained, silent):
    run = trained("run")
    with pytest.raises(UsageError, match=r"lr=0\.1: a run goes on .*only epochs or images may be"):
        resume(run, silent, epochs=9, lr=0.1)
    with pytest.raises(UsageError, match="epochs or as images, one of them"):
        resume(run, silent, epochs=9, images=3000)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    assert resume(run, silent, epochs=4).finished
    assert before == {p: p.stat().st_mtime_ns for p in run.path.rglob("*") if p.is_file()}


def test_who_trains_it_again_for_longer_is_told(trained, toy_experiment, toy_data, silent):
    run = trained("run")
    longer = run.experiment.training.model_copy(update={"epochs": 9.0})
    asked = run.experiment.model_copy(update={"training": longer})
    with pytest.raises(RunError, match=r"training\.epochs=4\.0.*`twofold resume .*/run epochs=9`"):
        state_of(run.path, asked)


def test_the_command(twofold, tmp_path: Path):
    run = tmp_path / "run=1"
    small = ["data=digits", "limit=100", "layers=fc-8", "batch_size=50"]
    assert twofold("train", "lam2023-cvae", *small, "epochs=1", "--out", run, "-q")[0] == 0
    code, output, errors = twofold("resume", run, "epochs=3", "-q")
    assert (code, output.strip()) == (0, str(run)), errors
    assert yaml.safe_load((run / "experiment.yaml").read_text())["training"]["epochs"] == 3
    assert Run(run).progress == (6, 6)
    code, _, errors = twofold("resume", run, "epochs=2")
    assert code == 2
    assert "epochs=2 is less than" in errors
    code, _, errors = twofold("resume", "epochs=2")
    assert code == 2
    assert "epochs=2 of which run?" in errors
