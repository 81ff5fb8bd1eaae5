"""Points of many dimensions on few: principal components, and t-SNE.

References:
    Visualizing Data using t-SNE (van der Maaten and Hinton, 2008),
    https://www.jmlr.org/papers/v9/vandermaaten08a.html
    The art of using t-SNE for single-cell transcriptomics (Kobak and Berens, 2019), for the start
    from principal components, https://doi.org/10.1038/s41467-019-13056-x
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Axes", "principal_axes", "tsne"]

PERPLEXITY, STEPS = 30, 500
FIRST_SPREAD = 1e-4  # standard deviation of a map before its first step


@dataclass(frozen=True)
class Axes:
    """The orthonormal directions along which points vary most.

    Attributes:
        mean: Of the points, shape (D,).
        directions: Largest variance first, shape (D, K).
        shares: Of the variance, shape (K,).
    """

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    shares: NDArray[np.float64]

    def project(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Coordinates (N, K) of points (N, D)."""
        return (points - self.mean) @ self.directions

    def residuals(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Squared distance of points (N, D) from the first 0, 1, …, K directions: (N, K + 1)."""
        whole = ((points - self.mean) ** 2).sum(axis=1, keepdims=True)
        caught = (self.project(points) ** 2).cumsum(axis=1)
        return np.concatenate([whole, (whole - caught).clip(0)], axis=1)


def principal_axes(points: NDArray[Any], count: int) -> Axes:
    """The first principal components of points (N, D), at most D of them, or N of wider points.

    Each direction points to where its largest entry is positive; all shares are 0 where all points
    are the same.
    """
    mean = points.mean(axis=0, dtype=np.float64)
    centered = points - mean
    wide = centered.shape[1] > len(centered)  # then the products of points are the smaller matrix
    products = (centered @ centered.T if wide else centered.T @ centered) / len(points)
    variances, directions = _largest(products, count)
    if wide:
        directions = centered.T @ directions
        lengths = np.linalg.norm(directions, axis=0)
        directions = directions / np.where(lengths > 0, lengths, 1.0)
    largest = np.abs(directions).argmax(axis=0)
    signs = np.sign(directions[largest, np.arange(len(largest))])
    total = np.trace(products)
    shares = variances / total if total else np.zeros_like(variances)
    return Axes(mean, directions * signs, shares)


def _largest(symmetric: NDArray[np.float64], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The largest eigenvalues of a matrix (M, M), at most `count`, and vectors (M, count)."""
    from scipy.linalg import eigh

    size = len(symmetric)
    values, vectors = eigh(symmetric, subset_by_index=[max(0, size - count), size - 1])
    return values[::-1].clip(0), vectors[:, ::-1]


def tsne(points: NDArray[Any]) -> NDArray[np.float32]:
    """A map (N, 2) of points (N, D) that keeps neighbors together; distances across it mean little.

    It starts from the first two principal components, so that it is the same every time. N is at
    least 2.
    """
    from sklearn.manifold import TSNE

    first = principal_axes(points, 2).project(points)
    start: Any = np.zeros((len(points), 2), np.float32)
    start[:, : first.shape[1]] = first / max(first[:, 0].std(), 1e-12) * FIRST_SPREAD
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    method = TSNE(2, perplexity=perplexity, max_iter=STEPS, init=start, random_state=0)
    return method.fit_transform(points)
