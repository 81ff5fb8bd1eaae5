"""Style transfer: one code for every class of a row, and what is measured of it."""

import numpy as np
import pytest
import torch

from twofold.errors import UsageError
from twofold.evaluation import classifiers
from twofold.evaluation.style import brightness, kept_error, kept_within_class, slant
from twofold.files import read_arrays
from twofold.verbs.restyle import _recognized, restyle

pytestmark = pytest.mark.usefixtures("toy_classifiers")


@pytest.fixture(scope="module")
def cvae(run_of):
    return run_of("cvae", epochs=60)


def test_every_class_is_decoded_from_the_code_of_the_image(cvae, toy_data):
    given = toy_data.split("test").subset(range(4))
    result = restyle(cvae, given, device="cpu")
    model = cvae.model("cpu")
    x, y = torch.as_tensor(given.images) / 255, torch.as_tensor(given.labels)
    with torch.no_grad():
        z = model.posterior(x, y).mu
        for k in range(3):
            expected = model.generate(z, torch.full((4,), k))
            assert torch.allclose(result.images[:, k], expected, atol=1e-6)
    assert torch.allclose(result.inputs, x)
    assert result.labels.tolist() == given.labels.tolist()
    assert result.measures == ()


def test_fresh_noise_is_drawn_for_each_class_from_the_posterior(cvae, toy_data):
    """Every image many times over: the codes' spread shows in the pixels, by class alone."""
    one = toy_data.subset([0] * 300)
    fixed, fresh = (restyle(cvae, one, n=300, fresh_noise=f, device="cpu") for f in (False, True))
    assert fixed.images.std(dim=0).max() < 1e-6
    model = cvae.model("cpu")
    q = model.posterior(torch.as_tensor(one.images[:1]) / 255, torch.as_tensor(one.labels[:1]))
    torch.manual_seed(1)
    with torch.no_grad():
        z = q.mu + q.logvar.exp().sqrt() * torch.randn(3000, 4)
        expected = model.generate(z, torch.full((3000,), 2))
    made = fresh.images[:, 2]
    assert torch.allclose(made.mean(dim=0), expected.mean(dim=0), atol=0.02)
    assert made.std(dim=0).mean() == pytest.approx(expected.std(dim=0).mean().item(), rel=0.1)
    pixel = made.flatten(1).std(dim=0).argmax()
    first, last = (fresh.images[:, k].flatten(1)[:, pixel].numpy() for k in (0, 2))
    assert abs(np.corrcoef(first, last)[0, 1]) < 0.2  # one draw for both would show


def test_the_same_for_a_seed_in_any_batch(cvae, monkeypatch):
    from twofold.verbs import restyle as module

    whole = restyle(cvae, n=6, measure=0, device="cpu")
    monkeypatch.setattr(module, "BATCH", 6)
    again = restyle(cvae, n=6, measure=0, device="cpu")
    assert torch.allclose(whole.images, again.images, atol=1e-6)
    noisy = [restyle(cvae, n=6, measure=0, fresh_noise=True, seed=s, device="cpu") for s in (3, 3)]
    assert torch.equal(noisy[0].images, noisy[1].images)


def test_recognition_is_that_of_the_judge_on_all_classes(cvae, toy_data, silent):
    result = restyle(cvae, n=3, device="cpu", progress=silent)
    recognized, *styles = result.measures
    everything = restyle(cvae, toy_data.split("test"), n=15, device="cpu")
    critic = classifiers.find_classifier(classifiers.CNN, toy_data, progress=silent)
    flat = everything.images.flatten(0, 1)
    hits = critic.classifier.classify(flat).argmax(dim=1) == torch.arange(3).repeat(15)
    assert recognized.name == "restyled/classifier-cnn"
    assert recognized.value == pytest.approx(100 * hits.double().mean().item())
    assert recognized.reference > 90
    assert recognized.value > 60  # chance is 33
    assert recognized.provenance["images"] == 15
    assert critic.digest in recognized.provenance["classifier"]
    assert list(recognized.per_class) == ["a", "b", "c"]
    others = hits.view(15, 3)[torch.arange(3) != everything.labels[:, None]]
    assert recognized.details["others"] == pytest.approx(100 * others.double().mean().item())
    assert [measure.name for measure in styles] == ["style/brightness", "style/slant"]
    for measure, feature in zip(styles, (brightness, slant), strict=True):
        of = feature(everything.inputs), feature(flat).view(15, 3), everything.labels
        assert measure.value == pytest.approx(kept_within_class(*of), abs=1e-5)
        assert measure.error == pytest.approx(kept_error(*of), rel=1e-3)


