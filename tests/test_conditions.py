"""What a condition shows to the networks, and what it must never show."""

import pytest
import torch

from twofold.conditions import PARTS, ClassCondition, ImagePart, NoCondition, part_mask
from twofold.errors import DataError, UsageError
from twofold.registry import entries, make

X = torch.rand(4, 3, 6, 5, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([2, 0, 1, 2])
IMAGES = {"image_shape": (3, 6, 5), "num_classes": 0}
SMALL = {"image_shape": (1, 2, 3), "num_classes": 0}


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
    condition = make("condition", part, **IMAGES)
    visible = part_mask(part, 6, 5)
    encoded = condition(condition.pick(X, None))
    assert encoded.shape == (4, condition.dim) == (4, 3 * int(visible.sum()))
    other = torch.where(visible, X, 1 - X)
    torch.testing.assert_close(condition(other), encoded, rtol=0, atol=0)


@pytest.mark.parametrize("part", PARTS)
def test_every_visible_pixel_is_seen(part):
    """The gradient of the columns reaches each visible pixel once and no other."""
    x = X.clone().requires_grad_()
    make("condition", part, **IMAGES)(x).sum().backward()
    torch.testing.assert_close(x.grad, part_mask(part, 6, 5).float().expand_as(X))


def test_the_visible_part_does_not_depend_on_memory_layout():
    condition = make("condition", "left-half", **IMAGES)
    torch.testing.assert_close(condition(X.to(memory_format=torch.channels_last)), condition(X))


def test_mask_of_ones_and_zeros():
    condition = make("condition", {"name": "mask", "mask": [[1, 0, 0], [0, 0, 2]]}, **SMALL)
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert condition(x).tolist() == [[0, 5]]


@pytest.mark.parametrize("fill", [0, 1])
def test_mask_shows_some_and_hides_some(fill):
    with pytest.raises(UsageError, match="show some and hide some"):
        make("condition", {"name": "mask", "mask": [[fill] * 3] * 2}, **SMALL)


def test_mask_fits_the_images():
    with pytest.raises(UsageError, match=r"shape \(3, 2\) but the images are 2×3"):
        make("condition", {"name": "mask", "mask": [[1, 0]] * 3}, **SMALL)
    with pytest.raises(UsageError, match=r"\(H, W\), got \(1, 2, 3\)"):
        ImagePart(torch.ones(1, 2, 3), 1)


@pytest.mark.parametrize("c", [None, Y, X[:, :, :5], X[0], X[:, :1]])
def test_part_needs_images_of_the_right_size(c):
    with pytest.raises(UsageError, match=r"give c, images \(B, 3, 6, 5\)"):
        make("condition", "top-half", **IMAGES)(c)


def test_condition_by_name():
    assert isinstance(make("condition", "none"), NoCondition)
    assert isinstance(make("condition", "class", num_classes=5), ClassCondition)
    with pytest.raises(UsageError, match="did you mean 'left-half'"):
        make("condition", "left-hafl", **IMAGES)
    with pytest.raises(UsageError, match="did you mean 'top-half'"):
        part_mask("top", 4, 4)
    assert {entry.name for entry in entries("condition")} >= {"none", "class", "mask", *PARTS}


def test_a_condition_that_is_an_object_is_used_as_it_is():
    part = ImagePart(part_mask("left-half", 6, 5), 3)
    assert make("condition", part, **IMAGES) is part


@pytest.mark.parametrize("name", ["left-half", "mask"])
def test_a_binary_condition_shows_draws_of_the_gray_values(name):
    """0 or 1, with the gray value as their mean within five standard errors."""
    fields = {"mask": [[1, 0]]} if name == "mask" else {}
    images = {"image_shape": (1, 1, 2), "num_classes": 0}
    torch.manual_seed(0)
    condition = make("condition", {"name": name, "binary": True, **fields}, **images)
    shown = condition(condition.pick(torch.full((4000, 1, 1, 2), 0.3), None))
    assert shown.unique().tolist() == [0, 1]
    assert abs(shown.mean().item() - 0.3) < 5 * (0.21 / 4000) ** 0.5
    gray = make("condition", {"name": name, **fields}, **images)
    assert gray(gray.pick(torch.full((4, 1, 1, 2), 0.3), None)).unique().numel() == 1


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"name": "class", "mask": [[1]]}, "unknown field mask"),
        ({"name": "none", "binary": True}, "unknown field binary"),
        ({"name": "mask"}, "mask is missing"),
        ("mask", "mask is missing"),
        ({"name": "mask", "mask": [[1], [1, 0]]}, r"rows of the mask differ in length: \[1, 2\]"),
        ({"name": "mask", "mask": [[1, 0]]}, r"has shape \(1, 2\) but the images are 6×5"),
        ({"name": "mask", "mask": 3}, "mask: got 3; input should be a valid list"),
        ({"mask": [[1, 0]]}, "name is missing: which condition?"),
        (None, "got None; expected the name of a condition"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(condition, message: str):
    with pytest.raises(UsageError, match=message):
        make("condition", condition, **IMAGES)
