"""What every objective is: (model, batch) -> Terms, to be minimized.

Notation: x images (B, C, H, W), c condition, z codes (S, B, D) with S Monte Carlo samples first;
q = q(z|x, c), p = p(x|z, c), p(z) the prior.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from twofold.conditions import Condition
from twofold.data.batches import Batch
from twofold.distributions import Density
from twofold.errors import UsageError
from twofold.objectives.bound import Bound
from twofold.phases import NATS, Terms
from twofold.posteriors import LatentDistribution
from twofold.priors import Prior
from twofold.registry import name_of

__all__ = ["Inference", "Infers", "LatentObjective", "Objective", "check_needs"]

# What an objective may need of an auto-encoder, and which have it.
NEEDS = {
    "closed KL": "a KL by formula, for which use prior=standard-normal and posterior=gaussian",
    "one Gaussian": "one Gaussian q(z|x) for an image; use a VAE or CVAE with posterior=gaussian",
}


@dataclass(frozen=True)
class Inference:
    """Codes drawn for a batch of images, and what they decode to.

    A row is one decoded code: sample s of image b is row s B + b.

    Attributes:
        x: Images, shape (B, C, H, W).
        q: The posterior that the codes were drawn from.
        z: Codes, shape (S, B, D).
        p: p(x|z, c) of every row, shape (S B, C, H, W).
        rows: Which image each row is of, shape (S B,); None for S = 1.
    """

    x: Tensor
    q: LatentDistribution
    z: Tensor
    p: Density
    rows: Tensor | None = None

    @property
    def log_q(self) -> Tensor:
        """ln q(z|x, c), shape (S, B)."""
        return self.q.log_prob(self.z)

    @property
    def log_p(self) -> Tensor:
        """ln p(x|z, c), shape (S, B)."""
        x = self.x if self.rows is None else self.x[self.rows]
        return self.p.log_prob(x).unflatten(0, self.z.shape[:2])


class Infers(Protocol):
    """What an objective asks of an auto-encoder with latent codes."""

    prior: Prior
    condition: Condition
    offers: frozenset[str]

    def infer(self, x: Tensor, c: Tensor | None, num_samples: int = 1) -> Inference: ...

    def kl_per_dim(self, q: LatentDistribution) -> Tensor: ...


class Objective(ABC):
    """What an auto-encoder minimizes.

    Attributes:
        needs: What it asks of the auto-encoder beyond codes and images, keys of `NEEDS`.
        has_reconstruction: Whether it has a reconstruction term that stays open in its `bound`, so
            that a hybrid can compare images by other means.
        unit: Of what is minimized.
    """

    registry_kind: ClassVar[str] = "objective"
    needs: frozenset[str] = frozenset()
    has_reconstruction: ClassVar[bool] = True
    unit: ClassVar[str] = NATS

    @abstractmethod
    def bound(self, model: Any, batch: Batch) -> Bound:
        """The negative bound with its reconstruction term open.

        Raises:
            UsageError: If it has no such term.
        """

    def __call__(self, model: Any, batch: Batch) -> Terms:
        """What training minimizes, as terms in nats per image."""
        return self.bound(model, batch).with_reconstruction()


class LatentObjective(Objective):
    """One of a model that infers a continuous code: a VAE, DRAW and what has a prior over codes."""

    def infer(self, model: Infers, batch: Batch, num_samples: int = 1) -> Inference:
        """Codes of a batch's images with the condition that goes with them."""
        return model.infer(batch.x, model.condition.pick(batch.x, batch.y), num_samples)

    def bound_of(self, model: Infers, batch: Batch, drawn: Inference, rest: Terms) -> Bound:
        """The bound of codes that were drawn, with the terms beside the reconstruction."""
        y = batch.y if model.condition.about == "class" else None
        y = y if y is None or drawn.rows is None else y[drawn.rows]
        return Bound(drawn.x, drawn.p, rest, drawn.rows, y=y)


def check_needs(title: str, offers: Iterable[str], objective: Objective) -> None:
    """Refuses an objective that needs what a model has not.

    Raises:
        UsageError: Saying what, and which have it.
    """
    for need in sorted(objective.needs - set(offers)):
        raise UsageError(f"objective={name_of(objective)} needs {NEEDS[need]}; this is a {title}")


def rows_of(num_samples: int, count: int, device: torch.device) -> Tensor | None:
    """Which image each of S B rows is of, sample after sample; None for S = 1.

    Example:
        >>> rows_of(2, 3, torch.device("cpu")).tolist()
        [0, 1, 2, 0, 1, 2]
    """
    return None if num_samples == 1 else torch.arange(count, device=device).repeat(num_samples)
