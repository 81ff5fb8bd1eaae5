"""Tiny runs on the embedded digits, made once, and facts written by hand."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from twofold.evaluation.figure import Figure
from twofold.evaluation.summary import RunSummary
from twofold.experiments.build import build_model
from twofold.experiments.environment import describe_model
from twofold.experiments.resolve import parse_experiment, resolve, to_yaml
from twofold.experiments.run import Run
from twofold.experiments.train import train

VAE = {
    "name": "tiny-vae",
    "data": {"name": "digits", "limit": 200, "validation": 50},
    "model": {
        "family": "vae",
        "latent_dim": 2,
        "encoder": {"layers": "conv3-2/2 fc-8"},
        "decoder": {"layers": "fc-8"},
    },
    "training": {"epochs": 2, "batch_size": 50, "log_every": 1},
}
CHANGES = {"data": "digits", "limit": 200, "layers": "fc-8", "batch_size": 50, "log_every": 1}


def accuracy(value: float, error: float | None = 0.1, **fields: Any) -> Figure:
    """GAN-test as `evaluate` writes it."""
    provenance = {"samples": 10_000, "classifier": "classifier-cnn", "seed": 0}
    given = {"title": "GAN-test by classifier-cnn", "better": "higher", "provenance": provenance}
    given |= {"name": "gan_test/classifier-cnn", "unit": "%", "error": error}
    return Figure(value=value, **{**given, **fields})


def elbo(value: float, error: float | None = 0.2, **fields: Any) -> Figure:
    return Figure("elbo", "ELBO", value, "nats per image", better="higher", error=error, **fields)


def evaluate_by_hand(run: Run, *measures: Figure, step: int | None = None) -> None:
    """Writes an evaluation.json."""
    content = {
        "measures": [m.to_dict() for m in measures],
        "settings": {} if step is None else {"step": step},
        "versions": {},
        "seconds": 1.0,
    }
    (run.path / "evaluation.json").write_text(json.dumps(content))


@pytest.fixture(scope="package")
def runs(tmp_path_factory) -> dict[str, Run]:
    """A CVAE and a CGAN with evaluations; a VAE and a classifier without."""
    folder = tmp_path_factory.mktemp("runs")
    made = {
        "cvae": train("lam2023-cvae", {**CHANGES, "epochs": 3}, out=folder / "cvae"),
        "cgan": train("lam2023-cgan", {**CHANGES, "epochs": 3}, out=folder / "cgan"),
        "vae": train(parse_experiment(VAE, "VAE"), out=folder / "vae"),
        "clf": train("classifier-mlp", {**CHANGES, "epochs": 2}, out=folder / "clf"),
    }
    classes = {str(k): 90.0 + k for k in range(10)}
    evaluate_by_hand(made["cvae"], accuracy(98.0, per_class=classes, reference=99.0), elbo(-22.0))
    evaluate_by_hand(made["cgan"], accuracy(91.0, per_class=classes, reference=99.0))
    return made


@cache
def model_of(experiment: str) -> dict[str, Any]:
    """What environment.json says of the model of an experiment."""
    parsed = parse_experiment(yaml.safe_load(experiment), "facts")
    return describe_model(build_model(parsed, (1, 28, 28), 10))


@pytest.fixture
def facts() -> Callable[..., RunSummary]:
    """RunSummary of a run that never was: `facts("A", "lam2023-cvae", measures, **fields)`."""

    def make(
        letter: str, experiment: str, *measures: Figure, changes: Any = (), **fields: Any
    ) -> RunSummary:
        resolved = resolve(experiment, changes)
        environment = {
            "processor": "abacus",
            "threads": 1,
            "data": {
                "name": "mnist",
                "fingerprint": "f",
                "splits": {"train": 60_000, "test": 10_000},
                "image_shape": [1, 28, 28],
                "class_names": [str(k) for k in range(10)],
            },
            "model": model_of(to_yaml(resolved)),
            "parameters": {"generator": 1000},
        }
        given = {
            "name": f"run-{letter}",
            "short": f"run-{letter}",
            "path": Path(f"runs/run-{letter}"),
            "environment": environment,
            "records": [train_line()],
            "figures": {m.name: m for m in measures},
            "evaluated": bool(measures),
        }
        return RunSummary(letter=letter, experiment=resolved, **{**given, **fields})

    return make


def train_line(epoch: float = 50.0, seconds: float = 100.0, **fields: Any) -> dict[str, Any]:
    line = {"kind": "train", "step": 600 * int(epoch), "epoch": epoch, "images": 60_000 * epoch}
    return {**line, "seconds": seconds, **fields}
