"""Folders and zips of image files."""

import io
import os
import struct
import warnings
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from twofold.data import load_dataset, summarize
from twofold.data.resize import decode
from twofold.errors import DataError

WHOLE: dict[str, Any] = {"validation": 0, "test": 0}


def encoded(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


# Layout


def test_folders_are_classes(tmp_path, write_images):
    write_images(tmp_path, *(f"{k}/{i}.png" for k in ("2", "10", "1") for i in range(3)))
    dataset = load_dataset(tmp_path, **WHOLE)
    assert dataset.class_names == ("1", "2", "10")  # as people count, not as strings sort
    assert dataset.class_counts.tolist() == [3, 3, 3]
    assert dataset.name == tmp_path.name
    expected = np.asarray(Image.open(tmp_path / "10" / "1.png"))
    assert (dataset.subset(np.flatnonzero(dataset.labels == 2)).images[1, 0] == expected).all()


def test_deeper_folders_belong_to_the_class(tmp_path, write_images):
    write_images(tmp_path, "a/1.png", "a/deep/2.png", "b/1.png")
    assert load_dataset(tmp_path, **WHOLE).class_counts.tolist() == [2, 1]


def test_a_flat_folder_has_no_labels(tmp_path, write_images):
    write_images(tmp_path, *(f"{i}.png" for i in range(10)))
    dataset = load_dataset(tmp_path)
    assert dataset.labels is None
    assert {k: len(v) for k, v in dataset.splits.items()} == {
        "train": 8,
        "validation": 1,
        "test": 1,
    }


def test_a_lone_folder_is_no_class(tmp_path, write_images):
    write_images(tmp_path, "all/1.png", "all/2.png")
    dataset = load_dataset(tmp_path, **WHOLE)
    assert dataset.labels is None
    assert dataset.notes == ("the single folder 'all' was not taken for a class",)


@pytest.mark.parametrize("name", ["unlabeled", "Unlabelled", "UNKNOWN"])
@pytest.mark.parametrize("wrapper", ["", "pets/", "train/"])
def test_images_of_a_class_folder_tree_may_have_no_label(tmp_path, write_images, name, wrapper):
    folders = {"ant": 3, "zebra": 2, name: 4, f"{name}/deep": 1}
    write_images(
        tmp_path, *(f"{wrapper}{k}/{i}.png" for k, count in folders.items() for i in range(count))
    )
    dataset = load_dataset(tmp_path, **WHOLE)
    assert dataset.class_names == ("ant", "zebra")
    assert dataset.class_counts.tolist() == [3, 2]
    assert dataset.num_unlabeled == 5
    assert dataset.notes == (f"the images in {name!r} were taken to have no label",)
    expected = np.asarray(Image.open(tmp_path / wrapper / "zebra" / "1.png"))
    assert (dataset.subset(np.flatnonzero(dataset.labels == 1)).images[1, 0] == expected).all()
    unknown = dataset.subset(np.flatnonzero(dataset.labels == -1)).images
    for path in (tmp_path / wrapper / name).rglob("*.png"):
        assert (unknown[:, 0] == np.asarray(Image.open(path))).all(axis=(1, 2)).any()


@pytest.mark.parametrize("folders", [("",), ("cat/", "dog/")])
def test_a_tree_of_unlabeled_images_has_no_labels(tmp_path, write_images, folders):
    write_images(tmp_path, *(f"unlabeled/{k}{i}.png" for k in folders for i in range(3)))
    dataset = load_dataset(tmp_path, **WHOLE)
    assert len(dataset) == 3 * len(folders)
    assert dataset.labels is None
    assert dataset.notes == ()


def test_what_is_held_out_of_a_partly_labeled_tree_has_labels(tmp_path, write_images):
    write_images(tmp_path, *(f"{k}/{i}.png" for k in "ab" for i in range(10)))
    write_images(tmp_path, *(f"unlabeled/{i}.png" for i in range(40)))
    dataset = load_dataset(tmp_path)
    counts = {name: dataset.split(name).class_counts.tolist() for name in dataset.splits}
    assert counts == {"train": [8, 8], "validation": [1, 1], "test": [1, 1]}
    assert len(dataset.splits["train"]) == 16 + 40
    assert "unlabeled   40 of 60 images" in str(summarize(dataset))


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid", "Testing")])
def test_folders_are_splits(tmp_path, write_images, names):
    for name, count in zip(names, (4, 3, 2), strict=True):
        write_images(tmp_path, *(f"{name}/{k}/{i}.png" for k in "ab" for i in range(count)))
    dataset = load_dataset(tmp_path)
    assert [(k, len(v)) for k, v in dataset.splits.items()] == [
        ("train", 8),
        ("validation", 6),
        ("test", 4),
    ]
    expected = np.asarray(Image.open(tmp_path / names[2] / "b" / "1.png"))
    assert (dataset.split("test").images[3, 0] == expected).all()
    assert np.asarray(dataset.split("test").labels).tolist() == [0, 0, 1, 1]


def test_validation_is_drawn_from_train_where_only_test_is_given(tmp_path, write_images):
    write_images(tmp_path, *(f"train/{k}/{i}.png" for k in "ab" for i in range(10)))
    write_images(tmp_path, *(f"test/{k}/{i}.png" for k in "ab" for i in range(3)))
    dataset = load_dataset(tmp_path)
    assert {k: len(v) for k, v in dataset.splits.items()} == {
        "train": 18,
        "validation": 2,
        "test": 6,
    }
    assert dataset.splits["test"].tolist() == list(range(20, 26))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["a/1.png", "b/2.png", "3.png"],
            "1 images of train lie beside class folders; .* into a folder unlabeled, or",
        ),
        (
            ["train/a/1.png", "train/b/1.png", "test/1.png"],
            "1 images of test lie beside class .* into a folder train/unlabeled, or",
        ),
        (
            ["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/unknown/1.png"],
            "1 of 2 test images of .* have no label; only training images may lack one",
        ),
        (
            ["cat/1.png", "unknown/1.png"],
            "single class folder, 'cat', beside 'unknown', whose images have no label; .*rename",
        ),
        (["train/cat/1.png", "train/unlabeled/1.png"], "single class folder, 'cat'"),
        (["train/unlabeled/1.png", "test/a/1.png"], "test has classes that train lacks: a"),
        (
            ["train/a/1.png", "train/b/1.png", "unlabeled/1.png"],
            r"beside it, unlabeled; expected .*\(images without a label in train/unlabeled\)",
        ),
        (["test/a/1.png", "unlabeled/1.png"], "has test but no train folder"),
        (["train/a/1.png", "train/b/1.png", "test/c/1.png"], "classes that train lacks: c"),
        (["train/a/1.png", "extra/a/1.png"], "folder train and, beside it, extra"),
        (["train/a/1.png", "1.png"], "folder train and, beside it, images"),
        (["val/a/1.png", "test/a/1.png"], "has test, val but no train folder"),
    ],
)
def test_layouts_that_are_not_clear(tmp_path, write_images, names, words):
    write_images(tmp_path, *names)
    with pytest.raises(DataError, match=words):
        load_dataset(tmp_path)


