"""Containers are read whole, or what is left of them is named."""

import io
import json
import os
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twofold.data import load_dataset, summarize
from twofold.data.opening import is_there, reading
from twofold.data.resize import checked_size
from twofold.data.tree import split_of
from twofold.errors import DataError, TwofoldError, UsageError

WHOLE = {"validation": 0, "test": 0}


def png(value: int, size: tuple[int, int] = (4, 4)) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, value).save(file, "png")
    return file.getvalue()


def make_zip(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in names.items():
            info = zipfile.ZipInfo("x")
            info.filename = name  # as it is: the constructor may mend it
            archive.writestr(info, content)
    return path


def make_tar(path: Path, names: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def values(dataset) -> list[int]:
    return dataset.images[:, 0, 0, 0].tolist()


def test_backslashes_in_a_zip_separate_folders(tmp_path):
    names = {f"c{k}\\{i}.png": png(10 * k + i) for k in range(2) for i in range(2)}
    dataset = load_dataset(make_zip(tmp_path / "x.zip", names), **WHOLE)
    assert dataset.class_names == ("c0", "c1")
    assert values(dataset) == [0, 1, 10, 11]
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_a_tar_is_read_like_a_zip(tmp_path, ending):
    names = {f"all/{split}/c{k}/1.png": png(k) for split in ("train", "test") for k in (3, 4)}
    dataset = load_dataset(make_tar(tmp_path / f"x{ending}", names), **WHOLE | {"test": None})
    assert dataset.class_names == ("c3", "c4")
    assert values(dataset.split("test")) == [3, 4]


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: raw[:-5] + b"\0" + raw[-4:]])
def test_a_tar_is_read_to_the_sum_at_its_end(tmp_path, damage):
    path = make_tar(tmp_path / "x.tar.gz", {"1.png": png(1), "2.png": png(2)})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"x\.tar\.gz is damaged"):
        load_dataset(path)


def test_a_tar_points_nowhere_outside(tmp_path):
    with pytest.raises(DataError, match="points outside the archive"):
        load_dataset(make_tar(tmp_path / "x.tar", {"../1.png": png(1)}))


@pytest.mark.parametrize(
    ("labels", "expected", "note"),
    [
        ([["00000/img00000000.png", 2], ["00000/img00000001.png", 0]], [2, 0, -1], "labels were"),
        (None, None, "not taken for classes"),
        ("absent", None, "not taken for classes"),
    ],
)
def test_labels_beside_the_images_of_stylegan(tmp_path, labels, expected, note):
    names = {f"0000{i // 2}/img0000000{i}.png": png(i) for i in range(3)}
    if labels != "absent":
        names["dataset.json"] = json.dumps({"labels": labels}).encode()
    dataset = load_dataset(make_zip(tmp_path / "x.zip", names), **WHOLE)
    assert values(dataset) == [0, 1, 2]
    assert (None if dataset.labels is None else dataset.labels.tolist()) == expected
    assert note in " ".join(dataset.notes)


def test_labels_of_images_that_are_not_there_are_counted(tmp_path):
    names = {"a.png": png(0), "b.png": png(1)}
    listed = [["a.png", 0], ["b.png", 1], ["c.png", 1]]
    names["dataset.json"] = json.dumps({"labels": listed}).encode()
    dataset = load_dataset(make_zip(tmp_path / "x.zip", names), **WHOLE)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 1]
    assert "dataset.json labels 1 image(s) that are not there" in dataset.notes


@pytest.mark.parametrize("name", ["training_set", "Train", "seg_train", "trainset", "train-images"])
def test_folders_that_are_splits(tmp_path, name):
    test = name.lower().replace("training", "test").replace("train", "test")
    names = {f"{top}/c{k}/1.png": png(k) for top in (name, test) for k in (0, 1)}
    dataset = load_dataset(make_zip(tmp_path / "x.zip", names), validation=0)
    assert {split: len(index) for split, index in dataset.splits.items()} == {"train": 2, "test": 2}
    assert dataset.class_names == ("c0", "c1")


def test_splits_that_repeat_their_name_and_words_that_are_none(tmp_path):
    names = {f"seg_{s}/seg_{s}/c{k}/1.png": png(k) for s in ("train", "test") for k in (0, 1)}
    dataset = load_dataset(make_zip(tmp_path / "x.zip", names), validation=0)
    assert dataset.class_names == ("c0", "c1")
    assert split_of("dev") == split_of("eval") == "validation"
    assert [split_of(name) for name in ("cat", "set", "data", "train_test", "trainer")] == [
        None
    ] * 5


def test_folders_inside_classes_are_named(tmp_path):
    names = {f"{name}/1.png": png(1) for name in ("animals/cat", "animals/dog", "things/car")}
    dataset = load_dataset(make_zip(tmp_path / "x.zip", names), **WHOLE)
    assert dataset.class_names == ("animals", "things")
    assert "animals/cat, animals/dog, things/car" in " ".join(dataset.notes)


