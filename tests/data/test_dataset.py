import numpy as np
import pytest

from twofold.data import ImageDataset
from twofold.errors import DataError, UsageError

IMAGES = np.arange(6 * 4, dtype=np.uint8).reshape(6, 1, 2, 2)
LABELS = np.array([0, 1, 2, 2, 1, 2])


def make(**changes):
    arguments = {"images": IMAGES, "labels": LABELS, "name": "toy"} | changes
    return ImageDataset(**arguments)


def test_properties():
    dataset = make()
    assert len(dataset) == 6
    assert dataset.image_shape == (1, 2, 2)
    assert dataset.num_classes == 3
    assert dataset.class_names == ("0", "1", "2")
    assert dataset.class_counts.tolist() == [1, 2, 3]
    assert dataset.labels is not None
    assert dataset.labels.dtype == np.int64


def test_without_labels():
    dataset = make(labels=None)
    assert dataset.num_classes == 0
    assert dataset.class_names == ()
    assert dataset.class_counts.shape == (0,)


def test_named_classes_count_even_when_empty():
    assert make(class_names=("a", "b", "c", "d")).class_counts.tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": IMAGES.astype(np.float32)}, "float32, expected a uint8"),
        ({"images": IMAGES[:, 0]}, r"\(6, 2, 2\), expected \(N, C, H, W\)"),
        ({"images": np.zeros((6, 2, 4, 4), np.uint8)}, "C = 1 or 3"),
        ({"labels": LABELS[:5]}, r"shape \(5,\) but there are 6 images"),
        ({"labels": LABELS - 1}, "run from -2 to 1, expected 0 to"),
        ({"labels": LABELS.astype(float)}, "expected integers"),
        ({"class_names": ("a", "b")}, "run from 0 to 2, expected 0 to 1 for 2 classes"),
        ({"labels": None, "class_names": ("a",)}, "class names but no labels"),
        ({"labels": LABELS * 1_000_000}, "number the classes from 0"),
        ({"splits": {"train": [0, 1], "test": [1, 2]}}, "overlap or repeat in 1 places"),
        ({"splits": {"train": [0, 6]}}, "from 0 to 6, expected 0 to 5"),
        ({"splits": {"dev": [0]}}, "'dev' is not one of train, validation, test"),
    ],
)
def test_refuses(changes, words):
    with pytest.raises(DataError, match=words):
        make(**changes)


def test_split_gives_its_images_in_order():
    part = make(splits={"test": np.array([4, 0]), "train": np.array([1])}).split("test")
    assert part.images.tolist() == IMAGES[[4, 0]].tolist()
    assert part.labels is not None
    assert part.labels.tolist() == [1, 0]
    assert part.num_classes == 3
    assert part.name == "toy"
    assert not part.splits


def test_a_missing_split_lists_those_there_are():
    with pytest.raises(UsageError, match=r"no split 'validation'; it has: train \(2\), test \(1\)"):
        make(splits={"train": [0, 1], "test": [2]}).split("validation")


def test_subset_refuses_indices_that_are_not_there():
    assert len(make().subset([5, 5, 0])) == 3
    with pytest.raises(DataError, match="expected 0 to 5"):
        make().subset([-1])


def test_fingerprint_follows_pixels_labels_and_shape_and_nothing_else():
    dataset = make()
    changed = IMAGES.copy()
    changed[3, 0, 1, 1] += 1
    reshaped = IMAGES.reshape(6, 1, 1, 4)
    others = [make(images=changed), make(labels=LABELS[::-1]), make(images=reshaped)]
    others.append(make(labels=None))
    assert len({dataset.fingerprint, *(other.fingerprint for other in others)}) == 5
    assert make(name="other", splits={"train": [0]}).fingerprint == dataset.fingerprint
    assert make(images=np.asfortranarray(IMAGES)).fingerprint == dataset.fingerprint
    # Pinned: run folders recorded today must still be comparable next year.
    assert dataset.fingerprint == "e7d7dfe5ac215c4d"
