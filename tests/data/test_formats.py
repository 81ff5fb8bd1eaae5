"""IDX, .npy, .npz, SVHN's .mat and CIFAR-10's binary records."""

import dataclasses
import gzip
import hashlib
import io
import tarfile
from typing import Any

import numpy as np
import pytest
import scipy.io

from twofold.data import load_dataset
from twofold.data.catalog import CATALOG
from twofold.data.download import RemoteFile
from twofold.errors import DataError

WHOLE: dict[str, Any] = {"validation": 0, "test": 0}


def numbers(dataset):
    return {name: len(indices) for name, indices in dataset.splits.items()}


# IDX


def test_idx_folder(mnist_folder):
    dataset = load_dataset(mnist_folder, validation=10)
    assert dataset.image_shape == (1, 5, 4)
    assert numbers(dataset) == {"train": 30, "validation": 10, "test": 20}
    with gzip.open(mnist_folder / "t10k-images-idx3-ubyte.gz") as file:
        expected = np.frombuffer(file.read()[16:], np.uint8).reshape(20, 1, 5, 4)
    assert (dataset.split("test").images == expected).all()
    assert np.asarray(dataset.split("test").labels).tolist() == [k % 10 for k in range(20)]


def test_idx_without_gzip_and_of_another_type(tmp_path, idx_bytes):
    values = np.linspace(0, 1, 4 * 3 * 3).reshape(4, 3, 3).astype(">f4")
    path = tmp_path / "scans.idx3"
    path.write_bytes(idx_bytes(values, 0x0D))
    dataset = load_dataset(path, **WHOLE)
    assert dataset.labels is None
    assert dataset.images[0, 0, 0, 0] == 0
    assert dataset.images[-1, 0, -1, -1] == 255
    assert dataset.notes == ("floats in [0, 1] were scaled to 0..255",)


def test_idx_under_other_names(tmp_path, idx_bytes):
    for name, count in (("train", 4), ("val", 3), ("test", 2)):
        images = np.full((count, 2, 2), count, np.uint8)
        (tmp_path / f"{name}-images.idx3-ubyte").write_bytes(idx_bytes(images))
    dataset = load_dataset(tmp_path)
    assert numbers(dataset) == {"train": 4, "validation": 3, "test": 2}
    assert (dataset.split("test").images == 2).all()


def test_two_files_for_one_split_are_not_guessed_between(tmp_path, idx_bytes):
    for name in ("a.idx3", "b.idx3"):
        (tmp_path / name).write_bytes(idx_bytes(np.zeros((2, 2, 2), np.uint8)))
    with pytest.raises(DataError, match="more than one file of images for the split 'train'"):
        load_dataset(tmp_path)


def test_idx_is_known_by_its_header(tmp_path, idx_bytes):
    path = tmp_path / "whatever"
    path.write_bytes(gzip.compress(idx_bytes(np.ones((3, 2, 2), np.uint8))))
    assert len(load_dataset(path, **WHOLE)) == 3


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda raw: raw[:-5], "12 bytes of values are expected and there are only 7"),
        (lambda raw: raw + b"x", "12 bytes of values are expected and there are more"),
        (lambda raw: raw[:9], "ends inside its header"),
        (lambda raw: b"", "starts with nothing"),
        (lambda raw: b"<!DOCTYPE html>", "starts with 3c21444f, expected an IDX header"),
        (lambda raw: gzip.compress(raw)[:-12], "is damaged or no such file"),
        (lambda raw: raw[:4] + b"\xff" * 12, "expands .* bytes to .*, more than 1000 times"),
    ],
)
def test_damaged_idx(tmp_path, idx_bytes, damage, words):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(idx_bytes(np.ones((3, 2, 2), np.uint8))))
    with pytest.raises(DataError, match=words):
        load_dataset(path)


def test_idx_labels_must_fit(mnist_folder, idx_bytes):
    path = mnist_folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(39, np.uint8))))
    with pytest.raises(DataError, match=r"labels have shape \(39,\) for 40 images"):
        load_dataset(mnist_folder)


