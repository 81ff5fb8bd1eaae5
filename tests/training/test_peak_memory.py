"""The most memory that training took."""

import json
import signal
import sys
from pathlib import Path

import pytest
import torch

from twofold.experiments.run import Run
from twofold.experiments.train import resume, train
from twofold.training.peak_memory import peak_memory

CPU = torch.device("cpu")
MIB = 2**20


def memory(run: Run) -> list[int]:
    return [line["memory"] for line in run.records if line["kind"] == "train"]


@pytest.fixture
def stopped(tmp_path: Path, toy_data, toy_experiment, silent, monkeypatch):
    """A run that was stopped at step 4 of 18, when it had taken 5000 bytes."""
    monkeypatch.setattr("twofold.training.loop.peak_memory", lambda _device: 5000)

    class Impatient(type(silent)):
        def update(self, step, epoch, terms) -> None:
            if step == 4:
                signal.raise_signal(signal.SIGINT)

    run = train(toy_experiment(), out=tmp_path / "r", dataset=toy_data, progress=Impatient())
    assert not run.finished
    return run


def test_the_log_has_the_peak(tmp_path: Path, toy_data, toy_experiment, silent):
    run = train(toy_experiment(), out=tmp_path / "r", dataset=toy_data, progress=silent)
    assert memory(run) == sorted(memory(run))
    assert 4 * sum(run.environment["parameters"].values()) < memory(run)[-1]
    assert 20 * MIB < memory(run)[-1] <= peak_memory(CPU) < 2**40


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_rises_by_what_is_taken_and_does_not_fall():
    before = peak_memory(CPU)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    import resource

    idle = before - pages * resource.getpagesize()
    ballast = torch.ones(idle + 64 * MIB, dtype=torch.uint8)
    during = peak_memory(CPU)
    assert 48 * MIB < during - before < 80 * MIB
    del ballast
    assert peak_memory(CPU) == during


@pytest.mark.parametrize(("later", "peak"), [(3000, 5000), (7000, 7000)])
def test_a_resumed_run_keeps_the_peak_of_all_sessions(
    stopped, toy_data, silent, monkeypatch, later, peak
):
    monkeypatch.setattr("twofold.training.loop.peak_memory", lambda _device: later)
    resumed = resume(stopped, silent, dataset=toy_data)
    assert memory(resumed)[:2] == [5000, 5000]
    assert set(memory(resumed)[2:]) == {peak}


def test_a_checkpoint_that_does_not_say_is_resumed(stopped, toy_data, silent, monkeypatch):
    facts = json.loads(stopped.checkpoint.read_text())
    del facts["memory"]
    stopped.checkpoint.write_text(json.dumps(facts))
    monkeypatch.setattr("twofold.training.loop.peak_memory", lambda _device: 3000)
    assert memory(resume(stopped, silent, dataset=toy_data))[-1] == 3000


def test_a_platform_that_does_not_tell(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory(CPU) == 0


def test_a_mac_counts_in_bytes(monkeypatch):
    here = peak_memory(CPU)
    if sys.platform == "linux":
        monkeypatch.setattr(sys, "platform", "darwin")
        assert here <= 1024 * peak_memory(CPU) < 1.1 * here
