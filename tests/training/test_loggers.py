"""Loggers: by small stand-ins for their packages, and by the packages where they are installed."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import twofold as package
from twofold.errors import RunError, UsageError
from twofold.experiments.resolve import parse_experiment
from twofold.experiments.run import Run
from twofold.experiments.train import resume, train
from twofold.training.loggers import require
from twofold.training.progress import Silent

Calls = list[tuple[str, Any]]


@pytest.fixture
def fakes(monkeypatch) -> Calls:
    """Stand-ins with the functions that are used, which note what they are told."""
    calls: Calls = []

    class Writer:
        def __init__(self, folder: str, purge_step: int | None) -> None:
            calls.append(("open", (Path(folder).name, purge_step)))

        def add_text(self, name: str, text: str) -> None:
            calls.append(("settings", text))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            calls.append((name, (value, step)))

        def add_image(self, name: str, pixels: np.ndarray, step: int, dataformats: str) -> None:
            assert (pixels.ndim, pixels.shape[2], dataformats) == (3, 3, "HWC")
            calls.append((name, step))

        def close(self) -> None:
            calls.append(("close", None))

    class WandbRun:
        summary: dict[str, float] = {}  # noqa: RUF012

        def log(self, values: dict[str, Any], step: int) -> None:
            calls.extend((name, (value, step)) for name, value in values.items())

        def finish(self) -> None:
            calls.append(("close", None))

    def init(**arguments: Any) -> WandbRun:
        calls.append(("open", arguments))
        return WandbRun()

    class Client:
        def get_experiment_by_name(self, name: str) -> None:
            calls.append(("experiment", name))

        def create_experiment(self, name: str) -> str:
            return "7"

        def create_run(self, experiment: str, run_name: str) -> Any:
            calls.append(("open", (experiment, run_name)))
            return SimpleNamespace(info=SimpleNamespace(run_id="abc"))

        def update_run(self, run_id: str, status: str) -> None:
            calls.append(("again", (run_id, status)))

        def log_batch(self, run_id: str, metrics=(), params=()) -> None:
            assert run_id == "abc"
            assert len(params) <= 100
            calls.extend((m.key, (m.value, m.step)) for m in metrics)
            calls.extend(("param", (p.key, p.value)) for p in params)

        def log_artifact(self, run_id: str, path: str, place: str) -> None:
            assert Path(path).is_file()
            calls.append((place, Path(path).name))

        def set_terminated(self, run_id: str) -> None:
            calls.append(("close", None))

    entities = SimpleNamespace(
        Metric=lambda key, value, time, step: SimpleNamespace(key=key, value=value, step=step),
        Param=lambda key, value: SimpleNamespace(key=key, value=value),
    )
    contents = {
        "torch.utils.tensorboard": {"SummaryWriter": Writer},
        "wandb": {"init": init, "Settings": dict, "Image": lambda path: Path(path).name},
        "mlflow": {"MlflowClient": Client, "entities": entities},
    }
    for name, content in contents.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return calls


@pytest.fixture
def trained(tmp_path: Path, toy_data, toy_experiment, silent) -> Callable[..., Run]:
    def make(name: str = "r", progress=silent, **training: object) -> Run:
        experiment = toy_experiment(**{"log_every": 6, **training})
        return train(experiment, out=tmp_path / name, dataset=toy_data, progress=progress)

    return make


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_run_goes_to_its_logger(name: str, trained, fakes: Calls, silent):
    """Every term of train and validation, the pictures, the settings, and on when it goes on."""
    run = trained(loggers=name)
    logged = [value for key, value in fakes if key == "train/vae/loss"]
    kinds = [(r["terms"]["vae"]["loss"], r["step"]) for r in run.records if r["kind"] == "train"]
    assert logged == kinds
    names = {key for key, _ in fakes}
    assert {"validation/vae/kl", "train/lr/vae", "train/epoch", "samples", "close"} <= names
    assert not any("terms" in one or "kl_per_dim" in one for one in names)
    settings = {
        "tensorboard": lambda: next(v for k, v in fakes if k == "settings"),
        "wandb": lambda: json.dumps(next(v for k, v in fakes if k == "open")["config"]),
        "mlflow": lambda: " ".join(str(v) for k, v in fakes if k == "param"),
    }[name]()
    assert "training.batch_size" in settings
    assert "model.latent_dim" in settings
    fakes.clear()
    resume(run, silent, epochs=5)
    assert [step for key, (_, step) in _numbers(fakes) if key == "train/vae/loss"] == [23]
    again = next(value for key, value in fakes if key in ("open", "again"))
    known = run.path / "trackers.json"
    ids = json.loads(known.read_text()) if known.exists() else {}
    assert (
        again
        == {
            "tensorboard": ("tensorboard", 19),
            "wandb": {
                **(again if name == "wandb" else {}),
                "id": ids.get("wandb"),
                "resume": "allow",
            },
            "mlflow": ("abc", "RUNNING"),
        }[name]
    )


def _numbers(calls: Calls) -> Calls:
    return [(k, v) for k, v in calls if isinstance(v, tuple) and isinstance(v[0], float)]


def test_nothing_is_sent_anywhere_unless_asked(trained, fakes: Calls):
    trained()
    assert fakes == []


def test_loggers_decide_nothing(trained, fakes: Calls, toy_experiment):
    plain = toy_experiment()
    both = toy_experiment(loggers=["wandb", "mlflow"])
    assert both.recipe() == plain.recipe()
    left, right = (
        trained(name, loggers=loggers).model().state_dict()
        for name, loggers in (("a", "wandb"), ("b", ()))
    )
    assert all(torch.equal(value, right[name]) for name, value in left.items())


def test_a_logger_that_fails_is_left_and_said(trained, fakes: Calls, monkeypatch):
    said: list[str] = []

    class Listening(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    def refuse(**_: Any) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(sys.modules["wandb"], "init", refuse)
    assert trained(progress=Listening(), loggers=["wandb", "tensorboard"]).finished
    (text,) = (one for one in said if "logger" in one)
    assert "wandb failed and is left (ConnectionError: no network); `twofold track RUN" in text
    assert ("close", None) in fakes, "the other goes on"


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_run_is_tracked_afterwards(name: str, trained, fakes: Calls):
    """All there is, in the order of its steps, which W&B insists on."""
    run = trained()
    measures = [
        {"name": "elbo", "title": "ELBO", "unit": "nats", "value": -31.5},
        {"name": "odd=1", "title": "odd", "unit": "", "value": 1.0},
        {"name": "none", "title": "none", "unit": "", "value": None},
    ]
    content = {"measures": measures, "settings": {"step": 18}}
    (run.path / "evaluation.json").write_text(json.dumps(content))
    said = package.track(run, to=name)
    assert said == f"{run.path}: {len(run.records)} records and 4 pictures in {name}"
    losses = [(k, v) for k, v in fakes if k.endswith("vae/loss")]
    assert losses == [
        (f"{r['kind']}/vae/loss", (r["terms"]["vae"]["loss"], r["step"])) for r in run.records
    ]
    if name == "wandb":
        summary = sys.modules["wandb"].init().summary
        figures = {"evaluation/elbo": -31.5, "evaluation/odd=1": 1.0, "evaluation/step": 18}
        assert summary == figures
        steps = [value[1] for key, value in fakes if isinstance(value, tuple)]
        assert steps == sorted(steps)
    else:
        assert ("evaluation/elbo", (-31.5, 18)) in fakes
        odd = "evaluation/odd_1" if name == "mlflow" else "evaluation/odd=1"
        assert (odd, (1.0, 18)) in fakes
    if name == "tensorboard":
        assert fakes[0] == ("open", ("tensorboard", 0)), "what was there no longer counts"
        assert [value for key, value in fakes if key == "samples"] == [5, 9, 14, 18]


def test_what_is_measured_goes_to_the_loggers_of_the_run(
    trained, fakes: Calls, toy_classifiers, silent
):
    run = trained(loggers="mlflow")
    fakes.clear()
    measured = package.evaluate(run, "likelihood", iwae_samples=2, progress=silent)
    assert ("evaluation/elbo", (measured["elbo"].value, 18)) in fakes
    assert ("again", ("abc", "RUNNING")) in fakes


def test_what_cannot_be_tracked_is_refused(trained, fakes: Calls, monkeypatch):
    run = trained()
    with pytest.raises(UsageError, match=r"unknown logger 'wanb'.*wandb"):
        package.track(run, to="wanb")
    with pytest.raises(UsageError, match=r"loggers.*'wanb'"):
        trained("other", loggers="wanb")
    monkeypatch.setattr(sys.modules["wandb"], "init", lambda **_: 1 / 0)
    with pytest.raises(RunError, match="wandb failed: ZeroDivisionError"):
        package.track(run, to="wandb")
    (run.path / "metrics.jsonl").unlink()
    with pytest.raises(RunError, match="has no log to be tracked; train it first"):
        package.track(run)


def test_the_command(trained, fakes: Calls, twofold):
    a, b = trained("a"), trained("b")
    code, output, errors = twofold("track", a.path, b.path, "--to", "wandb")
    assert (code, len(output.splitlines())) == (0, 2), errors
    assert len([key for key, _ in fakes if key == "close"]) == 2


def test_runs_of_before_there_were_several(toy_experiment):
    content = toy_experiment().model_dump(mode="json")
    del content["training"]["loggers"]
    for old, loggers in ((False, ()), (True, ("tensorboard",))):
        content["training"]["tensorboard"] = old
        found = parse_experiment(content, "old")
        assert found.training.loggers == loggers
        assert found.recipe() == toy_experiment().recipe()


# --- the packages themselves ----------------------------------------------------------------------


def installed(name: str) -> Any:
    try:
        return require(name)
    except UsageError as error:
        pytest.skip(str(error))


@pytest.mark.filterwarnings("default")
def test_tensorboard_itself(trained):
    installed("tensorboard")
    events = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = importlib.import_module(events).EventAccumulator
    run = trained(loggers="tensorboard")
    package.track(run)
    events = accumulator(str(run.path / "tensorboard")).Reload()
    assert [one.step for one in events.Scalars("train/vae/loss")] == [6, 12, 18], "each once"
    assert [one.step for one in events.Images("samples")] == [5, 9, 14, 18]


@pytest.mark.filterwarnings("default")
def test_wandb_itself_offline(trained, monkeypatch, silent):
    installed("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = trained(loggers="wandb")
    resume(run, silent, epochs=5)
    package.track(run, "wandb")
    known = json.loads((run.path / "trackers.json").read_text())["wandb"]
    folders = list((run.path / "wandb").glob(f"offline-run-*-{known}"))
    assert folders
    assert all(list(folder.glob("*.wandb")) for folder in folders)


@pytest.mark.filterwarnings("default")
def test_mlflow_itself(trained, monkeypatch, tmp_path, silent):
    mlflow = installed("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    run = trained(loggers="mlflow")
    resume(run, silent, epochs=5)
    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("twofold").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["training.batch_size"] == "20"
    history = client.get_metric_history(found.info.run_id, "train/vae/loss")
    assert [one.step for one in history] == [6, 12, 18, 23]
    assert client.list_artifacts(found.info.run_id, "samples")
