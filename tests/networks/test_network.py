"""From the layer notation to modules: shapes by hand, the condition, norms, impossible sizes."""

import importlib

import pytest
import torch
from torch import Tensor, nn

from twofold.errors import UsageError
from twofold.networks import Network, build_network
from twofold.registry import register

WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
RESHAPES = ("Flatten", "Unflatten", "_Reshape")


def leaves(network: nn.Module) -> list[nn.Module]:
    """The layers in order, parametrized ones whole."""
    return [m for part in (network.before, network.after) for m in part]


def shapes_along(network: Network, x: Tensor, c: Tensor | None = None) -> list[tuple[int, ...]]:
    """The shape after every layer that changes it, without the batch."""
    shapes: list[tuple[int, ...]] = []

    def note(_module: object, _inputs: object, output: Tensor) -> None:
        if not shapes or shapes[-1] != tuple(output.shape[1:]):
            shapes.append(tuple(output.shape[1:]))

    handles = [module.register_forward_hook(note) for module in leaves(network)]
    network(x, c)
    for handle in handles:
        handle.remove()
    return shapes


def normals(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


# --- shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "shapes"),
    [
        ("", "7 -> 3"),
        ("fc-out", "1x4x4 -> 16 3"),
        ("fc-5 fc-6", "3x4x2 -> 24 5 6 2"),
        ("fc-5", "7 -> 5 24 3x4x2"),
        ("conv5-8/2 conv5-16/2 fc-20", "1x28x28 -> 8x14x14 16x7x7 784 20 10"),
        # Odd sizes: an odd kernel rounds up, an even one down.
        ("conv5-8/2 conv3-16/2", "1x9x7 -> 8x5x4 16x3x2 96 4"),
        ("conv4-8/2 conv2-6/2", "3x9x7 -> 8x4x3 6x2x1 12 4"),
        ("conv4-8/4", "3x9x7 -> 8x2x1 16 4"),
        ("conv3-8/3", "1x10x9 -> 8x4x3 96 4"),
        ("conv1-8 conv3-2", "1x5x7 -> 8x5x7 2x5x7 70 4"),
        ("conv4-8[valid] conv3-4/2[valid]", "3x12x10 -> 8x9x7 4x4x3 48 4"),
        ("conv3-8 pool2 avgpool3", "1x13x14 -> 8x13x14 8x6x7 8x2x2 32 4"),
        ("conv3-out", "2x5x7 -> 3x5x7"),
        ("flatten fc-4", "1x2x3 -> 6 4 5"),
        ("reshape-6x1x1 conv1-2", "1x2x3 -> 6x1x1 2x1x1 2 5"),
        # PatchGAN-like: a convolution down to one number.
        ("conv4-8/2 conv4-out[valid]", "1x8x8 -> 8x4x4 1x1x1 1"),
        ("base-16 deconv5-8/2 deconv5-out/2", "4 -> 784 16x7x7 8x14x14 1x28x28"),
        ("fc-9 base-6 deconv4-5/2 deconv3-out", "4 -> 9 90 6x5x3 5x10x6 3x10x6"),
        ("base-6 up2 conv3-5 up3 conv3-out", "4 -> 36 6x2x3 6x4x6 5x4x6 5x12x18 1x12x18"),
        ("base-2 deconv3-out/3", "4 -> 24 2x4x3 1x12x9"),
        ("base-2 deconv8-out/4", "4 -> 12 2x3x2 1x12x8"),
        ("base-out", "4 -> 105 3x5x7"),
        ("fc-98 reshape-2x7x7 deconv4-out/2", "4 -> 98 2x7x7 1x14x14"),
        # DCGAN's first layer.
        ("reshape-4x1x1 deconv4-3[valid] deconv4-out/2", "4 -> 4x1x1 3x4x4 1x8x8"),
        ("reshape-4x1x1 deconv3-out/2[valid]", "4 -> 4x1x1 1x3x3"),
        # The same numbers in another shape.
        ("conv3-4 conv3-out pool2", "1x4x4 -> 4x4x4 1x4x4 1x2x2 1x1x4"),
    ],
)
def test_shapes(layers, shapes):
    """By hand: what a network is given, and the shape after every layer that changes it."""
    given, along = shapes.split(" -> ")
    sizes = [tuple(map(int, shape.split("x"))) for shape in (given, *along.split())]
    network = build_network(layers, sizes[0], sizes[-1])
    x = torch.zeros(2, *sizes[0])
    assert shapes_along(network, x) == sizes[1:]
    assert network(x).shape == (2, *sizes[-1])