def test_idx_labels_start_at_zero(mnist_folder, idx_bytes):
    path = mnist_folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.arange(-1, 39, dtype=np.int8), 0x09)))
    with pytest.raises(DataError, match=r"from -1 to 38, expected 0\.\.K-1; leave unlabeled"):
        load_dataset(mnist_folder)


def test_idx_labels_alone_are_no_images(mnist_folder):
    with pytest.raises(DataError, match="labels but no images for train"):
        load_dataset(mnist_folder / "train-labels-idx1-ubyte.gz")


# numpy's files


@pytest.mark.parametrize("shape", [(9, 6, 5), (9, 6, 5, 1), (9, 6, 5, 3), (9, 3, 6, 5)])
def test_npy_layouts(tmp_path, rng, shape):
    array = rng.integers(0, 256, shape, np.uint8)
    np.save(tmp_path / "x.npy", array)
    dataset = load_dataset(tmp_path / "x.npy", **WHOLE)
    C = 3 if 3 in shape else 1
    assert dataset.images.shape == (9, C, 6, 5)
    pixel = array[2, 1, 4] if shape[1] == 6 else array[2, :, 1, 4]
    assert dataset.images[2, :, 1, 4].tolist() == np.atleast_1d(pixel).tolist()
    assert dataset.images.flags.writeable


@pytest.mark.parametrize("shape", [(9, 784), (9, 6, 5, 2), (9, 3, 6, 3), (9,)])
def test_npy_layouts_that_are_not_clear(tmp_path, shape):
    np.save(tmp_path / "x.npy", np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match=r"\(N, H, W\)"):
        load_dataset(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("values", "expected", "note"),
    [
        (np.array([0, 0.5, 1.0]), [0, 128, 255], "floats in [0, 1] were"),
        (np.array([-1, 0, 1], np.float32), [0, 128, 255], "floats in [-1, 1] were"),
        (np.array([0, 0.2, 1 + 1e-6], np.float32), [0, 51, 255], "floats in [0, 1] were"),
        (np.array([0, 7, 255], np.int64), [0, 7, 255], "integers in 0..255 were"),
        (np.array([True, False, True]), [255, 0, 255], "booleans were"),
    ],
)
def test_ranges(tmp_path, values, expected, note):
    np.save(tmp_path / "x.npy", np.tile(values, (2, 3, 1)))
    dataset = load_dataset(tmp_path / "x.npy", **WHOLE)
    assert dataset.images[1, 0, 2].tolist() == expected
    assert dataset.notes[0].startswith(note)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.0, 255.0], "floats from 0 to 255, expected"),
        ([-1.5, 1.0], "floats from -1.5 to 1, expected"),
        ([0.0, np.nan], "NaN or infinite"),
        ([0.0, -np.inf], "NaN or infinite"),
        ([0, 65535], "integers from 0 to 65535, expected 0 to 255"),
        ([-1, 255], "integers from -1 to 255"),
        ([1j, 0], "complex128, expected"),
    ],
)
def test_ranges_that_are_not_known(tmp_path, values, words):
    np.save(tmp_path / "x.npy", np.tile(np.array(values), (2, 3, 1)))
    with pytest.raises(DataError, match=words):
        load_dataset(tmp_path / "x.npy")


def test_splits_share_one_range(tmp_path):
    """A test split that happens to lie in [0, 1] is scaled as the [-1, 1] of its training split."""
    train, test = np.tile([-1.0, 1.0], (4, 2, 1)), np.zeros((2, 2, 2))
    np.savez(tmp_path / "x.npz", x_train=train, x_test=test)
    assert set(load_dataset(tmp_path / "x.npz", validation=0).split("test").images.ravel()) == {128}


