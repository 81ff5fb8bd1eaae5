r"""What codes say about classes: how far these lie apart, and how well they are read.

Notation: codes (N, D) with labels y (N,), and test_codes (M, D) with labels test_y (M,). Silhouette
and neighbors go by Euclidean distances between codes as they are, so a dimension counts by its
variance; the two classifiers see every dimension at mean 0 and variance 1, so one that hardly
varies counts as much as any other.

References:
    Silhouettes: a graphical aid to the interpretation and validation of cluster analysis
    (Rousseeuw, 1987), https://doi.org/10.1016/0377-0427(87)90125-7
    Understanding intermediate layers using linear classifier probes (Alain and Bengio, 2016),
    https://arxiv.org/abs/1610.01644
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.errors import NotMeasured

__all__ = ["draw", "knn_accuracy", "linear_accuracy", "mlp_accuracy", "silhouette"]

Array = NDArray[Any]


def draw(count: int, most: int) -> Array:
    """Which of `count` points to look at when at most `most` can be: the same for the same count.

    Example:
        >>> draw(3, 5).tolist(), len(draw(10, 5))
        ([0, 1, 2], 5)
    """
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def silhouette(codes: Array, y: Array) -> Array:
    """(b - a) / max(a, b) of every code, Rousseeuw's equation for s(i), in [-1, 1].

    a is the mean distance to the others of its class, b that to the nearest other class; 0 for a
    class of one.

    Returns:
        Shape (N,), float64.

    Raises:
        NotMeasured: If there are not between 2 and N - 1 classes.
    """
    from sklearn.metrics import silhouette_samples

    classes = len(np.unique(y))
    if not 2 <= classes < len(y):
        raise NotMeasured(
            f"{len(y)} images of {classes} classes have no silhouette: that takes at least two "
            "classes, and more images than classes"
        )
    return np.asarray(silhouette_samples(codes.astype(np.float64), y))


def knn_accuracy(codes: Array, y: Array, test_codes: Array, test_y: Array, k: int = 5) -> float:
    """Share of test codes whose label most of the k nearest codes have.

    A tie goes to the smallest label.

    Raises:
        NotMeasured: If there are fewer than k codes.
    """
    from sklearn.neighbors import KNeighborsClassifier

    if len(codes) < k:
        raise NotMeasured(f"{len(codes)} labeled training images have no {k} nearest neighbors")
    neighbors = KNeighborsClassifier(k, algorithm="brute").fit(codes, y)
    return float(neighbors.score(test_codes, test_y))


def linear_accuracy(
    codes: Array, y: Array, test_codes: Array, test_y: Array, steps: int = 100
) -> float:
    """Share of test codes whose label a logistic regression gives, `steps` of L-BFGS at most."""
    from sklearn.linear_model import LogisticRegression

    return _accuracy(LogisticRegression(max_iter=steps), codes, y, test_codes, test_y)


def mlp_accuracy(
    codes: Array,
    y: Array,
    test_codes: Array,
    test_y: Array,
    hidden: int = 512,
    epochs: int = 20,
    seed: int = 0,
) -> float:
    """Share of test codes whose label a classifier with one hidden layer of ReLUs gives.

    It is trained by Adam in batches of 100; the seed is that of its weights and of their order.
    """
    from sklearn.neural_network import MLPClassifier

    batch: dict[str, Any] = {"batch_size": min(100, len(codes))}
    mlp = MLPClassifier((hidden,), max_iter=epochs, random_state=seed, **batch)
    return _accuracy(mlp, codes, y, test_codes, test_y)


def _accuracy(classifier: Any, codes: Array, y: Array, test_codes: Array, test_y: Array) -> float:
    """Of a classifier trained on standardized codes; stopping early is part of its recipe."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = make_pipeline(StandardScaler(), classifier).fit(codes, y)
    return float(fitted.score(test_codes, test_y))
