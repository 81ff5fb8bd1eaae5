r"""A figure with its 95 % interval, and what varies: the generated images, the real ones, or both.

An interval is about what the figure is on average over further draws of as many images; it says
nothing about another training seed. Two runs that are measured against the same real images differ
by what varies in the generated ones alone, and figures of the same test images by the differences
of each image.

References:
    Probable inference, the law of succession, and statistical inference (Wilson, 1927), Journal of
    the American Statistical Association 22, for a share's interval
"""

import math
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Estimate", "Z", "difference_of_means", "estimate_mean", "estimate_share", "wilson"]

Z = 1.959963984540054  # of a normal law, 95 % lies within so many standard deviations


@dataclass(frozen=True)
class Estimate:
    """A figure and how sure it is.

    Attributes:
        value: The figure.
        low: Lower end of its 95 % interval over draws of all images it depends on.
        high: Upper end.
        error: Standard error over the same draws.
        generated: Standard error over draws of the generated images, the real ones staying what
            they are; None where there is one kind of images.
    """

    value: float
    low: float
    high: float
    error: float
    generated: float | None = None

    @classmethod
    def normal(
        cls,
        value: float,
        error: float,
        generated: float | None = None,
        least: float = -math.inf,
        most: float = math.inf,
    ) -> "Estimate":
        """One whose law is normal, cut at what the figure can be.

        Example:
            >>> Estimate.normal(0.5, 0.5, least=0.0).low
            0.0
        """
        low, high = max(least, value - Z * error), min(most, value + Z * error)
        return cls(value, low, high, error, generated)

    @classmethod
    def squared(cls, value: float, error: float, generated: float | None = None) -> "Estimate":
        """One that is a squared distance, 0 or more: its root has a law that is about normal.

        Near 0 the error grows with the figure, so that an interval of one width on either side
        would be too short above.

        Example:
            >>> found = Estimate.squared(4.0, 1.0)
            >>> round(found.low, 2), round(found.high, 2)
            (2.28, 6.2)
        """
        root = math.sqrt(max(value, 0.0))
        half = Z * error / (2 * root) if root else Z * math.sqrt(error)
        return cls(value, max(0.0, root - half) ** 2, (root + half) ** 2, error, generated)

    @classmethod
    def share(cls, value: float, error: float, count: int, generated: float | None) -> "Estimate":
        """A share from 0 to 1 whose images are not independent: Wilson's of as many that are.

        That is as many as would give the share this error. Of `count` images all the same, whose
        error is 0, it is that of `count` independent ones.
        """
        independent = value * (1 - value) / error**2 if 0 < value < 1 and error > 0 else count
        low, high = wilson(value, independent)
        return cls(value, low, high, error, generated)

    def scaled(self, by: float) -> "Estimate":
        """In a unit `by` times as small.

        Example:
            >>> estimate_share(1, 2).scaled(100).value
            50.0
        """
        generated = None if self.generated is None else by * self.generated
        return Estimate(by * self.value, by * self.low, by * self.high, by * self.error, generated)


def estimate_share(hits: int, count: int) -> Estimate:
    """The share of independent images that are hits, with Wilson's interval.

    The error is binomial, of one hit and one miss more (Laplace).

    Example:
        >>> found = estimate_share(14, 14)
        >>> found.value, round(found.low, 3), found.high
        (1.0, 0.785, 1.0)
    """
    low, high = wilson(hits / count, count)
    smooth = (hits + 1) / (count + 2)
    return Estimate(hits / count, low, high, math.sqrt(smooth * (1 - smooth) / (count + 2)))


def wilson(share: float, count: float) -> tuple[float, float]:
    """Ends of Wilson's 95 % interval of a share of so many independent images.

    Example:
        >>> [round(end, 3) for end in wilson(1.0, 14)]
        [0.785, 1.0]
    """
    shrunk = 1 + Z**2 / count
    center = (share + Z**2 / (2 * count)) / shrunk
    half = Z / shrunk * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return (
        0.0 if share == 0 else max(0.0, center - half),
        1.0 if share == 1 else min(1.0, center + half),
    )


def estimate_mean(values: Tensor) -> Estimate | None:
    """The mean of a figure of each of independent images, (N,), with Student's interval.

    None of a single image, which has no spread.
    """
    if len(values) < 2:
        return None
    from scipy.stats import t

    values = values.double()
    mean, error = values.mean().item(), values.std().item() / len(values) ** 0.5
    half = float(t.isf(0.025, len(values) - 1)) * error
    return Estimate(mean, mean - half, mean + half, error)


def difference_of_means(a: Tensor, b: Tensor) -> Estimate | None:
    """The mean of a - b, where both (N,) are figures of the same images in the same order.

    Raises:
        ValueError: If there are not as many of each.
    """
    if a.shape != b.shape:
        raise ValueError(
            f"figures of the same images are as many, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    return estimate_mean(a.double() - b.double())
