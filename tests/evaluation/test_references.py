"""Which real images a reference is of, and which classifier may look at them."""

import numpy as np
import pytest
import torch

from twofold.data import load_dataset
from twofold.evaluation.classifiers import CNN, _shipped_for, checksums, find_classifier
from twofold.evaluation.coverage import K
from twofold.evaluation.frechet import frechet_distance
from twofold.evaluation.neighbors import neighborhood
from twofold.evaluation.samples import classifier_extractor, features_of
from twofold.evaluation.spread import estimate_kernel
from twofold.experiments.context import draw_index, open_run
from twofold.experiments.train import train
from twofold.verbs.evaluate import evaluate

TOY = {"epochs": 1, "layers": "fc-16", "latent_dim": 4}
SEEN = "the reference is of training images, which the classifier has seen"


@pytest.fixture(scope="module", autouse=True)
def quick(toy_classifiers):
    """Classifiers of 100 steps."""


@pytest.fixture(scope="module")
def run(tmp_path_factory, silent):
    return train("digits-cvae", TOY, out=tmp_path_factory.mktemp("runs") / "cvae", progress=silent)


def test_references_are_of_validation_images(run, silent):
    """FID, KID and coverage of these images as a second reckoning has them."""
    found = evaluate(run, ["distance", "coverage"], num_samples=170, device="cpu", progress=silent)
    digits = load_dataset("digits")
    embed = classifier_extractor(find_classifier(CNN, digits, progress=silent))
    test, held_out = (
        torch.as_tensor(digits.split(split).images) / 255 for split in ("test", "validation")
    )
    real, other = embed(test), embed(held_out[draw_index(180, 170)])
    fid = found["fid/classifier"]
    assert fid.reference == pytest.approx(frechet_distance(real, other), rel=1e-6)
    assert fid.provenance["reference"] == "validation images"
    assert not any(SEEN in note for note in fid.notes)
    kid = found["kid/classifier"].reference
    assert kid is None or kid == pytest.approx(1000 * estimate_kernel(real, other).value, rel=1e-6)
    some = real[torch.as_tensor(draw_index(180, 170))]
    by_hand = neighborhood(some, other, K)
    for key in ("precision", "recall"):
        share = 100 * getattr(by_hand, key).mean().item()
        assert found[f"{key}/classifier"].reference == pytest.approx(share)


@pytest.mark.parametrize("validation", [0, 50])
def test_without_a_hundred_validation_images_training_images_are_taken_and_said(
    validation, tmp_path, silent
):
    changes = {**TOY, "validation": validation}
    run = train("digits-cvae", changes, out=tmp_path / "run", progress=silent)
    asked = ["coverage", "classes"]
    found = evaluate(run, asked, num_samples=150, device="cpu", progress=silent)
    for name in ("coverage/classifier", "class_kl"):
        assert found[name].provenance["reference"] == "training images"
        assert sum(SEEN in note for note in found[name].notes) == 1
    assert not any(SEEN in note for note in found["coverage/random"].notes), "which saw nothing"
    context = open_run(run, "cpu", {"samples": 9, "seed": 0}, silent)
    drawn = context.train.images[draw_index(len(context.train), 9)] / 255
    assert torch.allclose(context.real("reference", 9), torch.as_tensor(drawn).float())
    assert len(features_of(context)[0].real) == 9


def test_memorization_looks_at_training_images(run, silent):
    found = evaluate(run, ["memorization"], num_samples=150, device="cpu", progress=silent)
    assert found["copies"].provenance["training_images"] == 1437


def test_checksums_are_of_pixels():
    digits = load_dataset("digits")
    found = checksums(digits)
    assert len(found.unique()) == len(np.unique(digits.images, axis=0))
    assert torch.equal(checksums(digits.subset([3, 1])), found[[3, 1]])


def test_the_shipped_classifier_measures_none_of_what_it_has_learnt_from(mnist_folder):
    """All or a part of the images held out from it, or none; but no others."""
    standard = load_dataset("mnist")
    fitting = [load_dataset("mnist", **fields) for fields in (
        {"validation": 0}, {"validation": 5000}, {"limit": 300},
    )]  # fmt: skip
    for dataset in (standard, *fitting):
        assert _shipped_for(CNN, dataset, exactly=False) is not None
    for fields in ({"validation": 10_001}, {"limit": 300, "validation": 20_000}):
        assert _shipped_for(CNN, load_dataset("mnist", **fields), exactly=False) is None
    assert _shipped_for(CNN, load_dataset("mnist", size=14), exactly=False) is None
    assert _shipped_for(CNN, standard, exactly=True) is not None
    assert _shipped_for(CNN, fitting[0], exactly=True) is None
