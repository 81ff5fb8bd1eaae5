"""What a model is given beside an image or a code, as rows of numbers."""

from collections.abc import Sequence

import numpy as np

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.experiments.context import Context
from twofold.sharing.by_functions import Array

__all__ = ["rows_of", "rows_of_weights"]


def rows_of(context: Context, batch: Batch) -> Array | None:
    """The condition of each image of a batch: weights of classes (B, K), images, or None.

    Raises:
        UsageError: If it needs the class of an image that has none.
    """
    condition = context.model.condition
    if context.needs_class and (batch.y is None or bool((batch.y < 0).any())):
        raise UsageError(
            f"{context.title} is conditioned on the class and infers none; choose the class that "
            "the image is of"
        )
    c = context.condition_of(batch)
    if c is not None and condition.about == "class":
        c = condition(c)
    return None if c is None else c.cpu().numpy()


def rows_of_weights(context: Context, weights: Sequence[float], count: int) -> Array:
    """The same weights of classes for each of so many rows, (count, K).

    Raises:
        UsageError: If the model is not conditioned on the class, or has another number of them.
    """
    names = context.class_names
    if context.model.condition.about != "class":
        raise UsageError(f"{context.title} is not conditioned on the class; use a CVAE or CGAN")
    if len(weights) != len(names):
        raise UsageError(f"got weights of {len(weights)} classes; the model has {len(names)}")
    return np.tile(np.array(weights, np.float32), (count, 1))
