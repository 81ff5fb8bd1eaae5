"""`twofold anomaly` and `twofold latents` as a person meets them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from twofold.cli import app

SMALL = ["data=digits", "epochs=1", "layers=fc-16", "batch_size=50", "device=cpu"]


def twofold(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    for k in (0, 1):
        trained = twofold(
            "train", "mnist-anomaly", *SMALL, f"without={k}", "-q", "--out", folder / f"no-{k}"
        )
        assert trained.exit_code == 0, trained.output
    return [folder / "no-0", folder / "no-1"]


def test_one_run_gives_a_picture_and_a_table(runs):
    done = twofold("anomaly", runs[0])
    assert done.exit_code == 0, done.output
    assert "area under the ROC curve" in done.output
    assert (runs[0] / "anomaly.png").read_bytes().startswith(b"\x89PNG")
    assert (runs[0] / "anomaly.csv").read_text().startswith("index,true,score,flagged,anomalous\n")


def test_several_runs_give_a_mean(runs, tmp_path):
    done = twofold("anomaly", *runs, "--score", "bound", "--out", tmp_path / "both.csv")
    assert done.exit_code == 0, done.output
    assert "mean area under" in done.output
    lines = (tmp_path / "both.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["left out", "0", "1"]


def test_a_map_is_drawn_and_another_layout_refused(runs, tmp_path):
    done = twofold("latents", runs[0], "-n", 60, "--out", tmp_path / "map.svg")
    assert done.exit_code == 0, done.output
    assert "<svg" in (tmp_path / "map.svg").read_text()
    refused = twofold("latents", runs[0], "--layout", "direct")
    assert "codes of 8 dimensions do not lie on a plane" in str(refused.exception)
