"""The terms of every phase on held-out images."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch

from twofold.data.batches import Batch, Batches, PartlyLabeled
from twofold.models.base import Model, evaluating
from twofold.training.running import round_means

__all__ = ["held_out_terms", "mean_terms"]


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


def held_out_terms(
    model: Model,
    held_out: Batches | None,
    training: Batches | PartlyLabeled,
    batches: int,
) -> dict[str, Any]:
    """What a validation's record says of the model: `split`, `diagnosis` and `terms`.

    Arguments:
        model: In training or not.
        held_out: Validation images; without any there are no terms.
        training: Training images, which are looked at closely where there are no others.
        batches: How many batches of 250 images are looked at closely.
    """
    terms = {} if held_out is None else mean_terms(model, held_out.in_order(500))
    looked_at = training if held_out is None else held_out
    diagnosis = model.diagnose(islice(looked_at.in_order(250), batches))
    split = "train" if held_out is None else "validation"
    return {"split": split, "diagnosis": diagnosis, "terms": round_means(terms)}
