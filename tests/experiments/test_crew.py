"""Several runs at a time: the same weights as one after the other, and errors that come back."""

import subprocess

import pytest
import torch

from twofold.errors import RunError
from twofold.experiments import crew
from twofold.experiments.crew import threads_each, train_all
from twofold.experiments.siblings import plan_seeds, train_seeds

TOY = {"epochs": 1, "layers": "fc-8", "latent_dim": 2, "limit": 100}


def test_two_at_a_time_are_the_runs_that_come_one_by_one(tmp_path, silent):
    """With as many threads; a sum over threads may differ in its last bit."""
    siblings = plan_seeds("digits-cvae", TOY, seeds="0,1", out=tmp_path / "two")
    together = list(train_all(siblings, 2, silent))
    assert [run.path.name for run in together] == ["two-seed0", "two-seed1"]
    alone = train_seeds("digits-cvae", TOY, seeds="0,1", out=tmp_path / "one", progress=silent)
    for a, b in zip(together, alone, strict=True):
        assert a.finished
        torch.testing.assert_close(a.model().state_dict(), b.model().state_dict())
    before = [run.checkpoint.stat().st_mtime_ns for run in together]
    again = plan_seeds("digits-cvae", TOY, seeds="0,1", out=tmp_path / "two")
    assert [r.checkpoint.stat().st_mtime_ns for r in train_all(again, 2, silent)] == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_fails_says_which_and_why(tmp_path, silent, jobs):
    siblings = plan_seeds("digits-cvae", {**TOY, "lr": 1e30}, seeds="3", out=tmp_path / "bad")
    with pytest.raises(RunError, match=r"seed=3 in .*bad-seed3: .*not finite"):
        list(train_all(siblings, jobs, silent))


def test_a_run_that_was_interrupted_ends_the_others(tmp_path, silent, monkeypatch):
    def interrupted(*_args: object, **_options: object):
        return subprocess.CompletedProcess([], crew.INTERRUPTED, "", "")

    monkeypatch.setattr(crew.subprocess, "run", interrupted)
    siblings = plan_seeds("digits-cvae", TOY, seeds="0..3", out=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        list(train_all(siblings, 2, silent))


def test_cores_are_shared(monkeypatch):
    monkeypatch.setattr(crew.os, "cpu_count", lambda: 8)
    assert [threads_each(jobs) for jobs in (1, 2, 3, 8, 16)] == [8, 4, 2, 1, 1]
