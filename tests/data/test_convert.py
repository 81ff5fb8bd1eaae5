"""Everything `as_dataset` takes, and in what words it refuses the rest."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from twofold.data import ImageDataset, as_dataset, load_dataset
from twofold.errors import DataError, UsageError

WHOLE: dict[str, Any] = {"validation": 0, "test": 0}
N = 20


@pytest.fixture
def gray(rng):
    """Twenty images of 6×5."""
    return rng.integers(0, 256, (N, 6, 5), np.uint8)


@pytest.fixture
def y():
    return np.arange(N) % 2


class Pairs(Dataset):
    """A map-style data set, which raises no IndexError at its end."""

    def __init__(self, images, labels=None, classes=None):
        self.images, self.labels = images, labels
        if classes:
            self.classes = classes

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = self.images[i % len(self.images)]
        return image if self.labels is None else (image, self.labels[i % len(self.images)])


class ClassLabel:
    def __init__(self, *names):
        self.names = list(names)


class Table:
    """What of a Hugging Face `Dataset` is relied on."""

    def __init__(self, features=None, **columns):
        self.columns = columns
        self.features = features or dict.fromkeys(columns)
        self.column_names = list(columns)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, i):
        return {name: values[i] for name, values in self.columns.items()}


class DatasetDict(dict):
    """Hugging Face's is a dict of tables, too."""


def sizes(dataset):
    return {name: len(indices) for name, indices in dataset.splits.items()}


# Arrays and tensors


@pytest.mark.parametrize("wrap", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("layout", ["NHW", "NCHW", "NHWC"])
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_layouts_and_types(rng, wrap, layout, kind):
    pixels = rng.integers(0, 256, (N, 3, 6, 5), np.uint8)
    pixels = pixels[:, :1] if layout == "NHW" else pixels
    given = {"NHW": pixels[:, 0], "NCHW": pixels, "NHWC": pixels.transpose(0, 2, 3, 1)}[layout]
    given = given if kind == "uint8" else (given / 255).astype(kind)
    assert (as_dataset(wrap(given), **WHOLE).images == pixels).all()


def test_half_floats_and_gradients():
    for kind in (torch.float16, torch.bfloat16):
        images = torch.full((N, 4, 4), 0.5, dtype=kind, requires_grad=True)
        assert (as_dataset(images, **WHOLE).images == 128).all()


def test_what_cannot_be_written_to_is_copied(gray):
    gray.setflags(write=False)
    assert as_dataset(gray, **WHOLE).images.flags.writeable


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.full((4, 4, 4), 255.0), r"^images: floats from 255 to 255, expected \[0, 1\]; .*/ 255"),
        (np.linspace(-1, 1, 64).reshape(4, 4, 4), r"floats from -1 to 1, .* \(images \+ 1\) / 2"),
        (np.full((4, 4, 4), np.nan), "NaN or infinite"),
        (np.full((4, 4, 4), 700), "integers from 700 to 700, expected 0 to 255"),
        (np.zeros((4, 784)), r"shape \(4, 784\), expected \(N, H, W\)"),
        (np.zeros((4, 6, 5, 2), np.uint8), "with C = 1 or 3"),
        (np.zeros((4, 3, 5, 3), np.uint8), r"could be \(N, C, H, W\) or \(N, H, W, C\)"),
        (np.zeros((0, 4, 4), np.uint8), "holds no images"),
        (np.full((4, 4, 4), "a"), "<U1, expected images of one type"),
        (np.zeros((4, 0, 4), np.uint8), r"shape \(4, 1, 0, 4\), expected"),
    ],
)
def test_arrays_that_are_refused(images, words):
    for source in (images, torch.as_tensor(images) if images.dtype.kind != "U" else images):
        with pytest.raises(DataError, match=words):
            as_dataset(source)


def test_an_array_of_objects_is_read_as_a_list(gray):
    ragged = np.empty(N, object)
    ragged[:] = list(gray)
    assert (as_dataset(ragged, **WHOLE).images[:, 0] == gray).all()


# Labels


@pytest.mark.parametrize(
    "wrap", [list, np.asarray, torch.as_tensor, lambda y: y[:, None], lambda y: y * 1.0]
)
def test_labels_of_numbers(gray, y, wrap):
    for dataset in (as_dataset(gray, labels=wrap(y)), as_dataset((gray, wrap(y)))):
        assert dataset.class_names == ("0", "1")
        assert sizes(dataset) == {"train": 16, "validation": 2, "test": 2}
        assert (dataset.labels == y).all()


