"""A run that was killed, interrupted or damaged."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from twofold.errors import RunError
from twofold.experiments.resolve import to_yaml
from twofold.experiments.run import Run
from twofold.experiments.train import resume, train
from twofold.training.checkpoint import load_checkpoint, newest_checkpoint
from twofold.training.interrupt import interruptible

# The script trains on the embedded digits and checkpoints at every chance it gets.
SCRIPT = """
import sys
from twofold.experiments.train import train
from twofold.training.progress import Silent
train(sys.argv[1], out=sys.argv[2], progress=Silent())
"""
SCHEDULE = {"name": "adam", "lr": 1e-3, "schedule": "cosine", "warmup": 10, "clip": 5.0}


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_checkpoint(run.checkpoint)[0]


def assert_same_bits(a: Run, b: Run) -> None:
    left, right = weights(a), weights(b)
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name
    done = [r for r in a.records if r["kind"] == "train"]
    again = [r for r in b.records if r["kind"] == "train"]
    assert [(r["step"], r["terms"], r["grad_norm"]) for r in done] == [
        (r["step"], r["terms"], r["grad_norm"]) for r in again
    ]


def killed_at(path: Path, script: str, arguments: list[str], steps: int) -> None:
    """Runs the script and kills it with SIGKILL once its log has reached a step."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], env=environment)
    log, deadline = path / "metrics.jsonl", time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) > steps:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, "it should have been killed while training"


@pytest.mark.parametrize("family", ["cvae", "cgan"])
@pytest.mark.parametrize("binarize", ["dynamic", "none"])
def test_a_killed_run_resumes_to_the_same_bits(
    family: str, binarize: str, tmp_path: Path, toy_experiment, silent
) -> None:
    """EMA, batch norm, dropout, schedule, a partial line of the log and dynamic binarization."""
    experiment = toy_experiment(family, epochs=60, checkpoint_every=0.02, log_every=3)
    content = experiment.model_dump(mode="json")
    content["data"] = {"name": "digits", "limit": 310, "binarize": binarize}
    content["training"]["optimizer"] = SCHEDULE
    content["training"]["batch_size"] = 31
    file = tmp_path / "experiment.yaml"
    file.write_text(json.dumps(content))
    torch_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole = train(file, out=tmp_path / "whole", progress=silent)
        killed_at(tmp_path / "killed", SCRIPT, [str(file), str(tmp_path / "killed")], 30)
        killed = Run(tmp_path / "killed")
        assert 0 < killed.progress[0] < killed.progress[1]
        with (killed.path / "metrics.jsonl").open("a") as log:
            log.write('{"kind":"train","st')
        resumed = resume(killed, silent)
    finally:
        torch.set_num_threads(torch_threads)
    assert resumed.finished
    assert_same_bits(whole, resumed)


ENDS = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.parametrize("name", ENDS)
def test_ctrl_c_leaves_a_resumable_run(
    name: str, tmp_path: Path, toy_data, toy_experiment, silent
) -> None:
    experiment = toy_experiment("cgan", epochs=40)
    whole = train(experiment, out=tmp_path / "whole", dataset=toy_data, progress=silent)

    class Impatient(type(silent)):
        def update(self, step, epoch, terms) -> None:
            if step == 50:
                signal.raise_signal(getattr(signal, name))

    stopped = train(experiment, out=tmp_path / "stopped", dataset=toy_data, progress=Impatient())
    assert stopped.progress == (50, 180)
    assert not stopped.finished
    assert_same_bits(whole, resume(stopped, silent, dataset=toy_data))


def test_a_second_ctrl_c_says_where_it_goes_on(tmp_path: Path, toy_data, toy_experiment, silent):
    said = []

    class Furious(type(silent)):
        def update(self, step, epoch, terms) -> None:
            if step == 50:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)

        def say(self, text: str) -> None:
            said.append(text)

    out = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        train(toy_experiment("cgan", epochs=40), out=out, dataset=toy_data, progress=Furious())
    assert said == [f"stopped at once in step 50; `twofold resume {out}` goes on from step 0"]
    assert Run(out).progress == (0, 180)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(lambda: False):
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_damaged_checkpoint_is_refused_by_name(
    tmp_path: Path, toy_data, toy_experiment, silent
) -> None:
    run = train(toy_experiment(), out=tmp_path / "run", dataset=toy_data, progress=silent)
    tensors = run.checkpoint.with_suffix(".safetensors")
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(RunError, match=rf"{tensors.name} is damaged.*sha256"):
        run.model()
    tensors.unlink()
    with pytest.raises(RunError, match=rf"{tensors.name} is missing"):
        run.model()
    run.checkpoint.unlink()
    older = newest_checkpoint(run.path / "checkpoints")
    assert older is not None
    assert run.progress[0] == 0, "the checkpoint before it is there to go back to"


def test_a_checkpoint_of_another_experiment_is_refused(
    tmp_path: Path, toy_data, toy_experiment, silent
) -> None:
    run = train(toy_experiment(), out=tmp_path / "run", dataset=toy_data, progress=silent)
    other = toy_experiment(model={"latent_dim": 5})
    (run.path / "experiment.yaml").write_text(to_yaml(other))
    with pytest.raises(RunError, match=r"experiment\.yaml is not what .*latent_dim was 4 and is 5"):
        Run(run.path).model()
    facts = json.loads(run.checkpoint.read_text())
    run.checkpoint.write_text(json.dumps({**facts, "origin": None}))
    with pytest.raises(RunError, match=r"does not fit this experiment's networks.*size mismatch"):
        Run(run.path).model()


def test_changed_data_is_refused(tmp_path: Path, toy_data, toy_experiment, silent) -> None:
    content = {**toy_experiment().model_dump(mode="json"), "data": {"name": "digits", "limit": 60}}
    file = tmp_path / "e.yaml"
    file.write_text(json.dumps(content))
    run = train(file, out=tmp_path / "run", progress=silent)
    facts = json.loads((run.path / "environment.json").read_text())
    facts["data"]["fingerprint"] = "0" * 16
    (run.path / "environment.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match="have changed since"):
        Run(run.path).dataset()


def test_resuming_a_finished_run_changes_nothing(
    tmp_path: Path, toy_data, toy_experiment, silent
) -> None:
    run = train(toy_experiment(), out=tmp_path / "run", dataset=toy_data, progress=silent)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    resume(run.path, silent)
    assert before == {p: p.stat().st_mtime_ns for p in run.path.rglob("*") if p.is_file()}


def test_a_run_leaves_the_users_random_numbers_alone(
    tmp_path: Path, toy_data, toy_experiment, silent
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(toy_experiment(), out=tmp_path / "run", dataset=toy_data, progress=silent)
    assert torch.equal(torch.rand(3), expected)
