"""PSNR and SSIM against closed forms and a second implementation."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.pixels import mse, psnr, ssim


def test_a_device_without_doubles_will_do(no_doubles):
    x = torch.ones(2, 3, 1, 8, 8, device=no_doubles)
    assert psnr(x, x[0]).shape == (2, 3)


def test_a_constant_difference():
    x = torch.rand(2, 5, 3, 4, 6) / 2
    for difference, decibels in ((0.1, 20.0), (0.01, 40.0), (0.5, 20 * math.log10(2))):
        found = psnr(x + difference, x)
        assert found.shape == (2, 5)
        assert found.dtype == torch.float64
        assert found.flatten().tolist() == pytest.approx([decibels] * 10, abs=1e-4)
        assert mse(x + difference, x)[0, 0].item() == pytest.approx(difference**2, rel=1e-5)


def test_only_the_pixels_that_count():
    x, where = torch.zeros(2, 3, 4, 5), torch.zeros(4, 5, dtype=torch.bool)
    where[1, 2] = where[3, 3] = True
    x[0, :, 1, 2] = 0.3  # one of two
    x[1, :, 0, 0] = 0.9  # none
    assert mse(x, torch.zeros_like(x), where).tolist() == pytest.approx([0.045, 0.0])
    assert mse(x, torch.zeros_like(x)).tolist() == pytest.approx([0.0045, 0.0405])


def test_one_target_for_several_images():
    x, target = torch.rand(4, 3, 1, 12, 12), torch.rand(3, 1, 12, 12)
    for figure in (psnr, ssim):
        each = torch.stack([figure(one, target) for one in x])
        torch.testing.assert_close(figure(x, target), each)


def test_what_agrees_is_as_good_as_8_bits_can_be():
    x = torch.rand(1, 1, 3, 3)
    assert psnr(x, x).item() == pytest.approx(10 * math.log10(12 * 255**2))
    rounded = (torch.rand(1, 1, 300, 300) * 255).round() / 255
    off = rounded + (torch.rand_like(rounded) - 0.5) / 255
    assert mse(off, rounded).item() == pytest.approx(1 / (12 * 255**2), rel=0.02)


@pytest.mark.parametrize(("a", "b"), [(0.2, 0.7), (0.0, 1.0), (0.4, 0.4)])
def test_the_similarity_of_constant_images(a, b):
    """Without variance only the luminance is left: (2ab + C1) / (a² + b² + C1), C1 = 0.01²."""
    found = ssim(torch.full((1, 1, 16, 14), a), torch.full((1, 1, 16, 14), b))
    assert found.item() == pytest.approx((2 * a * b + 1e-4) / (a * a + b * b + 1e-4), abs=1e-4)


def by_definition(x: Tensor, y: Tensor) -> float:
    """The paper's equations 13 to 16 in numpy, images reflected at their edges."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2

    def local(image: np.ndarray) -> np.ndarray:
        return convolve2d(np.pad(image, 5, mode="reflect"), window, mode="valid")

    a, b = x.double().numpy(), y.double().numpy()
    mean_a, mean_b = local(a), local(b)
    var_a, var_b = local(a * a) - mean_a**2, local(b * b) - mean_b**2
    covariance = local(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + 0.01**2) * (2 * covariance + 0.03**2)
    bottom = (mean_a**2 + mean_b**2 + 0.01**2) * (var_a + var_b + 0.03**2)
    return float((top / bottom).mean())


def test_the_similarity_by_its_definition():
    x = torch.rand(3, 2, 20, 17)
    y = (x + 0.3 * torch.randn_like(x)).clamp(0, 1)
    expected = [np.mean([by_definition(x[i, k], y[i, k]) for k in range(2)]) for i in range(3)]
    assert ssim(x, y).tolist() == pytest.approx(expected, abs=1e-4)
    assert ssim(x, x).tolist() == pytest.approx([1.0] * 3)
    assert ssim(x[0], y[0]).item() == pytest.approx(expected[0], abs=1e-4)


def test_images_that_the_window_reaches_beyond():
    with pytest.raises(NotMeasured, match="6 pixels or more, and these are 5×30"):
        ssim(torch.rand(1, 1, 5, 30), torch.rand(1, 1, 5, 30))
    assert ssim(torch.rand(1, 1, 6, 6), torch.rand(1, 1, 6, 6)).isfinite().all()
