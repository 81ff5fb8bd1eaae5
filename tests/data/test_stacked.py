"""Three digits in the color channels."""

from pathlib import Path

import numpy as np
import pytest

from twofold.data import ImageDataset, load_dataset, summarize
from twofold.data.stacked import STACKED_NAMES, draw_stacks, stack
from twofold.errors import UsageError

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def stacked():
    return load_dataset("stacked-digits")


@pytest.fixture
def numbered():
    """Ninety gray images, each of one level that is its number, in three splits of all classes."""
    images = np.arange(90, dtype=np.uint8)[:, None, None, None].repeat(4, 2).repeat(4, 3)
    splits = {name: np.arange(30) + 30 * i for i, name in enumerate(SPLITS)}
    names = tuple("0123456789")
    return ImageDataset(images, np.arange(90) // 3 % 10, names, "numbered", splits=splits)


def which(images):
    """The number of the digit in each channel, (N, 3)."""
    assert (images == images[:, :, :1, :1]).all(), "one digit fills one channel"
    return images[:, :, 0, 0].astype(int)


def test_each_channel_is_the_digit_that_the_name_of_the_class_says(numbered):
    made = stack(numbered, dict.fromkeys(SPLITS, 200))
    for part in made.groups.values():
        assert part.labels is not None
        names = [made.class_names[label] for label in part.labels]
        digits = which(part.images) // 3 % 10
        assert names == ["".join(map(str, row)) for row in digits.tolist()]


def test_no_digit_is_in_two_splits(numbered):
    made = stack(numbered, dict.fromkeys(SPLITS, 400))
    for i, name in enumerate(SPLITS):
        assert set(which(made.groups[name].images).ravel()) == set(range(30 * i, 30 * i + 30))


def test_splits_are_drawn_independently(numbered):
    made = stack(numbered, dict.fromkeys(SPLITS, 400))
    train, validation, test = (which(made.groups[name].images) % 30 for name in SPLITS)
    assert (train == validation).all(axis=1).sum() < 5
    assert (train == test).all(axis=1).sum() < 5


def test_stacks_are_uniform_and_channels_independent():
    chosen = draw_stacks(4, 64_000, seed=3)
    counts = np.bincount(chosen @ [16, 4, 1], minlength=64)
    assert len(counts) == 64
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert 30 < chi_square < 110  # 63 degrees of freedom: mean 63, standard deviation 11


def test_channels_are_scans_of_the_right_split(stacked):
    base = load_dataset("digits")
    for name in SPLITS:
        part, digits = stacked.split(name), base.split(name)
        known = {
            image.tobytes(): label
            for image, label in zip(digits.images[:, 0], digits.labels, strict=True)
        }
        for image, label in zip(part.images, part.labels, strict=True):
            shown = "".join(str(known[channel.tobytes()]) for channel in image)
            assert shown == stacked.class_names[label]


def test_the_set_is_the_same_every_time(stacked):
    assert stacked.fingerprint == load_dataset("stacked-digits").fingerprint
    assert stacked.fingerprint == "1f85253c13e84b20", "every figure on it depends on this"


def test_a_thousand_classes_in_order(stacked):
    assert stacked.class_names == STACKED_NAMES
    assert (STACKED_NAMES[7], STACKED_NAMES[305], len(STACKED_NAMES)) == ("007", "305", 1000)
    assert (stacked.split("train").class_counts > 0).all()


def test_the_summary_does_not_list_a_thousand_classes(stacked):
    shown = str(summarize(stacked))
    assert "1000 (6 to 38 images each)" in shown
    assert max(map(len, shown.splitlines())) < 100


def test_its_splits_are_part_of_it():
    with pytest.raises(UsageError, match="comes with its own validation split of 1000 images"):
        load_dataset("stacked-digits", validation=0)


def test_mnist_stacked(users_data, monkeypatch):
    if not users_data or not (Path(users_data) / "mnist").is_dir():
        pytest.skip("TWOFOLD_DATA has no folder mnist")
    monkeypatch.setenv("TWOFOLD_DATA", users_data)
    dataset = load_dataset("stacked-mnist")
    assert dataset.image_shape == (3, 28, 28)
    assert {k: len(v) for k, v in dataset.splits.items()} == {
        "train": 50_000,
        "validation": 10_000,
        "test": 10_000,
    }
    assert dataset.fingerprint == "ab072d3b103ba46d"
    base = load_dataset("mnist")
    chosen = draw_stacks(50_000, 50_000, (0, 0))
    first = base.split("train").images[chosen[0], 0]
    assert (dataset.split("train").images[0] == first).all()
