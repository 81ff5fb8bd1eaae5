"""Measures of generated images on tiny runs: references, provenance, and what they catch."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from twofold.data import load_dataset
from twofold.errors import NotMeasured
from twofold.evaluation import cache, classifiers, samples
from twofold.evaluation.cache import remember
from twofold.evaluation.classifiers import SHIPPED, find_classifier
from twofold.evaluation.coverage import Coverage, _shares
from twofold.evaluation.figure import Figure
from twofold.evaluation.measure import Measure, measures
from twofold.evaluation.samples import (
    Extractor,
    Features,
    Generated,
    classifier_extractor,
    features_of,
    random_extractor,
)
from twofold.experiments.context import Context, draw_index, open_run
from twofold.experiments.resolve import resolve
from twofold.experiments.train import train
from twofold.training.progress import Silent
from twofold.verbs.evaluate import evaluate

FEATURES = ("classifier", "random")


@pytest.fixture(scope="module", autouse=True)
def quick_recipes(tmp_path_factory):
    """Classifiers trained for 180 steps, out of the user's cache."""

    def quick(name, dataset):
        changes = {"images": 9000, "layers": "fc-16", "warmup": 0, "shift": 0}
        return resolve(name, {**changes, "batch_size": min(50, len(dataset.split("train")))})

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWOFOLD_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(classifiers, "classifier_recipe", quick)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    changes = {"epochs": 1, "layers": "fc-16", "latent_dim": 4}
    out = tmp_path_factory.mktemp("runs") / "cvae"
    return train("digits-cvae", changes, out=out, progress=Silent())


@pytest.fixture
def context(run) -> Context:
    return open_run(run, "cpu", {"samples": 400, "seed": 0}, Silent())


def showing(context: Context, images: torch.Tensor, y: torch.Tensor | None = None) -> Context:
    """The same context, whose model is taken to have generated these images."""
    context._made.clear()
    made = Generated(images, y, {"samples": len(images), "seed": 0})
    context._made[samples._generate] = made
    return context


def figures(context: Context, name: str) -> dict:
    """Measures by name; those that could not be taken are left out."""
    found = {}
    try:
        for measure in measures()[name].take(context):
            found[measure.name] = measure
    except NotMeasured:
        pass
    return found


