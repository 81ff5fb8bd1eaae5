"""Every experiment of the library from the command line: one short epoch, with a falling loss.

A few run always; all of them by `make experiments-smoke`.
"""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twofold.cli import app
from twofold.experiments.resolve import experiment_names, load_experiment
from twofold.experiments.run import Run

FEW = (
    "belani2020-gan",
    "chen-fang-ju2016-completion-as-run",
    "chen-fang-ju2016-cvae-gan-svhn",
    "chen-fang-ju2016-draw",
    "chen-fang-ju2016-ssl-fc-1000",
    "chen-fang-ju2016-vae-gan-larsen",
    "gaikwad2020-densevae",
    "lin-yu2018-acgan-odena",
)
CHANGES = {"chen-fang-ju2016-m1m2-1000": ["training.optimizers.m2.start=0"]}  # it begins later
RIVALS = {"discriminator", "generator", "autoencoder", "encoder", "decoder"}


def _data(name: str) -> list[str]:
    folder = Path(os.environ.get("TWOFOLD_DATA", "."))
    places = {"mnist": "mnist", "stacked-mnist": "mnist", "svhn": "house-numbers-rendered"}
    place = folder / places.get(name, "")
    if not place.exists():
        pytest.skip(f"the images of {name} are not here")
    return [f"data={place}"] if name == "svhn" else []


def _fifths(curve: list[float]) -> list[float]:
    """The mean of each fifth of a curve."""
    size = max(1, len(curve) // 5)
    return [sum(curve[i : i + size]) / size for i in range(0, 5 * size, size)]


def _train(name: str, out: Path, limit: int) -> Run:
    experiment = load_experiment(name)
    changes = [*_data(experiment.data.name), *CHANGES.get(name, [])]
    if experiment.data.name != "digits":
        changes.append(f"limit={limit}")
    if experiment.data.labels:
        changes.append(f"labels={min(experiment.data.labels, limit // 2)}")
    changes += ["epochs=1", "batch_size=25", "log_every=1", "device=cpu"]
    result = CliRunner().invoke(app, ["train", name, *changes, "--quiet", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return Run(out)


def _check(name: str, run: Run) -> None:
    records = [record for record in run.records if record["kind"] == "train"]
    curves = {
        phase: _fifths([record["terms"][phase]["loss"] for record in records])
        for phase in records[0]["terms"]
    }
    assert run.finished
    if RIVALS & curves.keys():  # one player wins what another loses, and may lose it again
        assert any(min(later) < first for first, *later in curves.values()), curves
    else:
        assert all(curve[-1] < curve[0] for curve in curves.values()), curves


@pytest.mark.parametrize("name", FEW)
def test_a_few_start_and_learn(name: str, tmp_path: Path):
    _check(name, _train(name, tmp_path / "run", limit=500))


@pytest.mark.smoke
@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_starts_and_learns(name: str, tmp_path: Path):
    _check(name, _train(name, tmp_path / "run", limit=2000))
