"""The layer notation: a network as a line of text that reads like the table in a paper.

============================  ==================================================================
`fc-512`                      dense layer with 512 units (an image is flattened first)
`conv5-64/2`                  5×5 convolution, 64 channels, stride 2, "same" padding
`deconv5-32/2`                its transpose: multiplies height and width by the stride
`base-128`                    dense layer to 128 channels of the size from which the layers
                              after it reach the image
`res3-64`                     residual block of two 3×3 convolutions to 64 channels, each after its
                              normalization and activation
`pool2`, `avgpool2`, `up2`    max pooling, average pooling, nearest-neighbor upsampling
`flatten`, `reshape-64x7x7`   as they say
`join`                        where the condition enters; by default where the network first is flat
============================  ==================================================================

`out` as a width stands for whatever the network must give (`conv5-out`); a network whose last layer
is not an `out` layer gets `fc-out` appended. Square brackets change one layer against the network's
defaults: `fc-64[linear,drop0.1]`, `conv3-128/2[none,valid]`: an activation, a normalization
(`batch`, `spectral`, `none`), `dropP`, `valid` (no padding) or `nobias`.

A layer that a plugin registered, say `attend`, is written by its name and whichever of kernel,
width and stride its function takes: `attend3-64/2`.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from twofold.errors import UsageError
from twofold.registry import find, is_known
from twofold.settings import MOST

__all__ = ["Layer", "parse_layers"]

_LAYER = re.compile(
    r"(?P<kind>[a-z]+)"
    r"(?P<kernel>\d+)?(?:-(?P<width>out|\d+(?:x\d+x\d+)?))?(?:/(?P<stride>\d+))?"
    r"(?:\[(?P<changes>[^\]]*)\])?",
    re.ASCII,
)
_NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("fc", "base", "reshape"), ("width",)),
    **dict.fromkeys(("conv", "deconv", "res"), ("kernel", "width")),
    **dict.fromkeys(("pool", "avgpool", "up"), ("kernel",)),
    **dict.fromkeys(("flatten", "join"), ()),
}
_MAY = {kind: needs + (("stride",) if "conv" in kind else ()) for kind, needs in _NEEDS.items()}
SIZES = ("kernel", "width", "stride")
DIGITS = 20  # of a size, zeros in front too, before it is read as a number
NORMS = ("batch", "spectral", "none")


@dataclass(frozen=True)
class Layer:
    """One layer of the notation.

    Attributes:
        text: As written.
        kind: Its name, as `conv`.
        kernel: Kernel size, or the factor of a pooling or upsampling.
        width: Units or channels; 0 stands for `out`.
        stride: Stride of a convolution.
        shape: (C, H, W) of a reshape.
        activation, norm, dropout: Changes against the network's defaults, or None.
        valid: Whether a convolution goes without padding.

    Example:
        >>> layer = parse_layers("conv5-64/2[nobias]")[0]
        >>> layer.kind, layer.kernel, layer.width, layer.stride, layer.bias
        ('conv', 5, 64, 2, False)
    """

    text: str
    kind: str
    kernel: int = 0
    width: int = 0
    stride: int = 1
    shape: tuple[int, int, int] | None = None
    activation: str | None = None
    norm: str | None = None
    dropout: float | None = None
    valid: bool = False
    bias: bool = True

    @property
    def has_weights(self) -> bool:
        return self.kind in ("fc", "conv", "deconv", "res", "base")

    @property
    def is_output(self) -> bool:
        return self.has_weights and self.width == 0


def parse_layers(text: str) -> tuple[Layer, ...]:
    """The layers of a line of the notation.

    Raises:
        UsageError: Naming the first layer that cannot be read.

    Example:
        >>> [layer.kind for layer in parse_layers("conv5-32/2 conv5-64/2 flatten fc-500")]
        ['conv', 'conv', 'flatten', 'fc']
        >>> parse_layers("conv5-64/2[leaky-0.2,drop0.3]")[0].dropout
        0.3
    """
    return tuple(_parse_layer(token) for token in text.split())


def _parse_layer(token: str) -> Layer:
    match = _LAYER.fullmatch(token)
    if match is None:
        raise _unreadable(token, "no such layer")
    kind = match["kind"]
    needs, may = _sizes_of(token, kind)
    given = {name for name in SIZES if match[name] is not None}
    if missing := [name for name in needs if name not in given]:
        raise _unreadable(token, f"the {' and the '.join(missing)} is missing")
    if extra := given.difference(may):
        raise _unreadable(token, f"{kind} layers have no {' or '.join(sorted(extra))}")
    sizes = [size for name in given for size in match[name].split("x") if size != "out"]
    if any(not size.strip("0") for size in sizes):
        raise _unreadable(token, "sizes start at 1")
    if any(len(size) > DIGITS or int(size) > MOST for size in sizes):
        raise _unreadable(token, f"sizes end at {MOST}")
    width, shape = match["width"] or "out", None
    if kind == "reshape":
        if width.count("x") != 2:
            raise _unreadable(token, "a reshape names channels, height and width")
        channels, height, wide = map(int, width.split("x"))
        shape, width = (channels, height, wide), "out"
    elif "x" in width:
        raise _unreadable(token, "only a reshape names three sizes")
    layer = Layer(
        text=token,
        kind=kind,
        kernel=int(match["kernel"] or 0),
        width=0 if width == "out" else int(width),
        stride=int(match["stride"] or 1),
        shape=shape,
        **_parse_changes(token, match["changes"]),
    )
    if match["changes"] and not layer.has_weights:
        raise _unreadable(token, f"{kind} layers have nothing to change in brackets")
    if layer.valid and "conv" not in kind:
        raise _unreadable(token, "only a convolution can be valid")
    return layer


def _sizes_of(token: str, kind: str) -> tuple[Iterable[str], Iterable[str]]:
    """The sizes that a layer needs, and those that it may have; one of a plugin says so itself."""
    if kind in _NEEDS:
        return _NEEDS[kind], _MAY[kind]
    if not is_known("layer", kind):
        raise _unreadable(token, "no such layer")
    sizes = {name: p for name, p in find("layer", kind).parameters.items() if name in SIZES}
    return [name for name, p in sizes.items() if p.default is p.empty], sizes


def _parse_changes(token: str, text: str | None) -> dict:
    changes: dict = {}
    for word in filter(None, (text or "").split(",")):
        if word.startswith("drop"):
            try:
                changes["dropout"] = float(word.removeprefix("drop"))
            except ValueError:
                changes["dropout"] = math.nan
            if not 0.0 <= changes["dropout"] < 1.0:
                raise _unreadable(token, f"{word!r} is not dropP with P from 0 to below 1")
        elif word in NORMS:
            changes["norm"] = word
        elif word == "valid":
            changes["valid"] = True
        elif word == "nobias":
            changes["bias"] = False
        else:
            changes["activation"] = word
    return changes


def _unreadable(token: str, why: str) -> UsageError:
    shown = token if len(token) <= 40 else f"{token[:39]}…"
    return UsageError(
        f"cannot read the layer {shown!r}: {why}; layers look like fc-512, conv5-64/2, "
        "deconv5-32/2, res3-64, base-128, pool2, up2, flatten, reshape-64x7x7, join"
    )
