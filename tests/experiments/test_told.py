"""What is known about images is said before training, and kept; no class is made up."""

import numpy as np
import pytest

from twofold import augment, sample
from twofold.data import ImageDataset, summarize
from twofold.data.summary import remarks
from twofold.errors import UsageError
from twofold.experiments.context import open_run
from twofold.experiments.train import train
from twofold.models.variational import count_active
from twofold.verbs.inputs import load_inputs


class Listener:
    """Keeps what is said and, at the start, how much that was."""

    def __init__(self):
        self.said, self.before = [], None

    def start(self, *_):
        self.before = list(self.said)

    def update(self, *_): ...

    def say(self, text):
        self.said.append(text)

    def stop(self): ...


@pytest.fixture
def uneven() -> ImageDataset:
    """Dark images whose first class has none, as where classes are numbered from 1."""
    images = np.random.default_rng(0).integers(0, 10, (60, 1, 8, 8), np.uint8)
    return ImageDataset(
        images, np.arange(60) % 2 + 1, ("none", "a", "b"), "uneven", notes=("read",)
    )


@pytest.fixture
def run(uneven, tmp_path):
    listener = Listener()
    fields = {"epochs": 1, "batch_size": 20, "layers": "fc-8", "test": 6, "validation": 6}
    run = train("digits-cvae", fields, dataset=uneven, out=tmp_path / "r", progress=listener)
    return run, listener


def test_training_says_first_what_data_says(uneven, run):
    run, listener = run
    summary = summarize(run.dataset())
    assert len(summary.warnings) == 2
    expected = [f"uneven: {line}" for line in ("read", *summary.warnings)]
    assert listener.before == expected
    assert [line for line in listener.said if line.startswith("uneven: ")] == expected
    data = run.environment["data"]
    assert (data["notes"], data["warnings"]) == (["read"], list(summary.warnings))
    assert data["trained_on"] == [0, 24, 24]


def test_a_class_without_images_is_not_known(run):
    run, _ = run
    assert open_run(run, "cpu").known_classes == [1, 2]
    assert augment(run, per_class=1, device="cpu").class_names == ("a", "b")
    for label in (0, "none"):
        with pytest.raises(UsageError, match="class 'none' has no training images"):
            sample(run, label=label, device="cpu")


def test_verbs_say_what_is_amiss_with_the_pixels_they_are_given(run, tmp_path, write_dark, capsys):
    run, _ = run
    load_inputs(open_run(run, "cpu"), write_dark)
    said = capsys.readouterr().err
    assert "x: very dark: the brightest pixel is 9 of 255" in said
    assert "a single image" not in said  # which concerns training alone
    load_inputs(open_run(run, "cpu"))
    assert not capsys.readouterr().err


@pytest.fixture
def write_dark(tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "x" / name).mkdir(parents=True)
        pixels = np.arange(64, dtype=np.uint8).reshape(8, 8) % 10
        Image.fromarray(pixels).save(tmp_path / "x" / name / "1.png")
    return tmp_path / "x"


def test_remarks_are_of_pixels_and_reading(uneven):
    assert remarks(uneven)[0] == "uneven: read"
    assert not any("class" in line for line in remarks(uneven))


def test_one_image_has_no_variance():
    import torch

    assert count_active(torch.zeros(1, 3)) == {}
    assert count_active(torch.tensor([[0.0, 0, 1], [0, 1, 1]])) == {"active_units": 1}