def test_nested_folders_take_no_quadratic_time(tmp_path):
    deep = "a/" * 4000
    path = make_zip(tmp_path / "x.zip", {f"{deep}c{i % 2}/{i}.png": png(i) for i in range(4)})
    start = time.perf_counter()
    assert load_dataset(path, **WHOLE).class_names == ("c0", "c1")
    assert time.perf_counter() - start < 2  # 15 s when a folder at a time was taken off


def test_the_arrays_of_medmnist(tmp_path, rng):
    sizes = {"train": 6, "val": 3, "test": 2}
    arrays = {f"{s}_images": rng.integers(0, 256, (n, 5, 5), np.uint8) for s, n in sizes.items()}
    labels = {f"{s}_labels": np.arange(n)[:, None] % 2 for s, n in sizes.items()}
    np.savez(tmp_path / "x.npz", **arrays, **labels, ids=np.arange(3))
    dataset = load_dataset(tmp_path / "x.npz")
    assert [len(dataset.splits[s]) for s in ("train", "validation", "test")] == [6, 3, 2]
    assert np.array_equal(dataset.split("validation").images[:, 0], arrays["val_images"])
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1]
    assert dataset.notes == ("arrays that were not read: ids",)


def test_of_two_arrays_of_images_the_other_is_named(tmp_path):
    x = np.zeros((3, 4, 4), np.uint8)
    np.savez(tmp_path / "x.npz", images=x, X=x + 1, y=[0, 1, 0], class_names=["a", "b"])
    dataset = load_dataset(tmp_path / "x.npz", **WHOLE)
    assert values(dataset) == [0, 0, 0]
    assert dataset.class_names == ("a", "b")
    assert dataset.notes == ("arrays that were not read: X",)


def test_a_table_of_pixels(tmp_path, rng):
    pixels, labels = rng.integers(0, 256, (5, 9)), [3, 0, 1, 2, 1]
    rows = [f"{y}," + ",".join(map(str, row)) for y, row in zip(labels, pixels, strict=True)]
    heading = "label," + ",".join(f"pixel{i}" for i in range(9))
    for lines in ([heading, *rows], rows):
        (tmp_path / "x.csv").write_text("\n".join(lines))
        dataset = load_dataset(tmp_path / "x.csv", **WHOLE)
        assert dataset.labels is not None
        assert dataset.labels.tolist() == labels
        assert np.array_equal(dataset.images.reshape(5, 9), pixels)
    (tmp_path / "x.csv").write_text("1,2,3\n4,5,6\n")
    with pytest.raises(DataError, match=r"3 columns, expected a label and the pixels.*np\.savez"):
        load_dataset(tmp_path / "x.csv")


def test_labels_that_no_whole_number_holds_are_refused(tmp_path):
    x = np.zeros((2, 4, 4), np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.array([0, 2**64 - 1], np.uint64))
    with pytest.raises(DataError, match="labels run to 18446744073709551615, expected"):
        load_dataset(tmp_path / "x.npz")


@pytest.mark.parametrize("text", ["32,44", "32x44", "32 × 44"])
def test_sizes_in_words(text):
    assert checked_size(text) == (32, 44)
    with pytest.raises(UsageError, match="expected a side such as 28, or height and width"):
        checked_size(text + "x1")


def test_a_size_is_bounded_before_memory_is_asked_for():
    with pytest.raises(DataError, match=r"1797 images of 4096×4096 would fill .* pass a smaller"):
        load_dataset("digits", size=4096)


def test_names_that_are_no_text_are_escaped(tmp_path, write_images):
    write_images(tmp_path, "a\x1b[1m/1.png", "b/1.png")
    (tmp_path / "b").rename(tmp_path / os.fsdecode(b"caf\xe9"))
    dataset = load_dataset(tmp_path, **WHOLE)
    assert dataset.class_names == ("a\\x1b[1m", "caf\\udce9")
    str(summarize(dataset)).encode()


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    for path in (tmp_path, tmp_path / "x.png"):
        with pytest.raises(TwofoldError, match="is a device, a pipe or a socket"):
            load_dataset(path)
    os.mkfifo(tmp_path / "x.npy")
    with pytest.raises(TwofoldError, match=r"x\.npy is a device, a pipe or a socket"):
        load_dataset(tmp_path / "x.npy")
    (tmp_path / "z.png").symlink_to("/dev/zero")
    with pytest.raises(TwofoldError, match=r"z\.png is a device"):
        load_dataset(tmp_path / "z.png")


def test_what_cannot_be_seen_is_told_from_what_is_damaged(monkeypatch):
    def stat(self, **_):
        raise PermissionError(13, "Permission denied", str(self))

    with pytest.raises(TwofoldError, match=r"cannot read .*: File name too long"):
        is_there(Path("x" * 5000))
    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(DataError, match="/x may not be read; change its permissions"):
        is_there(Path("/x"))


def test_whatever_a_decoder_raises_is_told_with_the_name():
    class PanicException(BaseException):
        """As that of libraries written in Rust."""

    for error in (
        IndexError("i"),
        MemoryError(),
        PanicException("p"),
        OverflowError(),
        OSError("o"),
    ):
        with pytest.raises(DataError, match=r"x\.bin"), reading("x.bin"):
            raise error
    with pytest.raises(KeyboardInterrupt), reading("x.bin"):
        raise KeyboardInterrupt
