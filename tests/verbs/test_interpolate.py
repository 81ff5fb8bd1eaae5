"""Interpolation: the ends are what they should be, and what lies between lies between."""

import pytest
import torch
from PIL import Image

from twofold.errors import UsageError
from twofold.experiments.context import open_run
from twofold.verbs.inputs import load_inputs
from twofold.verbs.interpolate import interpolate
from twofold.verbs.reconstruct import reconstruct


def test_between_images_the_ends_are_their_reconstructions(toy_run):
    run = toy_run("cvae")
    found = interpolate(run, n=3, steps=4, device="cpu")
    assert found.images.shape == (3, 4, 1, 8, 8)
    trained = open_run(run, "cpu")
    (batch,) = load_inputs(trained, n=6).batches()
    expected = trained.model.reconstruct(batch.x, batch.y)
    assert torch.equal(found.ends, torch.stack([batch.x[:3], batch.x[3:]], dim=1))
    assert torch.allclose(found.images[:, 0], expected[:3], atol=1e-6)
    assert torch.allclose(found.images[:, -1], expected[3:], atol=1e-6)
    assert found.row_heads == ["a to b", "a to c", "b to c"]


@pytest.mark.parametrize("name", ["vae", "draw", "draw-gan", "m1m2"])
def test_every_model_with_an_encoder_goes_between_images(toy_run, name):
    found = interpolate(toy_run(name), n=2, steps=3, device="cpu")
    assert found.images.shape == (2, 3, 1, 8, 8)
    assert torch.allclose(found.z[:, 1], (found.z[:, 0] + found.z[:, 2]) / 2, atol=1e-6)
    assert found.ends is not None
    again = reconstruct(toy_run(name), n=4, device="cpu").reconstructions
    assert torch.allclose(found.images[:, 0], again[:2], atol=1e-6)
    assert torch.allclose(found.images[:, -1], again[2:], atol=1e-6)


def test_between_images_code_and_class_change_together(toy_run):
    run = toy_run("cvae")
    found = interpolate(run, n=3, steps=5, device="cpu")
    model = open_run(run, "cpu").model
    z = 0.75 * found.z[1, 0] + 0.25 * found.z[1, -1]
    weights = torch.tensor([[0.75, 0.0, 0.25]])
    assert torch.allclose(found.z[1, 1], z, atol=1e-6)
    assert torch.allclose(found.images[1, 1], model.images_of(z[None], weights)[0], atol=1e-6)


def test_between_seeds_of_any_model_that_makes_images(toy_run):
    for name in ("cgan", "vae", "draw"):
        found = interpolate(toy_run(name), between="seeds", n=2, steps=3, device="cpu")
        model = open_run(toy_run(name), "cpu").model
        z = model.sample_latent(4, 0)
        assert torch.allclose(found.z[:, 0], z[:2], atol=1e-6)
        assert torch.allclose(found.z[:, -1], z[2:], atol=1e-6)
        lengths = found.z.norm(dim=2)
        assert torch.allclose(lengths[:, 1], (lengths[:, 0] + lengths[:, 2]) / 2, rtol=1e-5)
        assert found.ends is None
    straight = interpolate(toy_run("vae"), between="seeds", n=2, steps=3, path="linear")
    assert torch.allclose(straight.z[:, 1], (straight.z[:, 0] + straight.z[:, 2]) / 2, atol=1e-6)


def test_a_model_without_an_encoder_goes_between_seeds_by_itself(toy_run):
    found = interpolate(toy_run("cgan"), n=2, label=["b", "c"], device="cpu")
    assert found.row_heads == ["b", "c"]
    expected = open_run(toy_run("cgan"), "cpu").model.images_of(found.z[1], torch.full((10,), 2))
    assert torch.allclose(found.images[1], expected, atol=1e-6)


