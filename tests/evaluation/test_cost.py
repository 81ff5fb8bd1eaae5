"""Operations against closed forms, and speed against a clock."""

import time

import pytest
import torch
from torch import nn

from twofold.evaluation.cost import calls_per_second, count_flops

B, D, H, K = 7, 5, 11, 3


def dense() -> nn.Sequential:
    return nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.BatchNorm1d(H), nn.Linear(H, K))


def test_a_dense_network_costs_two_per_weight_and_image():
    net, x = dense(), torch.ones(B, D)
    assert count_flops(lambda: net(x)) == 2 * B * (D * H + H * K)
    with torch.no_grad():
        assert count_flops(lambda: net(x)) == 2 * B * (D * H + H * K)


def test_gradients_cost_a_forward_pass_each_for_weights_and_inputs():
    net, x = dense(), torch.ones(B, D)
    forward = 2 * B * (D * H + H * K)
    assert count_flops(lambda: net(x).sum().backward()) == 2 * forward + 2 * B * H * K
    x.requires_grad_()
    assert count_flops(lambda: net(x).sum().backward()) == 3 * forward


def test_a_convolution_costs_two_per_weight_and_output_pixel():
    conv = nn.Conv2d(2, 3, 5, stride=2, padding=2)
    assert count_flops(lambda: conv(torch.ones(B, 2, 8, 6))) == 2 * B * (4 * 3) * (2 * 3 * 5 * 5)


def test_a_gradient_penalty_is_counted():
    """Forward, the gradient at the images, and the gradient of its norm at the weights."""
    net, x = nn.Linear(D, 1, bias=False), torch.ones(B, D, requires_grad=True)

    def penalty() -> None:
        (gradient,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        gradient.square().sum().backward(inputs=list(net.parameters()))

    assert count_flops(penalty) == 3 * 2 * B * D


def test_what_is_no_product_is_free():
    assert count_flops(lambda: torch.ones(B, D).exp().sum()) == 0


def test_speed_is_that_of_the_clock():
    cpu = torch.device("cpu")
    speed = calls_per_second(lambda: time.sleep(0.02), cpu, seconds=0.1)
    assert 25 < speed <= 50
    calls = []
    assert 0 < calls_per_second(lambda: calls.append(time.sleep(0.01)), cpu, seconds=0.0) <= 100
    assert len(calls) == 2, "one to warm up, and one at least to time"


@pytest.mark.parametrize("grad", [True, False])
def test_counting_changes_nothing(grad):
    net, x = dense().eval(), torch.randn(B, D)
    made = []
    with torch.set_grad_enabled(grad):
        count_flops(lambda: made.append(net(x)))
    assert torch.equal(made[0], net(x))
