"""Two sets of images, measured against each other without a model."""

import numpy as np
import pytest

from twofold.data import load_dataset
from twofold.errors import DataError, UsageError
from twofold.evaluation.measure import measures
from twofold.experiments.adopt import adopt
from twofold.experiments.run import Run
from twofold.models.given import GivenImages
from twofold.report.compare import compare
from twofold.verbs.evaluate import evaluate

pytestmark = pytest.mark.usefixtures("toy_classifiers")


@pytest.fixture(scope="module")
def digits():
    whole = load_dataset("digits")
    return whole.split("train"), whole.split("test")


def of(images, against, *names, **options):
    found = evaluate(images, names or None, against=against, device="cpu", **options)
    return {figure.name: figure for figure in found.measures}, found.not_measured


def test_a_set_that_repeats_one_image_is_told_from_real_ones(digits, silent):
    train, test = digits
    real = (train.images, train.labels)
    good, _ = of(test.images, real, "coverage", "distance", progress=silent)
    one, _ = of(np.repeat(test.images[:1], 180, 0), real, "coverage", "distance", progress=silent)
    assert one["recall/random"].value < 5 < 50 < good["recall/random"].value
    assert one["fid/random"].value > 5 * good["fid/random"].value
    assert good["fid/random"].provenance["samples"] == 180
    assert "seed" not in good["fid/random"].provenance


def test_copies_of_the_real_images_are_found(digits, silent):
    train, _ = digits
    real = {"train": train.images, "test": digits[1].images}
    found, _ = of(train.images[:200], real, "memorization", progress=silent)
    assert found["copies"].value == 100.0
    assert found["copies"].reference < 5


def test_only_measures_of_images_are_taken_and_the_result_is_a_column_of_a_report(
    digits, silent, tmp_path
):
    _, missing = of(digits[1].images, "digits", keep=tmp_path / "run", progress=silent)
    kept = Run(tmp_path / "run")
    taken = {entry["kind"] for entry in kept.evaluation["measures"]} | missing.keys()
    assert taken == {name for name, one in measures().items() if one.of_images and not one.slow}
    page = compare([kept], tmp_path / "page.html", progress=silent)
    assert "FID" in page.read_text()


def test_what_does_not_fit_is_refused(digits, silent):
    with pytest.raises(DataError, match="1×4×4 and 1×8×8"):
        of(digits[1].images[:, :, :4, :4], "digits", progress=silent)
    with pytest.raises(UsageError, match="keep is of images"):
        evaluate("runs/some", keep="there")
    with pytest.raises(UsageError, match="--measures distance"):
        of(digits[1].images, "digits", "fid", progress=silent)


def test_adopted_images_are_divided_once():
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    run = adopt(GivenImages(4, image_shape=(1, 8, 8)), images, validation=0.0, test=0.5)
    counts = {split: len(index) for split, index in run.dataset().splits.items()}
    assert counts == {"train": 20, "test": 20}
