r"""How well a score separates anomalous from normal images. The higher the score, the stranger.

Notation: scores of `normal` images, shape (N,), and of `anomalous` ones, shape (M,). What compares
the two needs two of each and raises `NotMeasured` where there are fewer.

References:
    Comparing the areas under two or more correlated receiver operating characteristic curves
    (DeLong, DeLong and Clarke-Pearson, 1988), https://doi.org/10.2307/2531595
    Algorithmic Learning in a Random World (Vovk, Gammerman and Shafer, 2005), for the threshold
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.errors import NotMeasured

__all__ = [
    "Curves",
    "Threshold",
    "area_influences",
    "area_under_roc",
    "average_precision",
    "curves",
    "threshold_at",
]

Scores = NDArray[Any]


@dataclass(frozen=True)
class Threshold:
    """A score above which an image is flagged.

    Attributes:
        value: The score.
        expected: The share of normal images that it flags, on average over calibration sets.
        error: Standard deviation of that share over calibration sets.
    """

    value: float
    expected: float
    error: float


@dataclass(frozen=True, eq=False)
class Curves:
    """A detector at every threshold, each array of float64.

    Attributes:
        false_alarms: Share of normal images flagged, shape (T,), rising from 0 to 1.
        hits: Share of anomalous images flagged, shape (T,).
        recall: Share of anomalous images flagged, shape (U,), falling to 0.
        precision: Share of flagged images that are anomalous, shape (U,).
    """

    false_alarms: NDArray[np.float64]
    hits: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


def threshold_at(normal: Scores, false_alarms: float) -> Threshold:
    r"""The threshold that flags at most a given share of normal images, or the nearest possible.

    It is the k-th smallest of n scores, :math:`k = \lceil (n + 1)(1 - \alpha) \rceil`. Where scores
    have no ties, the share of further normal images above it is distributed over calibration sets
    as Beta(n + 1 - k, k), whose mean is at most :math:`\alpha`, unless n is too small for so low a
    share: the highest score is then the threshold, and 1 / (n + 1) are flagged. No training has
    seen these images.

    Raises:
        NotMeasured: If there are no scores.

    Example:
        >>> threshold_at(np.arange(14.0), 0.05)
        Threshold(value=13.0, expected=0.0666..., error=0.0623...)
    """
    n = len(normal)
    if n == 0:
        raise NotMeasured("there are no normal images that the model was not trained on")
    k = min(max(math.ceil(round((n + 1) * (1 - false_alarms), 9)), 1), n)
    mean = (n + 1 - k) / (n + 1)
    error = math.sqrt(mean * (1 - mean) / (n + 2))
    return Threshold(float(np.partition(normal, k - 1)[k - 1]), mean, error)


def area_under_roc(normal: Scores, anomalous: Scores) -> tuple[float, float]:
    """The area under the ROC curve, and its standard error over images by DeLong.

    The area is the probability that an anomalous image scores above a normal one, ties counting
    one half.
    """
    from sklearn.metrics import roc_auc_score

    truth, scores = _together(normal, anomalous)
    influences = np.concatenate(area_influences(normal, anomalous))
    return float(roc_auc_score(truth, scores)), float(np.linalg.norm(influences))


def area_influences(
    normal: Scores, anomalous: Scores
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far each image moves the area under the ROC curve: DeLong's components, centered.

    Their squares sum to the area's variance over images. The influences of one image on several
    areas add up like the areas themselves, so those of a mean area are the means.

    Returns:
        Of the normal images, shape (N,), and of the anomalous, shape (M,).
    """
    _together(normal, anomalous)
    above = _share_below(normal, anomalous)
    below = 1 - _share_below(anomalous, normal)
    of_normal, of_anomalous = (
        (share - share.mean()) / math.sqrt(len(share) * (len(share) - 1))
        for share in (below, above)
    )
    return of_normal, of_anomalous


def average_precision(normal: Scores, anomalous: Scores) -> float:
    """Precision averaged over recall, a step for each threshold; chance gives M / (N + M)."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_together(normal, anomalous)))


def curves(normal: Scores, anomalous: Scores) -> Curves:
    """The ROC curve and the precision-recall curve."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    truth, scores = _together(normal, anomalous)
    false_alarms, hits, _ = roc_curve(truth, scores)
    precision, recall, _ = precision_recall_curve(truth, scores)
    return Curves(false_alarms, hits, recall, precision)


def _together(normal: Scores, anomalous: Scores) -> tuple[NDArray[np.int64], Scores]:
    if min(len(normal), len(anomalous)) < 2:
        raise NotMeasured(
            f"{len(normal)} normal and {len(anomalous)} anomalous images have no ROC curve; that "
            "takes two of each"
        )
    truth = np.repeat([0, 1], [len(normal), len(anomalous)])
    return truth, np.concatenate([normal, anomalous])


def _share_below(some: Scores, points: Scores) -> NDArray[np.float64]:
    """The share of `some` that lies below each point, ties counting one half: shape (M,)."""
    ordered = np.sort(some)
    left = np.searchsorted(ordered, points, side="left")
    return (left + np.searchsorted(ordered, points, side="right")) / (2 * len(some))
