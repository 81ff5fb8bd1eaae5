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


def test_labels_may_be_unknown():
    dataset = make(labels=LABELS - 1)
    assert dataset.class_names == ("0", "1")
    assert dataset.class_counts.tolist() == [2, 3]
    assert dataset.num_unlabeled == 1
    assert make().num_unlabeled == 0
    assert make(labels=None).num_unlabeled == 6
    assert make(labels=np.full(6, -1)).class_counts.shape == (0,)


def test_labeled_leaves_the_unknown_out():
    dataset = make(labels=np.array([-1, 1, 0, -1, 1, 0]), class_names=("a", "b")).labeled()
    assert dataset.images.tolist() == IMAGES[[1, 2, 4, 5]].tolist()
    assert np.asarray(dataset.labels).tolist() == [1, 0, 1, 0]
    assert dataset.class_names == ("a", "b")
    assert make().labeled().fingerprint == make().fingerprint


@pytest.mark.parametrize("labels", [None, np.full(6, -1)])
def test_labeled_refuses_where_nothing_is(labels):
    for ask in (ImageDataset.labeled, lambda dataset: dataset.keep_labels(2)):
        with pytest.raises(DataError, match="the images of toy have no labels; put each class"):
            ask(make(labels=labels))


def many(labels):
    images = np.arange(len(labels), dtype=np.uint8).repeat(4).reshape(-1, 1, 2, 2)
    return make(images=images, labels=labels)


def kept_by(dataset, count, seed=0):
    return np.flatnonzero(dataset.keep_labels(count, seed).labels >= 0).tolist()


def test_kept_labels_are_balanced_and_true():
    dataset = many(np.repeat([0, 1, 2], [50, 20, 4]))
    few = dataset.keep_labels(9)
    assert few.class_counts.tolist() == [3, 3, 3]
    assert few.num_unlabeled == 65
    assert (few.labels == dataset.labels)[kept_by(dataset, 9)].all()
    assert (few.images == dataset.images).all()
    assert dataset.keep_labels(14).class_counts.tolist() == [5, 5, 4]
    assert dataset.num_unlabeled == 0  # itself as it was


def test_the_seed_says_which_labels_are_kept():
    dataset = many(np.arange(60) % 3)
    assert kept_by(dataset, 12) == kept_by(dataset, 12) != kept_by(dataset, 12, seed=1)
    assert set(kept_by(dataset, 6)) < set(kept_by(dataset, 12))


def test_labels_are_kept_only_where_they_are_known():
    labels = np.arange(60) % 3
    labels[::2] = -1
    dataset = many(labels)
    assert set(kept_by(dataset, 9)) < set(range(1, 60, 2))
    assert dataset.keep_labels(9).class_counts.tolist() == [3, 3, 3]
    assert kept_by(dataset, 30) == list(range(1, 60, 2))


def test_what_else_a_set_knows_survives_keep_labels():
    dataset = make(class_names=("a", "b", "c"), splits={"train": np.arange(4)}, notes=("scaled",))
    few = dataset.keep_labels(3)
    assert few.class_names == ("a", "b", "c")
    assert few.splits["train"].tolist() == [0, 1, 2, 3]
    assert (few.name, few.notes) == ("toy", ("scaled",))
    assert few.fingerprint != dataset.fingerprint


@pytest.mark.parametrize("count", [0, 2, 7])
def test_a_number_of_labels_that_cannot_be_kept(count):
    words = f"labels={count}: toy has 6 labeled images .* of 3 classes; expected 3 to 6"
    with pytest.raises(UsageError, match=words):
        make().keep_labels(count)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": IMAGES.astype(np.float32)}, "float32, expected a uint8"),
        ({"images": IMAGES[:, 0]}, r"\(6, 2, 2\), expected \(N, C, H, W\)"),
        ({"images": np.zeros((6, 2, 4, 4), np.uint8)}, "C = 1 or 3"),
        ({"labels": LABELS[:5]}, r"shape \(5,\) but there are 6 images"),
        ({"labels": LABELS - 2}, "from -2 to 0, expected 0 to 0 for 1 classes, or -1"),
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


def test_classes_can_be_left_out():
    """The others keep their names and numbers; images without a label stay."""
    dataset = make(class_names=("a", "b", "c"))
    rest = dataset.without(["b"])
    assert rest.labels is not None
    assert rest.class_names == ("a", "b", "c")
    assert rest.labels.tolist() == [k for k in LABELS.tolist() if k != 1]
    assert dataset.without([]) is dataset
    with pytest.raises(UsageError, match="'d'"):
        dataset.without(["d"])
    with pytest.raises(UsageError, match="no images left"):
        dataset.without(["a", "b", "c"])
