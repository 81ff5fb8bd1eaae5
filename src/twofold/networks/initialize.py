"""How weights start. Every scheme a paper of ours names, by that name."""

import math
import re
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from twofold.errors import unknown_name

__all__ = ["INITS", "WEIGHTED", "fan_in", "initialize"]


def fan_in(layer: nn.Module) -> int:
    """How many numbers a unit of the layer adds up, a stride of 1 taken for granted.

    A kernel of k × k reaches in_channels / groups · k² of them, transposed or not: torch's own
    schemes take the outputs of a transposed convolution, whose weights are (in, out, k, k), for its
    inputs. A stride s leaves about 1/s² of the kernel's places to each pixel, which is not counted.

    Example:
        >>> fan_in(nn.Conv2d(256, 32, 5)), fan_in(nn.ConvTranspose2d(256, 32, 5, groups=2))
        (6400, 3200)
    """
    weight: Any = layer.weight
    if isinstance(layer, nn.ConvTranspose2d):
        return weight[:, 0].numel() // layer.groups
    return weight[0].numel()


_SCHEMES: dict[str, Callable[[Any], object]] = {
    "xavier": lambda layer: nn.init.xavier_uniform_(layer.weight),
    "kaiming": lambda layer: _normal(layer, math.sqrt(2.0)),
    "orthogonal": lambda layer: nn.init.orthogonal_(layer.weight),
    "fan-in": lambda layer: _normal(layer, 1.0),
}
INITS = ("torch", *_SCHEMES, "normal-STD", "normal-STD-all")
_NORMAL = re.compile(r"normal-(?P<std>\d*\.?\d+(?:e-?\d+)?)(?P<everything>-all)?", re.ASCII)
WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
_NORMALIZING = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


def initialize(network: nn.Module, scheme: str) -> None:
    """Sets the weights of dense and convolutional layers in place.

    Arguments:
        network: Any module; normalizations keep their ones and zeros under every scheme.
        scheme: `torch` leaves PyTorch's own; `xavier` (Glorot uniform, Keras's default), `kaiming`
            (N(0, 2/fan_in)), `orthogonal`, `fan-in` (N(0, 1/fan_in)) and `normal-0.02` set biases
            to zero; `normal-0.01-all` draws every other parameter, biases included (Kingma and
            Welling, 2014).

    Raises:
        UsageError: If there is no such scheme.

    Example:
        >>> layer = nn.Linear(3, 2)
        >>> initialize(layer, "xavier")
        >>> layer.bias.tolist()
        [0.0, 0.0]
    """
    normal = _NORMAL.fullmatch(scheme)
    if normal is None and scheme not in INITS[:-2]:
        raise unknown_name("init", scheme, INITS)
    if scheme == "torch":
        return
    if normal and normal["everything"]:
        for module in network.modules():
            own = () if isinstance(module, _NORMALIZING) else module.parameters(recurse=False)
            for parameter in own:
                nn.init.normal_(parameter, 0.0, float(normal["std"]))
        return
    for module in network.modules():
        if isinstance(module, WEIGHTED):
            if normal:
                nn.init.normal_(module.weight, 0.0, float(normal["std"]))
            else:
                _SCHEMES[scheme](module)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _normal(layer: nn.Module, gain: float) -> None:
    weight: Any = layer.weight
    nn.init.normal_(weight, 0.0, gain / math.sqrt(fan_in(layer)))
