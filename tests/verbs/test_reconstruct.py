"""Reconstructions: those of the model, beside the images they are of."""

import pytest
import torch

from twofold.errors import UsageError
from twofold.experiments.context import open_run
from twofold.verbs.inputs import load_inputs
from twofold.verbs.invert import invert
from twofold.verbs.reconstruct import reconstruct


def test_each_image_goes_through_the_code_with_its_class(toy_run):
    run = toy_run("cvae")
    found = reconstruct(run, n=6, device="cpu")
    trained = open_run(run, "cpu")
    (batch,) = load_inputs(trained, n=6).batches()
    assert batch.y.tolist() == [0, 0, 1, 1, 2, 2]
    assert torch.equal(found.x, batch.x)
    expected = trained.model.reconstruct(batch.x, batch.y)
    assert torch.allclose(found.reconstructions, expected, atol=1e-6)
    assert torch.allclose(found.samples, trained.model.sample(6, batch.y), atol=1e-6)
    (error,) = found.measures
    squared = (found.x - expected).square().mean(dim=(1, 2, 3))
    assert error.value == pytest.approx(squared.mean().item(), rel=1e-5)
    assert error.notes == ()
    assert error.provenance["images"] == 6
    assert error.error == pytest.approx(squared.std().item() / 6**0.5, rel=1e-5)


def test_batches_change_nothing(toy_run, monkeypatch):
    whole = reconstruct(toy_run("cvae"), n=None, device="cpu")
    monkeypatch.setattr("twofold.verbs.inputs.Inputs.each.__defaults__", (4,))
    parts = reconstruct(toy_run("cvae"), n=None, device="cpu")
    assert len(parts.x) == 15
    for name, array in whole.arrays().items():
        assert torch.allclose(parts.arrays()[name], array, atol=1e-6)


def test_the_error_has_the_name_and_unit_that_inversions_have(toy_run):
    again, found = (verb(toy_run("cvae"), n=6, device="cpu") for verb in (reconstruct, invert))
    (one,), (other,) = again.measures, [m for m in found.measures if m.name.endswith("/mse")]
    assert (one.name, other.name) == ("reconstruct/mse", "invert/mse")
    assert (one.unit, one.better) == (other.unit, other.better) == ("per pixel in [0, 1]", "lower")


def test_what_is_drawn_follows_the_seed(toy_run):
    first, again, other = (
        reconstruct(toy_run("draw"), n=3, seed=seed, device="cpu") for seed in (1, 1, 2)
    )
    assert torch.equal(first.reconstructions, again.reconstructions)
    assert torch.equal(first.samples, again.samples)
    assert not torch.equal(first.samples, other.samples)


def test_the_picture_has_three_rows_for_every_ten_images(toy_run):
    few, many = (reconstruct(toy_run("vae"), n=n, device="cpu").picture() for n in (10, 12))
    assert few.shape[0] == 3 * 58 + 2
    assert many.shape == (6 * 58 + 2, few.shape[1])
    assert (many[-56:-2, -56:-2] == 128).all(), "blank where the images end"
    assert not (many[-56:-2, -(9 * 58) : -(8 * 58)] == 128).all()


def test_a_part_of_the_image_is_the_condition(toy_run):
    found = reconstruct(toy_run("completion"), n=3, device="cpu")
    assert found.samples.shape == (3, 1, 8, 8)
    assert any("shown a part" in note for note in found.measures[0].notes)


@pytest.mark.parametrize(("name", "title"), [("cgan", "CGAN"), ("classifier", "classifier")])
def test_a_model_without_an_encoder_is_refused(toy_run, name, title):
    with pytest.raises(UsageError, match=f"cannot reconstruct: {title} has no encoder; use a VAE"):
        reconstruct(toy_run(name), device="cpu")
