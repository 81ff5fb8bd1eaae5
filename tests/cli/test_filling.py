"""complete, denoise and invert as a person meets them."""

import numpy as np
import pytest
from PIL import Image

from twofold.files import read_arrays

SMALL = ["data=digits", "limit=200", "epochs=1", "layers=fc-16", "batch_size=50", "device=cpu"]


@pytest.fixture
def vae(twofold, tmp_path):
    """A run that has hardly learnt, on 8×8 digits."""
    out = tmp_path / "vae"
    code, _, errors = twofold(
        "train", "lin-yu2018-vae-z2", *SMALL, "validation=99", "--out", out, "-q"
    )
    assert code == 0, errors
    return out


def test_complete(twofold, vae, tmp_path, monkeypatch):
    monkeypatch.setattr("twofold.inpainting.inpainters.TEMPERATURES", 5)
    code, output, _ = twofold("complete", vae, "--n", 2, "--num-completions", 3, "--device", "cpu")
    assert code == 0
    assert output.strip().endswith(str(vae / "complete.png"))
    assert "ln p(hidden | visible)" in output
    with Image.open(vae / "complete.png") as picture:
        assert "left-half visible" in picture.info["Description"]
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 3] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    out = tmp_path / "made.npz"
    options = ["--mask", tmp_path / "mask.png", "--measure", 3, "--out", out]
    assert twofold("complete", vae, "-n", 2, *options)[0] == 0
    made = read_arrays(out)
    assert made["visible"].sum() == 8
    assert made["completions"].shape == (2, 8, 1, 8, 8)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--measure", "many"], "many: give a number of images, or all"),
        (["--part", "left"], "unknown part of the image 'left'"),
        (["--part", "left-half", "--mask", "a.png"], "a part or a mask, not both"),
    ],
)
def test_complete_with_what_does_not_fit(twofold, vae, options, words):
    code, _, errors = twofold("complete", vae, *options)
    assert code == 2
    assert words in errors


def test_denoise_and_invert(twofold, vae, tmp_path):
    code, output, _ = twofold("denoise", vae, "-n", 3, "--flip", 0.1, "--steps", 2)
    assert code == 0
    assert "PSNR after denoising" in output
    assert (vae / "denoise.png").exists()
    code, output, _ = twofold("invert", vae, "-n", 3, "--steps", 2, "--out", tmp_path / "z.npz")
    assert code == 0
    assert "PSNR of the inversions" in output
    assert read_arrays(tmp_path / "z.npz")["z"].shape == (3, 2)


def test_a_gan_is_sent_to_invert(twofold, tmp_path):
    out = tmp_path / "gan"
    assert twofold("train", "lam2023-cgan", *SMALL, "--out", out, "-q")[0] == 0
    for verb, words in (("denoise", "use a VAE"), ("complete", "use a VAE")):
        code, _, errors = twofold(verb, out)
        assert code == 2
        assert words in errors
    assert twofold("invert", out, "-n", 2, "--steps", 2)[0] == 0
    assert (out / "invert.png").exists()