def real_images(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    images = load_dataset("digits").split(split)
    return torch.as_tensor(images.images) / 255, torch.as_tensor(images.labels)


def test_real_images_that_nothing_has_seen_score_as_the_reference(context):
    """It is the measure itself, with validation images in the place of generated ones."""
    showing(context, real_images("validation")[0][draw_index(180, 180)])
    assert context.reference[0] == "validation"
    for name in ("distance", "coverage"):
        found = figures(context, name)
        assert len(found) == {"distance": 4, "coverage": 8}[name]
        for measure in found.values():
            assert measure.value == pytest.approx(measure.reference, rel=1e-6, abs=1e-6)
            assert measure.provenance["images"] == 180
            assert measure.provenance["extractor"].split()[0] in FEATURES


def test_a_collapsed_model_keeps_precision_and_loses_recall_and_coverage(context):
    """One real image of each class, over and over, with a little noise."""
    x, y = real_images("validation")
    first = torch.stack([x[y == k][0] for k in range(10)])
    noise = torch.Generator().manual_seed(0)
    images = first.repeat(40, 1, 1, 1)
    images = (images + 0.02 * torch.randn(images.shape, generator=noise)).clamp(0, 1)
    found = figures(showing(context, images, torch.arange(10).repeat(40)), "coverage")
    for kind in FEATURES:
        assert found[f"precision/{kind}"].value > found[f"precision/{kind}"].reference - 15
        assert found[f"recall/{kind}"].value < 0.5 * found[f"recall/{kind}"].reference
        assert found[f"coverage/{kind}"].value < 0.5 * found[f"coverage/{kind}"].reference
    duplicates = figures(context, "memorization")["duplicates"]
    assert duplicates.value > 90
    assert duplicates.reference < 10
    far = figures(context, "distance")
    assert far["kid/random"].value > far["kid/random"].reference + 4 * far["kid/random"].error


def test_a_memorizing_model_is_caught(context, run):
    """Training images as they are look perfect to every measure but those of memorization."""
    images = context.real("train", 300)
    found = figures(showing(context, images), "memorization")
    assert found["copies"].value == 100.0
    assert found["copies"].reference < 2.0
    assert found["copying"].value < -10
    assert found["nearest"].value == pytest.approx(0.0, abs=1e-2)
    assert found["nearest"].reference > 0.5
    pairs = run.arrays("memorization")
    assert np.array_equal(pairs["first"][0], pairs["first"][1]), "beside itself"
    assert pairs["closest_distance"].shape == (12,)


def test_fresh_images_are_no_copies(context):
    found = figures(showing(context, real_images("validation")[0]), "memorization")
    assert found["copies"].value < 3.0
    assert abs(found["copying"].value) < 3.0
    assert found["duplicates"].value < 10.0


def test_bins_and_classes_see_a_missing_class(context):
    x, y = real_images("train")
    whole, part = x[:600], x[:1200][y[:1200] < 5][:600]
    fair = figures(showing(context, whole), "classes")["class_kl"]
    bins = figures(context, "bins")["ndb"].value
    poor = figures(showing(context, part), "classes")["class_kl"]
    assert fair.value < 0.25 * poor.value
    assert poor.details["generated"]["0"] > 0.15
    assert bins < figures(context, "bins")["ndb"].value
    assert figures(context, "classes")["inception_score"].better is None


def test_a_small_number_of_images_is_refused_or_warned_of(context):
    reasons = figures(showing(context, real_images("validation")[0][:12]), "distance")
    assert "fid/classifier" not in reasons
    assert "kid/classifier" in reasons
    with pytest.raises(NotMeasured, match="on classifier features: the covariance of 16"):
        list(measures()["distance"].take(context))
    few = figures(showing(context, real_images("validation")[0][:100]), "distance")
    assert any("an FID of about" in note for note in few["fid/classifier"].notes)
    bias = few["fid/classifier"].details["expected_bias"]
    assert bias > 0.0


def test_figures_by_class_are_of_that_class(context):
    x, y = real_images("train")
    x, y = x[:600], y[:600].clone()
    x[y == 3] = torch.rand(x[y == 3].shape, generator=torch.Generator().manual_seed(0))
    found = figures(showing(context, x, y), "coverage")["precision/random"].per_class
    assert set(found) == set("0123456789")
    assert found["3"] < 0.7 * min(value for name, value in found.items() if name != "3")


def elsewhere(folder, kind, parts, make):
    """`remember` in a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWOFOLD_CACHE", str(folder))
        return remember(kind, parts, make)


def test_features_of_real_images_are_computed_once(context, monkeypatch, tmp_path):
    monkeypatch.setattr("twofold.evaluation.samples.remember", partial(elsewhere, tmp_path))
    seen = []
    embed = Extractor.__call__
    monkeypatch.setattr(
        Extractor, "__call__", lambda self, x: (seen.append(len(x)), embed(self, x))[1]
    )
    first = features_of(showing(context, real_images("train")[0][:77]))
    assert seen == [77, 180, 77] * 2, "generated, test and validation images, by two extractors"
    seen.clear()
    again = features_of(showing(context, real_images("validation")[0][:77]))
    assert seen == [77] * 2, "generated images alone"
    assert torch.equal(first[0].test, again[0].test)


def test_features_do_not_depend_on_the_batch(monkeypatch):
    x = real_images("test")[0]
    for extractor in (
        classifier_extractor(
            find_classifier("classifier-cnn", load_dataset("digits"), progress=Silent())
        ),
        random_extractor((1, 8, 8), torch.device("cpu")),
    ):
        whole = extractor(x)
        monkeypatch.setattr("twofold.evaluation.samples.BATCH", 7)
        assert torch.allclose(extractor(x), whole, atol=1e-5)
        order = torch.randperm(len(x))
        assert torch.allclose(extractor(x[order]), whole[order], atol=1e-5)


def test_the_random_extractor_is_the_same_every_time():
    state = torch.get_rng_state()
    one, two = (random_extractor((1, 8, 8), torch.device("cpu")) for _ in range(2))
    assert one.digest == two.digest
    assert torch.equal(torch.get_rng_state(), state)


def test_the_shipped_classifier_is_what_its_file_says(mnist_folder):
    """Its accuracy is measured here, on real test images; its size and hash are checked."""
    facts = json.loads((SHIPPED / "classifier-cnn-mnist.json").read_text())
    dataset = load_dataset("mnist", limit=50)
    found = find_classifier("classifier-cnn", dataset, progress=Silent())
    test = dataset.split("test")
    log_probs = found.classifier.classify(torch.as_tensor(test.images) / 255)
    accuracy = (log_probs.argmax(dim=1).numpy() == test.labels).mean()
    assert accuracy == pytest.approx(facts["test_accuracy"], abs=2e-4)
    assert accuracy >= 0.994
    assert found.digest == facts["sha256"][:16]
    assert found.trained_on == "50000 training images of mnist"
    size = sum(path.stat().st_size for path in SHIPPED.glob("*"))
    assert size <= 2_000_000
    assert classifier_extractor(found)(torch.zeros(3, 1, 28, 28)).shape == (3, 128)


@pytest.mark.parametrize("classes", [0, 1])
def test_images_of_one_class_or_none_have_figures_on_random_features(classes, tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (400, 8, 8), np.uint8)
    arrays = {"images": x} if not classes else {"images": x, "labels": np.zeros(400, np.int64)}
    np.savez(tmp_path / "mine.npz", **arrays)
    changes = {"data": str(tmp_path / "mine.npz"), "epochs": 1, "test": 0.5, "layers": "fc-8"}
    run = train("vae", changes, out=tmp_path / "run", progress=Silent())
    evaluation = evaluate(run, num_samples=200, device="cpu", progress=Silent())
    names = {measure.name for measure in evaluation.measures}
    assert {"elbo", "fid/random", "coverage/random", "copies"} <= names
    assert not any(name.endswith("/classifier") for name in names)
    reason = "a classifier needs images of 2 classes" if classes else "have no labels"
    assert reason in evaluation.not_measured["classes"]


def test_a_figure_that_is_no_number_is_not_measured(run, monkeypatch):
    class Diverged(Measure):
        def take(self, context):
            yield Figure("elbo", "ELBO", -1.0, "nats per image")
            yield Figure("kl", "KL", float("nan"), "nats per image")

    functions = {**measures(), "likelihood": Diverged()}
    monkeypatch.setattr("twofold.verbs.evaluate.known_measures", lambda: functions)
    evaluation = evaluate(run, ["likelihood"], device="cpu", progress=Silent())
    assert [measure.name for measure in evaluation.measures] == ["elbo"]
    assert evaluation.not_measured["likelihood"].startswith("KL is nan")
    assert json.loads((run.path / "evaluation.json").read_text())["versions"]["torch"]


def test_a_model_of_few_images_has_figures_without_a_reference(tmp_path):
    """The covariance is of generated and of test images; that the model learnt from 30 is its own
    affair."""
    changes = {"epochs": 1, "layers": "fc-8", "limit": 30, "batch_size": 10}
    few = train("digits-cvae", changes, out=tmp_path / "run", progress=Silent())
    evaluation = evaluate(few, ["distance"], num_samples=200, device="cpu", progress=Silent())
    for name in ("fid/random", "kid/random"):
        assert evaluation[name].value > 0
        assert evaluation[name].reference is None


def test_the_cache_forgets_what_older_code_made(tmp_path, monkeypatch):
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    made = []

    def make():
        made.append(1)
        return {"value": len(made)}

    assert [int(remember("x", ["a"], make)["value"]) for _ in range(2)] == [1, 1]
    assert int(remember("x", ["b"], make)["value"]) == 2
    monkeypatch.setattr(cache, "_code", lambda: "mended")
    assert int(remember("x", ["a"], make)["value"]) == 3
    next((tmp_path / "x").iterdir()).write_bytes(b"broken")
    assert {int(remember("x", ["a"], make)["value"]) for _ in range(2)} <= {3, 4}


def test_standard_errors_of_shares_are_their_spread(context):
    """Both sets are drawn anew; the claimed error is that of one draw of each."""
    found = []
    for i in range(30):
        generator = torch.Generator().manual_seed(i)
        real, fake, other = (torch.randn(300, 4, generator=generator) for _ in range(3))
        features = Features(
            extractor=Extractor("random", "0", lambda x: x),
            generated=fake + 0.3,
            test=real,
            real=other,
            y_generated=None,
            y_test=None,
            provenance={},
            notes=(),
        )
        monkey = {m.name: (m.value, m.error) for m in _shares(features, Coverage.quantities, ())}
        found.append([monkey[f"{one.key}/random"] for one in Coverage.quantities])
    values, errors = np.array(found).transpose(2, 0, 1)
    ratio = errors.mean(axis=0) / values.std(axis=0, ddof=1)
    assert (ratio > 0.7).all(), ratio
    assert (ratio < 1.7).all(), ratio
