import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from twofold.data import list_datasets, load_dataset, load_images
from twofold.errors import DataError, UsageError


@pytest.fixture
def labeled(tmp_path, rng):
    """A hundred gray images, 70 of class 0 and 30 of class 1, whose first pixel is their number."""
    images = rng.integers(0, 256, (100, 4, 4), np.uint8)
    images[:, 0, 0] = np.arange(100)
    path = tmp_path / "x.npz"
    np.savez(path, x=images, y=np.repeat([0, 1], [70, 30]))
    return path


@pytest.fixture
def partly(tmp_path, rng):
    """The same, but that only the first 40 of class 0 and the first 10 of class 1 are labeled."""
    images = rng.integers(0, 256, (100, 4, 4), np.uint8)
    images[:, 0, 0] = np.arange(100)
    path = tmp_path / "partly.npz"
    np.savez(path, x=images, y=np.repeat([0, -1, 1, -1], [40, 30, 10, 20]))
    return path


def numbers(dataset, split):
    return dataset.split(split).images[:, 0, 0, 0].tolist()


def sizes(dataset):
    return {name: len(indices) for name, indices in dataset.splits.items()}


def test_digits_need_nothing():
    dataset = load_dataset("digits")
    assert dataset.images.shape == (1797, 1, 8, 8)
    assert (dataset.images.min(), dataset.images.max()) == (0, 255)
    assert set(np.unique(dataset.images)) == {round(k * 255 / 16) for k in range(17)}
    assert np.asarray(dataset.labels)[:10].tolist() == list(range(10))
    assert dataset.name == "digits"


@pytest.mark.parametrize("info", [i for i in list_datasets() if i.embedded], ids=lambda i: i.name)
def test_the_catalog_tells_the_truth_about_digits(info):
    dataset = load_dataset(info.name)
    assert info.image_shape == dataset.image_shape
    assert info.num_classes == dataset.num_classes
    assert info.counts == sizes(dataset)


def test_the_catalog():
    names = [info.name for info in list_datasets()]
    photographs = ["svhn", "cifar10"]
    stacked = ["stacked-mnist", "stacked-digits"]
    assert names == ["digits", "mnist", "fashion-mnist", "kmnist", *photographs, *stacked]
    totals = [sum(info.counts.values()) for info in list_datasets()]
    assert totals == [1797, 70_000, 70_000, 70_000, 73_257 + 26_032, 60_000, 70_000, 17_000]


def test_splits_are_disjoint_exhaustive_and_stratified(labeled):
    dataset = load_dataset(labeled)
    assert sizes(dataset) == {"train": 80, "validation": 10, "test": 10}
    assert sorted(np.concatenate(list(dataset.splits.values()))) == list(range(100))
    assert dataset.split("test").class_counts.tolist() == [7, 3]
    assert dataset.split("validation").class_counts.tolist() == [7, 3]


def test_counts_and_fractions(labeled):
    dataset = load_dataset(labeled, validation=20, test=0.3)
    assert sizes(dataset) == {"train": 50, "validation": 20, "test": 30}
    assert sizes(load_dataset(labeled, validation=0, test=0)) == {"train": 100}


def test_the_split_seed_decides(labeled):
    first, again = (numbers(load_dataset(labeled), "test") for _ in range(2))
    assert first == again
    assert first != numbers(load_dataset(labeled, split_seed=1), "test")


def test_the_test_split_does_not_depend_on_the_validation_split(labeled):
    assert numbers(load_dataset(labeled, validation=0), "test") == numbers(
        load_dataset(labeled, validation=25), "test"
    )


def test_labels_stay_with_their_images(labeled):
    choices: list[dict[str, Any]] = [{}, {"limit": 17}, {"limit": 17, "size": 4}]
    for options in choices:
        dataset = load_dataset(labeled, **options)
        assert ((dataset.images[:, 0, 0, 0] >= 70) == dataset.labels).all()


def test_splits_are_drawn_from_the_labeled_and_count_those(partly):
    dataset = load_dataset(partly)
    assert sizes(dataset) == {"train": 90, "validation": 5, "test": 5}
    assert sorted(np.concatenate(list(dataset.splits.values()))) == list(range(100))
    for split in ("validation", "test"):
        assert dataset.split(split).class_counts.tolist() == [4, 1]
    assert dataset.split("train").num_unlabeled == 50
    assert sizes(load_dataset(partly, validation=30, test=0.2)) == {
        "train": 60,
        "validation": 30,
        "test": 10,
    }


def test_splits_larger_than_the_labeled_are_refused(partly):
    with pytest.raises(UsageError, match="validation=50 of 50 labeled images; expected 0 to 49"):
        load_dataset(partly, validation=50)
    with pytest.raises(UsageError, match="30 and test 20 of the 50 labeled images of partly"):
        load_dataset(partly, validation=30, test=20)


