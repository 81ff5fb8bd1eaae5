"""The commands that look at a trained model: what they write by default, and what they refuse."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twofold.experiments.resolve import resolve
from twofold.experiments.train import train
from twofold.files import read_arrays

CHANGES = ("data=digits", "limit=200", "epochs=2", "layers=fc-16", "batch_size=50", "device=cpu")
SMALL = {
    "cvae": ("lam2023-cvae", *CHANGES),
    "cgan": ("lam2023-cgan", *CHANGES),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, silent) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, (experiment, *changes) in SMALL.items():
        train(resolve(experiment, changes), out=folder / name, progress=silent)
    return folder


@pytest.mark.parametrize("verb", ["sample", "reconstruct", "interpolate", "manifold", "traverse"])
def test_defaults_just_work(twofold, runs, verb):
    code, output, errors = twofold(verb, runs / "cvae")
    path = runs / "cvae" / f"{verb}.png"
    assert (code, output.strip().splitlines()[-1]) == (0, str(path)), errors
    with Image.open(path) as picture:
        assert "CVAE of cvae" in picture.info["Description"]


@pytest.mark.parametrize("verb", ["sample", "interpolate", "manifold", "traverse"])
def test_a_gan_can_be_looked_at_too(twofold, runs, verb, tmp_path):
    out = tmp_path / f"{verb}.npz"
    assert twofold(verb, runs / "cgan", "--out", out)[0] == 0
    arrays = read_arrays(out)
    assert arrays["images"].shape[-3:] == (1, 8, 8)


def test_options_reach_the_verb(twofold, runs, tmp_path):
    out = tmp_path / "all.npz"
    assert (
        twofold("sample", runs / "cvae", "--seeds", "3, 0..1", "--label", 7, "--out", out)[0] == 0
    )
    arrays = read_arrays(out)
    assert (arrays["labels"].tolist(), arrays["seeds"].tolist()) == ([7, 7, 7], [3, 0, 1])
    options = ("--between", "classes", "--label", "3,8", "-n", 2, "--steps", 4)
    assert twofold("interpolate", runs / "cvae", *options, "--out", out)[0] == 0
    arrays = read_arrays(out)
    assert arrays["images"].shape == (2, 4, 1, 8, 8)
    options = ("--latents", "2,0", "--steps", 3, "--span", 1, "--label", 5)
    assert twofold("traverse", runs / "cvae", *options, "--out", out)[0] == 0
    arrays = read_arrays(out)
    assert arrays["latents"].tolist() == [2, 0]
    assert arrays["values"].tolist() == [-1, 0, 1]
    assert twofold("manifold", runs / "cvae", "--quantiles", "--steps", 2, "--out", out)[0] == 0
    arrays = read_arrays(out)
    assert arrays["coordinates"].tolist() == pytest.approx([-0.6745, 0.6745], abs=1e-4)
    film = tmp_path / "film.webp"
    assert twofold("interpolate", runs / "cvae", "--square", "--out", film)[0] == 0
    with Image.open(film) as opened:
        assert opened.format == "WEBP"


def test_images_of_another_size_only_if_asked(twofold, runs, tmp_path):
    for name in "37":
        (tmp_path / name).mkdir()
        picture = np.random.default_rng(0).integers(0, 255, (20, 16, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / name / "one.png")
    command = ("reconstruct", runs / "cvae", "--images", tmp_path, "--out", tmp_path / "r.npz")
    code, _, errors = twofold(*command)
    assert (code, "resize them with --resize" in errors) == (2, True)
    assert twofold(*command, "--resize")[0] == 0


@pytest.mark.parametrize(
    ("verb", "options", "what"),
    [
        ("reconstruct", (), "CGAN has no encoder; use a VAE"),
        ("interpolate", ("--between", "images"), "CGAN has no encoder; use a VAE"),
        ("canvases", (), "CGAN makes its images at one go; use DRAW"),
        ("sample", ("--seeds", "1-3"), "seeds=1-3 is not understood; write seeds=0,1,2"),
        ("traverse", ("--latents", "99999"), "the latents of this model are numbered 0 to"),
    ],
)
def test_what_cannot_be_done_is_said(twofold, runs, verb, options, what):
    code, _, errors = twofold(verb, runs / "cgan", *options)
    assert code == 2
    assert what in " ".join(errors.split())
