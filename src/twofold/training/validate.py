"""The terms of every phase on held-out images."""

from collections.abc import Iterable

import torch

from twofold.data.batches import Batch
from twofold.models.base import Model, evaluating

__all__ = ["mean_terms"]


def mean_terms(model: Model, batches: Iterable[Batch]) -> dict[str, dict[str, float]]:
    """Each phase's terms in evaluation mode, averaged over images.

    Gradients stay enabled, because a gradient penalty needs them; none is kept.
    """
    sums: dict[str, dict[str, torch.Tensor]] = {}
    count = 0
    with evaluating(model):
        for batch in batches:
            count += len(batch)
            for phase in model.phases:
                terms = phase.loss(batch)
                values = {"loss": terms.total, **terms.terms, **terms.watch}
                into = sums.setdefault(phase.name, {})
                for name, value in values.items():
                    into[name] = into.get(name, torch.zeros(())) + value.detach().cpu() * len(batch)
    return {
        phase: {name: (total / count).item() for name, total in values.items()}
        for phase, values in sums.items()
    }