def test_same_padding_keeps_the_image_in_place():
    """A kernel that is one at its center returns its input, whatever its odd size."""
    for kernel in (1, 3, 5, 7):
        network = build_network(f"conv{kernel}-out", (1, 6, 5), (1, 6, 5))
        (conv,) = leaves(network)
        with torch.no_grad():
            conv.weight.zero_()
            conv.weight[..., kernel // 2, kernel // 2] = 1
            conv.bias.zero_()
        x = normals(2, 1, 6, 5)
        torch.testing.assert_close(network(x), x)


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_a_deconvolution_is_the_transpose_of_the_convolution(kernel):
    """With one kernel, <conv x, y> = <x, deconv y>: padding and output padding are the conv's."""
    down = build_network(f"conv{kernel}-2/2[nobias]", (1, 8, 6), (2, 4, 3))
    down = nn.Sequential(leaves(down)[0])
    up = nn.Sequential(
        leaves(build_network(f"deconv{kernel}-out/2[nobias]", (2, 4, 3), (1, 8, 6)))[0]
    )
    with torch.no_grad():
        up[0].weight.copy_(down[0].weight)
    x, y = normals(1, 1, 8, 6), normals(1, 2, 4, 3)
    torch.testing.assert_close((down(x) * y).sum(), (x * up(y)).sum(), rtol=1e-4, atol=1e-4)


# --- sizes that cannot be -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "given", "wanted", "words"),
    [
        (
            "base-16 deconv5-8/2 deconv5-out/2",
            (4,),
            (1, 30, 28),
            "multiples of 4: the images are 30×28; size=28 or size=32 would do",
        ),
        ("base-8 up2 up2 up2 conv3-out", (4,), (1, 5, 5), "multiples of 8.*size=8 or size=16"),
        ("base-8 deconv4-out/2", (4,), (6,), "only a network that gives images has a base"),
        ("conv3-8[valid] conv3-8[valid]", (1, 4, 4), (2,), "only 2×2 here, too small for a 3×3"),
        ("conv3-8 pool4 pool2", (1, 4, 4), (2,), r"pool2: the image is only 1×1 here"),
        ("fc-10 conv3-8", (1, 4, 4), (2,), "conv3-8 needs an image but gets 10 numbers"),
        ("deconv4-8/2", (9,), (2,), "write base-128 or reshape-CxHxW before it"),
        ("reshape-2x3x3", (17,), (2,), "17 numbers has 17 numbers, not 18"),
        ("conv3-out", (1, 4, 4), (1, 8, 8), "the layers end in 1×4×4 .* must give 1×8×8"),
        ("conv4-8", (1, 8, 8), (2,), r"conv4-8: an even kernel .* use kernel 5, or \[valid\]"),
        ("conv2-8/4", (1, 8, 8), (2,), "an even stride no larger than itself"),
        ("deconv1-out/2", (1, 4, 4), (1, 8, 8), "smaller than its stride leaves holes"),
        ("deconv3-out/4", (1, 4, 4), (1, 16, 16), "smaller than its stride leaves holes"),
        ("deconv2-8/3[valid]", (1, 4, 4), (2,), "smaller than its stride leaves holes"),
    ],
)
def test_impossible_sizes(layers, given, wanted, words):
    with pytest.raises(UsageError, match=words):
        build_network(layers, given, wanted)


