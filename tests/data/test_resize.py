from typing import Any

import numpy as np
import pytest
from PIL import Image

from twofold.data import load_dataset
from twofold.data.resize import checked_size, resize, to_gray
from twofold.errors import UsageError


def test_the_same_size_is_untouched(rng):
    images = rng.integers(0, 256, (3, 1, 8, 8), np.uint8)
    assert resize(images, (8, 8)) is images


def test_flat_colors_stay(rng):
    images = np.broadcast_to(np.array([10, 200, 90], np.uint8)[:, None, None], (2, 3, 40, 30))
    out = resize(np.ascontiguousarray(images), (8, 6))
    assert out.shape == (2, 3, 8, 6)
    assert (out == np.array([10, 200, 90])[:, None, None]).all()


def test_reduction_is_antialiased():
    """A fine chequerboard becomes gray; picking every other pixel would make it black or white."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[None, None]
    out = resize(board, (8, 8))
    assert abs(out[:, :, 1:-1, 1:-1].astype(int) - 127).max() <= 2


def test_the_center_is_cropped_to_the_aspect():
    stripes = np.zeros((1, 1, 10, 30), np.uint8)
    stripes[..., 10:20] = 255
    assert (resize(stripes, (10, 10)) == 255).all()
    upright = resize(np.ascontiguousarray(stripes.transpose(0, 1, 3, 2)), (5, 5))
    assert (upright > 230).all()  # the filter sees a little of the black beyond the edge


def test_nothing_is_flipped():
    ramp = np.add.outer(np.arange(20) * 5, np.arange(20)).astype(np.uint8)[None, None]
    out = resize(ramp, (10, 10)).astype(int)[0, 0]
    assert (np.diff(out, axis=0) > 0).all()
    assert (np.diff(out, axis=1) > 0).all()


def test_gray_is_pillows_gray(rng):
    images = rng.integers(0, 256, (4, 3, 9, 7), np.uint8)
    for image, gray in zip(images, to_gray(images), strict=True):
        assert (gray[0] == np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L"))).all()


@pytest.mark.parametrize("size", [0, -1, 28.0, (28,), (28, 28, 1), (0, 5), 10_000, True])
def test_impossible_sizes(size):
    with pytest.raises(UsageError, match="size="):
        checked_size(size)


@pytest.mark.parametrize("size", [(6, 4), (28, 28), (5, 20), (12, 4), (3, 10)])
def test_many_at_once_are_as_one_by_one(rng, size, monkeypatch):
    monkeypatch.setattr("twofold.data.resize._CHUNK", 3)
    images = rng.integers(0, 256, (7, 3, 12, 10), np.uint8)
    together = resize(images, size)
    for i in range(7):
        assert (together[i] == resize(images[i : i + 1], size)[0]).all()


@pytest.mark.parametrize(
    ("size", "box"),
    [((24, 20), (0, 0, 10, 12)), ((6, 5), (0, 0, 10, 12)), ((4, 4), (0, 1, 10, 11))],
)
def test_pillow_gives_the_same(size, box):
    image = np.add.outer(np.sin(np.arange(12)), np.cos(np.arange(10))) * 50 + 127
    image = image.astype(np.uint8)
    expected = Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS, box=box)
    got = resize(image[None, None], size)[0, 0].astype(int)
    assert abs(got - np.asarray(expected)).max() <= 1  # the order of rows and columns rounds


def test_loading_resizes_and_grays(tmp_path, rng):
    np.save(tmp_path / "x.npy", rng.integers(0, 256, (6, 3, 12, 12), np.uint8))
    dataset = load_dataset(tmp_path / "x.npy", size=(6, 4), gray=True, validation=0, test=0)
    assert dataset.images.shape == (6, 1, 6, 4)


def test_files_and_arrays_are_resized_alike(tmp_path, rng):
    array = rng.integers(0, 256, (5, 12, 10, 3), np.uint8)
    np.save(tmp_path / "x.npy", array)
    (tmp_path / "files").mkdir()
    for i, image in enumerate(array):
        Image.fromarray(image).save(tmp_path / "files" / f"{i}.png")
    options: dict[str, Any] = {"size": 6, "validation": 0, "test": 0}
    one, other = (load_dataset(tmp_path / name, **options) for name in ("x.npy", "files"))
    assert (one.images == other.images).all()
