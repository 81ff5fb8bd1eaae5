"""Labels with probabilities, and what is known of their worth."""

import csv

import numpy as np
import pytest
import torch

from twofold.data import ImageDataset
from twofold.errors import UsageError
from twofold.verbs.classify import classify


@pytest.fixture(scope="module")
def m2(run_of):
    return run_of("m2", epochs=40, objective={"alpha": 10.0})


def test_probabilities_are_the_models_and_the_measures_theirs(m2, toy_data):
    result = classify(m2, device="cpu")
    test = toy_data.split("test")
    log_probs = m2.model("cpu").classify(torch.as_tensor(test.images) / 255)
    assert torch.allclose(result.probabilities.float(), log_probs.exp(), atol=1e-6)
    assert torch.allclose(result.probabilities.sum(dim=1), torch.ones(15, dtype=torch.float64))
    assert result.predicted.tolist() == log_probs.argmax(dim=1).tolist()
    right = (result.predicted.numpy() == test.labels).mean()
    accuracy, calibration = result.measures
    assert accuracy.value == pytest.approx(100 * right)
    assert accuracy.value > 60  # chance is 33
    assert 0 <= calibration.value <= 100
    assert calibration.unit == "%"


def test_the_least_certain_are_shown_first(m2, toy_data):
    result = classify(m2, n=4, device="cpu")
    sure = result.probabilities.amax(dim=1)
    assert sure[result.shown].tolist() == sorted(sure.tolist())[:4]
    expected = torch.as_tensor(toy_data.split("test").images)[result.shown] / 255
    assert torch.allclose(result.images, expected)
    assert result.picture().shape == (26 + 84, 2 + 4 * 82)


def test_the_words_say_class_certainty_and_error(m2, toy_data, monkeypatch):
    heard = []
    monkeypatch.setattr(
        "twofold.pictures.results.add_captions", lambda _, words: heard.extend(words)
    )
    test = toy_data.split("test")
    wrong = ImageDataset(test.images, (test.labels + 1) % 3, test.class_names)
    for given in (test, wrong, test.images):
        classify(m2, given, n=15, device="cpu").picture()
    mended = (result := classify(m2, test, n=15, device="cpu")).predicted == result.labels
    brackets = ["(" in word for word in heard]
    assert sum(brackets[:15]) == int((~mended).sum())
    assert sum(brackets[15:30]) >= int(mended.sum())
    assert not any(brackets[30:])  # nothing is known of these
    i = result.shown[0]
    top = result.probabilities[i].max().item()
    assert heard[30] == f"{result.names[i]} {round(100 * top)}%"


def test_a_table_of_all_in_their_order(m2, toy_data, tmp_path):
    test = toy_data.split("test")
    result = classify(m2, test, n=2, device="cpu")
    rows = list(csv.DictReader(result.save(tmp_path / "c.csv").read_text().splitlines()))
    assert len(rows) == 15
    assert [row["index"] for row in rows] == [str(i) for i in range(15)]
    assert [row["true"] for row in rows] == [test.class_names[k] for k in test.labels]
    for i, row in enumerate(rows):
        p = [float(row[f"p({name})"]) for name in "abc"]
        assert row["predicted"] == "abc"[int(np.argmax(p))]
        assert float(row["probability"]) == max(p)
        assert p == pytest.approx(result.probabilities[i].tolist(), rel=1e-5)
    unknown = classify(m2, test.images, device="cpu")
    assert "true" not in unknown.table()[0]
    assert unknown.measures == []


def test_images_whose_class_is_unknown_are_not_measured(m2, toy_data):
    labels = toy_data.labels[:10].copy()
    labels[::2] = -1
    result = classify(m2, ImageDataset(toy_data.images[:10], labels, "abc"), device="cpu")
    assert result.measures[0].provenance["images"] == 5
    assert len(result.probabilities) == 10


@pytest.mark.parametrize("family", ["m1m2", "acgan", "classifier"])
def test_models_that_can(run_of, family):
    assert classify(run_of(family, epochs=1), device="cpu").probabilities.shape == (15, 3)


def test_a_discriminator_of_classes_can(run_of):
    networks = {"encoder": {"layers": "fc-16"}, "decoder": {"layers": "fc-16"}}
    hybrid = {
        "autoencoder": {"family": "cvae", "latent_dim": 4, **networks},
        "adversary": {"discriminator": {"layers": "fc-16"}, "head": "plus-one"},
        "label_reader": "discriminator",
    }
    result = classify(run_of("hybrid", epochs=1, **hybrid), device="cpu")
    assert torch.allclose(result.probabilities.sum(dim=1), torch.ones(15, dtype=torch.float64))


def test_a_model_that_names_no_classes(run_of):
    with pytest.raises(UsageError, match="cannot classify: CVAE gives no labels; use a classifier"):
        classify(run_of("cvae", epochs=1), device="cpu")
