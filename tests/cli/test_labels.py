"""restyle, classify and augment as a person meets them."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from twofold.experiments.resolve import resolve
from twofold.experiments.train import train

CHANGES = ("data=digits", "limit=200", "epochs=1", "layers=fc-16", "batch_size=50", "device=cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, silent, toy_classifiers) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    train(resolve("lam2023-cvae", CHANGES), out=folder / "cvae", progress=silent)
    m2 = resolve("chen-fang-ju2016-ssl-fc-1000", (*CHANGES, "labels=50", "validation=0.1"))
    train(m2, out=folder / "m2", progress=silent)
    return folder


def test_restyle(twofold, runs, tmp_path):
    code, output, errors = twofold("restyle", runs / "m2", "-n", 3, "--measure", 20, "-q")
    path = runs / "m2" / "restyle.png"
    assert (code, output.strip().splitlines()[-1]) == (0, str(path)), errors
    assert "restyled images recognized" in output
    with Image.open(path) as picture:
        assert "one code along each row" in picture.info["Description"]
    one = tmp_path / "one.png"
    Image.new("L", (30, 30), 200).save(one)
    code, _, errors = twofold("restyle", runs / "cvae", "--images", one)
    assert code == 2
    assert "--resize" in errors
    options = [
        "--images",
        one,
        "--resize",
        "--label",
        3,
        "--fresh-noise",
        "--out",
        tmp_path / "r.png",
    ]
    code, output, _ = twofold("restyle", runs / "cvae", *options)
    assert (code, "recognized" in output) == (0, False)


def test_classify(twofold, runs, tmp_path):
    code, output, errors = twofold("classify", runs / "m2")
    assert code == 0, errors
    table, picture = (runs / "m2" / f"classify{suffix}" for suffix in (".csv", ".png"))
    assert str(table) in output
    assert str(picture) in output
    assert len(list(csv.reader(table.read_text().splitlines()))) == 181
    assert "calibration error" in output
    assert twofold("classify", runs / "m2", "--out", tmp_path / "c.csv")[0] == 0
    code, _, errors = twofold("classify", runs / "cvae")
    assert (code, "gives no labels; use a classifier, M2 or ACGAN" in errors) == (2, True)


def test_augment(twofold, runs, tmp_path):
    code, output, errors = twofold("augment", runs / "cvae", "--per-class", 2)
    folder = runs / "cvae" / "augment"
    assert (code, output.strip()) == (0, str(folder)), errors
    assert len(list(folder.glob("*/*.png"))) == 20
    assert json.loads((folder / "provenance.json").read_text())["images"] == 20
    code, _, errors = twofold("augment", runs / "cvae")
    assert (code, "is not an empty folder" in errors) == (2, True)
    options = ["--per-class", 2, "--min-confidence", 0.01, "-q", "--out", tmp_path / "a.png"]
    code, output, errors = twofold("augment", runs / "cvae", *options)
    assert (code, output.strip()) == (0, str(tmp_path / "a.png"))
    assert "left out that were not recognized" in errors
