"""What a condition shows to the networks, and what it must never show."""

import pytest
import torch

from twofold.conditions import (
    PARTS,
    ClassCondition,
    ImagePart,
    NoCondition,
    make_condition,
    part_mask,
)
from twofold.errors import DataError, UsageError

X = torch.rand(4, 3, 6, 5, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([2, 0, 1, 2])


def test_nothing():
    condition = NoCondition()
    assert condition.pick(X, Y) is None
    assert condition(None) is None
    assert condition.dim == 0


def test_nothing_refuses_a_class():
    with pytest.raises(UsageError, match="takes no condition"):
        NoCondition()(Y)


def test_class_is_one_hot():
    condition = ClassCondition(3)
    encoded = condition(condition.pick(X, Y))
    assert encoded.dtype == torch.float32
    assert encoded.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert condition.dim == 3


def test_weights_of_classes_stand_for_themselves():
    condition = ClassCondition(3)
    weights = torch.tensor([[0.25, 0.0, 0.75]])
    condition.check(weights)
    assert torch.equal(condition(weights), weights)
    with pytest.raises(UsageError, match=r"have shape \(B, 3\), got \(1, 2\)"):
        condition.check(weights[:, :2])


def test_class_needs_labels():
    with pytest.raises(DataError, match="no labels"):
        ClassCondition(3).pick(X, None)
    with pytest.raises(UsageError, match=r"give c, labels in 0\.\.2"):
        ClassCondition(3)(None)
    with pytest.raises(DataError, match="at least 2 classes, got 0"):
        ClassCondition(0)


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        ("left-half", ["##...", "##...", "##..."]),
        ("right-half", ["..###", "..###", "..###"]),
        ("top-half", ["#####", ".....", "....."]),
        ("bottom-half", [".....", "#####", "#####"]),
        ("middle-column", ["..#..", "..#..", "..#.."]),
        ("bottom-left", [".....", "##...", "##..."]),
        ("not-bottom-right", ["#####", "##...", "##..."]),
    ],
)
def test_parts(part, rows):
    drawn = ["".join("#" if on else "." for on in row) for row in part_mask(part, 3, 5).tolist()]
    assert drawn == rows


@pytest.mark.parametrize("part", PARTS)
def test_hidden_pixels_are_never_seen(part):
    """Trap: a model that completes an image has looked at the rest of it."""
    condition = make_condition(part, (3, 6, 5), 0)
    visible = part_mask(part, 6, 5)
    encoded = condition(condition.pick(X, None))
    assert encoded.shape == (4, condition.dim) == (4, 3 * int(visible.sum()))
    other = torch.where(visible, X, 1 - X)
    torch.testing.assert_close(condition(other), encoded, rtol=0, atol=0)


@pytest.mark.parametrize("part", PARTS)
def test_every_visible_pixel_is_seen(part):
    """The gradient of the columns reaches each visible pixel once and no other."""
    x = X.clone().requires_grad_()
    make_condition(part, (3, 6, 5), 0)(x).sum().backward()
    torch.testing.assert_close(x.grad, part_mask(part, 6, 5).float().expand_as(X))


def test_the_visible_part_does_not_depend_on_memory_layout():
    condition = make_condition("left-half", (3, 6, 5), 0)
    torch.testing.assert_close(condition(X.to(memory_format=torch.channels_last)), condition(X))


def test_mask_of_ones_and_zeros():
    condition = make_condition("mask", (1, 2, 3), 0, mask=[[1, 0, 0], [0, 0, 2]])
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert condition(x).tolist() == [[0, 5]]


@pytest.mark.parametrize("fill", [0, 1])
def test_mask_shows_some_and_hides_some(fill):
    with pytest.raises(UsageError, match="show some and hide some"):
        make_condition("mask", (1, 2, 3), 0, mask=[[fill] * 3] * 2)


def test_mask_fits_the_images():
    with pytest.raises(UsageError, match=r"shape \(3, 2\) but the images are 2×3"):
        make_condition("mask", (1, 2, 3), 0, mask=[[1, 0]] * 3)
    with pytest.raises(UsageError, match="the images are 2×3"):
        make_condition("mask", (1, 2, 3), 0)
    with pytest.raises(UsageError, match=r"\(H, W\), got \(1, 2, 3\)"):
        ImagePart(torch.ones(1, 2, 3), 1)


@pytest.mark.parametrize("c", [None, Y, X[:, :, :5], X[0], X[:, :1]])
def test_part_needs_images_of_the_right_size(c):
    with pytest.raises(UsageError, match=r"give c, images \(B, 3, 6, 5\)"):
        make_condition("top-half", (3, 6, 5), 0)(c)


def test_condition_by_name():
    assert isinstance(make_condition("none", (1, 4, 4), 0), NoCondition)
    assert isinstance(make_condition("class", (1, 4, 4), 5), ClassCondition)
    with pytest.raises(UsageError, match="did you mean 'left-half'"):
        make_condition("left-hafl", (1, 4, 4), 0)
    with pytest.raises(UsageError, match="did you mean 'top-half'"):
        part_mask("top", 4, 4)


@pytest.mark.parametrize(
    ("kind", "mask", "message"),
    [
        ("class", [[1]], "condition=class uses no mask"),
        ("mask", None, "needs a mask; the images are 6×5"),
        ("mask", [[1], [1, 0]], "rows of the mask differ in length"),
        ("mask", [[1, 0]], r"the mask has shape \(1, 2\) but the images are 6×5"),
    ],
)
def test_a_mask_that_cannot_be_is_refused(kind: str, mask, message: str):
    with pytest.raises(UsageError, match=message):
        make_condition(kind, (3, 6, 5), 3, mask)
