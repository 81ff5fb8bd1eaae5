"""Several runs at a time: the same weights as one after the other, and nothing left behind."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from twofold.errors import RunError
from twofold.experiments import processes
from twofold.experiments.parallel import ParallelRunner
from twofold.experiments.processes import threads_each
from twofold.experiments.run import Run
from twofold.experiments.seed_runs import plan_seeds, train_seeds

TOY = {"epochs": 1, "layers": "fc-8", "latent_dim": 2, "limit": 100}
LONG = TOY | {"epochs": 100_000}


def together(seed_runs, jobs, progress):
    with ParallelRunner(seed_runs, jobs, progress) as trained:
        return list(trained)


def wait_for(condition, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def test_two_at_a_time_are_the_runs_that_come_one_by_one(tmp_path, silent):
    seed_runs = plan_seeds("digits-cvae", TOY, seeds="0,1", out=tmp_path / "two")
    both = together(seed_runs, 2, silent)
    assert [run.path.name for run in both] == ["two-seed0", "two-seed1"]
    alone = train_seeds("digits-cvae", TOY, seeds="0,1", out=tmp_path / "one", progress=silent)
    for a, b in zip(both, alone, strict=True):
        assert a.finished
        torch.testing.assert_close(a.model().state_dict(), b.model().state_dict())
    before = [run.checkpoint.stat().st_mtime_ns for run in both]
    again = plan_seeds("digits-cvae", TOY, seeds="0,1", out=tmp_path / "two")
    assert [run.checkpoint.stat().st_mtime_ns for run in together(again, 2, silent)] == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_fails_says_which_and_why(tmp_path, silent, jobs):
    seed_runs = plan_seeds("digits-cvae", {**TOY, "lr": 1e30}, seeds="3", out=tmp_path / "bad")
    with pytest.raises(RunError, match=r"seed=3 in .*bad-seed3: .*not finite.*fp32$"):
        together(seed_runs, jobs, silent)


def test_after_a_failure_no_other_run_is_started(tmp_path, silent, monkeypatch):
    started = []

    def train(_self: ParallelRunner, seed_run) -> None:
        started.append(seed_run.draw)
        if seed_run.draw == "seed=0":
            raise RunError("the first one failed")

    monkeypatch.setattr(ParallelRunner, "_train_apart", train)
    seed_runs = plan_seeds("digits-cvae", TOY, seeds="0..9", out=tmp_path / "run")
    with (
        pytest.raises(RunError, match="the first one failed"),
        ParallelRunner(seed_runs, 1 + 1, silent) as trained,
    ):
        list(trained)
    assert len(started) <= 2 + 1  # one beside it, and one that was quicker than its end


def test_leaving_ends_what_is_under_way_and_it_can_be_resumed(tmp_path, silent):
    """Whatever the reason for leaving, be it Ctrl-C or an error of the caller."""
    seed_runs = plan_seeds("digits-cvae", LONG, seeds="0..3", out=tmp_path / "run")
    first = seed_runs[0].folder

    def work() -> None:
        with ParallelRunner(seed_runs, 2, silent):
            wait_for(lambda: (first / "metrics.jsonl").exists())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    done, total = Run(first).progress
    assert 0 < done < total
    assert not seed_runs[2].folder.exists()


def test_python_files_of_the_working_folder_are_not_run(tmp_path: Path, silent, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("yaml.py", "random.py", "statistics.py"):
        (tmp_path / name).write_text("raise SystemExit('run from the working folder')\n")
    seed_runs = plan_seeds("digits-cvae", TOY, seeds="0,1", out=tmp_path / "run")
    assert all(run.finished for run in together(seed_runs, 2, silent))


PARENT = """
import sys, time
from twofold.experiments.parallel import ParallelRunner
from twofold.experiments.seed_runs import plan_seeds
from twofold.training.progress import Silent
changes = {"epochs": 100000, "layers": "fc-8", "latent_dim": 2, "limit": 100}
seed_runs = plan_seeds("digits-cvae", changes, seeds="0,1", out=sys.argv[1])
with ParallelRunner(seed_runs, 2, Silent()) as trained:
    list(trained)
"""


def test_a_killed_parent_leaves_nothing_that_trains(tmp_path: Path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "run")])
    folders = [tmp_path / f"run-seed{seed}" for seed in (0, 1)]
    wait_for(lambda: all((folder / "metrics.jsonl").exists() for folder in folders))
    parent.kill()
    parent.wait()

    def at_rest() -> bool:
        before = [(folder / "metrics.jsonl").stat().st_size for folder in folders]
        time.sleep(1.0)
        return before == [(folder / "metrics.jsonl").stat().st_size for folder in folders]

    wait_for(at_rest)
    assert all(0 < Run(folder).progress[0] < Run(folder).progress[1] for folder in folders)


def test_cores_are_shared(monkeypatch):
    monkeypatch.setattr(processes, "num_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [threads_each(jobs) for jobs in (1, 4, 16)] == [2, 2, 1]
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert [threads_each(jobs) for jobs in (1, 2, 3, 8, 16)] == [8, 4, 2, 1, 1]
