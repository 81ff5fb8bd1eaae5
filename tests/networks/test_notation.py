"""Every token of the layer notation, good and bad."""

import pytest

from twofold.errors import UsageError
from twofold.networks.notation import Layer, parse_layers


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("fc-512", {"kind": "fc", "width": 512}),
        ("fc-out", {"kind": "fc", "width": 0}),
        ("conv5-64/2", {"kind": "conv", "kernel": 5, "width": 64, "stride": 2}),
        ("conv3-out", {"kind": "conv", "kernel": 3, "width": 0}),
        ("deconv4-32/2", {"kind": "deconv", "kernel": 4, "width": 32, "stride": 2}),
        ("deconv11-out/10", {"kind": "deconv", "kernel": 11, "stride": 10}),
        ("base-128", {"kind": "base", "width": 128}),
        ("pool2", {"kind": "pool", "kernel": 2}),
        ("avgpool10", {"kind": "avgpool", "kernel": 10}),
        ("up2", {"kind": "up", "kernel": 2}),
        ("flatten", {"kind": "flatten"}),
        ("reshape-64x7x10", {"kind": "reshape", "shape": (64, 7, 10)}),
        ("join", {"kind": "join"}),
        ("fc-8[linear]", {"kind": "fc", "width": 8, "activation": "linear"}),
        ("fc-8[leaky-0.3]", {"kind": "fc", "width": 8, "activation": "leaky-0.3"}),
        ("fc-8[none]", {"kind": "fc", "width": 8, "norm": "none"}),
        ("fc-8[drop0.5,spectral]", {"kind": "fc", "width": 8, "dropout": 0.5, "norm": "spectral"}),
        ("fc-8[drop0]", {"kind": "fc", "width": 8, "dropout": 0.0}),
        ("conv3-8[valid,nobias]", {"kind": "conv", "kernel": 3, "width": 8, "valid": True}),
    ],
)
def test_layers(token, expected):
    if "nobias" in token:
        expected = {**expected, "bias": False}
    assert parse_layers(token) == (Layer(text=token, **expected),)


def test_a_line_of_layers():
    kinds = [layer.kind for layer in parse_layers("  conv5-32/2\n conv5-64/2\tflatten fc-500 ")]
    assert kinds == ["conv", "conv", "flatten", "fc"]
    assert parse_layers("") == ()


def test_out_layers_have_weights():
    layers = parse_layers("fc-out conv3-out deconv4-out/2 base-out flatten join reshape-1x2x3 fc-9")
    assert [layer.is_output for layer in layers] == [True] * 4 + [False] * 4


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("dense-512", "no such layer"),
        ("fc-64[linear", "no such layer"),
        ("fc64-", "no such layer"),
        ("conv-5-64", "no such layer"),
        ("FC-64", "no such layer"),
        ("fc--64", "no such layer"),
        ("conv5-64/", "no such layer"),
        ("fc", "the width is missing"),
        ("conv5", "the width is missing"),
        ("conv-64", "the kernel is missing"),
        ("deconv/2", "the kernel and the width is missing"),
        ("pool", "the kernel is missing"),
        ("reshape", "the width is missing"),
        ("fc3-64", "fc layers have no kernel"),
        ("fc-64/2", "fc layers have no stride"),
        ("pool2/2", "pool layers have no stride"),
        ("up2-64", "up layers have no width"),
        ("flatten-3", "flatten layers have no width"),
        ("join2", "join layers have no kernel"),
        ("fc-0", "sizes start at 1"),
        ("fc-00", "sizes start at 1"),
        ("conv0-64", "sizes start at 1"),
        ("conv3-64/0", "sizes start at 1"),
        ("conv3-64/00", "sizes start at 1"),
        ("reshape-3x0x3", "sizes start at 1"),
        ("fc-1000001", "sizes end at 1000000"),
        ("reshape-3x3x9999999", "sizes end at 1000000"),
        ("fc-\uff18", "no such layer"),  # a full-width 8
        ("conv\u0663-64", "no such layer"),  # an Arabic 3
        ("reshape-64", "names channels, height and width"),
        ("reshape-out", "names channels, height and width"),
        ("fc-3x4x5", "only a reshape names three sizes"),
        ("fc-64[dropout]", "'dropout' is not dropP"),
        ("fc-64[drop]", "'drop' is not dropP"),
        ("fc-64[drop1]", "'drop1' is not dropP"),
        ("fc-64[drop-0.1]", "'drop-0.1' is not dropP"),
        ("fc-64[dropnan]", "'dropnan' is not dropP"),
        ("pool2[relu]", "pool layers have nothing to change"),
        ("flatten[batch]", "flatten layers have nothing to change"),
        ("join[drop0.5]", "join layers have nothing to change"),
        ("fc-64[valid]", "only a convolution can be valid"),
        ("base-64[valid]", "only a convolution can be valid"),
    ],
)
def test_unreadable_layers(token, why):
    """The message names the layer as written, says why, and shows what layers look like."""
    with pytest.raises(UsageError) as error:
        parse_layers(f"fc-10 {token} fc-10")
    assert f"cannot read the layer {token!r}: " in str(error.value)
    assert why in str(error.value)
    assert "layers look like fc-512, conv5-64/2" in str(error.value)


def test_sizes_that_are_no_numbers_to_python():
    """Python reads no more than 4 300 digits; the sentence shows the first few."""
    with pytest.raises(UsageError, match="sizes end at 1000000") as error:
        parse_layers(f"fc-{'9' * 5000}")
    assert len(str(error.value)) < 250
    assert parse_layers("fc-1000000")[0].width == 10**6
    assert parse_layers("fc-00512")[0].width == 512
