"""How weights start. Every scheme a paper of ours names, by that name."""

import math
import re
from collections.abc import Callable

from torch import Tensor, nn

from twofold.errors import unknown_name

__all__ = ["INITS", "initialize"]

_SCHEMES: dict[str, Callable[[Tensor], Tensor]] = {
    "xavier": nn.init.xavier_uniform_,
    "kaiming": nn.init.kaiming_normal_,
    "orthogonal": nn.init.orthogonal_,
    "fan-in": lambda weight: nn.init.normal_(weight, 0.0, 1.0 / math.sqrt(weight[0].numel())),
}
INITS = ("torch", *_SCHEMES, "normal-STD", "normal-STD-all")
_NORMAL = re.compile(r"normal-(?P<std>\d*\.?\d+(?:e-?\d+)?)(?P<everything>-all)?")
_WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def initialize(network: nn.Module, scheme: str) -> None:
    """Sets the weights of dense and convolutional layers in place.

    Arguments:
        network: Any module; batch normalization keeps its ones and zeros.
        scheme: `torch` leaves PyTorch's own; `xavier` (Glorot uniform, Keras's default), `kaiming`,
            `orthogonal`, `fan-in` (N(0, 1/fan_in)) and `normal-0.02` set biases to zero;
            `normal-0.01-all` draws every parameter, biases included (Kingma and Welling, 2014).

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
        for parameter in network.parameters():
            nn.init.normal_(parameter, 0.0, float(normal["std"]))
        return
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            if normal:
                nn.init.normal_(module.weight, 0.0, float(normal["std"]))
            else:
                _SCHEMES[scheme](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
