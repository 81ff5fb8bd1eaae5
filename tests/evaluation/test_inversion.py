"""Codes found by descent, where they are known in closed form."""

import math

import pytest
import torch

from twofold.evaluation.inversion import invert_images


def least_squares(model, x, prior: float, y=None):
    """argmin ‖x − W z − b‖² + λ ‖z‖² with WᵀW = I: Wᵀ(x − b) / (1 + λ)."""
    bias = model.bias[0 if y is None else y]
    return ((x.flatten(1) - bias) @ model.weight / (1 + prior)).detach()


@pytest.mark.parametrize("prior", [0.0, 0.5])
def test_the_code_of_least_error(linear_gaussian, prior):
    model = linear_gaussian()
    x = torch.randn(7, 1, 3, 4)
    found = invert_images(model, x, restarts=3, prior=prior)
    expected = least_squares(model, x, prior)
    torch.testing.assert_close(found.z, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.images, model.generate(found.z))
    error = (x - model.generate(expected)).square().sum(dim=(1, 2, 3))
    error = error + prior * expected.square().sum(dim=1)
    torch.testing.assert_close(found.objective, error.detach().expand(3, 7), rtol=1e-4, atol=1e-4)
    assert not found.z.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


def test_each_image_with_its_own_condition_however_many_at_a_time(linear_gaussian):
    model = linear_gaussian()
    x, y = torch.randn(5, 1, 3, 4), torch.tensor([0, 1, 1, 0, 1])
    for rows in (2, 6, 100):
        found = invert_images(model, x, y, restarts=2, rows=rows)
        torch.testing.assert_close(found.z, least_squares(model, x, 0.0, y), atol=1e-3, rtol=0)


def test_the_best_restart_counts(linear_gaussian, monkeypatch):
    """A wave has many valleys: one start falls into the wrong one, and the right one wins."""
    model = linear_gaussian()
    generate = model.generate
    monkeypatch.setattr(model, "generate", lambda z, c=None: torch.sin(3 * generate(z, c)))
    code = torch.randn(1, 3)
    x = model.generate(code).detach()
    far = code + torch.tensor([[1.3, -1.1, 0.9]])
    start = torch.stack([far, code + 0.02])
    found = invert_images(model, x, start=start)
    torch.testing.assert_close(found.z, code, atol=1e-3, rtol=0)
    assert found.objective[0] < 1e-6
    assert found.objective[1] > 0.01


def test_no_steps_stay_at_the_start(linear_gaussian):
    model = linear_gaussian()
    x, start = torch.randn(4, 1, 3, 4), torch.randn(1, 4, 3)
    found = invert_images(model, x, start=start, steps=0)
    assert torch.equal(found.z, start[0])
    torch.testing.assert_close(found.images, model.generate(start[0]).detach())


def test_the_prior_draws_codes_in(linear_gaussian):
    model = linear_gaussian()
    x = model.draw(20)
    lengths = [
        invert_images(model, x, restarts=1, prior=prior).z.norm(dim=1).mean().item()
        for prior in (0.0, 1.0)
    ]
    assert lengths[1] == pytest.approx(lengths[0] / 2, rel=1e-2)
    assert math.isfinite(lengths[0])
