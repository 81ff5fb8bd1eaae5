"""Functions of one's own, called while a run goes on."""

from pathlib import Path

import pytest
import torch

from twofold import models
from twofold.errors import UsageError
from twofold.experiments.fit import fit
from twofold.experiments.run import Run
from twofold.experiments.train import resume, train
from twofold.training.callbacks import Callback


class Everything(Callback):
    """Notes what it hears, and tries to get in the way."""

    def __init__(self) -> None:
        self.heard: list = []

    def on_start(self, trainer) -> None:
        self.trainer = trainer
        self.heard.append(("start", trainer.step))

    def on_record(self, entry) -> None:
        torch.rand(7)
        self.trainer.model.eval()
        self.heard.append((entry["kind"], entry["step"]))

    def on_picture(self, path, step) -> None:
        assert path.is_file()
        self.heard.append(("picture", step))

    def on_end(self, outcome) -> None:
        self.heard.append(("end", outcome.step, outcome.finished))


def same(a: Run, b: Run) -> bool:
    left, right = a.model().state_dict(), b.model().state_dict()
    return all(torch.equal(value, right[name]) for name, value in left.items())


@pytest.fixture
def trained(tmp_path: Path, toy_data, toy_experiment, silent):
    def make(name: str, *callbacks, **training) -> Run:
        return train(
            toy_experiment("cgan", **training),
            out=tmp_path / name,
            dataset=toy_data,
            progress=silent,
            callbacks=callbacks,
        )

    return make


def test_a_callback_hears_everything_and_changes_nothing(trained):
    listener, records = Everything(), []
    run = trained("heard", listener, records.append)
    heard = [(r["kind"], r["step"]) for r in run.records]
    assert [h for h in listener.heard if h[0] in ("train", "validation")] == heard
    assert records == run.records
    assert listener.heard[0] == ("start", 0)
    assert [h[1] for h in listener.heard if h[0] == "picture"] == [5, 9, 14, 18]
    assert listener.heard[-1] == ("end", 18, True)
    assert same(run, trained("alone"))


def test_an_error_in_a_callback_stops_the_run_which_then_goes_on(trained, silent, tmp_path):
    def fails(entry) -> None:
        if entry["step"] == 10:
            raise ZeroDivisionError("mine")

    listener = Everything()
    with pytest.raises(ZeroDivisionError, match="mine"):
        trained("stopped", fails, listener)
    run = Run(tmp_path / "stopped")
    assert run.progress == (10, 18)
    assert listener.heard[-2:] == [("train", 10), ("end", 10, False)]
    whole, again = trained("whole"), Everything()
    assert same(resume(run, silent, callbacks=[again]), whole)
    assert again.heard[0] == ("start", 10)
    assert [r["step"] for r in run.records] == [r["step"] for r in whole.records]


class StartsBadly:
    """Any object with one of the names will do."""

    def on_start(self, trainer) -> None:
        raise ZeroDivisionError


def test_an_error_at_the_start_leaves_a_run_of_no_steps(trained, tmp_path, silent):
    with pytest.raises(ZeroDivisionError):
        trained("r", StartsBadly())
    assert Run(tmp_path / "r").progress == (0, 18)
    assert resume(tmp_path / "r", silent).finished


def test_a_run_that_goes_wrong_ends_for_its_callbacks_too(
    tmp_path, toy_data, toy_experiment, silent, monkeypatch
):
    monkeypatch.setattr("twofold.training.guard.all_finite", lambda _: False)
    listener = Everything()
    with pytest.raises(Exception, match="is not finite"):
        train(
            toy_experiment(),
            out=tmp_path / "r",
            dataset=toy_data,
            progress=silent,
            callbacks=[listener],
        )
    assert listener.heard == [("end", 0, False)]


def test_a_model_made_in_python_has_them_too(tmp_path, toy_data, silent):
    vae = models.VAE("fc-8", "fc-8", latent_dim=4, image_shape=(1, 8, 8))
    steps: list[int] = []
    fit(
        vae,
        toy_data,
        epochs=1,
        out=tmp_path / "r",
        batch_size=30,
        progress=silent,
        callbacks=[lambda entry: steps.append(entry["step"])],
    )
    assert steps == [3, 3]


def test_what_cannot_be_called_is_refused(trained, tmp_path):
    with pytest.raises(
        UsageError, match=r"callbacks: 3 is no function of a record and has none of"
    ):
        trained("r", 3)
    assert not (tmp_path / "r").exists()
