"""What the page is told is what the verbs and the model's own methods give."""

import base64
import io
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from twofold.models.base import Generative
from twofold.models.capabilities import Classifies, Discriminates, HasCodes, Paints, Reconstructs
from twofold.serving.app import Broken
from twofold.serving.served import Served
from twofold.verbs.interpolate import interpolate
from twofold.verbs.latents import latents
from twofold.verbs.result import pixels

FIRST = [1.0, 0.0, 0.0]


def images_of(answer: dict, key: str = "images") -> np.ndarray:
    packed = answer[key]
    return np.frombuffer(base64.b64decode(packed["data"]), np.uint8).reshape(packed["shape"])


def off_by(a: np.ndarray, b: np.ndarray) -> int:
    """The largest difference of two sets of bytes."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def sent(image: np.ndarray) -> dict[str, str]:
    return {"pixels": base64.b64encode(image.tobytes()).decode()}


CAN = {
    "cvae": {"generate", "reconstruct"},
    "vae": {"generate", "reconstruct"},
    "completion": {"generate", "reconstruct"},
    "cgan": {"generate", "discriminate"},
    "draw": {"generate", "reconstruct", "paint"},
    "draw-gan": {"generate", "reconstruct", "paint", "discriminate"},
    "m1m2": {"generate", "reconstruct", "classify"},
    "classifier": {"classify"},
}


@pytest.mark.parametrize("name", CAN)
def test_what_a_model_can_do_and_who_does_the_rest(served, client_of, name):
    (about,) = client_of(served(name)).get("/api/models").json()["models"]
    assert set(about["can"]) == CAN[name]
    assert set(about["cannot"]) == {*CAN["draw-gan"], "classify"} - CAN[name]
    assert all(
        "use a" in sentence or "use DRAW" in sentence for sentence in about["cannot"].values()
    )
    assert about["tests"] == 15
    assert about["classes"] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["cvae", "cgan", "draw", "m1m2"])
def test_images_of_a_seed_are_those_of_the_model(served, ask, name):
    model = served(name).context.model.capability(Generative, "sample")
    by_class = model.condition.about == "class"
    answer = ask(name, "generate", seed=5, n=3, weights=FIRST if by_class else None)
    labels = torch.zeros(3, dtype=torch.long) if by_class else None
    assert off_by(images_of(answer), pixels(model.sample(3, labels, seed=5))) <= 1
    again = ask(name, "generate", z=answer["z"], weights=FIRST if by_class else None)
    assert off_by(images_of(again), images_of(answer)) == 0


def test_a_discriminator_judges_what_is_made(served, ask):
    judge = served("cgan").context.model.capability(Discriminates, "judge")
    answer = ask("cgan", "generate", seed=1, n=2, weights=[0, 1, 0])
    made = served("cgan").context.model.sample(2, torch.tensor([1, 1]), seed=1)
    with torch.no_grad():
        expected = judge.realness(made, torch.tensor([1, 1]))
    assert answer["scores"] == pytest.approx(expected.tolist(), abs=1e-4)
    assert ask("cvae", "generate", seed=1, weights=FIRST)["scores"] is None


@pytest.mark.parametrize("name", ["cvae", "draw", "completion", "draw-gan", "m1m2"])
def test_a_test_image_is_made_again_as_by_the_model(served, ask, name):
    context = served(name).context
    batch = next(context.prepare(context.test.subset(np.array([4]))).in_order())
    c = context.condition_of(batch)
    model = context.model.capability(Reconstructs, "reconstruct")
    answer = ask(name, "reconstruct", image={"test": 4})
    assert off_by(images_of(answer), pixels(batch.x)) == 0
    expected = model.reconstruct(batch.x, c)
    assert off_by(images_of(answer, "reconstruction"), pixels(expected)) <= 1
    assert answer["error"] == pytest.approx(float((expected - batch.x).square().mean()), rel=1e-4)
    codes = context.model.capability(HasCodes, "encode")
    with torch.no_grad():
        assert answer["z"] == pytest.approx(codes.codes(batch.x, c)[0].tolist(), abs=1e-4)
    assert answer["label"] == context.class_names[int(context.test.labels[4])]


def test_a_drawn_and_an_uploaded_image_are_read_as_the_test_image_is(served, ask):
    image = served("vae").context.test.images[4]
    by_number = ask("vae", "reconstruct", image={"test": 4})
    drawn = ask("vae", "reconstruct", image=sent(image))
    assert drawn["reconstruction"] == by_number["reconstruction"]
    assert drawn["label"] is None
    file = io.BytesIO()
    Image.fromarray(image[0]).save(file, "png")
    uploaded = {"file": base64.b64encode(file.getvalue()).decode()}
    assert ask("vae", "reconstruct", image=uploaded)["reconstruction"] == drawn["reconstruction"]


def test_an_upload_of_another_size_and_in_color_is_fitted(ask):
    file = io.BytesIO()
    Image.new("RGB", (40, 20), (90, 90, 90)).save(file, "jpeg")
    uploaded = {"file": base64.b64encode(file.getvalue()).decode()}
    assert images_of(ask("vae", "picture", image=uploaded)).shape == (1, 1, 8, 8)


def test_probabilities_are_those_of_the_classifier(served, ask):
    context = served("classifier").context
    x = next(context.prepare(context.test.subset(np.array([2]))).in_order()).x
    expected = context.model.capability(Classifies, "classify").classify(x).softmax(dim=1)
    answer = ask("classifier", "classify", image={"test": 2})
    assert answer["probabilities"] == pytest.approx(expected[0].tolist(), abs=1e-5)
    assert ask("classifier", "reconstruct", image={"test": 2})["reconstruction"] is None


def test_a_model_of_the_class_has_to_be_told_it(ask):
    image = sent(np.zeros((1, 8, 8), np.uint8))
    refused = ask("cvae", "reconstruct", image=image)
    assert refused["status"] == 400
    assert "choose the class" in refused["error"]
    assert "reconstruction" in ask("cvae", "reconstruct", image=image, weights=FIRST)
    assert "needs a class" in ask("cvae", "generate", seed=1)["error"]
    assert "weights of 2 classes" in ask("cvae", "generate", seed=1, weights=[1, 0])["error"]
    assert "not conditioned" in ask("vae", "generate", seed=1, weights=FIRST)["error"]


def test_a_painter_shows_its_steps(served, ask):
    model = served("draw").context.model
    painter = model.capability(Paints, "paint")
    with torch.no_grad():
        canvases = painter.canvases(model.sample_latent(1, 3))
    expected = canvases.flatten(0, 1).clamp(0, 1)
    answer = images_of(ask("draw", "generate", seed=3, steps=True))
    assert len(answer) == 3
    assert off_by(answer, pixels(expected)) <= 1


def test_the_map_leads_back_to_the_codes(served, ask, toy_run):
    found = ask("vae", "map")
    expected = latents(toy_run("vae"), device="cpu")
    assert np.abs(np.array(found["points"]) - expected.points.numpy()).max() < 1e-3
    directions = np.array(found["directions"])
    assert directions @ directions.T == pytest.approx(np.eye(2), abs=1e-6)
    plane = ask("plane", "map")
    assert plane["directions"] == [[1, 0], [0, 1]]
    code = ask("plane", "encode", image={"test": plane["index"][6]})["z"]
    assert plane["points"][6] == pytest.approx(code, abs=1e-3)


def test_latents_come_in_the_order_of_their_kl(served, ask):
    context = served("vae").context
    batch = next(context.prepare(context.test).in_order())
    with torch.no_grad():
        q = context.model.posterior(batch.x)
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(q.mu, (0.5 * q.logvar).exp()), torch.distributions.Normal(0, 1)
    ).mean(dim=0)
    found = ask("vae", "latents")
    assert found["carries"] == pytest.approx(kl.tolist(), rel=1e-3, abs=1e-4)
    assert found["order"] == kl.argsort(descending=True).tolist()
    assert found["middle"] == [0] * 4
    assert found["sigma"] == pytest.approx([1] * 4, abs=1e-6)
    assert ask("cgan", "latents")["carries"] is None


def test_a_run_whose_images_are_gone_still_makes_some(toy_run, client_of, tmp_path):
    gone = shutil.ignore_patterns("images.npz")
    run = shutil.copytree(toy_run("vae").path, tmp_path / "vae", ignore=gone)
    client = client_of(Served(run, "cpu"))
    (about,) = client.get("/api/models").json()["models"]
    assert about["tests"] == 0
    assert "toy" in about["no_tests"]
    latents = client.post("/api/latents", json={"model": 0}).json()
    assert (latents["order"], latents["carries"]) == ([0, 1, 2, 3], None)
    assert client.post("/api/generate", json={"model": 0, "seed": 1}).status_code == 200
    refused = client.post("/api/reconstruct", json={"model": 0, "image": {"test": 0}})
    assert refused.status_code in (400, 409)
    assert "toy" in refused.json()["error"]


def test_what_lies_between_is_what_interpolate_shows(served, ask, toy_run):
    expected = interpolate(toy_run("cvae"), between="classes", label="a,b", n=1, steps=5, seed=2)
    answer = ask(
        "cvae",
        "between",
        a={"seed": 2, "weights": [1, 0, 0]},
        b={"seed": 2, "weights": [0, 1, 0]},
        steps=5,
    )
    assert off_by(images_of(answer), pixels(expected.images[0])) <= 1
    ends = ask("vae", "between", a={"image": {"test": 0}}, b={"image": {"test": 7}}, steps=3)
    assert ends["path"] == "linear"
    last = ask("vae", "reconstruct", image={"test": 7})
    assert off_by(images_of(ends)[-1:], images_of(last, "reconstruction")) <= 1


def test_a_damaged_run_does_not_take_the_others_down(served, client_of):
    client = client_of(Broken("lost", "lost is no run"), served("vae"))
    lost, vae = client.get("/api/models").json()["models"]
    assert (lost["error"], vae["error"]) == ("lost is no run", None)
    answer = client.post("/api/generate", json={"model": 0, "seed": 1})
    assert (answer.status_code, answer.json()["error"]) == (409, "lost is no run")
    assert client.post("/api/generate", json={"model": 1, "seed": 1}).status_code == 200
