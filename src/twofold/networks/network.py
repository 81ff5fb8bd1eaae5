"""From the layer notation to a module that may take a condition."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from twofold.errors import UsageError, unknown_name
from twofold.networks.initialize import WEIGHTED, initialize
from twofold.networks.notation import NORMS, SIZES, Layer, parse_layers
from twofold.registry import find, make, register
from twofold.settings import Share

__all__ = ["ACTIVATIONS", "NORMS", "Network", "build_network"]

Shape = tuple[int, ...]
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "leaky": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
_SLOPE = re.compile(r"\d*\.?\d+", re.ASCII)
ORDERS = ("norm activation dropout", "activation norm dropout", "norm dropout activation")


class Network(nn.Module):
    """Two stretches of plain layers with the condition joined between them.

    Arguments:
        before, after: Layers up to where the condition enters, and from there on.
        output_shape: Of what comes out, without the batch.
        ends: Layer, as written, to the number of modules of `after` that complete it.

    Example:
        >>> net = build_network("fc-8 fc-6", (4,), (2,))
        >>> features, output = net.with_features(torch.zeros(3, 4), "fc-6")
        >>> features.shape, output.shape
        (torch.Size([3, 6]), torch.Size([3, 2]))
    """

    def __init__(
        self,
        before: nn.Sequential,
        after: nn.Sequential,
        output_shape: Shape,
        ends: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.before = before
        self.after = after
        self.output_shape = output_shape
        self.ends = dict(ends or {})

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Arguments: x (B, ...), c the encoded condition (B, dim) or None."""
        return self.after(self._join(x, c))

    def with_features(
        self, x: Tensor, layer: str, c: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What a layer gives after its activation, flattened to (B, F), and the output."""
        h, end = self._join(x, c), self.ends[layer]
        features = self.after[:end](h)
        return features.flatten(1), self.after[end:](features)

    def check_layer(self, layer: str) -> None:
        """Refuses, by a UsageError, a layer from which features cannot be taken."""
        if layer not in self.ends:
            raise unknown_name("feature layer", layer, self.ends)

    def _join(self, x: Tensor, c: Tensor | None) -> Tensor:
        h = self.before(x)
        if c is None:
            return h
        c = c.to(h.dtype)
        if h.dim() == 4:
            c = c[:, :, None, None].expand(-1, -1, *h.shape[-2:])  # (B, dim, H, W)
        return torch.cat([h, c], dim=1)


@register("network", "layers", title="the layer notation")
def build_network(
    layers: str,
    input_shape: Shape,
    output_shape: Shape | None,
    condition_dim: int = 0,
    activation: str = "relu",
    norm: Literal["none", "batch", "spectral"] = "none",
    dropout: Share = 0.0,
    order: str = "norm activation dropout",
    init: str = "torch",
) -> Network:
    """A network from its layers.

    The defaults apply to every hidden layer with weights; an `out` layer is left bare, so that
    what comes out are logits, means or log-variances and nothing has normalized them (spectral
    normalization, which bounds the weights of a whole network, includes it).

    Arguments:
        layers: The layer notation (`twofold.networks.notation`).
        input_shape: (D,) or (C, H, W).
        output_shape: (D,) or (C, H, W); None for a trunk, which gives its last layer, flattened.
        condition_dim: Columns of the encoded condition, 0 for none.
        activation: One of `ACTIVATIONS`; `leaky-0.3` sets the slope (0.2 by default).
        norm: `none`, `batch` or `spectral`.
        dropout: Probability of zeroing a hidden unit.
        order: In which order a hidden layer applies the three, after its weights.
        init: A scheme of `twofold.networks.initialize`.

    Raises:
        UsageError: If a layer cannot be read or the sizes do not fit, saying which would.

    Example:
        >>> net = build_network("fc-512 fc-512", (1, 28, 28), (128,), condition_dim=10)
        >>> net(torch.zeros(2, 1, 28, 28), torch.zeros(2, 10)).shape
        torch.Size([2, 128])
    """
    if norm not in NORMS:
        raise unknown_name("norm", norm, NORMS)
    if order not in ORDERS:
        raise unknown_name("order", order, ORDERS)
    complete = []
    for layer in _complete(parse_layers(layers), condition_dim, trunk=output_shape is None):
        hidden = not layer.is_output
        changed = replace(
            layer,
            activation=layer.activation or (activation if hidden else "linear"),
            norm=layer.norm or (norm if hidden or norm == "spectral" else "none"),
            dropout=(dropout if hidden else 0.0) if layer.dropout is None else layer.dropout,
        )
        complete.append(changed)
    builder = _Builder(input_shape, output_shape, condition_dim, order)
    network = builder.build(complete)
    initialize(network, init)
    for module in builder.spectral:  # its power iteration starts from the weights it finds
        spectral_norm(module)
    return network


def _complete(layers: tuple[Layer, ...], condition_dim: int, trunk: bool) -> list[Layer]:
    """Adds the output layer and the place where the condition enters, where they are left out."""
    complete = list(layers)
    joins = sum(layer.kind == "join" for layer in complete)
    if joins > 1:
        raise UsageError(f"join is written {joins} times; the condition enters once")
    outputs = [layer.text for layer in complete if layer.is_output]
    if trunk:
        if outputs:
            raise UsageError(f"{outputs[0]}: a trunk has no output of its own; give it a width")
        complete.append(parse_layers("flatten")[0])
    elif not outputs:
        complete.append(parse_layers("fc-out")[0])
    if condition_dim and not joins:
        dense = [i for i, layer in enumerate(complete) if layer.kind in ("fc", "base")]
        if not dense:
            mend = "write join before the layer that should see it"
            raise UsageError(f"the condition has no place to enter: {mend}")
        if complete[dense[0]].is_output and complete[dense[0]].kind == "fc":
            raise UsageError(
                "the condition would enter the last layer, where it adds the same to every image; "
                "write join earlier, or a dense layer such as fc-128 at the end"
            )
        complete[dense[0] : dense[0]] = parse_layers("flatten join")
    return complete


@dataclass
class _Builder:
    """Follows the shape through the layers and collects the modules."""

    shape: Shape
    output_shape: Shape | None
    condition_dim: int
    order: str
    before: list[nn.Module] = field(default_factory=list)
    modules: list[nn.Module] = field(default_factory=list)
    rest: list[Layer] = field(default_factory=list)
    spectral: list[nn.Module] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)

    def build(self, layers: list[Layer]) -> Network:
        for i, layer in enumerate(layers):
            self.rest = layers[i + 1 :]
            getattr(self, f"_add_{layer.kind}", self._add_registered)(layer)
            if layer.has_weights and not layer.is_output:
                same = sum(text.partition("#")[0] == layer.text for text in self.ends)
                self.ends[layer.text + (f"#{same + 1}" if same else "")] = len(self.modules)
        wanted = self.output_shape
        if wanted is not None and self.shape != wanted:
            if math.prod(self.shape) != math.prod(wanted):
                raise UsageError(
                    f"the layers end in {_show(self.shape)} but the network must give "
                    f"{_show(wanted)}; let the last layer be an out layer "
                    "(fc-out, conv5-out) at the right size"
                )
            self.modules.append(nn.Flatten() if len(wanted) == 1 else _Reshape(1, wanted))
            self.shape = wanted
        if not self.condition_dim:
            self.before, self.modules = [], self.before + self.modules
        before, after = nn.Sequential(*self.before), nn.Sequential(*self.modules)
        return Network(before, after, self.shape, self.ends)

    def _add_registered(self, layer: Layer) -> None:
        """A layer of a plugin; what it gives is found by trying it."""
        taken = find("layer", layer.kind).parameters
        sizes = {n: size for n in SIZES if n in taken and (size := getattr(layer, n))}
        module = make("layer", {"name": layer.kind, **sizes}, input_shape=self.shape)
        with torch.no_grad():
            self.shape = tuple(module.eval()(torch.zeros(1, *self.shape)).shape[1:])
        self.modules.append(module.train())
        self._bound(layer, module)

    def _add_join(self, _: Layer) -> None:
        if self.condition_dim:
            self.before, self.modules, self.ends = self.modules, [], {}
            self.shape = (self.shape[0] + self.condition_dim, *self.shape[1:])

    def _add_flatten(self, _: Layer) -> None:
        if len(self.shape) > 1:
            self.modules.append(nn.Flatten())
            self.shape = (math.prod(self.shape),)

    def _add_reshape(self, layer: Layer) -> None:
        shape = layer.shape or ()
        if math.prod(shape) != math.prod(self.shape):
            raise UsageError(
                f"{layer.text}: {_show(self.shape)} has {math.prod(self.shape)} numbers, "
                f"not {math.prod(shape)}"
            )
        self.modules.append(_Reshape(1, shape))
        self.shape = shape

    def _add_fc(self, layer: Layer) -> None:
        self._add_flatten(layer)
        width = layer.width or math.prod(self.output_shape or ())
        self._weighted(layer, nn.Linear(self.shape[0], width, bias=layer.bias))
        self._finish(layer, (width,))

    def _add_base(self, layer: Layer) -> None:
        """A dense layer whose spatial size is found by going back from the image."""
        if self.output_shape is None or len(self.output_shape) != 3:
            raise UsageError(f"{layer.text}: only a network that gives images has a base")
        enlarging = ({"deconv": r.stride, "up": r.kernel}.get(r.kind, 1) for r in self.rest)
        factor, (height, width) = math.prod(enlarging), self.output_shape[1:]
        if height % factor or width % factor:
            near = [max(1, side // factor) * factor for side in (height, width)]
            raise UsageError(
                f"these layers enlarge by {factor}, so height and width must be multiples of "
                f"{factor}: the images are {height}×{width}; size={near[0]} or "
                f"size={near[0] + factor} would do, or fewer strides"
            )
        shape = (self._width(layer), height // factor, width // factor)
        self._add_flatten(layer)
        self._weighted(layer, nn.Linear(self.shape[0], math.prod(shape), bias=layer.bias))
        self.modules.append(nn.Unflatten(1, shape))
        self._finish(layer, shape)

    def _add_conv(self, layer: Layer) -> None:
        channels, height, width = self._image(layer)
        kernel, stride, out = layer.kernel, layer.stride, self._width(layer)
        padding = 0 if layer.valid else _same_padding(layer)
        sides = tuple((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
        if min(sides) < 1:
            raise UsageError(
                f"{layer.text}: the image is only {height}×{width} here, too small for a "
                f"{kernel}×{kernel} kernel; use larger images or fewer strides"
            )
        self._weighted(layer, nn.Conv2d(channels, out, kernel, stride, padding, bias=layer.bias))
        self._finish(layer, (out, *sides))

    def _add_deconv(self, layer: Layer) -> None:
        channels, *sides = self._image(layer)
        kernel, stride, out = layer.kernel, layer.stride, self._width(layer)
        if kernel < stride:
            raise UsageError(
                f"{layer.text}: a kernel smaller than its stride leaves holes between the pixels; "
                f"use a kernel of {stride} or more"
            )
        padding = 0 if layer.valid else _same_padding(layer)
        extra = 0 if layer.valid else stride - kernel + 2 * padding
        sizes = (kernel, stride, padding, extra)
        self._weighted(layer, nn.ConvTranspose2d(channels, out, *sizes, bias=layer.bias))
        sides = ((side - 1) * stride - 2 * padding + kernel + extra for side in sides)
        self._finish(layer, (out, *sides))

    def _add_res(self, layer: Layer) -> None:
        channels, *sides = self._image(layer)
        out, before, self.modules = self._width(layer), self.modules, []
        given = {"kernel_size": layer.kernel, "padding": _same_padding(layer), "bias": layer.bias}
        for into in (channels, out):
            self._finish(layer, (into, *sides))
            self._weighted(layer, nn.Conv2d(into, out, **given))
        skip = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1, bias=False)
        self._bound(layer, skip)
        self.modules = [*before, _Residual(nn.Sequential(*self.modules), skip)]
        self.shape = (out, *sides)

    def _add_pool(self, layer: Layer) -> None:
        channels, height, width = self._image(layer)
        if min(height, width) < layer.kernel:
            raise UsageError(f"{layer.text}: the image is only {height}×{width} here")
        pool = nn.MaxPool2d if layer.kind == "pool" else nn.AvgPool2d
        self.modules.append(pool(layer.kernel))
        self.shape = (channels, height // layer.kernel, width // layer.kernel)

    _add_avgpool = _add_pool

    def _add_up(self, layer: Layer) -> None:
        channels, height, width = self._image(layer)
        self.modules.append(nn.Upsample(scale_factor=layer.kernel))
        self.shape = (channels, height * layer.kernel, width * layer.kernel)

    def _image(self, layer: Layer) -> tuple[int, int, int]:
        if len(self.shape) != 3:
            raise UsageError(
                f"{layer.text} needs an image but gets {_show(self.shape)}; "
                "write base-128 or reshape-CxHxW before it"
            )
        return self.shape[0], self.shape[1], self.shape[2]

    def _width(self, layer: Layer) -> int:
        """The channels that a layer gives; a trunk has no out layer."""
        return layer.width or (self.output_shape or (0,))[0]

    def _weighted(self, layer: Layer, module: nn.Module) -> None:
        self.modules.append(module)
        self._bound(layer, module)

    def _bound(self, layer: Layer, module: nn.Module) -> None:
        """Notes every weight of a layer, of a plugin's too, that spectral normalization bounds."""
        free = [m for m in module.modules() if not is_parametrized(m, "weight")]
        self.spectral += [m for m in free if isinstance(m, WEIGHTED) and layer.norm == "spectral"]

    def _finish(self, layer: Layer, shape: Shape) -> None:
        """What comes with the weights of a layer whose units have this shape."""
        self.shape = shape
        for step in self.order.split():
            if step == "norm" and layer.norm == "batch":
                batch_norm = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
                self.modules.append(batch_norm(shape[0]))
            elif step == "activation" and layer.activation not in (None, "linear"):
                self.modules.append(_activation(layer.activation))
            elif step == "dropout" and layer.dropout:
                self.modules.append(nn.Dropout(layer.dropout))


class _Residual(nn.Module):
    """x + f(x), x brought to the right channels (He et al., 2016, Identity Mappings, figure 4e)."""

    def __init__(self, body: nn.Module, skip: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.body(x)


class _Reshape(nn.Unflatten):
    """(B, ...) to (B, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.flatten(1))


def _activation(text: str) -> nn.Module:
    name, _, slope = text.partition("-")
    if name not in ACTIVATIONS:
        raise unknown_name("activation", text, ACTIVATIONS)
    if slope and (name != "leaky" or _SLOPE.fullmatch(slope) is None):
        raise UsageError(f"activation {text!r}: only leaky has a slope, a number as in leaky-0.3")
    return nn.LeakyReLU(float(slope or 0.2)) if name == "leaky" else ACTIVATIONS[name]()


def _same_padding(layer: Layer) -> int:
    """Padding with which a stride of 1 keeps the size and a stride s divides it by s."""
    if layer.kernel % 2:
        return (layer.kernel - 1) // 2
    if (layer.kernel - layer.stride) % 2 or layer.kernel < layer.stride:
        raise UsageError(
            f"{layer.text}: an even kernel needs an even stride no larger than itself; "
            f"use kernel {layer.kernel + 1}, or [valid]"
        )
    return (layer.kernel - layer.stride) // 2


def _show(shape: Shape) -> str:
    return f"{shape[0]} numbers" if len(shape) == 1 else "×".join(map(str, shape))
