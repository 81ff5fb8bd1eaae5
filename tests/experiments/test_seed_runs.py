"""Several seeds of one experiment: what is trained, what is left, and what is refused."""

import shutil
from pathlib import Path

import pytest

from twofold.errors import RunError, UsageError
from twofold.experiments.seed_runs import plan_seeds, train_seeds
from twofold.experiments.train import train
from twofold.training.loop import Trainer
from twofold.training.progress import Silent


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def train_toys(tmp_path: Path, toy_data, toy_experiment):
    """Trains seeds of the toy CVAE in RUN-seed…; returns the runs and what was said."""

    def go(seeds, **fields):
        heard = Heard()
        runs = train_seeds(
            toy_experiment(),
            seeds=seeds,
            out=tmp_path / "run",
            dataset=toy_data,
            progress=heard,
            **{"epochs": 1, **fields},
        )
        return runs, [text for text in heard.said if " of " in text and "seed=" in text]

    return go


def weights(run) -> bytes:
    return run.checkpoint.with_suffix(".safetensors").read_bytes()


def test_every_seed_has_a_run_of_its_own(train_toys, tmp_path: Path, toy_data, toy_experiment):
    runs, said = train_toys([0, 2])
    assert [run.path for run in runs] == [tmp_path / "run-seed0", tmp_path / "run-seed2"]
    assert [run.experiment.seed for run in runs] == [0, 2]
    assert [text.split(",")[0] for text in said] == [
        f"1 of 2: seed=0 in {tmp_path / 'run-seed0'}",
        f"2 of 2: seed=2 in {tmp_path / 'run-seed2'}",
    ]
    alone = train(
        toy_experiment(), seed=2, epochs=1, out=tmp_path / "x", dataset=toy_data, progress=Silent()
    )
    assert weights(alone) == weights(runs[1])
    assert weights(runs[0]) != weights(runs[1])


def test_the_same_command_again_trains_what_is_missing(train_toys):
    (first,), _ = train_toys([0])
    before = first.checkpoint.stat().st_mtime_ns
    runs, said = train_toys("0..1")
    assert runs[0].checkpoint.stat().st_mtime_ns == before
    assert "finished before" in said[0]
    assert "from the start" in said[1]
    assert all(run.finished for run in runs)


def test_after_an_interruption_nothing_else_starts_and_the_command_continues(
    train_toys, tmp_path: Path, monkeypatch
):
    (whole,), _ = train_toys([1])
    expected = weights(whole)
    shutil.rmtree(whole.path)
    step = Trainer.train_step

    def interrupted(self, batch):
        step(self, batch)
        self._stop_asked = self.seed == 1 and self.step == 1

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        runs, _ = train_toys([0, 1, 2])
    assert [run.finished for run in runs] == [True, False]
    assert not (tmp_path / "run-seed2").exists()
    runs, said = train_toys([0, 1, 2])
    assert "continued from its checkpoint" in said[1]
    assert [run.finished for run in runs] == [True, True, True]
    assert weights(runs[1]) == expected


def test_a_folder_of_another_experiment_is_refused_before_any_training(train_toys, tmp_path: Path):
    train_toys([1])
    with pytest.raises(
        RunError,
        match=r"run-seed1 holds a run of another experiment, "
        r"with training.epochs=1.0 in place of 2.0; choose another --out",
    ):
        train_toys([0, 1], epochs=2)
    assert not (tmp_path / "run-seed0").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seeds": ""}, "seeds= is not understood"),
        ({"seeds": []}, "seeds is empty"),
        ({"seeds": "4..0"}, "seeds=4..0 is not understood"),
        ({}, "seeds is empty"),
        ({"seeds": "0,1,0"}, "seeds repeats 0"),
        ({"seeds": "0,-1"}, "seed: got -1; input should be greater than or equal to 0"),
        ({"seeds": "0,x"}, "seeds=0,x is not understood; write seeds=0,1,2"),
        ({"seeds": "0..2", "seed": 1}, "seed and seeds say the same thing twice"),
        ({"seeds": "0..2", "changes": ["seed=1"]}, "seed and seeds say the same thing twice"),
        (
            {"label_seeds": "0..2", "changes": ["data.label_seed=1", "labels=9"]},
            "data.label_seed and label_seeds say the same",
        ),
        ({"seeds": [0], "label_seeds": [0]}, "the label draws of one seed at a time"),
        ({"label_seeds": [0]}, "every label is kept; keep fewer, as in labels=100"),
        ({"seeds": [0], "out": ".."}, "give a name"),
    ],
)
def test_seeds_that_cannot_be_are_refused(given, words, toy_experiment):
    with pytest.raises(UsageError, match=words):
        plan_seeds(toy_experiment(), **given)


def test_label_draws_share_the_seed(tmp_path: Path, toy_experiment, toy_data, silent):
    plan = plan_seeds(
        toy_experiment("m2"), ["labels=9", "seed=3"], label_seeds="0..1", out=tmp_path / "m2"
    )
    assert [one.folder.name for one in plan] == ["m2-labels0", "m2-labels1"]
    assert [one.experiment.data.label_seed for one in plan] == [0, 1]
    assert {one.experiment.seed for one in plan} == {3}
    runs = train_seeds(
        toy_experiment("m2"),
        ["labels=9"],
        label_seeds=[0, 1],
        epochs=1,
        out=tmp_path / "m2",
        dataset=toy_data,
        progress=silent,
    )
    assert weights(runs[0]) != weights(runs[1])


def test_an_error_says_which_seed_it_is_of(train_toys, tmp_path: Path):
    with pytest.raises(RunError, match=r"seed=3 in .*run-seed3: .*not finite"):
        train_toys([3], lr=1e30)