def test_a_class_may_be_called_test(tmp_path, write_images):
    write_images(tmp_path, "test/1.png", "control/1.png")
    assert load_dataset(tmp_path, **WHOLE).class_names == ("control", "test")


def test_other_files_are_ignored_and_counted(tmp_path, write_images):
    write_images(tmp_path, "a/1.png", "b/1.JPG", ".thumbs/1.png", "__MACOSX/a/._1.png")
    for name in ("a/.DS_Store", "labels.txt", "a/notes.txt", "a/._1.png"):
        (tmp_path / name).write_text("x")
    dataset = load_dataset(tmp_path, **WHOLE)
    assert len(dataset) == 2
    (note,) = dataset.notes
    assert note.startswith("4 file(s) that are no images were ignored (.txt")


def test_no_images(tmp_path):
    (tmp_path / "readme.txt").write_text("x")
    with pytest.raises(DataError, match=r"holds no images; looked for \.png, \.jpg"):
        load_dataset(tmp_path)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, write_images, monkeypatch):
    write_images(tmp_path, "a/1.png", "b/1.png")
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match="b may not be read; change its permissions"):
        load_dataset(tmp_path)


def test_links_are_followed_and_loops_are_not(tmp_path, write_images):
    write_images(tmp_path / "elsewhere", "1.png", "2.png")
    write_images(tmp_path / "data", "a/1.png", "b/1.png")
    (tmp_path / "data" / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "loop").symlink_to(tmp_path / "data")
    assert load_dataset(tmp_path / "data", **WHOLE).class_counts.tolist() == [1, 1, 2]


# Pixels


