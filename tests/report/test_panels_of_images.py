"""Panels and plain checks of recognition, classes and memorization."""

import io

import numpy as np
import pytest
from PIL import Image

from twofold.evaluation.classes import Classes
from twofold.evaluation.figure import Figure
from twofold.evaluation.gan_test import GANTest
from twofold.evaluation.memorization import Memorization

from .conftest import accuracy
from .test_pictures import texts

CVAE = "lam2023-cvae"
WORDS = "fails a plain check: hardly any of its images are taken for"


def test_confusions_are_shares_of_each_row(facts):
    """Class 0 twice right of four, class 1 always, class 2 never asked for."""
    figure = accuracy(50.0, details={"confusion": [[2, 1, 1], [0, 3, 0], [0, 0, 0]]})
    runs = [facts("A", CVAE, figure)]
    panels = [panel for panel in GANTest().panels(runs) if "stronger" in panel.note]
    (panel,) = panels
    shown = texts(panel.picture)
    assert sorted(text for text in shown if text in ("25", "50", "100")) == [
        "100",
        "25",
        "25",
        "50",
    ]
    assert {"recognized as", "asked for"} <= set(shown)
    assert "the stronger the color the more" in panel.note
    assert panel.heading == "⟦A⟧ GAN-test by classifier-cnn"
    wide = accuracy(50.0, details={"confusion": np.eye(31).tolist()})
    for odd in (wide, accuracy(50.0, details={"confusion": [[1, 2]]}), accuracy(50.0)):
        assert not [p for p in GANTest().panels([facts("A", CVAE, odd)]) if p.note == panel.note]


def test_pairs_are_drawn_pixel_by_pixel_above_one_another(facts):
    pairs = np.zeros((2, 12, 1, 8, 8), np.uint8)
    pairs[0] = 255
    arrays = {"memorization": {"first": pairs, "first_distance": np.linspace(1.25, 3.5, 12)}}
    (panel,) = Memorization().panels([facts("A", CVAE, arrays=arrays)])
    assert panel.heading == "⟦A⟧ not chosen; 1.2 to 3.5 apart"
    assert texts(panel.picture) == ["generated", "training"]
    pixels = np.asarray(Image.open(io.BytesIO(panel.picture.png)).convert("L"), float)
    inked = pixels[:, pixels.shape[1] // 2 :]
    half = len(inked) // 2
    assert inked[:half].mean() > 200 > 100 > np.median(inked[half:])
    broken = {"memorization": {"first": pairs[:1], "first_distance": np.ones(12)}}
    assert not list(Memorization().panels([facts("A", CVAE, arrays=broken)]))


def shares(**generated: float) -> Figure:
    data = dict.fromkeys(generated, 1 / len(generated))
    details = {"generated": generated, "data": data}
    return Figure("class_kl", "KL", 0.5, "nats", "lower", details=details)


@pytest.mark.parametrize(
    ("generated", "missing"),
    [
        ({"a": 0.5, "b": 0.5}, None),
        ({"a": 0.94, "b": 0.06}, None),
        ({"a": 0.96, "b": 0.04}, "b"),
        ({"a": 1.0, "b": 0.0, "c": 0.0}, "b and c"),
    ],
)
def test_a_class_of_the_data_that_is_hardly_generated_is_a_failure(facts, generated, missing):
    found = list(Classes().failures(facts("A", CVAE, shares(**generated))))
    assert found == ([] if missing is None else [f"{WORDS} {missing}, which the data has"])


@pytest.mark.parametrize(
    ("name", "value", "reference", "said"),
    [
        ("copies", 12.0, 0.2, "repeats its training images: 12"),
        ("copies", 0.3, 0.2, ""),
        ("duplicates", 40.0, 1.0, "repeats itself: 40"),
        ("duplicates", 9.0, 1.0, ""),
        ("duplicates", 40.0, 39.5, ""),
    ],
)
def test_copies_and_twins_beyond_those_of_real_images_are_a_failure(
    facts, name, value, reference, said
):
    figure = Figure(name, name, value, "%", "lower", error=0.5, reference=reference)
    found = list(Memorization().failures(facts("A", CVAE, figure)))
    assert len(found) == bool(said)
    assert all(text.startswith(said) for text in found)
