"""From uint8 to floats in [0, 1], the four binarizations, and shifts."""

import pytest
import torch
from torch import Tensor

from twofold.data.preprocess import BINARIZE, fix_binary, shift_randomly, to_unit
from twofold.errors import UsageError

LEVELS = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_gray_levels_are_divided_by_255():
    """Zero and one exactly, so that white is a valid Bernoulli target; no level is lost."""
    x = to_unit(LEVELS)
    assert x.dtype == torch.float32
    assert (x.min(), x.max()) == (0, 1)
    torch.testing.assert_close(x, LEVELS.double().div(255).float(), rtol=1e-6, atol=0)
    assert torch.equal((x * 255).round().to(torch.uint8), LEVELS)


def test_images_are_scaled_once():
    """Trap: data scaled in place, and then again."""
    images = LEVELS.clone()
    to_unit(images)
    to_unit(images, "dynamic")
    for name in BINARIZE:
        fix_binary(images, name)
    assert torch.equal(images, LEVELS)


def test_threshold_is_above_one_half():
    binary = fix_binary(LEVELS, "threshold")
    assert binary.dtype == torch.uint8
    assert torch.equal(to_unit(binary), (LEVELS.double() / 255 > 0.5).float())
    assert binary.flatten()[127:129].tolist() == [0, 255]


def shuffled_levels(count: int) -> Tensor:
    """Images of all 256 levels, each in places of its own."""
    places = torch.rand(count, 256).argsort(dim=1)
    return LEVELS.flatten()[places].reshape(count, 1, 16, 16)


def test_static_is_a_bernoulli_draw_named_by_its_seed():
    images = shuffled_levels(400)
    state = torch.get_rng_state()
    binary = fix_binary(images, "static", seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(fix_binary(images, "static", seed=3), binary)
    assert not torch.equal(fix_binary(images, "static", seed=4), binary)
    assert set(binary.unique().tolist()) == {0, 255}
    p = to_unit(LEVELS).flatten()
    error = (p * (1 - p) / 400).sqrt()
    order = images.flatten(1).long().argsort(dim=1)
    of_level = to_unit(binary).flatten(1).gather(1, order).mean(dim=0)
    assert ((of_level - p).abs() <= 5 * error).all()  # 0 and 255 exactly
    assert len(binary.unique(dim=0)) == 400


def test_a_static_draw_is_of_its_image_whatever_stands_beside_it():
    """In any order and subset; an image that is there already is binarized the same again."""
    images = shuffled_levels(5000)  # more than are drawn at a time
    binary = fix_binary(images, "static", seed=3)
    index = torch.randperm(5000)[:50]
    assert torch.equal(fix_binary(images[index], "static", seed=3), binary[index])
    assert torch.equal(fix_binary(images[4999:], "static", seed=3), binary[4999:])
    assert torch.equal(fix_binary(binary, "static", seed=3), binary)


@pytest.mark.parametrize("change", ["a level", "a seed", "two pixels"])
def test_static_draws_of_different_images_have_nothing_in_common(change):
    """Of pixels that are as often on as off, half agree, within five errors, by image and place.

    Images that differ by one level in one pixel, or in two pixels that were exchanged, are others.
    """
    count = 400
    gray = torch.full((count, 1, 16, 16), 127, dtype=torch.uint8)
    numbers = torch.arange(count)
    gray[:, 0, 0, 0], gray[:, 0, 0, 1] = numbers % 256, numbers // 256
    other, seeds = gray.clone(), (0, 0)
    if change == "a level":
        other[:, 0, 15, 15] += 1
    elif change == "two pixels":
        other[:, 0, 15, 15], other[:, 0, 7, 7] = 120, 130
        gray[:, 0, 15, 15], gray[:, 0, 7, 7] = 130, 120
    else:
        seeds = (0, 1)
    a, b = (
        to_unit(fix_binary(x, "static", seed=s)).flatten(1)[:, 2:250]
        for x, s in zip((gray, other), seeds, strict=True)
    )
    p = 127 / 255
    same = p**2 + (1 - p) ** 2
    for one, two in ((a, b), (a, a.roll(1, dims=0)), (a, a.roll(1, dims=1))):
        agree = (one == two).double()
        for dim, n in ((0, count), (1, 248)):
            error = (same * (1 - same) / n) ** 0.5
            found = agree.mean(dim=dim)[3:-3]
            assert (found - same).abs().max().item() < 5 * error
    assert a.mean(dim=1).sub(p).abs().max().item() < 5 * (p * (1 - p) / 248) ** 0.5


@pytest.mark.parametrize("name", ["none", "dynamic"])
def test_what_is_not_drawn_once_stays_gray(name):
    assert torch.equal(fix_binary(LEVELS, name), LEVELS)


def test_only_dynamic_draws_in_the_step():
    assert set(to_unit(LEVELS, "dynamic").unique().tolist()) == {0, 1}
    for name in ("none", "static", "threshold"):
        assert torch.equal(to_unit(LEVELS, name), to_unit(LEVELS))


def test_unknown_binarization():
    with pytest.raises(UsageError, match="did you mean 'static'"):
        fix_binary(LEVELS, "sttaic")


# --- shifts ---------------------------------------------------------------------------------------


def content(count: int, channels: int = 1) -> Tensor:
    """Different numbers in the middle of 9×11 images, zeros in a margin of three."""
    x = torch.zeros(count, channels, 9, 11)
    x[..., 3:-3, 3:-3] = torch.rand(count, channels, 3, 5) + 0.1
    return x


def offsets(x: Tensor, shifted: Tensor) -> list[tuple[int, int]]:
    """By how many pixels each image was moved, found by trying."""
    found = []
    for one, moved in zip(x, shifted, strict=True):
        tried = [
            (dy, dx)
            for dy in range(-3, 4)
            for dx in range(-3, 4)
            if torch.equal(one.roll((dy, dx), (-2, -1)), moved)
        ]
        assert len(tried) == 1
        found += tried
    return found


@pytest.mark.parametrize("pixels", [0, 1, 2, 3])
def test_shifts_move_content_by_at_most_so_many_pixels(pixels):
    """All channels together, each image its own way, and every way comes up."""
    x = content(400, channels=3)
    found = offsets(x, shift_randomly(x, pixels))
    assert {abs(move) for moves in found for move in moves} == set(range(pixels + 1))
    assert len(set(found)) == (2 * pixels + 1) ** 2


def test_shifts_are_even():
    """Mean zero both ways, within five errors of the uniform's variance 2/3."""
    x = content(600)
    moves = torch.tensor(offsets(x, shift_randomly(x, 1))).double()
    assert moves.mean(dim=0).abs().max().item() < 5 * (2 / 3 / 600) ** 0.5


def test_what_leaves_is_gone_and_what_enters_is_black():
    x = torch.ones(200, 1, 4, 5)
    shifted = shift_randomly(x, 2)
    assert shifted.shape == x.shape
    assert set(shifted.unique().tolist()) == {0, 1}
    kept = {int(total) for total in shifted.sum(dim=(1, 2, 3)).tolist()}
    assert kept == {rows * columns for rows in (2, 3, 4) for columns in (3, 4, 5)}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_shifts_do_not_change_the_input(layout):
    x = content(5, channels=3).contiguous(memory_format=layout)
    before = x.clone()
    shift_randomly(x, 2)
    assert torch.equal(x, before)
