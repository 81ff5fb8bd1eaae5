"""DRAW's filters against the paper's formulas, written out with loops in double precision."""

import math

import pytest
import torch
from torch import Tensor

from twofold.networks.attention import Grid, attend, filterbank, read_patch, write_patch

NEVER_BLURRED = -9.0  # ln σ²: every filter is one pixel


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def filters_by_hand(g: float, delta: float, sigma: float, glimpse: int, size: int) -> Tensor:
    """Equations 19 and 25, i and a counted from 1."""
    rows = []
    for i in range(1, glimpse + 1):
        mu = g + (i - glimpse / 2 - 0.5) * delta
        row = [math.exp(-((a - mu) ** 2) / (2 * sigma**2)) for a in range(1, size + 1)]
        rows.append([value / sum(row) for value in row])
    return torch.tensor(rows)


def random_grid(count: int, glimpse: int, height: int, width: int) -> Grid:
    filters = [torch.rand(count, glimpse, side) for side in (width, height)]
    return Grid(*filters, torch.rand(count, 1, 1, 1) + 0.5)


@pytest.mark.parametrize(
    ("g", "delta", "sigma"), [(3.0, 1.0, 1.0), (2.2, 1.7, 0.6), (5.5, 0.3, 3.0), (-1.0, 2.0, 1.2)]
)
@pytest.mark.parametrize(("glimpse", "size"), [(1, 6), (2, 7), (3, 6), (5, 7)])
def test_filters_are_those_of_equation_25(g, delta, sigma, glimpse, size):
    """Trap: squared denominators, or a grid that counts from 0: neither passes here."""
    center, stride, precision = (torch.tensor([v]) for v in (g, delta, 0.5 / sigma**2))
    found = filterbank(center, stride, precision, glimpse, size)
    torch.testing.assert_close(found, filters_by_hand(g, delta, sigma, glimpse, size)[None])


def test_the_width_of_a_filter_is_sigma():
    """Trap: squared denominators. ln F falls by 1/2σ² one pixel from the center and 4/2σ² at two.

    With exp(-((a - μ)/2σ²)²) the fall would be 1/4σ⁴: the same only at σ² = 1/2.
    """
    sigma = 1.5
    row = filterbank(
        torch.tensor([4.0]), torch.ones(1), torch.tensor([0.5 / sigma**2]), 1, 7
    ).log()[0, 0]
    assert (row[3] - row[4]).item() == pytest.approx(1 / (2 * sigma**2))
    assert (row[3] - row[5]).item() == pytest.approx(4 / (2 * sigma**2))


def test_the_grid_is_that_of_equations_21_to_24():
    """Every parameter enters by its formula; x goes along the width and y along the height."""
    height, width, glimpse = 5, 8, 3
    parameters = torch.tensor([[0.3, -0.2, 0.4, -0.7, 0.5], [-0.6, 0.1, -0.3, 0.2, -1.0]])
    grid = attend(parameters, glimpse, height, width)
    for k, (g_x, g_y, log_var, log_delta, log_gamma) in enumerate(parameters.tolist()):
        delta = (max(height, width) - 1) / (glimpse - 1) * math.exp(log_delta)
        sigma = math.exp(log_var / 2)
        along_x = filters_by_hand((width + 1) / 2 * (g_x + 1), delta, sigma, glimpse, width)
        along_y = filters_by_hand((height + 1) / 2 * (g_y + 1), delta, sigma, glimpse, height)
        torch.testing.assert_close(grid.F_X[k], along_x)
        torch.testing.assert_close(grid.F_Y[k], along_y)
        assert grid.gamma[k].item() == pytest.approx(math.exp(log_gamma))
    assert grid.gamma.shape == (2, 1, 1, 1)


@pytest.mark.parametrize("glimpse", [1, 2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(6, 6), (7, 7), (6, 9)])
def test_at_zero_it_looks_at_the_middle(glimpse, height, width):
    """Trap: a grid that counts from 0 looks half a pixel to one side."""
    grid = attend(torch.zeros(1, 5), glimpse, height, width)
    for filters in (grid.F_X, grid.F_Y):
        torch.testing.assert_close(filters, filters.flip(1, 2))


@pytest.mark.parametrize("far", [0.0, 3.0, -40.0, 1e4])
@pytest.mark.parametrize("log_var", [-9.0, 0.0, 5.0])
def test_rows_sum_to_one_wherever_it_looks(far, log_var):
    """Far outside the image too, where every exponential of the formula is 0."""
    parameters = torch.tensor([[far, -far, log_var, 0.5, 0.0]], requires_grad=True)
    grid = attend(parameters, 3, 6, 9)
    for filters in (grid.F_X, grid.F_Y):
        torch.testing.assert_close(filters.sum(dim=2), torch.ones(1, 3))
    (grid.F_X[..., 0].sum() + grid.F_Y[..., 0].sum()).backward()
    assert parameters.grad.isfinite().all()


@pytest.mark.parametrize("side", [4, 5])
def test_a_sharp_grid_of_the_images_size_reads_and_writes_everything(side):
    """N = side, δ = 1, σ → 0: reading is the identity, and writing what was read gives it back."""
    grid = attend(torch.tensor([[0.0, 0.0, NEVER_BLURRED, 0.0, 0.8]]), side, side, side)
    image = torch.rand(1, 2, side, side)
    gamma = math.exp(0.8)
    torch.testing.assert_close(read_patch(grid, image), gamma * image)
    torch.testing.assert_close(write_patch(grid, image), image / gamma)
    torch.testing.assert_close(write_patch(grid, read_patch(grid, image)), image)


@pytest.mark.parametrize(
    ("given", "found"),
    [("bfloat16", "float32"), ("float16", "float32"), ("float32", "float32"), ("float64",) * 2],
)
def test_filters_have_single_precision_at_least(given, found):
    """In half precision pixel 200 and pixel 201 would be one."""
    grid = attend(torch.zeros(1, 5, dtype=getattr(torch, given)), 2, 4, 5)
    assert {t.dtype for t in (grid.F_X, grid.F_Y, grid.gamma)} == {getattr(torch, found)}


def test_reading_and_writing_by_index():
    """γ Σ F_Y[i, h] x[h, w] F_X[j, w] and Σ F_Y[i, h] w[i, j] F_X[j, w] / γ, channel by channel."""
    grid = random_grid(2, 3, 4, 5)
    image, patch = torch.randn(2, 2, 4, 5), torch.randn(2, 2, 3, 3)
    read = torch.einsum("bih,bchw,bjw->bcij", grid.F_Y, image, grid.F_X) * grid.gamma
    written = torch.einsum("bih,bcij,bjw->bchw", grid.F_Y, patch, grid.F_X) / grid.gamma
    torch.testing.assert_close(read_patch(grid, image), read)
    torch.testing.assert_close(write_patch(grid, patch), written)


def test_writing_is_the_transpose_of_reading():
    """<read x, w> / γ = γ <x, write w>."""
    grid = random_grid(2, 3, 4, 5)
    image, patch = torch.randn(2, 1, 4, 5), torch.randn(2, 1, 3, 3)
    gamma = grid.gamma.flatten()
    left = (read_patch(grid, image) * patch).sum(dim=(1, 2, 3)) / gamma
    right = (image * write_patch(grid, patch)).sum(dim=(1, 2, 3)) * gamma
    torch.testing.assert_close(left, right)