@pytest.mark.parametrize("side", [28, 32])
def test_the_sizes_that_the_message_recommends_work(side):
    network = build_network("base-4 deconv5-3/2 deconv5-out/2", (4,), (1, side, side))
    assert network(torch.zeros(1, 4)).shape == (1, 1, side, side)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"activation": "rellu"}, "unknown activation 'rellu'; did you mean 'relu'"),
        ({"activation": "relu-0.5"}, "only leaky has a slope"),
        ({"activation": "leaky-x"}, "only leaky has a slope, a number"),
        ({"norm": "btach"}, "unknown norm 'btach'; did you mean 'batch'"),
        ({"order": "activation norm"}, "unknown order"),
        ({"init": "xaviar"}, "unknown init 'xaviar'; did you mean 'xavier'"),
    ],
)
def test_unknown_names(settings, words):
    with pytest.raises(UsageError, match=words):
        build_network("fc-8", (4,), (2,), **settings)


# --- the condition --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "given", "wanted", "by_hand"),
    [
        ("fc-5 fc-6", (3,), (2,), [("fc", 3 + 10), ("fc", 5), ("fc", 6)]),
        ("fc-5 join fc-6", (3,), (2,), [("fc", 3), ("fc", 5 + 10), ("fc", 6)]),
        ("fc-5 fc-6 join", (3,), (2,), [("fc", 3), ("fc", 5), ("fc", 6 + 10)]),
        ("conv3-4 fc-6", (1, 2, 2), (2,), [("conv", 1), ("fc", 16 + 10), ("fc", 6)]),
        ("join conv3-4 fc-6", (1, 2, 2), (2,), [("conv", 1 + 10), ("fc", 16), ("fc", 6)]),
        ("conv3-4 join conv3-5", (1, 2, 2), (2,), [("conv", 1), ("conv", 4 + 10), ("fc", 20)]),
        ("base-4 conv3-out", (3,), (1, 2, 2), [("fc", 3 + 10), ("conv", 4)]),
        ("base-4 join conv3-out", (3,), (1, 2, 2), [("fc", 3), ("conv", 4 + 10)]),
        ("join conv3-out", (1, 2, 2), (1, 2, 2), [("conv", 1 + 10)]),
    ],
)
def test_where_the_condition_enters(layers, given, wanted, by_hand):
    """By hand: the columns or channels that every layer reads, ten of them the condition's."""
    network = build_network(layers, given, wanted, condition_dim=10, activation="tanh")
    reads = [
        ("fc", m.in_features) if isinstance(m, nn.Linear) else ("conv", m.in_channels)
        for m in leaves(network)
        if isinstance(m, WEIGHTED)
    ]
    assert reads == by_hand
    x = normals(4, *given)
    outputs = [network(x, c) for c in torch.eye(10)[:2].repeat_interleave(4, 0).chunk(2)]
    assert outputs[0].shape == (4, *wanted)
    assert ((outputs[0] - outputs[1]).flatten(1).abs().amax(dim=1) > 1e-4).all()


def test_the_condition_follows_the_columns():
    network = build_network("join fc-out", (3,), (5,), condition_dim=2)
    with torch.no_grad():
        network.after[-1].weight.copy_(torch.eye(5))
        network.after[-1].bias.zero_()
    x, c = normals(4, 3), torch.eye(2)[[0, 1, 1, 0]]
    torch.testing.assert_close(network(x, c), torch.cat([x, c], dim=1))


def test_the_condition_follows_the_channels_everywhere():
    network = build_network("join conv1-out", (1, 2, 3), (3, 2, 3), condition_dim=2)
    with torch.no_grad():
        network.after[-1].weight.copy_(torch.eye(3)[:, :, None, None])
        network.after[-1].bias.zero_()
    x, c = normals(2, 1, 2, 3), torch.eye(2)
    expected = torch.cat([x, c[:, :, None, None].expand(2, 2, 2, 3)], dim=1)
    torch.testing.assert_close(network(x, c), expected)


def test_join_is_ignored_without_a_condition():
    network = build_network("fc-5 join fc-6", (3,), (2,))
    assert [m.in_features for m in leaves(network) if isinstance(m, nn.Linear)] == [3, 5, 6]


def test_the_condition_enters_once():
    with pytest.raises(UsageError, match="join is written 2 times"):
        build_network("join fc-5 join fc-6", (3,), (2,), condition_dim=2)


