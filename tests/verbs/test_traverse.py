"""Traversals: one latent moves and no other, the most active first."""

import pytest
import torch
from PIL import Image

from twofold.errors import UsageError
from twofold.experiments.context import open_run
from twofold.verbs.inputs import load_inputs
from twofold.verbs.traverse import traverse


def test_one_latent_moves_and_the_others_stay(toy_run):
    run = toy_run("cvae")
    found = traverse(run, latents=[3, 1], steps=5, span=2.0, label="b", device="cpu")
    trained = open_run(run, "cpu")
    (batch,) = load_inputs(trained).batches()
    z = trained.model.codes(batch.x, batch.y).detach()
    first = z[int((batch.y == 1).nonzero()[0])]
    assert torch.allclose(found.z, first, atol=1e-6)
    for row, d in enumerate([3, 1]):
        moved = first.repeat(5, 1)
        moved[:, d] = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
        expected = trained.model.images_of(moved, torch.ones(5, dtype=torch.long))
        assert torch.allclose(found.images[row], expected, atol=1e-5)
    assert torch.allclose(found.variances, z.var(dim=0, correction=0), atol=1e-6)
    assert found.row_heads == [f"z{d} ({found.variances[d]:.2f})" for d in (3, 1)]


def test_the_most_active_come_first(toy_run):
    found = traverse(toy_run("vae"), n=3, device="cpu")
    chosen = found.variances[found.latents]
    assert torch.equal(chosen, found.variances.sort(descending=True).values[:3])
    assert found.images.shape == (3, 11, 1, 8, 8)


def test_without_an_encoder_those_that_change_the_image_most(toy_run):
    found = traverse(toy_run("cgan"), n=4, device="cpu")
    change = found.images.var(dim=1).flatten(1).mean(dim=1)
    assert (change.diff() <= 0).all()
    assert sorted(found.latents.tolist()) == [0, 1, 2, 3]
    assert torch.equal(found.z, open_run(toy_run("cgan"), "cpu").model.sample_latent(1, 0)[0])
    assert "variances" not in found.arrays()


def test_every_kind_of_model_and_a_film(toy_run, tmp_path):
    for name in ("completion", "draw"):
        found = traverse(toy_run(name), n=2, steps=3, device="cpu")
        assert found.images.shape == (2, 3, 1, 8, 8)
    with Image.open(found.save(tmp_path / "t.webp")) as film:
        assert film.n_frames == 4


def test_what_cannot_be_traversed(toy_run):
    with pytest.raises(UsageError, match=r"latents=4: .* numbered 0 to 3"):
        traverse(toy_run("vae"), latents=[0, 4], device="cpu")
    with pytest.raises(UsageError, match="latents=none"):
        traverse(toy_run("vae"), latents=[], device="cpu")
    with pytest.raises(UsageError, match="cannot traverse: classifier makes no images"):
        traverse(toy_run("classifier"), device="cpu")
    with pytest.raises(UsageError, match="span=0"):
        traverse(toy_run("vae"), span=0, device="cpu")
