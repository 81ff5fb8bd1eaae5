"""Which codes are read, what they are held against, and the maps kept of them."""

import numpy as np
import pytest
import torch

from twofold.distributions import DiagonalGaussian
from twofold.evaluation import codes as codes_read
from twofold.evaluation import latents
from twofold.evaluation.codes import pixel_codes, posterior_codes, read_index
from twofold.experiments.context import open_run
from twofold.experiments.run import Run
from twofold.experiments.train import train
from twofold.verbs.evaluate import evaluate

MAPS = ("code", "pca", "pca_share", "tsne")


@pytest.fixture(scope="module")
def context_of(tmp_path_factory, toy_experiment, silent):
    """From a family and changes to the context of a short run on the digits."""

    def make(family, **changes):
        out = tmp_path_factory.mktemp("runs") / family
        settings = {"data": "digits", "epochs": 1, "batch_size": 50, **changes}
        run = train(toy_experiment(family), settings, out=out, progress=silent)
        return open_run(run, "cpu", {"seed": 0}, silent)

    return make


@pytest.fixture(scope="module")
def cvae(context_of):
    return context_of("cvae", latent_dim=2)


def means(context, y):
    """What the encoder makes of the test images, given labels y or nothing."""
    x = torch.as_tensor(context.dataset.split("test").images) / 255
    with torch.no_grad():
        return context.model.posterior(x, y).mean.numpy()


def same(a, b):
    return np.allclose(a, b, atol=1e-5)


def test_a_cvae_gets_the_true_class_and_then_a_random_one(cvae):
    (told, given, _), (kept, without, _) = posterior_codes(cvae)
    assert (told.name, kept.name) == ("label-conditioned", "label-free")
    y = cvae.labels
    assert same(given.test_codes, means(cvae, y))
    assert np.array_equal(given.test_y, y)
    assert given.codes.shape == (1437, 2)
    each = np.stack([means(cvae, torch.full_like(y, k)) for k in range(10)])  # (K, M, D)
    nearest = np.abs(each - without.test_codes).sum(axis=2).argmin(axis=0)
    assert same(np.take_along_axis(each, nearest[None, :, None], axis=0)[0], without.test_codes)
    assert np.bincount(nearest, minlength=10) == pytest.approx(18, abs=15)
    assert (nearest == y.numpy()).mean() < 0.25


def test_drawn_codes_have_the_noise_of_the_posterior(cvae):
    _, means, draws = next(posterior_codes(cvae))
    x = torch.as_tensor(cvae.dataset.split("test").images) / 255
    with torch.no_grad():
        sigma = (cvae.model.posterior(x, cvae.labels).logvar / 2).exp().numpy()
    noise = (draws.test_codes - means.test_codes) / sigma  # N(0, 1), 360 of them
    assert noise.mean() == pytest.approx(0, abs=0.2)
    assert noise.std() == pytest.approx(1, abs=0.15)


def test_a_class_that_the_noise_drowns_is_read_from_means_and_not_from_draws(
    cvae, silent, monkeypatch
):
    """A unit that the decoder ignores: tiny means, and noise of variance 1."""
    model = cvae.run.model()

    def posterior(x, c=None):
        mu = torch.stack([1e-3 * c, torch.zeros(len(x))], dim=1)
        return DiagonalGaussian(mu, torch.zeros_like(mu))

    monkeypatch.setattr(model, "posterior", posterior)
    facts = cvae.run.weights()[1]
    monkeypatch.setattr(Run, "weights", lambda _run, _device="cpu": (model, facts))
    evaluation = evaluate(cvae.run, ["latents"], device="cpu", progress=silent)
    told = evaluation["latents/label-conditioned/knn"]
    assert told.value == 100
    assert told.details["drawn"] < 25
    assert told.aside == f"drawn codes {told.details['drawn']:.3g}"
    assert any("without the noise of z" in note for note in told.notes)


def test_both_measures_read_the_same_codes(cvae):
    first, again = (
        {condition.name: means for condition, means, _ in posterior_codes(cvae)} for _ in range(2)
    )
    for name, codes in first.items():
        assert np.array_equal(codes.codes, again[name].codes)
        assert np.array_equal(codes.test_codes, again[name].test_codes)


def test_an_m2_gets_the_class_that_it_infers(context_of):
    context = context_of("m2", labels=100, labeled_batch_size=20)
    (_, given, _), (kept, inferred, _) = posterior_codes(context)
    assert same(given.test_codes, means(context, context.labels))
    x = torch.as_tensor(context.dataset.split("test").images) / 255
    guess = context.model.classify(x).argmax(dim=1)
    assert (guess != context.labels).any()
    assert same(inferred.test_codes, means(context, guess))
    assert any("infers" in note for note in kept.notes)


@pytest.mark.parametrize(
    ("condition", "what"), [("none", "none"), ("left-half", "a part of the image")]
)
def test_without_a_class_none_is_kept_from_it_in_vain(context_of, condition, what, silent):
    run = context_of("cvae", condition=condition).run
    evaluation = evaluate(run, ["latents", "latents-mlp"], device="cpu", progress=silent)
    assert [measure.name for measure in evaluation.measures] == [
        *("latents/label-free/silhouette", "latents/label-free/knn", "latents/label-free/linear"),
        "latents/label-free",
    ]
    for measure in evaluation.measures:
        assert measure.provenance["condition"] == what
        assert measure.better == "higher"
        assert measure.provenance["training_images"] == 1437
        assert measure.error > 0