def test_gray_stays_gray_and_color_wins(tmp_path, write_images):
    write_images(tmp_path, "1.png", "2.png")
    assert load_dataset(tmp_path, **WHOLE).image_shape == (1, 6, 6)
    write_images(tmp_path, "3.png", mode="RGB")
    dataset = load_dataset(tmp_path, **WHOLE)
    assert dataset.image_shape == (3, 6, 6)
    assert (dataset.images[0, 0] == dataset.images[0, 2]).all()
    assert dataset.notes == ("2 gray image(s) among color ones were given three equal channels",)
    assert load_dataset(tmp_path, gray=True, **WHOLE).image_shape == (1, 6, 6)


def test_transparency_is_laid_over_white():
    rgba = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    rgba.putpixel((1, 0), (255, 0, 0, 0))
    pixels, done = decode(encoded(rgba))
    assert pixels[:, 0].T.tolist() == [[255, 0, 0], [255, 255, 255]]
    assert done == ["an alpha channel, which was laid over white"]
    gray = Image.new("LA", (1, 1), (100, 0))
    assert decode(encoded(gray))[0].tolist() == [[[255]]]
    opaque = Image.new("LA", (1, 1), (100, 255))
    assert decode(encoded(opaque))[0].tolist() == [[[100]]]


def test_palettes():
    image = Image.new("RGB", (2, 1), (10, 20, 30))
    image.putpixel((1, 0), (200, 100, 0))
    pixels, _ = decode(encoded(image.quantize(2)))
    assert pixels[:, 0].T.tolist() == [[10, 20, 30], [200, 100, 0]]
    clear = image.quantize(2)
    index = clear.getpixel((1, 0))
    pixels, _ = decode(encoded(clear, transparency=index))
    assert pixels[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]


def test_one_bit_and_cmyk():
    assert decode(encoded(Image.new("1", (1, 1), 1)))[0].tolist() == [[[255]]]
    assert decode(encoded(Image.new("CMYK", (1, 1)), "TIFF"))[0].shape == (3, 1, 1)


def test_sixteen_bits_are_scaled():
    values = np.array([[0, 128, 129, 257, 65535]], np.uint16)
    pixels, done = decode(encoded(Image.fromarray(values)))
    assert pixels.tolist() == [[[0, 0, 1, 1, 255]]]
    assert done == ["16 bits a pixel, which were scaled to 8"]