@pytest.mark.parametrize("wrap", [list, np.asarray, lambda y: np.asarray(y, object)])
def test_labels_of_words_are_numbered_as_people_sort_them(gray, wrap):
    dataset = as_dataset(gray, labels=wrap(["10", "2"] * 10))
    assert dataset.class_names == ("2", "10")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [1, 0] * 10
    assert all(type(name) is str for name in dataset.class_names)


@pytest.mark.parametrize("labels", [[0, 1, -1, None] * 5, ["cat", "owl", None, None] * 5])
def test_labels_that_are_not_known(gray, labels):
    dataset = as_dataset(gray, labels=labels)
    assert dataset.num_unlabeled == 10
    assert sizes(dataset) == {"train": 18, "validation": 1, "test": 1}
    assert dataset.split("test").num_unlabeled == 0


def test_labels_that_are_all_unknown_are_none(gray):
    dataset = as_dataset(gray, labels=[-1] * N)
    assert dataset.labels is None
    assert "all -1" in dataset.notes[0]
    assert as_dataset((gray, None)).labels is None


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1], r"labels have shape \(2,\) for 20 images, expected \(20,\)"),
        (np.eye(N), "argmax"),
        ([np.eye(3)[0]] * N, r"label 0 has shape \(3,\), expected a whole number or the name"),
        ([0.5] * N, "not whole numbers"),
        ([-2] * N, "from -2 to -2"),
        (["cat", 1] * 10, "some labels are names of classes and some are not, such as 1"),
        ("cat", "labels are 'cat', expected one for each image"),
        (3, "labels are 3, expected one for each"),
        ([object()] * N, "label 0 is <object"),
    ],
)
def test_labels_that_are_refused(gray, labels, words):
    with pytest.raises(DataError, match=words):
        as_dataset(gray, labels=labels)


@pytest.mark.parametrize("source", ["digits", load_dataset("digits"), {"train": np.zeros((4, 4))}])
def test_labels_beside_what_brings_its_own(source):
    with pytest.raises(UsageError, match="which brings its own"):
        as_dataset(source, labels=[0])


def test_labels_given_twice(gray, y):
    for source in ((gray, y), Pairs(gray, y), Table(image=list(gray), label=y)):
        with pytest.raises(UsageError, match="labels"):
            as_dataset(source, labels=y)
    assert as_dataset(Pairs(gray), labels=y).num_classes == 2


# Sequences


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: x,
        lambda x: x[None],
        lambda x: x[..., None],
        torch.as_tensor,
        lambda x: torch.as_tensor(x / 255.0)[None],
        Image.fromarray,
    ],
    ids=["HW", "CHW", "HWC", "tensor", "ToTensor", "PIL"],
)
def test_a_data_set_of_torch(gray, y, wrap):
    images = [wrap(x) for x in gray]
    expected = as_dataset((gray, y))
    for source in (
        Pairs(images, y),
        Subset(Pairs([*images, images[0]], [*y, 1]), range(N)),
        list(zip(images, y, strict=True)),
        [{"image": x, "label": k} for x, k in zip(images, y, strict=True)],
        Table(img=images, fine_label=torch.as_tensor(y), coarse_label=y * 0),
    ):
        dataset = as_dataset(source)
        assert dataset.fingerprint == expected.fingerprint
        assert (dataset.splits["test"] == expected.splits["test"]).all()


def test_without_labels(gray):
    expected = as_dataset(gray).fingerprint
    sources = (Pairs(gray), list(gray), TensorDataset(torch.as_tensor(gray)), tuple(gray))
    for source in (*sources, Table(image=list(gray)), [{"image": x} for x in gray]):
        assert as_dataset(source).fingerprint == expected


def test_names_of_classes_as_torchvision_keeps_them(gray, y):
    assert as_dataset(Pairs(gray, y, ["cat", "owl"])).class_names == ("cat", "owl")
    assert as_dataset(Pairs(gray, None, ["cat", "owl"])).class_names == ()
    with pytest.raises(DataError, match="expected 0 to 0 for 1 classes"):
        as_dataset(Pairs(gray, y, ["cat"]))


def test_sizes_that_differ_are_named_or_brought_to_one(gray):
    images = [*gray[:5], np.zeros((7, 9), np.uint8), *gray[5:]]
    with pytest.raises(
        DataError, match=r"1 of 21 .* 6×5 .*; pass a size.* size=6,5, .*: image 5 \(7×9\)"
    ):
        as_dataset(images)
    assert as_dataset(images, size=4).image_shape == (1, 4, 4)


