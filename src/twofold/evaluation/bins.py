"""Bins of similar training images, and in how many of them generated images are over- or underfull.

References:
    On GANs and GMMs (Richardson and Weiss, 2018), section 3, https://arxiv.org/abs/1805.12462
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.cache import digest_of, remember
from twofold.evaluation.counts import estimate_jensen_shannon, jensen_shannon
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.measure import Measure
from twofold.evaluation.questions import COVERAGE
from twofold.evaluation.samples import generated_by
from twofold.experiments.context import Context
from twofold.registry import register

__all__ = ["Bins", "assign_bins", "different_bins", "make_bins"]

SIGNIFICANT = 1.96  # a two-sided test at 5 %: 5 % of bins differ by chance


def make_bins(pixels: NDArray[np.float32], count: int = 100, seed: int = 0) -> NDArray[np.float32]:
    """Centers of `count` = K clusters of training images (N, D) by k-means, shape (K, D).

    Raises:
        NotMeasured: If there are fewer than 10 images to a bin.
    """
    from sklearn.cluster import MiniBatchKMeans

    if len(pixels) < 10 * count:
        raise NotMeasured(
            f"{count} bins need {10 * count} training images, and there are {len(pixels)}"
        )
    means = MiniBatchKMeans(count, batch_size=4096, n_init="auto", random_state=seed).fit(pixels)
    return np.asarray(means.cluster_centers_, np.float32)


def assign_bins(pixels: NDArray[np.float32], centers: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many images are nearest to each center, shape (K,)."""
    apart = (centers**2).sum(axis=1) - 2 * pixels @ centers.T
    return np.bincount(apart.argmin(axis=1), minlength=len(centers)).astype(np.int64)


def different_bins(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Share of bins whose proportions differ significantly, NDB / K, of counts (K,) of two sets.

    Example:
        >>> different_bins(np.array([500, 500]), np.array([500, 500]))
        0.0
        >>> different_bins(np.array([500, 500]), np.array([900, 100]))
        1.0
    """
    n, m = a.sum(), b.sum()
    pooled = (a + b) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    apart = np.abs(a / n - b / m)
    return float((apart > SIGNIFICANT * error).mean())


RICHARDSON = "Richardson and Weiss (2018), section 3"
NDB = Quantity(
    "ndb",
    "bins over- or underfull, NDB / K",
    "%",
    "lower",
    paper=RICHARDSON,
    least=0.0,
    most=100.0,
)
JS = Quantity("js", "Jensen-Shannon divergence over bins", "nats", "lower", paper=RICHARDSON)


@register("measure", "bins")
class Bins(Measure):
    """NDB / K and the Jensen-Shannon divergence over bins of similar training images."""

    question = COVERAGE
    quantities = (NDB, JS)
    of_images = True

    def take(self, context: Context) -> Iterator[Figure]:
        made, train = generated_by(context), context.real("train")
        kept = remember("bins", [digest_of(train)], lambda: {"centers": make_bins(_flat(train))})
        centers = kept["centers"]
        count = min(len(made), len(context.batches))  # the fewer images, the fewer bins differ
        expected, fake, real = (
            assign_bins(_flat(images), centers)
            for images in (train, made.x[:count], context.real("test", count))
        )
        others: dict[str, Any] = {
            "provenance": {**made.provenance, "bins": len(centers), "of_each": count},
            "notes": made.notes,
        }
        share, real_share = (100 * different_bins(one, expected) for one in (fake, real))
        yield NDB.figure(share, reference=real_share, **others)
        found, reference = estimate_jensen_shannon(fake, expected), jensen_shannon(real, expected)
        yield JS.estimated(found, reference=reference, **others)


def _flat(images: Tensor) -> np.ndarray:
    return images.flatten(1).cpu().numpy()