@pytest.mark.parametrize("keys", [("images", "labels"), ("x", "y"), ("X", "y")])
def test_npz_pairs(tmp_path, rng, keys):
    images, labels = rng.integers(0, 256, (20, 4, 4), np.uint8), np.arange(20) % 2
    np.savez_compressed(tmp_path / "x.npz", **{keys[0]: images, keys[1]: labels[:, None]})
    dataset = load_dataset(tmp_path / "x.npz")
    assert (dataset.images[:, 0] == images).all()
    assert np.asarray(dataset.labels).tolist() == labels.tolist()
    assert numbers(dataset) == {"train": 16, "validation": 2, "test": 2}


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.float32])
def test_npz_whose_labels_are_partly_unknown(tmp_path, rng, dtype):
    images, labels = rng.integers(0, 256, (20, 4, 4), np.uint8), np.arange(20) % 3 - 1
    np.savez(tmp_path / "x.npz", x=images, y=labels.astype(dtype))
    dataset = load_dataset(tmp_path / "x.npz", **WHOLE)
    assert np.asarray(dataset.labels).tolist() == labels.tolist()
    assert dataset.class_counts.tolist() == [7, 6]
    assert dataset.num_unlabeled == 7


def test_npz_whose_labels_are_all_unknown_has_none(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((10, 4, 4), np.uint8), y=np.full(10, -1))
    dataset = load_dataset(tmp_path / "x.npz")
    assert dataset.labels is None
    assert dataset.notes == ("the labels of train are all -1, taken for no labels",)


def test_npz_as_keras_saves_it(tmp_path, rng):
    x = rng.integers(0, 256, (30, 4, 4), np.uint8)
    y = np.arange(30) % 3
    np.savez(tmp_path / "x.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:])
    dataset = load_dataset(tmp_path / "x.npz")
    assert numbers(dataset) == {"train": 18, "validation": 2, "test": 10}
    assert (dataset.split("test").images[:, 0] == x[20:]).all()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pictures": np.zeros((2, 2, 2), np.uint8)}, "holds pictures; expected images and"),
        (
            {"x": np.zeros((4, 2, 2), np.uint8), "y": np.array([0, 1, 2])},
            r"\(3,\) for 4 images",
        ),
        (
            {"x": np.zeros((4, 2, 2), np.uint8), "y": np.eye(4)},
            r"\(4, 4\) for 4 images.*argmax",
        ),
        ({"x": np.zeros((2, 2, 2), np.uint8), "y": np.array([0.5, 1])}, "not whole numbers"),
        ({"x": np.zeros((2, 2, 2), np.uint8), "y": np.array(["a", "b"])}, "not whole numbers"),
        ({"x": np.zeros((2, 2, 2), np.uint8), "y": np.array([-2, 0])}, "-2 to 0.*with -1"),
        (
            {
                "x_train": np.zeros((4, 2, 2), np.uint8),
                "y_train": np.zeros(4, int),
                "x_test": np.zeros((4, 2, 2), np.uint8),
            },
            "has labels, but none for test",
        ),
        (
            {
                "x_train": np.zeros((4, 2, 2), np.uint8),
                "y_train": np.full(4, -1),
                "x_test": np.zeros((4, 2, 2), np.uint8),
                "y_test": np.zeros(4, int),
            },
            "has labels, but none for train",
        ),
        (
            {
                "x_train": np.zeros((4, 2, 2), np.uint8),
                "y_train": np.array([0, 1, -1, 0]),
                "x_test": np.zeros((4, 2, 2), np.uint8),
                "y_test": np.array([0, 1, -1, -1]),
            },
            r"2 of 4 test images of x\.npz have no label; only training images may",
        ),
        (
            {"x_train": np.zeros((4, 2, 2), np.uint8), "x_test": np.zeros((4, 3, 3), np.uint8)},
            "images of shapes",
        ),
        ({"x": np.zeros((0, 2, 2), np.uint8)}, "holds no images to train on"),
    ],
)
def test_npz_that_does_not_fit(tmp_path, arrays, words):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=words):
        load_dataset(tmp_path / "x.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickled_objects_are_never_loaded(tmp_path, suffix):
    array = np.empty(2, object)
    array[:] = [np.zeros((2, 2)), "surprise"]
    path = tmp_path / f"x{suffix}"
    if suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, x=array)
    with pytest.raises(DataError, match="holds Python objects, which are pickled and never loaded"):
        load_dataset(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_damaged_numpy_files(tmp_path, suffix, content):
    path = tmp_path / f"x{suffix}"
    if content is None:
        save = np.save if suffix == ".npy" else np.savez
        save(path, np.zeros((50, 20, 20), np.uint8))
        content = path.read_bytes()[:5000]
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged or no such file"):
        load_dataset(path)


# SVHN


def write_svhn(path, X, y):
    scipy.io.savemat(path, {"X": X, "y": y})


def test_svhn_folder(tmp_path, rng):
    for name, count in (("train", 40), ("test", 10)):
        X = rng.integers(0, 256, (6, 5, 3, count), np.uint8)
        y = (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]
        write_svhn(tmp_path / f"{name}_32x32.mat", X, y)
    dataset = load_dataset(tmp_path, validation=10)
    assert numbers(dataset) == {"train": 30, "validation": 10, "test": 10}
    assert dataset.image_shape == (3, 6, 5)
    test = dataset.split("test")
    assert (test.images[7] == X[:, :, :, 7].transpose(2, 0, 1)).all()
    assert np.asarray(test.labels).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]  # 10 is SVHN's zero
    assert dataset.class_names == tuple("0123456789")