def test_between_classes_the_code_stays(toy_run):
    found = interpolate(toy_run("cvae"), between="classes", n=4, steps=3, device="cpu")
    assert found.row_heads == ["a to b", "b to c", "c to a", "a to b"]
    assert torch.equal(found.z, found.z[:, :1].expand_as(found.z))
    model = open_run(toy_run("cvae"), "cpu").model
    for column, y in ((0, [0, 1, 2, 0]), (2, [1, 2, 0, 1])):
        expected = model.images_of(found.z[:, 0], torch.tensor(y))
        assert torch.allclose(found.images[:, column], expected, atol=1e-6)
    pair = interpolate(toy_run("cvae"), between="classes", n=2, label=["c", "a"], device="cpu")
    assert pair.row_heads == ["c to a", "c to a"]


def test_the_edges_of_a_square_are_the_strips(toy_run):
    for between in ("images", "seeds", "classes"):
        square = interpolate(
            toy_run("cvae"), between=between, square=True, steps=5, path="linear", device="cpu"
        )
        corners = square.z[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert square.images.shape == (5, 5, 1, 8, 8)
        assert torch.allclose(square.z[2, 2], corners.mean(dim=0), atol=1e-6)
    images = interpolate(toy_run("cvae"), n=2, steps=5, device="cpu")
    square = interpolate(toy_run("cvae"), square=True, steps=5, device="cpu")
    assert torch.allclose(square.images[0], images.images[0], atol=1e-6)
    assert torch.allclose(square.images[-1], images.images[1], atol=1e-6)


def test_between_seeds_a_completion_keeps_what_is_shown(toy_run):
    found = interpolate(toy_run("completion"), n=3, steps=4, device="cpu")
    trained = open_run(toy_run("completion"), "cpu")
    (batch,) = load_inputs(trained, n=3).batches()
    expected = trained.model.images_of(found.z[:, 1], batch.x)
    assert torch.allclose(found.images[:, 1], expected, atol=1e-6)
    with pytest.raises(UsageError, match=r"conditioned on a part of an image.*go between seeds"):
        interpolate(toy_run("completion"), between="images", device="cpu")


def test_it_moves_there_and_back(toy_run, tmp_path):
    found = interpolate(toy_run("vae"), n=4, steps=5, device="cpu")
    with Image.open(found.save(tmp_path / "i.webp")) as film:
        assert film.n_frames == 8
    assert found.picture().shape[1] > 7 * 58, "both images stand beside the five steps"


def test_what_cannot_be_gone_between(toy_run, toy_data):
    with pytest.raises(UsageError, match=r"CGAN has no encoder; use a VAE"):
        interpolate(toy_run("cgan"), between="images", device="cpu")
    with pytest.raises(UsageError, match="cannot interpolate: classifier makes no images"):
        interpolate(toy_run("classifier"), device="cpu")
    with pytest.raises(UsageError, match="VAE goes between classes where they are its"):
        interpolate(toy_run("vae"), between="classes", device="cpu")
    with pytest.raises(UsageError, match=r"unknown kind of ends 'clases'.*classes"):
        interpolate(toy_run("vae"), between="clases", device="cpu")
    with pytest.raises(UsageError, match="a strip needs two images, and 1 is too few"):
        interpolate(toy_run("vae"), toy_data.images[:1], device="cpu")
    with pytest.raises(UsageError, match="steps=1"):
        interpolate(toy_run("vae"), steps=1, device="cpu")


def test_images_that_nobody_would_look_at(toy_run):
    from twofold.verbs.manifold import manifold
    from twofold.verbs.traverse import traverse

    for verb, kind, options, words in (
        (interpolate, "vae", {"between": "seeds"}, "between seeds no images are looked at"),
        (manifold, "plane", {}, "looks at no images"),
        (manifold, "cgan", {}, "looks at no images"),
        (traverse, "cgan", {}, "starts from a draw; leave images out"),
    ):
        with pytest.raises(UsageError, match=words):
            verb(toy_run(kind), "no-such-path", device="cpu", **options)


def test_a_result_says_what_it_is_in_a_line(toy_run):
    made = interpolate(toy_run("vae"), between="seeds", n=1, steps=2, device="cpu")
    assert repr(made) == f"<Interpolation: {made.caption}>"
