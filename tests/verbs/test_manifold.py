"""Manifolds: the plane is the one named, and the coordinates mean what they say."""

from statistics import NormalDist

import numpy as np
import pytest
import torch

from twofold.errors import UsageError
from twofold.experiments.context import open_run
from twofold.verbs.inputs import load_inputs
from twofold.verbs.manifold import manifold


def test_two_latents_are_their_own_plane(toy_run):
    found = manifold(toy_run("plane"), steps=5, span=1.5, device="cpu")
    assert found.directions == "latents"
    assert found.z[0, 0].tolist() == [-1.5, 1.5], "the second grows upwards"
    assert found.z[-1, -1].tolist() == [1.5, -1.5]
    assert found.z[2, 2].tolist() == [0, 0]
    model = open_run(toy_run("plane"), "cpu").model
    expected = model.images_of(torch.tensor([[0.75, 1.5]]))[0]
    assert torch.allclose(found.images[0, 3], expected, atol=1e-6)
    assert found.row_heads == ["1.5", "0.75", "0", "-0.75", "-1.5"]


def test_quantiles_share_the_prior_evenly(toy_run):
    u = manifold(toy_run("plane"), steps=4, quantiles=True, device="cpu").coordinates
    below = [NormalDist().cdf(value) for value in u.tolist()]
    assert below == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=1e-6)


def test_more_latents_are_cut_where_the_codes_of_images_vary_most(toy_run):
    found = manifold(toy_run("vae"), steps=3, span=1.0, device="cpu")
    assert found.directions == "principal"
    trained = open_run(toy_run("vae"), "cpu")
    (batch,) = load_inputs(trained).batches()
    z = trained.model.codes(batch.x).detach().double().numpy()
    assert np.allclose(found.z[1, 1], z.mean(axis=0), atol=1e-5)
    _, singular, directions = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
    steps = (found.z[1, 2] - found.z[1, 1]), (found.z[0, 1] - found.z[1, 1])
    for step, size, direction in zip(steps, singular, directions, strict=False):
        along = step.numpy() @ direction
        assert abs(along) == pytest.approx(size / len(z) ** 0.5, rel=1e-4)
        assert np.allclose(step, along * direction, atol=1e-5)


def test_without_an_encoder_a_plane_of_draws_as_long_as_draws(toy_run):
    found = manifold(toy_run("cgan"), steps=3, span=1.0, label="b", device="cpu")
    assert found.directions == "random"
    right, up = found.z[1, 2], found.z[0, 1]
    assert right @ up == pytest.approx(0, abs=1e-5)
    assert [right.norm().item(), up.norm().item()] == pytest.approx([2**0.5, 2**0.5], rel=1e-5)
    assert found.caption.endswith(", b, seed 0")
    model = open_run(toy_run("cgan"), "cpu").model
    expected = model.images_of(found.z[1], torch.tensor([1, 1, 1]))
    assert torch.allclose(found.images[1], expected, atol=1e-6)


def test_each_kind_of_condition(toy_run):
    assert manifold(toy_run("cvae"), steps=2, label="c", device="cpu").caption.endswith("c, seed 0")
    found = manifold(toy_run("completion"), steps=2, device="cpu")
    assert found.images.shape == (2, 2, 1, 8, 8)


def test_what_has_no_plane(toy_run):
    with pytest.raises(UsageError, match="VAE is not conditioned on the class"):
        manifold(toy_run("vae"), label="b", device="cpu")
    with pytest.raises(UsageError, match="cannot show the manifold: classifier makes no images"):
        manifold(toy_run("classifier"), device="cpu")
    for wrong in ({"steps": 1}, {"span": 0.0}, {"span": float("inf")}):
        with pytest.raises(UsageError, match="2 steps or more and a span above 0"):
            manifold(toy_run("plane"), **wrong, device="cpu")
