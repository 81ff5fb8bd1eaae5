"""What a model declares of its training: who minimizes what, as named terms.

Every term is a batch mean of a figure per image; their weighted sum is what a phase minimizes. A
phase whose sum is in nats says so.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from twofold.data.batches import Batch

__all__ = ["NATS", "Phase", "Terms", "joined"]

NATS = "nats per image"


@dataclass(frozen=True)
class Terms:
    """The named scalars of one phase.

    Attributes:
        terms: Batch means, shape (), unweighted: what the log shows.
        weights: Factors other than 1 with which a term enters the total.
        watch: Scalars to log that nobody minimizes.

    Example:
        >>> Terms({"nll": torch.tensor(3.0), "kl": torch.tensor(2.0)}, {"kl": 0.5}).total.item()
        4.0
    """

    terms: Mapping[str, Tensor]
    weights: Mapping[str, float] = field(default_factory=dict)
    watch: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """The weighted sum, shape (): what the phase minimizes."""
        weighted = [
            value * self.weights[name] if name in self.weights else value
            for name, value in self.terms.items()
        ]
        return weighted[0] if len(weighted) == 1 else torch.stack(weighted).sum()


@dataclass(frozen=True)
class Phase:
    """Who minimizes what.

    Attributes:
        name: Names the optimizer's settings and the log.
        parameters: The parameters that follow this loss; no others receive its gradient.
        loss: From a batch to the terms.
        after_step: Called after each step of this phase's optimizer.
        keeps_graph: Whether the next phase of the same step goes back through the same forward
            pass; the two then take their steps together.
        part_of: The phase that it is a half of: its optimizer's settings serve where there are no
            others.
        unit: Of the loss, `NATS` or none: what a hinge, a penalty or a weighted sum of features
            gives is on no scale of its own.

    Example:
        >>> w = nn.Parameter(torch.tensor(3.0))
        >>> phase = Phase("square", [w], lambda batch: Terms({"square": w.square()}))
        >>> phase.loss(Batch(torch.zeros(1, 1, 2, 2))).total.item()
        9.0
    """

    name: str
    parameters: list[nn.Parameter]
    loss: Callable[[Batch], Terms]
    after_step: Callable[[], None] | None = None
    keeps_graph: bool = False
    part_of: str = ""
    unit: str = ""


def joined(parts: Iterable[Terms]) -> Terms:
    """The terms of several as one.

    Example:
        >>> parts = [Terms({"nll": torch.tensor(3.0)}), Terms({"kl": torch.tensor(2.0)})]
        >>> joined(parts).total.item()
        5.0
    """
    parts = list(parts)
    return Terms(
        {name: value for part in parts for name, value in part.terms.items()},
        {name: value for part in parts for name, value in part.weights.items()},
        {name: value for part in parts for name, value in part.watch.items()},
    )
