"""How often a classifier recognizes what images are meant to be, as a figure."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, bincount

from twofold.metrics.accuracy import accuracy, accuracy_error, accuracy_per_class
from twofold.metrics.classes import confusion
from twofold.metrics.measure import Measure

__all__ = ["recognition"]


def recognition(
    name: str,
    title: str,
    log_probs: Tensor,
    y: Tensor,
    class_names: Sequence[str],
    depends: Mapping[str, Any],
    floor: float | None = None,
    caution: str = "",
) -> Measure:
    """The share of images that are recognized, in per cent, over all and by class.

    Arguments:
        name: Of the measure.
        title: Of the measure, for people.
        log_probs: What the classifier says, shape (N, K).
        y: What the images are meant to be, shape (N,).
        class_names: K names.
        depends: What the figure depends on.
        floor: The same share of real images, from 0 to 1.
        caution: What a reader must know.
    """
    value = accuracy(log_probs, y)
    present = bincount(y, minlength=len(class_names)) > 0
    per_class = zip(class_names, accuracy_per_class(log_probs, y), present.tolist(), strict=True)
    return Measure(
        name=name,
        title=title,
        value=100 * value,
        unit="%",
        better="higher",
        error=100 * accuracy_error(value, len(y)),
        floor=None if floor is None else 100 * floor,
        depends=depends,
        per_class={label: 100 * share for label, share, there in per_class if there},
        caution=caution,
        details={"confusion": confusion(log_probs, y).tolist()},
    )