def test_the_condition_needs_a_place():
    with pytest.raises(UsageError, match="write join before the layer that should see it"):
        build_network("conv3-4 conv3-out", (1, 4, 4), (1, 4, 4), condition_dim=2)


@pytest.mark.parametrize("layers", ["conv3-4/2 conv3-8/2", "", "conv3-4/2 flatten fc-out"])
def test_the_condition_may_not_enter_the_last_layer_unasked(layers):
    """There it adds one number to every score, whatever the image: D could not judge the class."""
    with pytest.raises(UsageError, match=r"last layer, .* write join earlier"):
        build_network(layers, (1, 4, 4), (1,), condition_dim=2)
    asked = build_network("conv3-4/2 flatten join fc-out", (1, 4, 4), (1,), condition_dim=2)
    assert asked(normals(2, 1, 4, 4), torch.eye(2)).shape == (2, 1)


# --- norms, activations, dropout ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "given", "wanted"),
    [
        ("fc-8", (4,), (3,)),
        ("fc-8 fc-out", (1, 2, 2), (1, 2, 2)),
        ("conv3-8 conv3-out", (1, 4, 4), (1, 4, 4)),
        ("conv3-8/2", (1, 4, 4), (3,)),
        ("base-8 deconv4-out/2", (4,), (1, 4, 4)),
        ("fc-8 base-out", (4,), (1, 4, 4)),
    ],
)
def test_what_comes_out_is_bare(layers, given, wanted):
    """Trap: BN on the output logits. Nor does an activation or dropout touch them."""
    network = build_network(layers, given, wanted, norm="batch", dropout=0.5, activation="sigmoid")
    kept = [m for m in leaves(network) if type(m).__name__ not in RESHAPES]
    assert isinstance(kept[-1], WEIGHTED)
    assert sum(isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)) for m in kept) == 1
    with torch.no_grad():  # a bias of 100 survives, where BN would have taken it away
        kept[-1].bias.fill_(100)
    assert network(normals(6, *given)).mean().item() == pytest.approx(100, abs=5)


def types(network: Network) -> list[str]:
    return [type(m).__name__ for m in leaves(network)]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("norm activation dropout", ["BatchNorm1d", "LeakyReLU", "Dropout"]),
        ("activation norm dropout", ["LeakyReLU", "BatchNorm1d", "Dropout"]),
        ("norm dropout activation", ["BatchNorm1d", "Dropout", "LeakyReLU"]),
    ],
)
def test_order_within_a_layer(order, expected):
    network = build_network(
        "fc-8", (4,), (2,), norm="batch", dropout=0.3, activation="leaky-0.3", order=order
    )
    assert types(network) == ["Linear", *expected, "Linear"]
    (leaky,) = (m for m in leaves(network) if isinstance(m, nn.LeakyReLU))
    (drop,) = (m for m in leaves(network) if isinstance(m, nn.Dropout))
    assert leaky.negative_slope == 0.3
    assert drop.p == 0.3


def test_a_layer_changes_its_own_defaults_only():
    network = build_network(
        "fc-8[tanh,none,drop0] fc-7[linear] fc-6[nobias]", (4,), (2,), norm="batch", dropout=0.3
    )
    first = ["Linear", "Tanh"]
    second = ["Linear", "BatchNorm1d", "Dropout"]
    third = ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert types(network) == [*first, *second, *third, "Linear"]
    biases = [m.bias is not None for m in leaves(network) if isinstance(m, nn.Linear)]
    assert biases == [True, True, False, True]


@pytest.fixture
def plugin_layer(monkeypatch):
    """A layer of a plugin, of two dense ones."""
    table = importlib.import_module("twofold.registry.entries")
    monkeypatch.setattr(table, "_entries", dict(table._entries))

    @register("layer", "twice")
    def twice(input_shape: tuple[int, ...]) -> nn.Module:
        size = input_shape[0]
        return nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, size))


