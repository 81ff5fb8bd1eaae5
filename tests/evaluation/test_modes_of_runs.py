"""Modes of stacked digits: of images whose digits are known, and of a tiny GAN."""

import math

import numpy as np
import pytest
import torch

from twofold.data import load_dataset
from twofold.evaluation import modes, samples
from twofold.evaluation.classifiers import ReferenceClassifier
from twofold.evaluation.measure import measures
from twofold.evaluation.samples import Generated
from twofold.experiments.context import open_run
from twofold.experiments.train import train
from twofold.models.classifier import Classifier
from twofold.verbs.evaluate import evaluate

TOY = {"epochs": 0.1, "layers": "fc-16", "latent_dim": 4}


class Oracle(Classifier):
    """Knows every scan of the digits by heart, and a doubtful one from its first pixel."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        digits = load_dataset("digits")
        images = digits.images.reshape(len(digits), -1).astype(np.float32) / 255
        self.scans, self.digits = torch.as_tensor(images), torch.as_tensor(digits.labels)

    def classify(self, x, batch_size=0):
        nearest = torch.cdist(x.flatten(1), self.scans).argmin(dim=1)
        sure = torch.where(x[:, 0, 0, 0] == 0.5, 0.5, 0.99)[:, None]
        hits = torch.nn.functional.one_hot(self.digits[nearest], 10)
        return (hits * sure + (1 - hits) * (1 - sure) / 9).log()


@pytest.fixture(scope="module")
def gan(tmp_path_factory, silent):
    out = tmp_path_factory.mktemp("runs") / "gan"
    return train("gan", {**TOY, "data": "stacked-digits"}, out=out, progress=silent)


@pytest.fixture
def asked(monkeypatch):
    """Puts the oracle in the judge's place; lists what it was asked for."""
    questions = []

    def find(name, dataset, *_rest):
        questions.append((name, dataset.name))
        return ReferenceClassifier(name, Oracle(), "delphi", "everything")

    monkeypatch.setattr(modes, "find_classifier", find)
    return questions


@pytest.fixture
def count(gan, asked, silent, monkeypatch):
    """The measures of given images."""

    def of(images):
        x = torch.as_tensor(images).float() / 255
        made = Generated(x, None, {"samples": len(x), "seed": 0})
        settings = {"samples": len(x), "seed": 0}
        context = open_run(gan, "cpu", settings, silent)
        context._made[samples._generate] = made
        return {found.name: found for found in measures()["modes"].take(context)}

    return of


def test_the_modes_of_real_images_are_those_of_their_labels(gan, count, asked):
    test = gan.dataset().split("test").subset(range(3000))
    found = count(test.images)
    counts = test.class_counts
    assert found["modes"].value == (counts > 0).sum() > 900
    assert found["modes"].details["counts"] == counts.tolist()
    p = counts[counts > 0] / 3000
    assert found["modes_kl"].value == pytest.approx((p * np.log(1000 * p)).sum())
    assert found["modes_sure"].value == found["modes"].value
    assert asked == [("classifier-cnn", "digits")]


def test_a_collapsed_model_has_one_mode(gan, count):
    image = gan.dataset().split("test").images[:1]
    found = count(image.repeat(500, axis=0))
    assert (found["modes"].value, found["modes"].error) == (1, 0)
    assert found["modes_kl"].value == pytest.approx(math.log(1000))


@pytest.mark.parametrize(("number", "cautioned"), [(500, True), (26_000, False)])
def test_the_floor_is_of_as_many_real_images(gan, count, number, cautioned):
    """What independent draws reach, not what the whole test split does."""
    found = count(gan.dataset().split("test").images[:1].repeat(number, axis=0))
    expected = 1000 * (1 - 0.999**number)
    assert found["modes"].details["expected_of_equal_shares"] == pytest.approx(expected, abs=0.01)
    assert found["modes"].reference == pytest.approx(expected, abs=30)
    assert any("--num-samples 26000" in note for note in found["modes_kl"].notes) == cautioned
    if number == 26_000:
        assert found["modes_kl"].reference == pytest.approx(999 / 52_000, abs=0.006)


def test_doubtful_images_count_for_the_first_figure_alone(gan, count):
    test = gan.dataset().split("test")
    images = test.images[:40] / 255.0
    images[:30, 1, 0, 0] = 0.5
    found = count(images * 255)
    assert found["modes"].value == len(set(test.labels[:40]))
    assert found["modes_sure"].value == len(set(test.labels[30:40]))
    assert found["modes_sure"].details["images"] == 10
    images[:, 0, 0, 0] = 0.5
    nothing = count(images * 255)["modes_sure"]
    assert (nothing.value, nothing.error) == (0, None)


def test_what_figures_depend_on_is_said(gan, count):
    provenance = count(gan.dataset().split("test").images[:7])["modes_sure"].provenance
    assert provenance == {
        "samples": 7,
        "seed": 0,
        "classifier": "classifier-cnn delphi",
        "classifier_accuracy": 1.0,
        "confidence": 0.9,
    }


def test_modes_are_of_stacked_digits(tmp_path, silent):
    run = train("gan", TOY, out=tmp_path / "digits", progress=silent)
    gray = {**TOY, "data": "stacked-digits", "gray": True}
    mixed = train("gan", gray, out=tmp_path / "gray", progress=silent)
    reasons = [
        evaluate(one, ["modes"], device="cpu", progress=silent).not_measured["modes"]
        for one in (run, mixed)
    ]
    assert reasons[0] == "modes are counted on stacked-mnist and stacked-digits; digits is neither"
    assert reasons[1].startswith("gray=true mixes the three digits")


@pytest.mark.usefixtures("asked")
def test_a_gan_on_stacked_digits_is_measured_by_default(gan, silent):
    evaluation = evaluate(gan, num_samples=300, device="cpu", progress=silent)
    assert {"modes", "modes_sure", "modes_kl"} <= {m.name for m in evaluation.measures}
    assert "extrapolating" in evaluation.not_measured["distance"]
    assert evaluation.not_measured.keys() == {
        *("likelihood", "gan-test", "reconstruction", "classification", "distance"),
    }
