"""Canvases: every step of the model, and the last is the image."""

import pytest
import torch
from PIL import Image

from twofold.errors import UsageError
from twofold.experiments.context import open_run
from twofold.verbs.canvases import canvases
from twofold.verbs.inputs import load_inputs


def test_the_last_canvas_is_the_image(toy_run):
    run = toy_run("draw")
    found = canvases(run, n=3, seed=2, device="cpu")
    assert found.samples.shape == found.reconstructions.shape == (3, 3, 1, 8, 8)
    trained = open_run(run, "cpu")
    (batch,) = load_inputs(trained, n=3, seed=2).batches()
    model = trained.model
    assert torch.equal(found.x, batch.x)
    assert torch.allclose(found.samples[:, -1], model.sample(3, seed=2), atol=1e-6)
    expected = model.images_of(model.codes(batch.x))
    assert torch.allclose(found.reconstructions[:, -1], expected, atol=1e-6)
    assert not torch.allclose(found.samples[:, 0], found.samples[:, -1], atol=1e-3)


def test_the_picture_shows_even_steps_and_the_film_all(toy_run, tmp_path):
    found = canvases(toy_run("draw"), n=2, steps=2, device="cpu")
    assert found.columns == (1, 2)
    assert canvases(toy_run("draw"), n=2, device="cpu").columns == (0, 1, 2)
    assert found.picture().shape == (26 + 26 + 2 * 58 + 2, (3 * 58 + 2) + 26 + (2 * 58 + 2))
    with Image.open(found.save(tmp_path / "c.webp")) as film:
        assert film.n_frames >= 3


def test_the_draw_of_a_hybrid_draws(toy_run):
    found = canvases(toy_run("draw-gan"), n=2, device="cpu")
    expected = open_run(toy_run("draw-gan"), "cpu").model.sample(2)
    assert torch.allclose(found.samples[:, -1], expected, atol=1e-6)


def test_a_model_that_draws_at_one_go_is_refused(toy_run):
    with pytest.raises(UsageError, match="VAE makes its images at one go; use DRAW or a DRAW-GAN"):
        canvases(toy_run("vae"), device="cpu")
    with pytest.raises(UsageError, match="steps=0"):
        canvases(toy_run("draw"), steps=0, device="cpu")