def test_gray_and_color_together(rng, gray):
    color = rng.integers(0, 256, (6, 5, 3), np.uint8)
    dataset = as_dataset([*gray, color], **WHOLE)
    assert dataset.image_shape == (3, 6, 5)
    assert (dataset.images[0] == gray[0]).all()
    assert (dataset.images[-1] == color.transpose(2, 0, 1)).all()
    assert dataset.notes == ("20 gray image(s) among color ones were given three equal channels",)
    files = as_dataset([*map(Image.fromarray, [*gray, color])], gray=True, **WHOLE)
    arrays = as_dataset([*gray, color], gray=True, **WHOLE)
    assert files.image_shape == (1, 6, 5)
    assert files.fingerprint == arrays.fingerprint


def test_what_was_done_is_noted():
    see_through = [Image.new("RGBA", (4, 4))] * 3
    dataset = as_dataset([*see_through, np.zeros((4, 4))], **WHOLE)
    assert dataset.notes == (
        "floats in [0, 1] were scaled to 0..255",
        "3 image(s) had an alpha channel, which was laid over white",
        "1 gray image(s) among color ones were given three equal channels",
    )


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([], "images holds no images"),
        (["a.png", "b.png"], "image 0 of images is of the type str, expected a tensor"),
        ([np.zeros((4, 4)), None], "image 1 of images is of the type NoneType"),
        ([np.zeros((4, 4)), np.full((4, 4), 9.0)], "image 1 of images: floats from 9 to 9"),
        ([np.zeros((4, 4)), np.full((4, 4), np.inf)], "image 1 of images: .*infinite"),
        ([np.zeros((2, 1, 4, 4))], r"shape \(2, 1, 4, 4\).*a batch"),
        ([np.zeros(16)], r"image 0 of images has shape \(16,\)"),
        ([np.zeros((4, 5, 6))], "with C = 1 or 3"),
        ([(np.zeros((4, 4)), 0, 1)], "is a tuple of 3, expected a tensor"),
        ([[[0, 1], [1, 0], [1, 1]]], "is a list of 3, expected a tensor"),
        ([{"picture": np.zeros((4, 4)), "label": 0}], "has picture, label, expected image or img"),
        ([Image.new("F", (4, 4))], "image 0 of images cannot be read .floating-point pixels"),
    ],
)
def test_items_that_are_refused(images, words):
    for source in (images, Pairs(images)) if images else (images,):
        with pytest.raises(DataError, match=words):
            as_dataset(source)


class Endless(IterableDataset):
    def __iter__(self):
        yield np.zeros((4, 4))


@pytest.mark.parametrize(
    "source",
    [
        (np.zeros((4, 4)) for _ in range(3)),
        iter([np.zeros((4, 4))]),
        Endless(),
        {1, 2},
        DataLoader(TensorDataset(torch.zeros(4, 4, 4))),
    ],
    ids=lambda source: type(source).__name__,
)
def test_what_has_no_length_or_order(source):
    with pytest.raises(UsageError, match=r"give a list of its images, list\(\.\.\.\), an array"):
        as_dataset(source)


@pytest.mark.parametrize("source", [None, 3, Image.new("L", (4, 4))])
def test_what_is_no_set_of_images(source):
    with pytest.raises(UsageError, match="expected an array or tensor"):
        as_dataset(source)


# Hugging Face, and splits


def test_tables_name_their_classes(gray, y):
    features = {"image": None, "label": ClassLabel("cat", "owl", "yak")}
    dataset = as_dataset(Table(features, image=list(gray), label=y.tolist()))
    assert dataset.class_names == ("cat", "owl", "yak")
    assert dataset.class_counts.tolist() == [10, 10, 0]
    words = as_dataset(Table(image=list(gray), label=["yak", "owl"] * 10))
    assert words.class_names == ("owl", "yak")


def test_a_dict_of_tables_comes_with_its_splits(gray, y):
    features = {"image": None, "label": ClassLabel("cat", "owl")}
    tables = DatasetDict(
        test=Table(features, image=list(gray[:6]), label=y[:6]),
        train=Table(features, image=list(gray), label=y),
    )
    dataset = as_dataset(tables)
    assert sizes(dataset) == {"train": 18, "validation": 2, "test": 6}
    assert (dataset.split("test").images[:, 0] == gray[:6]).all()
    assert dataset.class_names == ("cat", "owl")
    with pytest.raises(UsageError, match=r"test=0\.2, but images comes with its own test split"):
        as_dataset(tables, test=0.2)


