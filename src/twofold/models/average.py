"""An exponential moving average of a network's weights.

References:
    The Unusual Effectiveness of Averaging in GAN Training (Yazıcı et al., 2019),
    https://arxiv.org/abs/1806.04498
"""

import copy
from typing import TypeVar

import torch
from torch import nn

__all__ = ["average_of", "follow"]

N = TypeVar("N", bound=nn.Module)


def average_of(network: N) -> N:
    """A copy of a network that will follow it, and that nobody trains.

    Example:
        >>> average_of(nn.Linear(1, 1)).weight.requires_grad
        False
    """
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """The average goes the share 1 - decay of its way to the weights; buffers are copied.

    Example:
        >>> network = nn.Linear(1, 1, bias=False)
        >>> average = average_of(network)
        >>> _ = nn.init.zeros_(average.weight), nn.init.ones_(network.weight)
        >>> follow(average, network, decay=0.75)
        >>> average.weight.item()
        0.25
    """
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
    for mean, current in zip(average.buffers(), network.buffers(), strict=True):
        mean.copy_(current)
