"""A figure of merit: what is known of it before it is measured, and one measured number."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from torch import Tensor

from twofold.evaluation.intervals import Estimate

__all__ = ["Direction", "Figure", "Quantity", "mean_and_error"]

Direction = Literal["higher", "lower"]
NORMAL = 1.96  # standard errors either way of a 95 % interval of a figure with a normal law


@dataclass(frozen=True)
class Figure:
    """One measured number, as it stands in evaluation.json.

    Attributes:
        name: A key, the same for every run: that of its quantity, `elbo`, and what it is by,
            `gan_test/classifier-cnn`.
        title: For people.
        value: The number.
        unit: `nats per image`, `%`, `s`.
        better: Which way is better, or None where neither is.
        error: Standard error over the images that the figure is of, or None.
        reference: The same figure of real images, or None.
        provenance: What the figure depends on: split, number of images, samples, classifier, seed.
        per_class: The figure for each class, where that means something.
        notes: What a reader must know of this number, a sentence each.
        details: Plain data behind the figure, such as a curve or a matrix, which the measure that
            took it draws.
        interval: Ends of a 95 % interval where it is not `value` ± 1.96 `error`, or None.
        generated_error: Standard error over generated images alone, by which figures against the
            same real images differ, or None.
        aside: What stands small beside the number: `drawn codes 81.2`.
    """

    name: str
    title: str
    value: float
    unit: str
    better: Direction | None = None
    error: float | None = None
    reference: float | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    per_class: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    interval: Sequence[float] | None = None
    aside: str = ""
    generated_error: float | None = None

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Figure | None":
        """One that `to_dict` made plain; None where its value is no number."""
        value = entry.get("value")
        if not isinstance(value, int | float) or not math.isfinite(value):
            return None
        known = {one.name for one in fields(cls)}
        return cls(**{key: entry[key] for key in entry.keys() & known})

    @property
    def ends(self) -> tuple[float, float] | None:
        """Of its 95 % interval, where it has one.

        Example:
            >>> Figure("elbo", "ELBO", -90.0, "nats per image", error=0.5).ends
            (-90.98, -89.02)
        """
        if self.interval is not None:
            low, high = self.interval
            return low, high
        if self.error is None:
            return None
        return self.value - NORMAL * self.error, self.value + NORMAL * self.error

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def not_finite(self) -> str:
        """Which of its numbers is none, if any."""
        numbers = {"": self.value, "'s standard error": self.error, "'s reference": self.reference}
        for what, number in numbers.items():
            if number is not None and not math.isfinite(number):
                return f"{self.title}{what} is {number}; look at the run's losses and samples"
        return ""


@dataclass(frozen=True)
class Quantity:
    """What is known of a figure before it is measured.

    Attributes:
        key: What its figures' names begin with: `fid` of `fid/classifier`.
        title: For people, the same for all its figures: `FID`.
        unit: Of its figures.
        better: Which way is better, or None where neither is.
        paper: Where it comes from.
        caveat: When it misleads, as a sentence.
        headline: Whether the report has a picture and a sentence of it, beside its row.
        listed: Whether it has a row in the report's table.
        least: The smallest value that it can have, where axes end.
        most: The largest.
    """

    key: str
    title: str
    unit: str = ""
    better: Direction | None = None
    paper: str = ""
    caveat: str = ""
    headline: bool = False
    listed: bool = True
    least: float = -math.inf
    most: float = math.inf

    def figure(self, value: float, by: str = "", variant: str = "", **others: Any) -> Figure:
        """A measured number of this quantity; arguments by name are as of `Figure`.

        Arguments:
            value: The number.
            by: By what it was taken, for its name: `classifier`.
            variant: The same in words, for its title: `classifier features`.
            others: Fields of the figure.

        Example:
            >>> fid = Quantity("fid", "FID", better="lower")
            >>> one = fid.figure(2.4, "random", "random features")
            >>> one.name, one.title, one.better
            ('fid/random', 'FID, random features', 'lower')
        """
        name, title = (f"{self.key}/{by}" if by else self.key), self.title
        title = f"{title}, {variant}" if variant else title
        return Figure(name, title, value, self.unit, self.better, **others)

    def estimated(
        self, found: Estimate | float, by: str = "", variant: str = "", **others: Any
    ) -> Figure:
        """A number with its interval, or one that has none; other arguments are as of `figure`."""
        if isinstance(found, int | float):
            return self.figure(found, by, variant, **others)
        sure: dict[str, Any] = {"interval": [found.low, found.high], "error": found.error}
        sure["generated_error"] = found.generated
        return self.figure(found.value, by, variant, **sure, **others)

    def mean(self, values: Tensor, by: str = "", variant: str = "", **others: Any) -> Figure:
        """The mean of a figure of each image (N,), with its standard error."""
        value, error = mean_and_error(values)
        return self.figure(value, by, variant, **{"error": error, **others})


def mean_and_error(values: Tensor) -> tuple[float, float | None]:
    """Mean over images and its standard error, None for a single image: shape (N,)."""
    error = values.std().item() / len(values) ** 0.5 if len(values) > 1 else None
    return values.mean().item(), error
