"""Sheets: where an image comes to lie, what stands beside it, and the files they end in."""

import io

import numpy as np
import pytest
from PIL import Image

from twofold.errors import UsageError
from twofold.pictures.formats import png_bytes, webp_bytes
from twofold.pictures.sheets import beside, contact_sheet, grid, side_of, stack

IMAGES = np.arange(6 * 3 * 4, dtype=np.uint8).reshape(2, 3, 1, 3, 4)


def test_a_grid_without_headings_is_the_contact_sheet():
    plain = contact_sheet(IMAGES.reshape(6, 1, 3, 4), 3, scale=2)
    assert np.array_equal(grid(IMAGES, scale=2), plain)


@pytest.mark.parametrize("channels", [1, 3])
def test_headings_stand_beside_the_images_and_not_on_them(channels):
    images = IMAGES.repeat(channels, axis=2)
    plain = grid(images, scale=8)
    headed = grid(images, ["real", "made"], ["a", "b", "c"], scale=8)
    assert headed.ndim == plain.ndim == (2 if channels == 1 else 3)
    height, width = plain.shape[:2]
    assert np.array_equal(headed[-height:, -width:], plain)
    left, top = headed[-height:, :-width], headed[:-height, -width:]
    assert left.min() < 100, "words to the left"
    assert top.min() < 100, "words above"
    assert (headed[:-height, :-width] == 255).all()


def test_a_heading_too_wide_for_its_column_is_cut():
    wide = grid(IMAGES, (), ["a very long heading indeed"] * 3, scale=8)
    plain = grid(IMAGES, scale=8)
    assert (wide[: -plain.shape[0], :2] == 255).all(), "nothing runs over the edge"


def test_as_many_headings_as_rows():
    with pytest.raises(UsageError, match="1 headings for 2 rows"):
        grid(IMAGES, ["one"])


def test_an_animation_shows_every_frame_in_turn():
    frames = [np.full((6, 5), level, np.uint8) for level in (0, 128, 255)]
    with Image.open(io.BytesIO(webp_bytes(frames, 50))) as opened:
        assert opened.n_frames == 3
        for i, frame in enumerate(frames):
            opened.seek(i)
            assert np.array_equal(np.asarray(opened.convert("L")), frame), "lossless"
    with pytest.raises(UsageError, match="needs frames"):
        webp_bytes([])


def test_a_png_says_where_it_came_from():
    with Image.open(io.BytesIO(png_bytes(IMAGES[0, 0, 0], [("Description", "here")]))) as opened:
        assert opened.info["Description"] == "here"
        assert np.array_equal(np.asarray(opened), IMAGES[0, 0, 0])


def test_pictures_stand_beside_each_other_below_their_titles():
    rng = np.random.default_rng(0)
    for shape in ((40, 60), (40, 60, 3)):
        left, right = rng.integers(0, 256, (2, *shape), dtype=np.uint8)
        page = beside([left, right], ["one", "two"], gap=10)
        assert page.shape == (26 + 40, 130, *shape[2:])
        assert np.array_equal(page[26:, :60], left)
        assert np.array_equal(page[26:, 70:], right)
        assert (page[26:, 60:70] == 255).all()
        assert (page[:26, :60] < 255).any()
        assert (page[:26, 70:] < 255).any()


def test_a_square_of_columns():
    assert [side_of(count) for count in (1, 2, 4, 5, 9, 10)] == [1, 2, 2, 3, 3, 4]


def test_pictures_below_each_other_end_at_one_edge():
    gray, color = np.zeros((2, 3), np.uint8), np.full((1, 5, 3), 7, np.uint8)
    assert stack([gray, gray]).shape == (4, 3)
    both = stack([gray, color])
    assert both.shape == (3, 5, 3)
    assert (both[:2, 2:] == 0).all()
    assert (both[:2, :2] == 255).all()
    assert (both[2] == 7).all()