def test_the_pixels_are_projected_as_a_decomposition_of_the_training_images_does(cvae):
    found = pixel_codes(cvae, 3)
    x, test = (cvae.dataset.split(s).images.reshape(-1, 64) / 255 for s in ("train", "test"))
    _, _, directions = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    for codes, images in ((found.codes, x), (found.test_codes, test)):
        expected = (images - x.mean(axis=0)) @ directions[:3].T
        signs = np.sign((codes * expected).sum(axis=0))
        assert codes == pytest.approx(expected * signs, abs=1e-4)


def test_the_reference_is_of_the_pixels_and_the_same_for_both(cvae, silent):
    evaluation = evaluate(cvae.run, ["latents"], device="cpu", progress=silent)
    names = ("label-conditioned", "label-free")
    references = [evaluation[f"latents/{name}/knn"].reference for name in names]
    assert references[0] == references[1]
    assert 45 < references[0] < 75, "two components of the digits"
    assert (
        evaluation["latents/label-conditioned/knn"]
        .details["reference"]
        .startswith("2 principal components")
    )


def test_maps_are_kept_of_the_test_images(cvae, silent, monkeypatch):
    monkeypatch.setattr(latents, "MAP_POINTS", 60)
    evaluate(cvae.run, ["latents"], device="cpu", progress=silent)
    arrays = Run(cvae.run.path).arrays("latents")
    test = cvae.dataset.split("test")
    assert set(arrays) == {
        *("image", "label", "class_names"),
        *(f"{name}_{what}" for name in ("label-conditioned", "label-free") for what in MAPS),
    }
    assert np.array_equal(arrays["label"], test.labels[arrays["image"]])
    assert arrays["class_names"].tolist() == list(test.class_names)
    assert len(np.unique(arrays["image"])) == 60
    codes = means(cvae, cvae.labels)[arrays["image"]]
    assert same(arrays["label-conditioned_code"], codes)
    share = arrays["label-conditioned_pca_share"].sum()
    assert share == pytest.approx(1), "two axes of two dimensions"
    within = np.linalg.norm(codes[1:] - codes[:-1], axis=1)
    kept = np.linalg.norm(np.diff(arrays["label-conditioned_pca"], axis=0), axis=1)
    assert kept == pytest.approx(within, abs=1e-4), "a rotation keeps distances"
    assert arrays["label-free_tsne"].shape == (60, 2)
    assert np.isfinite(arrays["label-free_tsne"]).all()


@pytest.mark.parametrize("family", ["cgan", "draw"])
def test_who_has_no_code_says_so(family, context_of, silent):
    run = context_of(family).run
    reasons = evaluate(run, ["latents", "latents-mlp"], device="cpu", progress=silent).not_measured
    assert set(reasons) == {"latents", "latents-mlp"}
    assert all("has no encoder with one q(z|x); a VAE" in reason for reason in reasons.values())


@pytest.mark.parametrize(
    ("images", "reason"), [(1, "test images have 1 of them; that takes two"), (2, "no silhouette")]
)
def test_too_few_images_say_so(images, reason, cvae, silent):
    found = evaluate(cvae.run, ["latents"], num_images=images, device="cpu", progress=silent)
    assert reason in found.not_measured["latents"]


def test_broken_codes_are_not_measured(cvae, silent, monkeypatch):
    broken = cvae.run.model()
    with torch.no_grad():
        next(broken.encoder.parameters()).fill_(float("nan"))
    facts = cvae.run.weights()[1]
    monkeypatch.setattr(Run, "weights", lambda _run, _device="cpu": (broken, facts))
    found = evaluate(cvae.run, ["latents"], device="cpu", progress=silent)
    assert found.not_measured["latents"].startswith("1437 of 1437 codes hold NaN")


def test_only_classes_that_the_model_knows_are_read(context_of):
    """Trap: a class left out of training among the codes that a reader learns from."""
    context = context_of("cvae", without=["9", "4"])
    for codes in (next(posterior_codes(context)).means, pixel_codes(context, 2)):
        for y in (codes.y, codes.test_y):
            assert set(y.tolist()) == set(range(10)) - {4, 9}


def test_of_wide_codes_fewer_images_are_read(cvae, silent, monkeypatch):
    """80 values of 2 dimensions are 40 images of each split, from all over it."""
    monkeypatch.setattr(codes_read, "VALUES", 80)
    evaluation = evaluate(cvae.run, ["latents"], device="cpu", progress=silent)
    knn = evaluation["latents/label-free/knn"]
    assert (knn.provenance["training_images"], knn.provenance["images"]) == (40, 40)
    index = read_index(180, 2)
    assert len(index) == 40
    assert 60 < index.mean() < 120
    arrays = Run(cvae.run.path).arrays("latents")
    test = cvae.dataset.split("test")
    assert np.array_equal(arrays["image"], index)
    assert np.array_equal(arrays["label"], test.labels[index])
    expected = means(cvae, cvae.labels)[index]
    assert same(arrays["label-conditioned_code"], expected)