def test_svhn_file(tmp_path, rng):
    write_svhn(tmp_path / "a.mat", np.zeros((4, 4, 3, 2), np.uint8), np.array([[10], [3]]))
    assert np.asarray(load_dataset(tmp_path / "a.mat", **WHOLE).labels).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"Z": np.zeros(3)}, "no variables X and y"),
        ({"X": np.zeros((4, 4, 3)), "y": np.zeros(1)}, r"X has shape \(4, 4, 3\), expected"),
        ({"X": np.zeros((4, 4, 3, 2), np.uint8), "y": np.array([[1], [11]])}, "reach 11"),
        ({"X": np.zeros((4, 4, 3, 2), np.uint8), "y": np.array([[1]] * 3)}, "for 2 images"),
        ({"X": np.zeros((4, 4, 3, 2), np.uint8), "y": np.array([[1], [-1]])}, "from -1 to 1"),
    ],
)
def test_mat_that_does_not_fit(tmp_path, content, words):
    scipy.io.savemat(tmp_path / "a.mat", content)
    with pytest.raises(DataError, match=words):
        load_dataset(tmp_path / "a.mat")


def test_damaged_mat(tmp_path, rng):
    path = tmp_path / "a.mat"
    write_svhn(path, rng.integers(0, 256, (4, 4, 3, 20), np.uint8), np.ones((20, 1)))
    for content in (path.read_bytes()[:300], b"", b"nonsense" * 100):
        path.write_bytes(content)
        with pytest.raises(DataError, match="is damaged or no such file"):
            load_dataset(path)


def test_matlab_7_3_says_how_to_save(tmp_path):
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "a.mat").write_bytes(header + bytes(400))
    with pytest.raises(DataError, match="save it again in Matlab with -v7"):
        load_dataset(tmp_path / "a.mat")


def test_a_folder_of_other_mats(tmp_path):
    write_svhn(tmp_path / "a.mat", np.zeros((4, 4, 3, 2), np.uint8), np.ones((2, 1)))
    with pytest.raises(DataError, match=r"holds a\.mat, expected train_32x32\.mat"):
        load_dataset(tmp_path)


# CIFAR-10


def write_cifar(path, batches):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in batches.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def cifar_batches(rng, per_batch=4):
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    records = rng.integers(0, 256, (6, per_batch, 3073), np.uint8)
    records[:, :, 0] = np.arange(6 * per_batch).reshape(6, per_batch) % 10
    return dict(zip(names, records, strict=True))