def test_a_limit_balances_the_unlabeled_as_one_more_group(partly):
    train = load_dataset(partly, limit=24, validation=0).split("train")
    assert train.class_counts.tolist() == [8, 8]
    assert train.num_unlabeled == 8
    labels = np.repeat([0, -1, 1, -1], [40, 30, 10, 20])
    assert (train.labels == labels[train.images[:, 0, 0, 0]]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"validation": 60, "test": 50}, "validation takes 60 and test 50 of the 100 images"),
        ({"validation": 100}, "validation=100 of 100 images; expected 0 to 99"),
        ({"test": 1.0}, "a fraction lies in"),
        ({"test": -1}, "test=-1"),
        ({"limit": 0}, "limit=0; expected a number of images from 1"),
        ({"limit": 2.5}, r"limit=2\.5"),
        ({"size": 0}, "size=0"),
    ],
)
def test_impossible_sizes(labeled, options, words):
    with pytest.raises(UsageError, match=words):
        load_dataset(labeled, **options)


def test_a_split_of_its_own_is_not_divided_again(mnist_folder):
    with pytest.raises(UsageError, match="comes with its own test split of 20 images; leave test"):
        load_dataset(mnist_folder, test=5)


def test_a_class_of_one_cannot_be_divided(tmp_path, write_images):
    write_images(tmp_path, "owl/1.png", *(f"cat/{i}.png" for i in range(20)))
    with pytest.raises(DataError, match=r"single image.*'owl'"):
        load_dataset(tmp_path)
    assert len(load_dataset(tmp_path, validation=0, test=0)) == 21


def test_too_few_images_to_divide(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(UsageError, match="leaves none to train on; pass smaller numbers, or 0"):
        load_dataset(tmp_path / "x.npy")


def test_limit(labeled):
    dataset = load_dataset(labeled, limit=20)
    assert sizes(dataset) == {"train": 20, "validation": 10, "test": 10}
    assert len(dataset) == 40
    assert dataset.split("train").class_counts.tolist() == [10, 10]
    whole = load_dataset(labeled)
    for split in ("train", "validation", "test"):
        assert set(numbers(dataset, split)) <= set(numbers(whole, split))


def test_limit_is_deterministic_and_nested(labeled):
    """A sweep over the number of labels compares sets that contain one another."""
    small, again, large = (load_dataset(labeled, limit=n) for n in (10, 10, 30))
    assert small.fingerprint == again.fingerprint
    assert numbers(large, "train")[:10] == numbers(small, "train")
    assert load_dataset(labeled, limit=10, split_seed=5).fingerprint != small.fingerprint


def test_a_limit_beyond_the_set_keeps_it_all(labeled):
    assert sizes(load_dataset(labeled, limit=10_000)) == sizes(load_dataset(labeled))


def test_an_unknown_name():
    with pytest.raises(UsageError, match=r"did you mean 'mnist' .*\(nor is there a file"):
        load_dataset("mnits")


def test_an_empty_name_is_not_the_current_folder():
    with pytest.raises(UsageError, match="unknown data set ''"):
        load_dataset("")


def test_a_name_wins_over_a_file_and_a_path_is_a_path(tmp_path, monkeypatch, write_images):
    write_images(tmp_path, "digits/1.png", "digits/2.png")
    monkeypatch.chdir(tmp_path)
    assert len(load_dataset("digits")) == 1797
    assert len(load_dataset("./digits", validation=0, test=0)) == 2
    assert len(load_dataset(tmp_path / "digits", validation=0, test=0)) == 2


def test_an_image_alone_is_no_set(tmp_path, write_images):
    write_images(tmp_path, "1.png")
    with pytest.raises(UsageError, match="leaves none to train on"):
        load_dataset(tmp_path / "1.png")
    alone = load_images(tmp_path / "1.png")
    assert len(alone) == 1
    assert not alone.splits


def test_images_of_a_source_are_not_divided(tmp_path, write_images):
    write_images(tmp_path, "a/1.png", "b/1.png", "b/2.png")
    images = load_images(tmp_path)
    assert images.labels is not None
    assert images.labels.tolist() == [0, 1, 1]
    assert images.files == ("a/1.png", "b/1.png", "b/2.png")
    assert images.subset([2, 0]).files == ("b/2.png", "a/1.png")
    assert not images.splits
    named = load_images("digits", size=16)
    assert len(named) == 180
    assert named.image_shape == (1, 16, 16)


def test_importing_is_light():
    """Nothing heavy is imported until a set needs it."""
    heavy = "{'torch', 'PIL', 'scipy', 'sklearn', 'pooch', 'rich', 'requests'}"
    program = f"import sys, twofold.data.load; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_a_folder_that_goes_away_while_it_is_read_is_named(tmp_path, monkeypatch):
    def gone(*_arguments: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "some/folder")

    monkeypatch.setattr("twofold.data.formats._read_folder", gone)
    with pytest.raises(DataError, match="cannot read some/folder: No such file"):
        load_dataset(tmp_path)


def test_a_limit_keeps_all_test_images():
    """Figures of a model of few images are measured on as many images as any other's."""
    splits = load_dataset("digits", limit=20).splits
    assert {name: len(indices) for name, indices in splits.items()} == {
        "train": 20,
        "validation": 20,
        "test": 180,
    }
    few, whole = load_dataset("digits", limit=20), load_dataset("digits")
    assert few.split("test").fingerprint == whole.split("test").fingerprint
