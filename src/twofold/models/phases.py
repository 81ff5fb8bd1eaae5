"""What a model declares of its training: who minimizes what, as named terms.

Every term is a batch mean in nats per image; their weighted sum is what a phase minimizes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.distributions import Density

__all__ = ["Bound", "Phase", "Terms"]


@dataclass(frozen=True)
class Terms:
    """The named scalars of one phase.

    Attributes:
        terms: Batch means in nats per image, shape (), unweighted: what the log shows.
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


@dataclass(frozen=True)
class Bound:
    """A negative bound whose reconstruction term is still to be chosen.

    A row is one decoded code. A VAE with one draw per image has B rows; M2 has one for each
    labeled image and K for each other. What the rows' images are compared by, -ln p(x|z) or the
    features of a discriminator, is the business of who asks.

    Attributes:
        x: Images, shape (B, C, H, W).
        p: p(x|z) of every row, shape (R, C, H, W).
        rest: The other terms, such as the KL.
        rows: Which image each row is of, shape (R,); None for one row per image, in order.
        weight: What each row counts, shape (R,), adding up to 1; None for all the same.
        y: The class that each row was decoded with, shape (R,), where there is one.

    Example:
        >>> from twofold.distributions import Bernoulli
        >>> x = torch.ones(2, 1, 1, 1)
        >>> bound = Bound(x, Bernoulli(torch.zeros(2, 1, 1, 1)), Terms({"kl": torch.tensor(1.0)}))
        >>> round(bound.with_reconstruction().total.item(), 4)  # ln 2 + 1
        1.6931
    """

    x: Tensor
    p: Density
    rest: Terms
    rows: Tensor | None = None
    weight: Tensor | None = None
    y: Tensor | None = None

    def expand(self, values: Tensor) -> Tensor:
        """A value per image, (B, ...), as a value per row, (R, ...)."""
        return values if self.rows is None else values[self.rows]

    def mean(self, values: Tensor) -> Tensor:
        """The mean over images of a value per row: (R,) -> ()."""
        return values.mean() if self.weight is None else (self.weight * values).sum()

    def recon_nll(self) -> Tensor:
        """-ln p(x|z), in nats per image, shape ()."""
        return -self.mean(self.p.log_prob(self.expand(self.x)))

    def with_reconstruction(self) -> Terms:
        """The whole negative bound, by the likelihood."""
        terms = {"recon_nll": self.recon_nll(), **self.rest.terms}
        return Terms(terms, self.rest.weights, self.rest.watch)
