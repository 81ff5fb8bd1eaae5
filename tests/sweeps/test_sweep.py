"""Sweeps: each cell once, chosen on validation images, and gone on with after any end."""

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

import twofold
from twofold.data import load_dataset
from twofold.errors import RunError, UsageError
from twofold.evaluation.likelihood import elbo_terms
from twofold.experiments.context import open_run, seeded
from twofold.experiments.run import Run
from twofold.experiments.train import train
from twofold.sweeps import ledger as ledgers
from twofold.sweeps.objective import Objective
from twofold.training.loop import Trainer
from twofold.training.progress import Silent

TOY = {"epochs": 1, "layers": "fc-8", "limit": 100, "device": "cpu"}


class Heard(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def sweep(tmp_path: Path, silent):
    def go(experiment="digits-cvae", **given):
        return twofold.sweep(
            experiment, **{"out": tmp_path / "sweep", "progress": silent, **TOY, **given}
        )

    return go


def weights(run: Run) -> bytes:
    return run.checkpoint.with_suffix(".safetensors").read_bytes()


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/checkpoints/*")}


def test_a_grid_trains_every_cell_once_and_names_the_best(sweep, tmp_path: Path, silent):
    found = sweep(latent_dim=[2, 3], lr="1e-4,1e-2")
    assert [(one.settings["latent_dim"], float(one.settings["lr"])) for one in found.trials] == [
        (2, 1e-4),
        (2, 1e-2),
        (3, 1e-4),
        (3, 1e-2),
    ]
    assert [one.folder.name for one in found.trials][:2] == [
        "0000-latent_dim=2-lr=1e-4",
        "0001-latent_dim=2-lr=1e-2",
    ]
    best = max(found.trials, key=lambda one: one.value)
    assert found.best == best
    assert found.run.path == best.folder
    alone = {**TOY, **best.settings, "progress": silent}
    assert weights(train("digits-cvae", out=tmp_path / "alone", **alone)) == weights(found.run)
    text = str(found)
    assert text.splitlines()[0].split() == ["trial", "latent_dim", "lr", "elbo", "training"]
    assert text.splitlines()[1].split()[0] == str(best.number)
    assert f"twofold compare {best.folder} " in text
    before = times(tmp_path / "sweep")
    assert sweep(latent_dim=[2, 3], lr="1e-4,1e-2") == found
    assert times(tmp_path / "sweep") == before


def test_the_objective_is_of_the_validation_images_and_leaves_the_run_alone(sweep):
    (one,) = sweep(latent_dim=[2], lr=[1e-3]).trials
    run = Run(one.folder)
    assert run.evaluation is None
    context = open_run(run, "cpu", {"seed": 0})
    held_out = context.prepare(load_dataset("digits", limit=100).split("validation"))
    with seeded(0, context.device):
        recon, kl = elbo_terms(context.model, held_out.in_order())
    assert one.value == -(recon + kl).mean().item()


def test_a_term_of_the_validation_records_can_be_chosen_by_and_less_of_a_loss_is_better(sweep):
    found = sweep(latent_dim=[2], lr=[1e-4, 1e-2], objective="loss")
    records = [Run(one.folder).records for one in found.trials]
    last = [[e for e in of if e["kind"] == "validation"][-1] for of in records]
    assert [one.value for one in found.trials] == [e["terms"]["vae"]["loss"] for e in last]
    assert found.best.value == min(one.value for one in found.trials)


def test_the_measure_on_features_of_the_classifier_comes_first(run_of, toy_data, monkeypatch):
    from twofold.evaluation.distance import Distance
    from twofold.evaluation.figure import Figure

    def take(self, context):
        assert context.split == "validation"
        yield Figure("fid/random", "", 2.0, "")
        yield Figure("fid/classifier", "", 1.0, "")

    monkeypatch.setattr(Distance, "take", take)
    run = run_of("cvae")
    assert Objective("fid").of(run) == 1.0
    assert Objective("fid/random").of(run) == 2.0
    assert not Objective("fid").is_higher_better


def test_an_interrupted_sweep_goes_on_to_the_same_weights(sweep, tmp_path: Path, monkeypatch):
    whole = sweep(latent_dim=[2, 3], epochs=2, out=tmp_path / "whole")
    step = Trainer.train_step

    def interrupted(self, batch):
        step(self, batch)
        self._stop_asked = self.folder.name.startswith("0001") and self.step == 1

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep(latent_dim=[2, 3], epochs=2)
    first = next((tmp_path / "sweep").glob("0000-*"))
    before = times(first)
    heard = Heard()
    found = sweep(latent_dim=[2, 3], epochs=2, progress=heard)
    assert heard.said[0] == "1 of 2 trials were taken before"
    assert times(first) == before
    assert [one.state for one in found.trials] == ["done", "done"]
    assert [one.value for one in found.trials] == [one.value for one in whole.trials]
    for one, other in zip(found.trials, whole.trials, strict=True):
        assert weights(Run(one.folder)) == weights(Run(other.folder))


def test_a_line_that_a_killed_process_cut_short_is_forgotten(sweep, tmp_path: Path):
    first = sweep(latent_dim="2..40", search="random", trials=1)
    journal = tmp_path / "sweep" / ledgers.JOURNAL
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"torn')
    found = sweep(latent_dim="2..40", search="random", trials=2)
    assert found.trials[0] == first.trials[0]
    assert len(found.trials) == 2
    for line in journal.read_text().splitlines():
        json.loads(line)


def test_what_is_drawn_depends_on_the_seed_alone_and_more_trials_go_on(sweep, tmp_path: Path):
    space = {"latent_dim": "2..40", "lr": "1e-4..1e-2", "search": "random"}
    three = sweep(**space, trials=3)
    one = sweep(**space, trials=1, out=tmp_path / "again")
    more = sweep(**space, trials=3, out=tmp_path / "again")
    assert more.trials[0] == one.trials[0]
    assert [t.settings for t in more.trials] == [t.settings for t in three.trials]
    assert [t.value for t in more.trials] == [t.value for t in three.trials]
    other = sweep(**space, trials=1, search_seed=1, out=tmp_path / "other")
    assert other.trials[0].settings != one.trials[0].settings
    for trial in three.trials:
        assert isinstance(trial.settings["latent_dim"], int)
        assert 2 <= trial.settings["latent_dim"] <= 40
        assert 1e-4 <= trial.settings["lr"] <= 1e-2


def test_settings_that_are_drawn_again_are_not_trained_again(sweep, tmp_path: Path):
    found = sweep(latent_dim=[2, 3], search="tpe", trials=5)
    assert len(found.trials) == 5
    trained = [one for one in found.trials if one.state == "done"]
    again = [one for one in found.trials if one.state == "repeated"]
    assert len(trained) == len(list((tmp_path / "sweep").glob("0*"))) <= 2
    assert len(again) == 5 - len(trained)
    values = {str(one.settings): (one.value, one.folder) for one in trained}
    assert all((one.value, one.folder) == values[str(one.settings)] for one in again)


def test_two_processes_take_the_trials_that_one_takes(sweep, tmp_path: Path):
    one = sweep(latent_dim=[2, 3, 4], out=tmp_path / "one")
    two = sweep(latent_dim=[2, 3, 4], jobs=2)
    assert [t.state for t in two.trials] == ["done"] * 3
    of_one = {t.settings["latent_dim"]: t.value for t in one.trials}
    for trial in two.trials:
        assert math.isclose(trial.value, of_one[trial.settings["latent_dim"]], rel_tol=1e-5)


def test_a_trial_whose_loss_is_not_finite_fails_and_the_others_go_on(sweep):
    heard = Heard()
    found = sweep(latent_dim=[2], lr=[1e30, 1e-3], progress=heard)
    assert [one.state for one in found.trials] == ["failed", "done"]
    assert "not finite" in found.trials[0].reason
    assert "trial 0 (latent_dim=2 lr=1e+30) failed: the loss" in str(found)
    assert sweep(latent_dim=[2], lr=[1e30, 1e-3]) == found  # and is not tried again


def test_where_every_trial_fails_the_first_reason_is_told(sweep):
    with pytest.raises(RunError, match=r"no trial of .*sweep came to a figure; trial 0: the loss"):
        sweep(lr=[1e30, 1e29])


def test_a_trial_that_falls_behind_is_stopped(sweep, monkeypatch):
    monkeypatch.setattr(ledgers, "STARTUP", 1)
    given = {"lr": [1e-2, 1e-6], "epochs": 4, "objective": "loss"}
    found = sweep(**given, prune=True)
    assert [one.state for one in found.trials] == ["done", "pruned"]
    done, total = Run(found.trials[1].folder).progress
    assert 0 < done < total
    assert found.best == found.trials[0]


@pytest.mark.parametrize(
    ("experiment", "given", "words"),
    [
        (
            "digits-cgan",
            {"lr": [1e-3, 1e-4]},
            "objective=elbo cannot be had: a C?GAN bounds no lik",
        ),
        ("digits-cvae", {"lr": [1e-3], "objective": "eblo"}, "there is no such figure.*'elbo'"),
        ("digits-cvae", {"lr": [1e-3], "objective": "distance"}, "that is a measure; .* fid"),
        (
            "digits-cvae",
            {"lr": [1e-3], "objective": "accuracy"},
            "objective=accuracy cannot be had: .* names no classes",
        ),
        ("digits-cvae", {"lr": [1e-3], "validation": 0}, "set some aside, as in validation=0.1"),
        ("digits-cgan", {"lr": [1e-3], "objective": "kid", "prune": True}, "prune needs an objec"),
        ("digits-cvae", {"lr": [1e-3], "trials": 3}, "trials=3 has no effect: a grid has its 1 "),
        ("digits-cvae", {"lr": [1e-3], "search": "tpe"}, "search=tpe draws .*; give trials=20"),
        ("digits-cvae", {"lr": [1e-3], "search": "bayes"}, "unknown search 'bayes'"),
        ("digits-cvae", {"lr": [1e-3], "jobs": 0}, "jobs=0: at least one"),
        ("digits-cvae", {}, "there is nothing to try"),
    ],
)
@pytest.mark.usefixtures("toy_classifiers")
def test_what_cannot_be_swept_is_refused_before_anything_is_written(
    sweep, tmp_path: Path, experiment, given, words
):
    with pytest.raises(UsageError, match=words):
        sweep(experiment, **given)
    assert not (tmp_path / "sweep").exists()


def test_another_sweep_or_anything_else_in_the_folder_is_refused(sweep, tmp_path: Path):
    sweep(latent_dim=[2])
    for given, words in [
        ({"latent_dim": [2, 3]}, "another sweep, with space="),
        ({"latent_dim": [2], "objective": "loss"}, 'with objective="elbo" in place of "loss"'),
        ({"latent_dim": [2], "lr": 0.5}, "lr=0.001 in place of 0.5"),
    ]:
        with pytest.raises(RunError, match=words):
            sweep(**given)
    with pytest.raises(RunError, match="is not empty and holds no sweep"):
        sweep(latent_dim=[2], out=next((tmp_path / "sweep").glob("0000*")))
    (tmp_path / "sweep" / ledgers.JOURNAL).write_text("no journal\n" * 3)
    with pytest.raises(RunError, match=r"trials.jsonl is damaged"):
        sweep(latent_dim=[2])


def test_without_optuna_it_is_said_what_to_install(sweep, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"optuna, which is not installed: pip install 'twofold\["):
        sweep(latent_dim=[2, 3])
    assert not (tmp_path / "sweep").exists()


def test_the_command_sweeps_and_says_what_comes_next(twofold, tmp_path: Path):
    changes = [f"{key}={value}" for key, value in TOY.items()]
    out = tmp_path / "sweep"
    code, said, _ = twofold(
        "sweep", "digits-cvae", "latent_dim=2,3", *changes, "--out", out, "--quiet"
    )
    assert code == 0
    assert "2 trials in" in said
    assert "next: twofold evaluate" in said
    code, _, error = twofold("sweep", "digits-cvae", "latent_dm=2,3", "--out", tmp_path / "x")
    assert code == 2
    assert "did you mean 'latent_dim'" in error


ENDLESS = """
import sys, twofold
from twofold.training.progress import Silent
fields = {"layers": "fc-8", "limit": 100, "device": "cpu", "checkpoint_every": 0}
twofold.sweep(
    "digits-cvae", latent_dim=[2, 3], epochs=20, out=sys.argv[1], progress=Silent(), **fields
)
"""


def test_a_killed_sweep_leaves_a_trial_that_anybody_goes_on_with(sweep, tmp_path: Path):
    """The lock of a trial ends with its process; its run continues, and is not begun anew."""
    out = tmp_path / "sweep"
    killed = subprocess.Popen([sys.executable, "-c", ENDLESS, str(out)])
    until = time.monotonic() + 60
    while all(int(path.stem[5:]) < 4 for path in out.glob("0*/checkpoints/step-*.json")):
        assert time.monotonic() < until, "waited in vain"
        assert killed.poll() is None
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    (folder,) = out.glob("0*")
    done, total = Run(folder).progress
    assert 4 <= done < total
    first = Run(folder).records[0]
    found = sweep(latent_dim=[2, 3], epochs=20, checkpoint_every=0)
    assert Run(folder).records[0] == first  # with its time, which no second start would repeat
    assert [one.state for one in found.trials] == ["done", "done"]
    whole = sweep(latent_dim=[2], epochs=20, out=tmp_path / "whole").trials[0]
    assert found.trials[0].value == whole.value
