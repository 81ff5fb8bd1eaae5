"""Codes of images: found again where the model made them, and usable afterwards."""

import math

import pytest
import torch

from twofold.conditions import part_mask
from twofold.errors import UsageError
from twofold.evaluation.pixels import mse, psnr
from twofold.experiments.context import open_run
from twofold.verbs.invert import invert


@pytest.mark.parametrize("family", ["cgan", "cvae"])
def test_an_image_that_the_model_made_is_found_again(run_of, family):
    run = run_of(family)
    model = open_run(run, "cpu").model
    x = model.sample(6, torch.full((6,), 1), seed=3)
    result = invert(run, x, n=6, label="b", steps=400, restarts=8, device="cpu")
    assert torch.equal(result.labels, torch.full((6,), 1))
    assert (result.psnr > 45).all()  # they come as 8-bit pixels, which are 59 dB off at best
    worst = invert(run, x, n=6, label="c", steps=400, restarts=8, device="cpu")
    assert worst.psnr.mean() < result.psnr.mean() - 3  # another class cannot make them


@pytest.mark.parametrize("family", ["cgan", "cvae", "m2", "hybrid", "m1m2", "draw", "acgan"])
def test_the_codes_are_those_of_the_inversions(run_of, family):
    run = run_of(family)
    result = invert(run, n=6, steps=5, restarts=2, device="cpu")
    model = open_run(run, "cpu").model
    assert result.z.shape == (6, model.latent_dim)
    with torch.no_grad():
        torch.testing.assert_close(model.generate(result.z, result.labels), result.inversions)
    torch.testing.assert_close(result.psnr, psnr(result.inversions, result.images))
    found = {measure.name: measure for measure in result.measures}
    errors = mse(result.inversions, result.images)
    assert found["invert/mse"].value == pytest.approx(errors.mean().item())
    assert found["invert/mse"].error == pytest.approx(errors.std().item() / math.sqrt(6))
    assert found["invert/psnr"].value == pytest.approx(result.psnr.mean().item())
    assert found["invert/psnr"].provenance["restarts"] == 2


@pytest.mark.parametrize("predicts", ["image", "hidden"])
def test_a_model_that_was_shown_a_part_is_measured_by_the_rest(run_of, predicts):
    run = run_of("cvae", family="vae", condition="left-half", predicts=predicts)
    result = invert(run, n=6, steps=5, restarts=2, device="cpu")
    hidden = ~part_mask("left-half", 8, 8)
    torch.testing.assert_close(result.psnr, psnr(result.inversions, result.images, hidden))
    near, error = result.measures
    assert near.value == pytest.approx(result.psnr.mean().item())
    expected = mse(result.inversions, result.images, hidden).mean().item()
    assert error.value == pytest.approx(expected)
    assert error.value != pytest.approx(mse(result.inversions, result.images).mean().item())
    assert near.title.endswith("of the hidden part")
    assert error.title.endswith("of the hidden part")


def test_more_restarts_are_never_worse_and_a_seed_reproduces(run_of):
    run = run_of("cgan")
    few, many, again = (
        invert(run, n=9, restarts=restarts, steps=30, device="cpu") for restarts in (1, 10, 10)
    )
    assert torch.equal(many.z, again.z)
    assert many.psnr.mean() > few.psnr.mean()


def test_who_inverts_nothing(run_of, toy_data):
    with pytest.raises(UsageError, match=r"cannot invert: .* makes no images; use a VAE"):
        invert(run_of("classifier"), device="cpu")
    with pytest.raises(UsageError, match=r"these have no labels.*or give one for all with --label"):
        invert(run_of("cgan"), toy_data.images[:3], device="cpu")
    with pytest.raises(UsageError, match="restarts=0, steps=300"):
        invert(run_of("cgan"), restarts=0)
