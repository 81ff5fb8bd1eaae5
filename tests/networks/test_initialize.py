"""How weights start: the statistics that each scheme's paper states.

A standard deviation of n numbers is known to 1/sqrt(2 n) of itself; with 60 000 weights five such
errors are 1.5 %, which separates every scheme below from its neighbors.
"""

import math

import pytest
import torch
from torch import nn

from twofold.errors import UsageError
from twofold.networks import build_network
from twofold.networks.initialize import initialize

DENSE = (300, 200)  # inputs, outputs
CONV = (20, 100, 5)  # inputs, outputs, kernel
TOLERANCE = 0.015


def dense(scheme: str) -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(*DENSE)
    initialize(layer, scheme)
    return layer


def conv(scheme: str) -> nn.Conv2d:
    torch.manual_seed(0)
    layer = nn.Conv2d(*CONV)
    initialize(layer, scheme)
    return layer


STD = {
    "xavier": (math.sqrt(2 / (300 + 200)), math.sqrt(2 / (500 + 2500))),
    "kaiming": (math.sqrt(2 / 300), math.sqrt(2 / 500)),
    "fan-in": (math.sqrt(1 / 300), math.sqrt(1 / 500)),
    "normal-0.02": (0.02, 0.02),
    "normal-5e-3": (0.005, 0.005),
    "normal-0.01-all": (0.01, 0.01),
}


@pytest.mark.parametrize("scheme", STD)
def test_standard_deviation_of_the_weights(scheme):
    of_dense, of_conv = STD[scheme]
    assert dense(scheme).weight.std().item() == pytest.approx(of_dense, rel=TOLERANCE)
    assert conv(scheme).weight.std().item() == pytest.approx(of_conv, rel=TOLERANCE)
    assert abs(dense(scheme).weight.mean().item()) < 5 * of_dense / math.sqrt(60_000)


def test_xavier_is_uniform():
    weight, bound = dense("xavier").weight, math.sqrt(6 / 500)
    assert 0.999 * bound < weight.abs().max().item() <= bound


def test_orthogonal_keeps_lengths():
    weight = dense("orthogonal").weight  # (200, 300): its rows are orthonormal
    torch.testing.assert_close(weight @ weight.T, torch.eye(200), rtol=0, atol=1e-5)


@pytest.mark.parametrize("scheme", [*STD, "orthogonal"])
def test_biases_are_zero_unless_everything_is_drawn(scheme):
    spread = dense(scheme).bias.std().item()
    if scheme.endswith("-all"):
        assert spread == pytest.approx(0.01, rel=5 / math.sqrt(2 * 200))
    else:
        assert spread == 0


def test_torch_leaves_everything_as_it_was():
    torch.manual_seed(0)
    layer = nn.Linear(*DENSE)
    assert torch.equal(layer.weight, dense("torch").weight)
    assert torch.equal(layer.bias, dense("torch").bias)


@pytest.mark.parametrize("scheme", [*STD, "orthogonal"])
@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.LayerNorm, lambda n: nn.GroupNorm(2, n)])
def test_normalizations_keep_their_ones_and_zeros(scheme, norm):
    network = nn.Sequential(nn.Linear(3, 4, bias=False), norm(4))
    before = network[0].weight.clone()
    initialize(network, scheme)
    assert not torch.equal(network[0].weight, before)
    assert network[1].weight.tolist() == [1] * 4
    assert network[1].bias.tolist() == [0] * 4


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize(("scheme", "gain"), [("fan-in", 1), ("kaiming", 2)])
def test_a_transposed_convolution_keeps_the_variance_of_what_it_reads(scheme, gain, groups):
    """A pixel inside adds up in_channels / groups x k x k unit normals: variance 1, or kaiming's 2.

    Far from square, so that outputs taken for inputs would be wrong eightfold.
    """
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(64, 8, 5, padding=2, groups=groups)
    initialize(layer, scheme)
    fan_in = 64 // groups * 25
    count = layer.weight.numel()
    assert layer.weight.std().item() == pytest.approx(
        math.sqrt(gain / fan_in), rel=5 / math.sqrt(2 * count)
    )
    out = layer(torch.randn(200, 64, 9, 9))[:, :, 4, 4]  # (200, 8)
    assert out.var().item() == pytest.approx(gain, rel=0.35)


def test_the_notation_starts_a_decoder_by_what_it_reads():
    torch.manual_seed(0)
    network = build_network("deconv5-32 deconv5-out", (256, 4, 4), (1, 4, 4), init="fan-in")
    first, last = (m for m in network.after if isinstance(m, nn.ConvTranspose2d))
    assert first.weight.std().item() == pytest.approx(1 / math.sqrt(256 * 25), rel=TOLERANCE)
    assert last.weight.std().item() == pytest.approx(1 / math.sqrt(32 * 25), rel=0.13)


@pytest.mark.parametrize("scheme", ["xaviar", "normal", "normal-", "normal-STD", "normal-x", ""])
def test_unknown_schemes(scheme):
    with pytest.raises(UsageError, match="unknown init"):
        initialize(nn.Linear(2, 2), scheme)
