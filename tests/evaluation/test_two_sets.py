"""Two sets of images without a model: measures look at them, or give their reason."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import twofold as package
from twofold.data import load_dataset
from twofold.data.dataset import ImageDataset
from twofold.errors import DataError, UsageError
from twofold.evaluation.frechet import frechet_distance
from twofold.evaluation.samples import features_of
from twofold.evaluation.summary import gather
from twofold.experiments.context import open_run
from twofold.experiments.given import run_of_images
from twofold.experiments.run import Run

pytestmark = pytest.mark.usefixtures("toy_classifiers")


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("digits")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits):
    """Sixty images of each class in a folder of PNGs, as another program leaves its samples."""
    top = tmp_path_factory.mktemp("images") / "samples"
    for k in range(10):
        (top / str(k)).mkdir(parents=True)
        for i in np.flatnonzero(digits.labels == k)[:60]:
            Image.fromarray(digits.images[i, 0]).save(top / str(k) / f"{i}.png")
    return top


def test_images_of_another_program_are_measured_against_a_named_set(folder, silent, twofold):
    found = package.evaluate(folder, against="digits", device="cpu", progress=silent)
    assert found.path is None, "nothing is kept unasked"
    names = {figure.name for figure in found.measures}
    assert {"fid/random", "coverage/classifier", "copies", "duplicates", "class_kl"} <= names
    assert not any(name.startswith(("elbo", "loss", "latents", "accuracy")) for name in names)
    assert found["copies"].value > 25, "they are of the very set, in part of its training half"
    recognized = found["gan_test/classifier-cnn"]
    assert recognized.provenance["samples"] == 600
    assert set(recognized.per_class) == set("0123456789")
    code, output, errors = twofold("evaluate", folder, "--against", "digits", "-q")
    assert code == 0, errors
    assert "GAN-test" in output
    assert "next:" not in errors


def test_the_figure_is_that_of_the_two_sets(digits, silent):
    half = np.arange(900)
    run = run_of_images(digits.images[half], digits.subset(np.arange(900, 1797)))
    context = open_run(run, "cpu", {"samples": 10, "seed": 0}, silent)
    features = features_of(context)[-1]
    assert len(features.generated) == 900
    found = package.evaluate(
        digits.images[half],
        ["distance"],
        against=digits.subset(np.arange(900, 1797)),
        device="cpu",
        progress=silent,
    )["fid/random"]
    by_hand = frechet_distance(features.test, features.generated)
    assert found.value == pytest.approx(by_hand, rel=1e-6)
    assert found.provenance["images"] == len(features.test)
    assert found.provenance["samples"] == 900


def test_undivided_real_images_are_halved(digits, folder):
    for real in (digits.subset(range(200)), digits.images[:200]):
        splits = run_of_images(folder, real).dataset().splits
        counts = {name: len(index) for name, index in splits.items()}
        assert counts == {"train": 60, "validation": 40, "test": 100}
    own = run_of_images(folder, digits).dataset()
    assert {k: len(v) for k, v in own.splits.items()} == {
        k: len(v) for k, v in digits.splits.items()
    }
    counts = {
        k: len(v) for k, v in run_of_images(digits.images[:9], folder).dataset().splits.items()
    }
    assert counts == {"train": 180, "validation": 120, "test": 300}


def test_memorized_images_are_copies_and_fresh_ones_are_not(digits, silent):
    x, _ = digits.images, digits.labels
    train, test = digits.splits["train"], digits.splits["test"]
    asked = {"measures": "memorization", "against": digits, "device": "cpu", "progress": silent}
    memorized = package.evaluate(x[train[:300]], **asked)
    fresh = package.evaluate(x[test], **asked)
    assert memorized["copies"].value == 100.0
    assert fresh["copies"].value < 3.0


def test_images_without_labels_have_no_gan_test_and_say_why(digits, silent):
    found = package.evaluate(digits.images[:150], against=digits, device="cpu", progress=silent)
    assert "gan-test" in found.not_measured
    assert "coverage/random" in {figure.name for figure in found.measures}


def test_kept_images_are_a_column_of_the_comparison(folder, tmp_path, silent, twofold):
    keep = tmp_path / "theirs"
    given = ("evaluate", folder, "--against", "digits", "--keep", keep, "--measures", "coverage")
    code, _, errors = twofold(*given, "-q")
    assert code == 0, errors
    assert f"next: twofold compare {keep}" in errors
    content = json.loads((keep / "evaluation.json").read_text())
    (summary,) = gather([Run(keep)])
    assert "coverage/random" in summary.figures
    assert len(content["settings"]["sha256"]) == 64
    again = package.evaluate(keep, "memorization", device="cpu", progress=silent)
    assert again["copies"].provenance["samples"] == 600
    assert "coverage/random" in {m["name"] for m in Run(keep).evaluation["measures"]}
    code, _, errors = twofold(*given, "-q")
    assert code != 0
    assert "choose another" in errors


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: package.evaluate(x[:, :, :4], against="digits"), "bring them to one size"),
        (lambda x: package.evaluate(x, against="no-such-set"), "unknown data set"),
        (lambda x: package.evaluate("no-folder", against="digits"), "no-folder"),
        (lambda x: package.evaluate(x, keep="here"), "keep is of images"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(
    call, words, digits, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UsageError, DataError), match=words):
        call(digits.images[:20])
    assert not list(tmp_path.iterdir())


def test_given_images_go_round_from_the_start(folder):
    model = run_of_images(folder, "digits").model()
    assert torch.equal(model.sample(601)[600], model.sample(1)[0])