def test_cifar10_binary(tmp_path, rng):
    batches = cifar_batches(rng)
    path = tmp_path / "cifar-10-binary.tar.gz"
    write_cifar(path, {name: records.tobytes() for name, records in batches.items()})
    before = sorted(tmp_path.iterdir())
    dataset = load_dataset(path, validation=0)
    assert sorted(tmp_path.iterdir()) == before  # nothing is unpacked
    assert numbers(dataset) == {"train": 20, "test": 4}
    assert dataset.class_names[3] == "cat"
    record = batches["data_batch_2.bin"][1]  # red plane first, row by row
    assert np.asarray(dataset.labels)[5] == record[0]
    assert dataset.images[5, 0, 0, 1] == record[2]
    assert dataset.images[5, 2, 31, 31] == record[3072]
    assert (dataset.split("test").images[0].ravel() == batches["test_batch.bin"][0, 1:]).all()


def test_cifar10_that_is_not_the_binary_version(tmp_path, rng):
    path = tmp_path / "cifar-10-python.tar.gz"
    write_cifar(path, {"data_batch_1": b"\x80\x04pickled"})
    with pytest.raises(DataError, match=r"lacks data_batch_1\.bin.*binary version"):
        load_dataset(path)


def test_cifar10_damaged(tmp_path, rng):
    path = tmp_path / "cifar-10-binary.tar.gz"
    batches = {name: records.tobytes() for name, records in cifar_batches(rng).items()}
    write_cifar(path, batches | {"test_batch.bin": bytes(3072)})
    with pytest.raises(DataError, match="3072 bytes, expected a multiple of 3073"):
        load_dataset(path)
    write_cifar(path, batches)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(DataError, match="is damaged or no such file"):
        load_dataset(path)


@pytest.fixture
def named(tmp_path, monkeypatch):
    """Lets a named set take the small files in a folder for its own."""

    def name_them(name, folder, **changes):
        entry = CATALOG[name]
        files = tuple(
            RemoteFile(f.name, hashlib.sha256((folder / f.name).read_bytes()).hexdigest())
            for f in entry.files
        )
        monkeypatch.setitem(CATALOG, name, dataclasses.replace(entry, files=files, **changes))
        monkeypatch.setenv("TWOFOLD_DATA", str(folder))

    return name_them


def test_svhn_by_name(tmp_path, rng, named):
    for part in ("train", "test"):
        X = rng.integers(0, 256, (32, 32, 3, 100), np.uint8)
        write_svhn(tmp_path / f"{part}_32x32.mat", X, (np.arange(100) // 10 + 1)[:, None])
    named("svhn", tmp_path)
    dataset = load_dataset("svhn")
    assert numbers(dataset) == {"train": 90, "validation": 10, "test": 100}
    assert dataset.split("validation").class_counts.tolist() == [1] * 10  # drawn, not the last
    assert dataset.image_shape == CATALOG["svhn"].info.image_shape


def test_cifar10_by_name(tmp_path, rng, named):
    batches = {name: records.tobytes() for name, records in cifar_batches(rng).items()}
    write_cifar(tmp_path / "cifar-10-binary.tar.gz", batches)
    named("cifar10", tmp_path, validation=5)
    dataset = load_dataset("cifar10")
    assert dataset.splits["validation"].tolist() == [15, 16, 17, 18, 19]  # the last of train
    assert numbers(dataset) == {"train": 15, "validation": 5, "test": 4}
    assert dataset.class_names[9] == "truck"
    assert dataset.image_shape == CATALOG["cifar10"].info.image_shape


def test_another_kind_of_file(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"notes\.txt is no kind of file that is read; expected"):
        load_dataset(tmp_path / "notes.txt")


def test_labels_that_cannot_number_classes_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 4, 4), np.uint8), labels=[0, 1, 10**12])
    with pytest.raises(DataError, match=r"labels run to 1000000000000, expected 0\.\.K-1"):
        load_dataset(tmp_path / "a.npz")
