r"""How the distances of two sets of features vary from one draw of images to another.

Both are functions T of two distributions. Each image moves T by its influence :math:`\phi`, and
the variance of T is that of the influences over N, with a part :math:`V_0` of second order that
alone is left where the distributions are the same, and that estimated influences count twice:

.. math:: V = \mathrm{Var}[\phi_x] / N + \mathrm{Var}[\phi_y] / M - V_0.

Notation: features x (N, D) of real images and y (M, D) of generated ones.

References:
    A Kernel Two-Sample Test (Gretton, Borgwardt, Rasch, Schölkopf and Smola, 2012), section 4, for
    the kernel distance as a U-statistic
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.frechet import frechet_distance
from twofold.evaluation.intervals import Estimate

__all__ = ["estimate_frechet", "estimate_frechet_limit", "estimate_kernel"]

DRAWS = 40  # of means and covariances
ENOUGH = 20  # images per feature
ROWS = 1000  # of a matrix of kernels at a time

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Moments:
    """Mean (D,) and covariance (D, D) of a number of images."""

    mean: Array
    covariance: Array
    number: int

    @classmethod
    def of(cls, x: Tensor) -> "_Moments":
        points = x.cpu().double().numpy()
        return cls(points.mean(axis=0), np.atleast_2d(np.cov(points.T)), len(points))

    def draws(self, rng: np.random.Generator) -> Iterator["_Moments"]:
        """Of as many points of the Gaussian that has these, by Bartlett's decomposition."""
        dim = len(self.mean)
        root = _power(self.covariance, 0.5)
        for _ in range(DRAWS):
            lower = np.tril(rng.standard_normal((dim, dim)), -1)
            freedom = self.number - 1 - np.arange(dim)
            lower[np.diag_indices(dim)] = np.sqrt(rng.chisquare(freedom))
            half = root @ lower
            mean = self.mean + root @ rng.standard_normal(dim) / math.sqrt(self.number)
            yield _Moments(mean, half @ half.T / (self.number - 1), self.number)

    def distance(self, other: "_Moments") -> float:
        """The Fréchet distance."""
        root = _power(self.covariance, 0.5)
        values = np.linalg.eigvalsh(root @ other.covariance @ root).clip(0)
        traces = np.trace(self.covariance) + np.trace(other.covariance)
        gap = self.mean - other.mean
        return float(gap @ gap + traces - 2 * np.sqrt(values).sum())


def estimate_frechet(x: Tensor, y: Tensor) -> Estimate:
    """The Fréchet distance, and what as many images of both kinds have on average.

    That is more than infinitely many have: `estimate_frechet_limit` is about these.

    Raises:
        NotMeasured: If either has too few images for a covariance of full rank.
    """
    return _frechet(x, y)[0]


def estimate_frechet_limit(x: Tensor, y: Tensor) -> Estimate:
    """The Fréchet distance of infinitely many images: what Gaussians of as many have more is off.

    The mean over draws from the two Gaussians that have the moments of x and y tells how much
    that is. Unlike `frechet_limit`, it looks at no fewer images than there are.

    Raises:
        NotMeasured: If there are fewer than 20 images per feature: their moments lie too far apart
            to tell.
    """
    least, num_features = min(len(x), len(y)), x.shape[1]
    if least < ENOUGH * num_features:
        raise NotMeasured(
            f"the limit over {num_features} features needs {ENOUGH * num_features} images, and "
            f"there are {least}"
        )
    at_number, real, fake = _frechet(x, y)
    rng = np.random.default_rng(1)
    pairs = zip(real.draws(rng), fake.draws(rng), strict=True)
    bias = float(np.mean([a.distance(b) for a, b in pairs])) - at_number.value
    return Estimate.normal(at_number.value - bias, at_number.error, at_number.generated)


