"""A figure of merit with all that it depends on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torch import Tensor

from twofold.errors import UsageError

__all__ = ["Measure", "NotMeasured", "join", "mean_and_error"]


class NotMeasured(UsageError):  # noqa: N818
    """A figure that cannot be had of this model or these images: why, and what would mend it."""


@dataclass(frozen=True)
class Measure:
    """One measured number, as it stands in evaluation.json.

    Attributes:
        name: A key, the same for every run: `elbo`, `gan_test/classifier-cnn`.
        title: For people.
        value: The figure.
        unit: `nats per image`, `%`, `s`.
        better: Which way is better, or None where neither is.
        error: Standard error over the images that the figure averages, or None.
        floor: The same measure on real test images, or None.
        depends: What the figure depends on: split, number of images, samples, classifier, seed.
        per_class: The figure for each class, where that means something.
        caution: What a reader must know before comparing.
        details: Plain data behind the figure, such as a curve or a matrix, for a picture of it.
    """

    name: str
    title: str
    value: float
    unit: str
    better: Literal["higher", "lower"] | None = None
    error: float | None = None
    floor: float | None = None
    depends: Mapping[str, Any] = field(default_factory=dict)
    per_class: Mapping[str, float] = field(default_factory=dict)
    caution: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_mean(cls, name: str, title: str, values: Tensor, unit: str, **others: Any) -> "Measure":
        """The mean of a figure of each image (N,), with its standard error."""
        value, error = mean_and_error(values)
        return cls(name, title, value, unit, error=error, **others)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def join(*cautions: str) -> str:
    """Cautions as one text; empty ones are left out.

    Example:
        >>> join("few images", "", "smooth images")
        'few images; smooth images'
    """
    return "; ".join(filter(None, cautions))


def mean_and_error(values: Tensor) -> tuple[float, float | None]:
    """Mean over images and its standard error, None for a single image: shape (N,)."""
    error = values.std().item() / len(values) ** 0.5 if len(values) > 1 else None
    return values.mean().item(), error