def test_the_error_knows_that_the_classes_of_one_image_fail_together(cvae, toy_data, silent):
    recognized = restyle(cvae, n=3, device="cpu", progress=silent).measures[0]
    share = recognized.value / 100
    binomial = 100 * (share * (1 - share) / 45) ** 0.5
    assert recognized.error >= 0.9 * binomial
    hit = torch.arange(100) % 4 > 0  # three quarters, each as all of its classes or as none
    asked = torch.arange(3).expand(100, 3)
    seen = torch.where(hit[:, None], asked, (asked + 1) % 3)
    log_probs = torch.nn.functional.one_hot(seen, 3).double()
    critic = classifiers.find_classifier(classifiers.CNN, toy_data, progress=silent)
    together = _recognized(log_probs, torch.arange(100) % 3, torch.arange(3), critic, toy_data, {})
    assert together.value == pytest.approx(75)
    assert together.error == pytest.approx(100 * (0.75 * 0.25 / 99) ** 0.5)


def test_the_picture_has_a_row_for_each_image(cvae, tmp_path):
    result = restyle(cvae, n=3, measure=0, device="cpu")
    picture = result.picture()
    assert picture.shape == (26 + 3 * 66 + 2, 4 * 66 + 2)
    arrays = read_arrays(result.save(tmp_path / "r.npz"))
    assert arrays["images"].shape == (3, 3, 1, 8, 8)
    assert arrays["class_names"].tolist() == ["a", "b", "c"]


HYBRID = {
    "autoencoder": {
        "family": "cvae",
        "latent_dim": 4,
        "encoder": {"layers": "fc-16"},
        "decoder": {"layers": "fc-16"},
    }
}


@pytest.mark.parametrize(
    ("family", "model"),
    [("m2", {}), ("m1m2", {}), ("draw", {"family": "cdraw"}), ("hybrid", HYBRID)],
)
def test_models_that_can(run_of, family, model):
    result = restyle(run_of(family, epochs=1, **model), n=3, measure=0, device="cpu")
    assert result.images.shape == (3, 3, 1, 8, 8)


def test_models_that_cannot_say_which_can(run_of):
    for family, model, reason in (
        ("cvae", {"family": "vae"}, "VAE is conditioned on no class; use a CVAE, CDRAW, M2"),
        ("draw", {}, "DRAW is conditioned on no class; use a CVAE"),
        (
            "cvae",
            {"condition": "left-half"},
            "on a part of the image, not on the class; use a CVAE",
        ),
        ("cgan", {}, "CGAN has no encoder to find a style by; use a CVAE"),
    ):
        with pytest.raises(UsageError, match=f"cannot restyle: .*{reason}"):
            restyle(run_of(family, epochs=1, **model), device="cpu")
    with pytest.raises(UsageError, match=r"restyle with fresh noise: CDRAW has no encoder with"):
        restyle(run_of("draw", epochs=1, family="cdraw"), fresh_noise=True, device="cpu")


def test_images_without_a_class_need_one(cvae, toy_data):
    with pytest.raises(UsageError, match="these have no labels"):
        restyle(cvae, toy_data.images[:2], device="cpu")
    result = restyle(cvae, toy_data.images[:2], label="b", device="cpu")
    assert result.labels.tolist() == [1, 1]