def test_only_the_first_frame():
    frames = [Image.new("L", (2, 2), level) for level in (10, 200)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    pixels, done = decode(content)
    assert (pixels == 10).all()
    assert done == ["several frames, of which the first was taken"]


def test_orientation_is_honored():
    image = Image.fromarray(np.array([[10, 20, 30]], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    assert decode(encoded(image, exif=exif))[0].tolist() == [[[10], [20], [30]]]


# What cannot be read


def test_all_bad_images_are_named_at_once(tmp_path, write_images):
    write_images(tmp_path, *(f"{i}.png" for i in range(4)))
    write_images(tmp_path, "wide.png", size=(6, 8))
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "page.png").write_text("<html>")
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    message = str(caught.value)
    assert "3 of 8 images cannot be read; replace or remove them: cut.png (" in message
    assert "empty.png (empty file), page.png (not an image that Pillow knows)" in message
    assert "1 of 8 images are not 6×6" in message
    assert (
        "pass a size, for example size=28, or --resize beside a trained model: wide.png (6×8)"
        in message
    )


def test_ten_names_and_a_count(tmp_path):
    for i in range(15):
        (tmp_path / f"{i:02}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"15 of 15 images cannot.*09\.png \(empty file\), \.\.\.$"):
        load_dataset(tmp_path)


def test_mixed_sizes_are_fine_with_a_size(tmp_path, write_images):
    write_images(tmp_path, "1.png", "2.png")
    write_images(tmp_path, "3.png", size=(9, 20))
    assert load_dataset(tmp_path, size=5, **WHOLE).images.shape == (3, 1, 5, 5)


def test_pixel_bombs_are_refused(tmp_path, write_images, monkeypatch):
    write_images(tmp_path, "1.png", size=(30, 30))
    for limit in (899, 300):  # Pillow warns above the first, refuses above twice the second
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with (
            warnings.catch_warnings(action="ignore"),  # as for users, who have not made them errors
            pytest.raises(DataError, match=rf"1\.png \(more than {limit} pixels\)"),
        ):
            load_dataset(tmp_path)


def test_images_too_large_for_memory_ask_for_a_size(tmp_path, write_images, monkeypatch):
    write_images(tmp_path, "1.png", "2.png", size=(30, 30))
    monkeypatch.setattr("twofold.data.opening.MAX_BYTES", 1000)
    with pytest.raises(DataError, match=r"2 images of 30×30 would fill .*pass a size"):
        load_dataset(tmp_path)
    assert len(load_dataset(tmp_path, size=8, **WHOLE)) == 2


# Zips


def write_zip(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def png(level=0):
    return encoded(Image.new("L", (4, 4), level))


def test_zip(tmp_path):
    members = {f"pets/{k}/{i}.png": png(i) for k in ("cat", "dog") for i in range(3)}
    write_zip(tmp_path / "pets.zip", members | {"__MACOSX/pets/._1.png": b"x", "pets/a.txt": b"x"})
    before = sorted(tmp_path.iterdir())
    dataset = load_dataset(tmp_path / "pets.zip", **WHOLE)
    assert sorted(tmp_path.iterdir()) == before  # nothing is unpacked
    assert dataset.class_names == ("cat", "dog")
    assert dataset.images[:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1, 2]
    assert "2 file(s) that are no images" in dataset.notes[0]


def test_zip_with_images_without_a_label(tmp_path):
    members = {f"pets/{k}/{i}.png": png() for k in ("cat", "dog", "unlabeled") for i in range(3)}
    write_zip(tmp_path / "pets.zip", members)
    dataset = load_dataset(tmp_path / "pets.zip", **WHOLE)
    assert np.asarray(dataset.labels).tolist() == [0, 0, 0, 1, 1, 1, -1, -1, -1]


def test_zip_with_splits(tmp_path):
    members = {f"d/{s}/{k}/{i}.png": png() for s in ("train", "test") for k in "ab" for i in "01"}
    write_zip(tmp_path / "d.zip", members)
    splits = load_dataset(tmp_path / "d.zip", validation=0).splits
    assert {k: len(v) for k, v in splits.items()} == {"train": 4, "test": 4}


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:/evil.png", "..\\evil.png"]
)
def test_zip_that_escapes_its_folder(tmp_path, name):
    write_zip(tmp_path / "x.zip", {"a/1.png": png(), name: png()})
    with pytest.raises(DataError, match="points outside the archive"):
        load_dataset(tmp_path / "x.zip")
    assert not list(tmp_path.rglob("*evil*"))


def test_zip_bomb_by_ratio(tmp_path):
    bomb = bytes(4 << 20)
    write_zip(tmp_path / "x.zip", {"1.png": bomb}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match="more than 1000 times; not read"):
        load_dataset(tmp_path / "x.zip")


def test_zip_bomb_by_total(tmp_path, monkeypatch):
    write_zip(tmp_path / "x.zip", {f"{i}.png": png() for i in range(20)})
    monkeypatch.setattr("twofold.data.opening.MAX_BYTES", 20 * len(png()) - 1)
    with pytest.raises(DataError, match=r"x\.zip would fill .* at most"):
        load_dataset(tmp_path / "x.zip")


def test_zip_that_lies_about_a_size(tmp_path):
    """A member declared small is never read beyond what it declared."""
    path = tmp_path / "x.zip"
    content = bytes(3 << 20)
    write_zip(path, {"1.png": content}, compression=zipfile.ZIP_DEFLATED)
    raw = path.read_bytes().replace(struct.pack("<I", len(content)), struct.pack("<I", 100))
    path.write_bytes(raw)
    with pytest.raises(DataError, match="1 of 1 images cannot be read"):
        load_dataset(path)


def test_zip_that_is_encrypted(tmp_path):
    path = tmp_path / "x.zip"
    write_zip(path, {"1.png": png()})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"1\.png is encrypted"):
        load_dataset(path)


def test_zip_that_is_none(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="is damaged or no such file"):
        load_dataset(tmp_path / "x.zip")
    write_zip(tmp_path / "y.zip", {"a.txt": b"x"})
    with pytest.raises(DataError, match="holds no images"):
        load_dataset(tmp_path / "y.zip")


def test_zip_member_that_is_damaged_is_named(tmp_path):
    path = tmp_path / "x.zip"
    write_zip(path, {"1.png": png(), "2.png": png(7)})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"2.png") + 20] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"1 of 2 images cannot be read.*2\.png \(Bad CRC"):
        load_dataset(path)


def test_npz_bombs_are_refused_too(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((4000, 32, 32), np.uint8))
    with pytest.raises(DataError, match="more than 1000 times; not read"):
        load_dataset(tmp_path / "x.npz")
