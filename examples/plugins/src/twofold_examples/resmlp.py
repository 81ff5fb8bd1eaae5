"""A network: dense residual blocks, each after a layer normalization."""

from math import prod

import torch
from torch import Tensor, nn

from twofold.registry import register
from twofold.settings import Count


class Block(nn.Module):
    """h + MLP(norm(h)), shape (B, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.mlp(self.norm(h))


@register("network", "resmlp", title="dense residual blocks")
class ResMLP(nn.Module):
    """A residual network on flattened inputs.

    Arguments:
        width: Of every block.
        depth: How many blocks.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        condition_dim: int = 0,
        width: Count = 128,
        depth: Count = 2,
    ) -> None:
        super().__init__()
        self.into = nn.Linear(prod(input_shape) + condition_dim, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.out = nn.Linear(width, prod(output_shape))
        self.output_shape = output_shape

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Arguments: x (B, ...), c the encoded condition (B, condition_dim) or None."""
        h = x.flatten(1) if c is None else torch.cat([x.flatten(1), c], dim=1)
        return self.out(self.blocks(self.into(h))).unflatten(1, self.output_shape)
