"""Signs of style: brightness, slant, and how much of them survives."""

import numpy as np
import pytest
import torch

from twofold.errors import NotMeasured
from twofold.evaluation.style import brightness, kept_error, kept_within_class, slant


def bar(lean: float) -> torch.Tensor:
    """A bar three pixels wide that goes `lean` pixels to the right for each that it goes up."""
    up = torch.arange(10.0, -11.0, -1.0)[:, None]
    right = torch.arange(-20.0, 21.0)
    return (1.5 - (right - lean * up).abs()).clamp(0, 1)[None, None]


@pytest.mark.parametrize("lean", [-1.0, -0.5, 0.0, 0.5, 1.0])
def test_the_slant_of_a_bar_is_its_lean(lean: float):
    assert slant(bar(lean)).item() == pytest.approx(lean, abs=0.01)


def test_slant_does_not_depend_on_place_or_light_and_turns_with_a_mirror():
    x = torch.rand(4, 1, 9, 9, dtype=torch.float64)
    wide = torch.nn.functional.pad(x, (3, 1, 0, 2))
    assert torch.allclose(slant(wide), slant(x))
    assert torch.allclose(slant(x / 3), slant(x))
    assert torch.allclose(slant(x.flip(3)), -slant(x))
    assert slant(torch.zeros(1, 1, 5, 5)).item() == 0.0
    assert slant(torch.eye(5)[2].expand(1, 1, 1, 5)).item() == 0.0  # no height, no slant


def test_brightness_is_the_mean():
    x = torch.rand(3, 3, 5, 5)
    assert torch.allclose(brightness(x).float(), x.mean(dim=(1, 2, 3)))


def kept_by_numpy(before, after, y):
    """Residuals pooled over the pairs of different classes, one pair after another."""
    left, right = [], []
    for source in np.unique(y):
        for target in range(after.shape[1]):
            if source != target:
                b, a = before[y == source], after[y == source, target]
                left.append(b - b.mean())
                right.append(a - a.mean())
    b, a = np.concatenate(left), np.concatenate(right)
    return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


def test_kept_within_class_against_numpy():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 40)
    before = rng.normal(size=40) + 5 * y
    after = before[:, None] + rng.normal(size=(40, 3)) + 7 * np.arange(3)
    value = kept_within_class(*map(torch.as_tensor, (before, after, y)))
    assert value == pytest.approx(kept_by_numpy(before, after, y), rel=1e-9)
    assert 0.5 < value < 0.9


def test_what_classes_have_in_common_counts_for_nothing():
    rng = np.random.default_rng(1)
    y = torch.as_tensor(rng.integers(0, 4, 2000))
    before = torch.as_tensor(rng.normal(size=2000))
    noise = torch.as_tensor(rng.normal(size=(2000, 4)))
    assert kept_within_class(before, before[:, None] * torch.ones(4), y) == pytest.approx(1.0)
    assert kept_within_class(before + 100 * y, noise + 100 * y[:, None], y) == pytest.approx(
        0.0, abs=0.05
    )
    own = torch.nn.functional.one_hot(y, 4) * before[:, None]  # kept as the same class alone
    assert kept_within_class(before, own + noise, y) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("shared", [0.0, 0.9])  # of the noise of an image, among its pairs
def test_the_error_is_what_the_correlation_scatters_by(shared: float):
    rng = np.random.default_rng(3)
    y = torch.arange(200) % 5
    values, errors = [], []
    for _ in range(300):
        noise = shared**0.5 * rng.normal(size=(200, 1))
        noise = noise + (1 - shared) ** 0.5 * rng.normal(size=(200, 5))
        before = torch.as_tensor(rng.normal(size=200))
        after = before[:, None] + 0.7 * torch.as_tensor(noise)
        values.append(kept_within_class(before, after, y))
        errors.append(kept_error(before, after, y, resamples=100))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)
    of_single_pairs = (1 - np.mean(values) ** 2) / 200**0.5
    assert (of_single_pairs > 1.25 * np.std(values)) == (shared == 0)


def test_the_error_is_by_drawing_images_again():
    rng = np.random.default_rng(4)
    y = torch.as_tensor(rng.integers(0, 3, 40))
    before = torch.as_tensor(rng.normal(size=40)) + 100 * y
    after = before[:, None] + torch.as_tensor(rng.normal(size=(40, 3)))
    rows = rng.integers(0, 40, (400, 40))
    again = [kept_within_class(before[row], after[row], y[row]) for row in rows]
    error = kept_error(before, after, y)
    assert error == pytest.approx(np.std(again), rel=0.15)
    assert error == kept_error(before, after, y)
    assert error != kept_error(before, after, y, seed=1)
    assert kept_error(before[:1], after[:1], y[:1]) is None


def test_one_image_of_each_class_says_nothing():
    with pytest.raises(NotMeasured, match="two different images of some class"):
        kept_within_class(torch.rand(3), torch.rand(3, 3), torch.arange(3))