def _frechet(x: Tensor, y: Tensor) -> tuple[Estimate, _Moments, _Moments]:
    value = frechet_distance(x, y)
    real, fake = _Moments.of(x), _Moments.of(y)
    of_real, of_fake = _influence(real, fake, x), _influence(fake, real, y)
    together = (real.number * real.covariance + fake.number * fake.covariance) / (
        real.number + fake.number
    )
    rng = np.random.default_rng(0)
    center = np.zeros(len(real.mean))
    same = (_Moments(center, together, number).draws(rng) for number in (real.number, fake.number))
    least = float(np.var([a.distance(b) for a, b in zip(*same, strict=True)], ddof=1))
    error = math.sqrt(max(of_real + of_fake - least, least))
    # Of V_0, in proportion to (1/N + 1/M)², what is of y and of pairs of an x and a y.
    share = real.number / (real.number + fake.number)
    generated = math.sqrt(max(of_fake - share * least, share * least))
    return Estimate.squared(value, error, generated), real, fake


def _influence(ours: _Moments, others: _Moments, x: Tensor) -> float:
    """Variance of the distance over the images of one set, to first order."""
    root, inverse = _power(ours.covariance, 0.5), _power(ours.covariance, -0.5)
    transport = inverse @ _power(root @ others.covariance @ root, 0.5) @ inverse
    centered = x.cpu().double().numpy() - ours.mean
    bent = centered @ (np.eye(len(ours.mean)) - transport)
    values = 2 * centered @ (ours.mean - others.mean) + (bent * centered).sum(axis=1)
    return float(values.var(ddof=1)) / ours.number


def _power(matrix: Array, exponent: float) -> Array:
    """A power of a positive semidefinite matrix; directions without variance stay without."""
    values, vectors = np.linalg.eigh(matrix)
    there = values > 1e-12 * max(values[-1], 1e-300)
    powers = np.where(there, np.where(there, values, 1.0) ** exponent, 0.0)
    return (vectors * powers) @ vectors.T


def estimate_kernel(x: Tensor, y: Tensor) -> Estimate:
    """The squared maximum mean discrepancy under (x·y / D + 1)³, unbiased, of all pairs at once.

    What the mean over subsets is, as KID is mostly taken, for infinitely many of them: without the
    noise of their draw. It may be slightly negative, and figures of different N can be compared.

    Raises:
        NotMeasured: If there are fewer than 10 images in either.
    """
    if min(len(x), len(y)) < 10:
        raise NotMeasured(
            f"the kernel distance needs 10 images of each kind, and there are {len(x)} and {len(y)}"
        )
    n, m = len(x), len(y)
    xx, yy, xy, yx = _Kernels(x, x), _Kernels(y, y), _Kernels(x, y), _Kernels(y, x)
    of_x = (4 * (xx.rows - xy.rows).var() / n).item()
    of_y = (4 * (yy.rows - yx.rows).var() / m).item()
    square_x, square_y = 2 * xx.centered / n**2, 2 * yy.centered / m**2
    mixed = 4 * xy.variance_of_pairs(yx) / (n * m)
    second = square_x + square_y + mixed
    value = (xx.rows.mean() + yy.rows.mean() - 2 * xy.rows.mean()).item()
    # Half of it, for what an estimate is off and how uncertain that seems go together.
    error = math.sqrt(max(of_x + of_y - second / 2, second / 2))
    generated = math.sqrt(max(of_y - square_y - mixed / 2, square_y + mixed / 2))
    return Estimate.normal(value, error, generated)


class _Kernels:
    """Means over the pairs of two sets, or of one without pairs of an image with itself."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        x, y, itself = x.double(), y.double(), x is y
        rows, squares, others = [], 0.0, len(y) - itself
        for start in range(0, len(x), ROWS):
            part = x[start : start + ROWS]
            kernel = (part @ y.T / x.shape[1] + 1.0) ** 3
            if itself:
                kernel[range(len(part)), range(start, start + len(part))] = 0.0
            rows.append(kernel.sum(dim=1) / others)
            squares += kernel.square().sum().item()
        self.rows = torch.cat(rows)  # of each x, shape (N,)
        self.square = squares / (len(x) * others)

    @property
    def centered(self) -> float:
        """Variance of the kernels of one set beyond that of its rows and columns."""
        return max(0.0, self.variance_of_pairs(self))

    def variance_of_pairs(self, other: "_Kernels") -> float:
        means = self.rows.square().mean() + other.rows.square().mean()
        return max(0.0, (self.square - means + self.rows.mean() ** 2).item())
