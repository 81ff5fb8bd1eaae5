"""A training set that a model makes: balanced, whole, readable again, with where it comes from."""

import json

import numpy as np
import pytest

from twofold.data import load_dataset
from twofold.errors import RunError, UsageError
from twofold.evaluation import classifiers
from twofold.training.checkpoint import read_facts
from twofold.verbs import augment as module
from twofold.verbs.augment import PROVENANCE, augment

pytestmark = pytest.mark.usefixtures("toy_classifiers")


@pytest.fixture(scope="module")
def cvae(run_of):
    return run_of("cvae", epochs=60)


def test_a_folder_is_a_data_set_again(cvae, tmp_path):
    made = augment(cvae, per_class=7, device="cpu")
    again = load_dataset(made.save(tmp_path / "set"))
    assert again.class_names == ("a", "b", "c")
    assert np.array_equal(again.images, made.images)
    assert np.array_equal(again.labels, made.labels)
    assert again.class_counts.tolist() == [7, 7, 7]


def test_images_are_of_the_class_asked_for_and_all_different(cvae):
    made = augment(cvae, per_class=30, device="cpu")
    bright = made.images[:, 0].mean(axis=2)  # the toy's class k has row 2k + 1 bright
    assert (bright.argmax(axis=1) == 2 * made.labels + 1).mean() >= 0.9, "chance is 1/8"
    assert len(np.unique(made.images.reshape(90, -1), axis=0)) == 90
    again, other = (augment(cvae, per_class=30, seed=s, device="cpu") for s in (0, 1))
    assert np.array_equal(again.images, made.images)
    assert not np.array_equal(other.images, made.images)


def test_many_are_drawn_in_parts(cvae, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 4)
    made = augment(cvae, per_class=10, device="cpu")
    assert len(np.unique(made.images.reshape(30, -1), axis=0)) == 30


def test_provenance_says_where_they_come_from(cvae, tmp_path):
    folder = augment(cvae, per_class=2, seed=5, device="cpu").save(tmp_path / "set")
    said = json.loads((folder / PROVENANCE).read_text())
    assert said["run"] == "cvae"
    assert said["model"] == "CVAE"
    assert said["checkpoint_sha256"] == read_facts(cvae.checkpoint)["sha256"]
    assert (said["seed"], said["per_class"], said["images"]) == (5, 2, 6)
    assert "filter" not in said


def test_only_what_the_judge_recognizes_is_kept_and_the_rest_counted(cvae, toy_data, silent):
    critic = classifiers.find_classifier(classifiers.CNN, toy_data, progress=silent)
    plain = augment(cvae, per_class=200, device="cpu")
    sure = seen_as_asked(critic, plain)
    bar = float(np.median(sure))
    made = augment(cvae, per_class=20, min_confidence=bar, device="cpu", progress=silent)
    assert (seen_as_asked(critic, made) >= bar - 0.01).all()  # rounded to 256 levels since
    assert (sure < bar - 0.01).mean() > 0.1  # so that the line above can fail
    said = made.provenance["filter"]
    assert said["left_out"] == sum(said["drawn"].values()) - 60
    assert said["left_out"] > 0
    assert said["share_kept"] == pytest.approx(60 / sum(said["drawn"].values()))
    assert critic.digest in said["classifier"]


def seen_as_asked(critic, made) -> np.ndarray:
    import torch

    probs = critic.classifier.classify(torch.as_tensor(made.images) / 255).exp().numpy()
    return probs[np.arange(len(probs)), made.labels]


def test_a_filter_that_nothing_passes_is_given_up(cvae, silent, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 10)
    with pytest.raises(RunError, match=r"images of class 'a' the classifier recognizes \d+ with"):
        augment(cvae, per_class=5, min_confidence=1.0, device="cpu", progress=silent)


def test_a_folder_that_is_not_empty_is_left_alone(cvae, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not an empty folder"):
        augment(cvae, per_class=1, device="cpu").save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_is_left_of_a_folder_that_could_not_be_written(cvae, tmp_path, monkeypatch):
    def full(*_):
        raise RunError("the disk is full")

    monkeypatch.setattr(module, "write_json", full)
    with pytest.raises(RunError, match="disk is full"):
        augment(cvae, per_class=1, device="cpu").save(tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_models_that_can_and_cannot(run_of):
    for family in ("cgan", "m2"):
        assert augment(run_of(family, epochs=1), per_class=1, device="cpu").labels.size == 3
    with pytest.raises(
        UsageError, match="augment: this VAE is conditioned on no class; use a CVAE, CGAN"
    ):
        augment(run_of("cvae", epochs=1, family="vae"), device="cpu")
    with pytest.raises(UsageError, match=r"cannot augment: .*makes no images; use a VAE"):
        augment(run_of("classifier", epochs=1), device="cpu")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"per_class": 0}, "ask for at least one image of each class"),
        ({"min_confidence": 0.0}, "expected more than 0 and at most 1"),
        ({"min_confidence": 1.5}, "expected more than 0 and at most 1"),
    ],
)
def test_numbers_that_cannot_be(cvae, given, reason):
    with pytest.raises(UsageError, match=reason):
        augment(cvae, **given, device="cpu")
