"""A class that a model never saw: nobody gets it unasked, and it may be asked for."""

import json

import numpy as np
import pytest
import torch

from twofold.data import load_dataset
from twofold.evaluation import classifiers
from twofold.experiments.resolve import resolve
from twofold.experiments.run import Run
from twofold.experiments.train import train
from twofold.verbs.augment import PROVENANCE, augment
from twofold.verbs.interpolate import interpolate
from twofold.verbs.restyle import restyle
from twofold.verbs.sample import sample

pytestmark = pytest.mark.usefixtures("toy_classifiers")


@pytest.fixture(scope="module")
def run(tmp_path_factory, toy_data, toy_experiment, silent) -> Run:
    """Of a CVAE that never saw a `b`, which stands between `a` and `c`."""
    experiment = resolve(toy_experiment(epochs=60), {"without": ["b"]})
    out = tmp_path_factory.mktemp("runs") / "cvae"
    made = train(experiment, out=out, dataset=toy_data, progress=silent)
    made.dataset = lambda: toy_data
    return made


def test_samples_are_of_the_classes_it_knows_unless_another_is_named(run):
    assert sample(run, 6, device="cpu").labels.tolist() == [0, 2] * 3
    assert sample(run, seeds=[1, 2], device="cpu").labels.tolist() == [0, 2] * 2
    assert sample(run, 4, label="b", device="cpu").labels.tolist() == [1] * 4
    rows = interpolate(run, between="classes", n=1, steps=2, device="cpu").row_heads
    assert rows == ["a to c"]


def test_a_training_set_is_made_of_the_classes_it_knows(run, tmp_path):
    made = augment(run, per_class=500, device="cpu")
    assert made.class_names == ("a", "c")
    bright = made.images[:, 0].mean(axis=2).argmax(axis=1)  # class k has row 2k + 1 bright
    assert (bright == np.repeat([1, 5], 500)).mean() >= 0.9
    folder = made.save(tmp_path / "set")
    assert load_dataset(folder).class_names == ("a", "c")
    assert json.loads((folder / PROVENANCE).read_text())["without"] == ["b"]


def test_images_are_restyled_and_measured_in_the_classes_it_knows(run, toy_data, silent):
    found = restyle(run, n=6, device="cpu", progress=silent)
    assert list(found.classes) == [0, 2]
    assert found.images.shape == (6, 2, 1, 8, 8)
    assert found.arrays()["classes"].tolist() == [0, 2]
    known = toy_data.split("test").without(["b"])
    every = restyle(run, known, n=len(known), device="cpu")
    model = run.model("cpu")
    z = model.codes(every.inputs, every.labels)
    assert torch.allclose(every.images[:, 1], model.generate(z, torch.full((10,), 2)), atol=1e-6)
    critic = classifiers.find_classifier(classifiers.CNN, toy_data, progress=silent)
    seen = critic.classifier.classify(every.images.flatten(0, 1)).argmax(dim=1)
    hits = seen == torch.tensor([0, 2]).repeat(10)
    recognized, brightness, _ = found.measures
    assert recognized.value == pytest.approx(100 * hits.double().mean().item())
    assert recognized.value > 70
    assert list(recognized.per_class) == ["a", "c"]
    assert recognized.provenance["images"] == brightness.provenance["images"] == 10