def test_splits_of_any_kind(gray, y):
    words = np.array(["owl", "cat"])[y]
    whole = as_dataset((gray, words), **WHOLE)
    sources = {
        "pairs": {"train": (gray, words), "valid": (gray[:4], ["owl"] * 4)},
        "data sets": {"train": whole, "validation": whole.subset(range(4))},
    }
    for source in sources.values():
        dataset = as_dataset(source, test=0)
        assert sizes(dataset) == {"train": 20, "validation": 4}
        assert dataset.class_names == ("cat", "owl")
        assert dataset.split("train").fingerprint == whole.fingerprint


def test_words_are_numbered_over_all_splits(gray):
    source = {"train": (gray[:10], ["b", "c"] * 5), "test": (gray[:2], ["c", "a"])}
    assert as_dataset(source).split("test").class_counts.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ({"image": 0, "label": 0}, UsageError, "the keys image, label, expected splits"),
        ({"val": 0, "validation": 0}, UsageError, "each once"),
        ({"test": np.zeros((4, 4, 4))}, DataError, "holds no images to train on"),
        (
            {"train": np.zeros((4, 4, 4)), "test": np.zeros((4, 5, 5))},
            DataError,
            "images of shapes",
        ),
        (
            {"train": (np.zeros((4, 4, 4)), [0] * 4), "test": np.zeros((4, 4, 4))},
            DataError,
            "but none for test",
        ),
        (
            {k: Pairs(np.zeros((4, 4, 4)), [0] * 4, [k]) for k in ("train", "test")},
            DataError,
            "name their classes differently",
        ),
        (
            ((np.zeros((4, 4, 4)), [0] * 4), (np.zeros((2, 4, 4)), [0] * 2)),
            UsageError,
            r'"test": \(x_test, y_test\)',
        ),
    ],
)
def test_splits_that_are_refused(source, error, words):
    with pytest.raises(error, match=words):
        as_dataset(source)


def test_splits_are_drawn_as_load_dataset_draws_them(tmp_path, gray, y):
    np.savez(tmp_path / "x.npz", x=gray, y=y)
    for options in ({}, {"validation": 4, "test": 0.2, "split_seed": 3}, {"limit": 7, "size": 4}):
        loaded = load_dataset(tmp_path / "x.npz", **options)
        for source in ((gray, y), Pairs(gray, y), tmp_path / "x.npz", str(tmp_path / "x.npz")):
            dataset = as_dataset(source, **options)
            assert dataset.fingerprint == loaded.fingerprint
            for split, indices in loaded.splits.items():
                assert (dataset.splits[split] == indices).all()


def test_the_name(gray):
    assert as_dataset(gray, name="owls").name == "owls"
    assert as_dataset("digits", name="owls").name == "digits"
    with pytest.raises(DataError, match=r"^owls: "):
        as_dataset(gray * 9.0, name="owls")


# A data set already


def test_an_image_dataset_is_given_back():
    digits = load_dataset("digits")
    assert as_dataset(digits) is digits
    plain = replace(digits, splits={})
    assert as_dataset(plain) is plain


def test_an_image_dataset_is_divided_where_that_is_asked_for(gray, y):
    plain = ImageDataset(gray[:, None], y)
    assert sizes(as_dataset(plain, test=4)) == {"train": 14, "validation": 2, "test": 4}
    assert sizes(as_dataset(plain, validation=0.2, test=0)) == {"train": 16, "validation": 4}
    own = replace(plain, splits={"train": np.arange(15), "test": np.arange(15, 20)})
    assert sizes(as_dataset(own, validation=3)) == {"train": 12, "validation": 3, "test": 5}
    with pytest.raises(UsageError, match="comes with its own test split of 5 images"):
        as_dataset(own, test=3)
    with pytest.raises(UsageError, match="the split test, but none called train"):
        as_dataset(replace(plain, splits={"test": np.arange(5)}), validation=3)


def test_an_image_dataset_is_limited_and_fitted(gray, y):
    own = ImageDataset(gray[:, None], y, splits={"train": np.arange(15), "test": np.arange(15, 20)})
    dataset = as_dataset(own, limit=6, size=4)
    assert sizes(dataset) == {"train": 6, "test": 5}
    assert dataset.split("train").class_counts.tolist() == [3, 3]
    assert dataset.image_shape == (1, 4, 4)
    assert sizes(as_dataset(own, size=4)) == sizes(own)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"limit": 0}, "limit=0"), ({"size": 0}, "size=0"), ({"test": 1.5}, "test=1.5")],
)
def test_options_that_cannot_be(gray, options, words):
    for source in (gray, ImageDataset(gray[:, None], None)):
        with pytest.raises(UsageError, match=words):
            as_dataset(source, **options)


def test_torch_is_not_imported():
    code = (
        "import sys, numpy as np; from twofold.data import as_dataset; "
        "as_dataset([np.zeros((4, 4))] * 20); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