@pytest.mark.usefixtures("plugin_layer")
@pytest.mark.parametrize("init", ["torch", "normal-0.02", "orthogonal", "xavier"])
@pytest.mark.parametrize(
    ("layers", "given", "wanted"),
    [
        ("fc-12 fc-9", (1, 4, 4), (3,)),
        ("conv3-8/2 conv4-6/2", (3, 8, 8), (1,)),
        ("base-8 deconv4-6/2 deconv3-out", (5,), (3, 8, 8)),
        ("conv3-4 res3-6 res3-6 fc-5", (3, 6, 6), (2,)),
        ("twice fc-9", (6,), (2,)),
    ],
)
def test_spectral_norm_bounds_every_top_singular_value(layers, given, wanted, init):
    """At one, within 2 %, of every layer, after the power iterations of a few dozen steps.

    Of skips and of layers within a plugin's layer too.
    """
    torch.manual_seed(0)
    network = build_network(layers, given, wanted, norm="spectral", init=init)
    for _ in range(60):
        network(normals(2, *given))
    weighted = [m for m in network.eval().modules() if isinstance(m, WEIGHTED)]
    assert len(weighted) >= 3
    for module in weighted:
        weight = module.weight.detach()
        if isinstance(module, nn.ConvTranspose2d):
            weight = weight.transpose(0, 1)
        top = torch.linalg.svdvals(weight.flatten(1))[0].item()
        assert top == pytest.approx(1, abs=0.02)


def test_spectral_norm_does_not_hide_the_weights_from_their_init():
    torch.manual_seed(0)
    network = build_network("fc-200", (300,), (1,), norm="spectral", init="normal-0.02")
    weight = dict(network.named_parameters())["after.0.parametrizations.weight.original"]
    assert weight.std().item() == pytest.approx(0.02, rel=0.015)
    top = torch.linalg.svdvals(network.eval().after[0].weight.detach())[0].item()
    assert top == pytest.approx(1, abs=0.1)  # the first power iterations saw these weights


def test_the_same_seed_gives_the_same_weights():
    def build(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        return list(build_network("fc-8", (4,), (2,), init="xavier").parameters())

    assert all(torch.equal(a, b) for a, b in zip(build(0), build(0), strict=True))
    assert not torch.equal(build(0)[0], build(1)[0])


def test_a_residual_block_adds_to_what_it_is_given():
    """With its last convolution at zero it is the identity, or the 1×1 projection."""
    same = build_network("res3-4", (4, 6, 6), (4, 6, 6), activation="relu", norm="batch").after[0]
    wider = build_network("res3-5", (4, 6, 6), (5, 6, 6), norm="batch").after[0]
    x = torch.randn(2, 4, 6, 6)
    for block in (same, wider):
        torch.nn.init.zeros_(block.body[-1].weight)
        torch.nn.init.zeros_(block.body[-1].bias)
        assert [type(m).__name__ for m in block.body] == ["BatchNorm2d", "ReLU", "Conv2d"] * 2
    torch.testing.assert_close(same(x), x)
    torch.testing.assert_close(wider(x), torch.nn.functional.conv2d(x, wider.skip.weight))


def test_an_inner_layer_gives_its_features():
    """After its activation, and the output is that of a plain call."""
    net = build_network("conv3-4/2 fc-8 fc-8", (1, 6, 6), (3,))
    assert list(net.ends) == ["conv3-4/2", "fc-8", "fc-8#2"]
    x = torch.randn(5, 1, 6, 6)
    for layer, width in (("conv3-4/2", 36), ("fc-8", 8), ("fc-8#2", 8)):
        features, output = net.with_features(x, layer)
        assert features.shape == (5, width)
        assert (features >= 0).all()
        torch.testing.assert_close(output, net(x))
    with pytest.raises(UsageError, match=r"fc-9.*fc-8"):
        net.check_layer("fc-9")


def test_a_trunk_gives_its_last_layer_flat():
    net = build_network("conv3-4/2", (1, 6, 6), None)
    assert net.output_shape == (36,)
    assert net(torch.zeros(2, 1, 6, 6)).shape == (2, 36)
    assert build_network("", (1, 6, 6), None).output_shape == (36,)
    with pytest.raises(UsageError, match="a trunk has no output of its own"):
        build_network("fc-out", (1, 6, 6), None)
