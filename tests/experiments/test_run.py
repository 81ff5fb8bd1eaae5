"""A run folder whose files are damaged or were edited: refused, naming the file."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from twofold.errors import RunError
from twofold.experiments.resolve import to_yaml
from twofold.experiments.run import Run
from twofold.experiments.train import resume, train


@pytest.fixture
def run(tmp_path: Path, toy_data, toy_experiment, silent) -> Run:
    made = train(toy_experiment(), out=tmp_path / "run", dataset=toy_data, progress=silent)
    return Run(made.path)


DAMAGE = [b"\xff\xfe\x00", b"", b"[1, 2]", b"3", b'{"data": 3, "measures": [3], "kind": "train"}']


@pytest.mark.parametrize("content", DAMAGE)
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("environment.json", lambda run: run.environment),
        ("evaluation.json", lambda run: run.evaluation),
        ("experiment.yaml", lambda run: run.experiment),
    ],
)
def test_a_damaged_file_is_named(run: Run, name: str, read, content: bytes):
    (run.path / name).write_bytes(content)
    with pytest.raises(RunError, match=f"{name} is damaged"):
        read(run)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[1, 2]\n", b"{}\n", b"3\n"])
def test_a_damaged_log_is_named(run: Run, content: bytes):
    (run.path / "metrics.jsonl").write_bytes(content)
    with pytest.raises(
        RunError, match=r"metrics\.jsonl, line 1, is damaged|metrics\.jsonl is damaged"
    ):
        _ = run.records


def test_a_damaged_line_of_the_log_does_not_hide_the_later_ones(run: Run):
    """Only the last line can have been cut short; what follows an earlier one must not be lost."""
    log = run.path / "metrics.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([*lines[:2], lines[2][:9] + "\n", *lines[3:]]))
    with pytest.raises(RunError, match="line 3, is damaged"):
        _ = run.records
    log.write_text("".join(lines) + lines[-1][:9])
    assert len(run.records) == len(lines)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"[1, 2]", b"{}"])
def test_a_damaged_checkpoint_is_named_and_resuming_goes_back(
    run: Run, toy_data, silent, content: bytes
):
    path = run.checkpoint
    path.write_bytes(content)
    for verb in (lambda: run.progress, run.model):
        with pytest.raises(RunError, match=rf"{path.name}.*`twofold resume .*` goes back"):
            verb()
    assert resume(run, silent, toy_data).finished
    assert run.model() is not None


def test_a_checkpoint_without_its_optimizers_is_refused(run: Run, toy_data, silent):
    facts = json.loads(run.checkpoint.read_text())
    del facts["optimizers"]
    run.checkpoint.write_text(json.dumps({**facts, "total_steps": 99}))
    with pytest.raises(RunError, match=rf"{run.checkpoint.name} is damaged or of another"):
        resume(run, silent, toy_data)


def test_an_edited_experiment_is_refused_until_the_edit_is_undone(
    run: Run, toy_experiment, toy_data, silent
):
    file = run.path / "experiment.yaml"
    whole = file.read_text()
    file.write_text(to_yaml(toy_experiment(epochs=9)))
    for verb in (lambda: resume(run.path, silent, toy_data), Run(run.path).model):
        with pytest.raises(RunError, match=r"training\.epochs was 4\.0 and is 9\.0"):
            verb()
    file.write_text(whole)
    assert resume(run.path, silent, toy_data).finished


def test_a_run_may_be_moved_to_another_machine(run: Run, toy_experiment, toy_data, silent):
    """Where the images lie and what computes decide no result."""
    moved = run.path.rename(run.path.with_name("elsewhere"))
    content = toy_experiment(device="auto").model_dump(mode="json")
    content["data"]["name"] = "another/place"
    (moved / "experiment.yaml").write_text(json.dumps(content))
    assert resume(moved, silent, toy_data).finished
    assert Run(moved).model() is not None


def test_images_that_are_gone_may_be_named_at_their_new_place(tmp_path: Path, toy_data, silent):
    images = tmp_path / "images.npy"
    np.save(images, toy_data.images[:, 0])
    fields = {"epochs": 1, "batch_size": 9, "layers": "fc-8", "condition": "none"}
    run = train("digits-cvae", {"data": str(images), **fields}, out=tmp_path / "r", progress=silent)
    (tmp_path / "new").mkdir()
    moved = images.rename(tmp_path / "new" / "images.npy")
    with pytest.raises(RunError, match=r"cannot be had.*If they were moved, write"):
        Run(run.path).dataset()
    file = run.path / "experiment.yaml"
    file.write_text(file.read_text().replace(str(images), str(moved)))
    assert len(Run(run.path).dataset()) == len(toy_data)


def test_arrays_behind_a_figure_are_kept_and_damage_is_said(tmp_path):
    (tmp_path / "experiment.yaml").write_text("")
    run = Run(tmp_path)
    assert run.arrays("latents") is None
    run.keep_arrays("latents", {"z": np.arange(3.0), "names": np.array(["a"])})
    assert run.arrays("latents")["z"].tolist() == [0.0, 1.0, 2.0]
    path = tmp_path / "evaluation" / "latents.npz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RunError, match=r"cannot read .*latents\.npz"):
        run.arrays("latents")
    np.savez(path, code=np.array([print], dtype=object))
    with pytest.raises(RunError, match="cannot read"):
        run.arrays("latents")


def test_figures_belong_to_the_weights_that_were_measured(run: Run, toy_data, silent):
    """A run that was trained on since has them no more, nor has one trained anew to this step."""
    facts = run.standing.weights_facts
    settings = {"step": facts["step"], "sha256": facts["sha256"]}
    (run.path / "evaluation.json").write_text(json.dumps({"measures": [], "settings": settings}))
    assert run.current_evaluation["settings"] == settings
    others = {"measures": [], "settings": {**settings, "sha256": "0" * 64}}
    (run.path / "evaluation.json").write_text(json.dumps(others))
    assert run.current_evaluation == {}
    older = {"measures": [], "settings": {"step": facts["step"]}}
    (run.path / "evaluation.json").write_text(json.dumps(older))
    assert run.current_evaluation == older


def test_weights_and_facts_are_of_one_moment(run: Run, toy_data, silent, monkeypatch):
    """The checkpoint that was the newest is gone by the time it is read: training went on."""
    first, gone_on = run.standing, list[Run]()
    real = Run.untrained_model

    def meanwhile(self: Run, device: str = "cpu"):
        if self.standing == first and not gone_on:
            gone_on.append(self)
            for epochs in (9, 12):  # two more checkpoints, so that the first is removed
                resume(Run(self.path), silent, toy_data, epochs=epochs)
            assert not first.newest.exists()
        return real(self, device)

    monkeypatch.setattr(Run, "untrained_model", meanwhile)
    model, facts = run.weights()
    assert facts["step"] == run.standing.progress[0] > first.progress[0]
    monkeypatch.undo()
    again = Run(run.path).model().state_dict()
    assert all((value == again[name]).all() for name, value in model.state_dict().items())


def test_evaluations_wait_for_each_other(run: Run):
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with run.evaluating(said.append):
            order.append("second")

    other = threading.Thread(target=second)
    with run.evaluating(said.append):
        other.start()
        other.join(0.3)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    assert "is writing" in said[0]
