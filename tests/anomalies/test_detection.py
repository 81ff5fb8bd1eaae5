"""Detection against other ways to compute it, and against what chance gives."""

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from twofold.anomalies.detection import (
    area_influences,
    area_under_roc,
    average_precision,
    curves,
    threshold_at,
)
from twofold.errors import NotMeasured

RNG = np.random.default_rng(0)
NORMAL, STRANGE = RNG.normal(0, 1, 300), RNG.normal(1, 1, 200)


@pytest.mark.parametrize("digits", [8, 0])  # the latter has many ties
def test_the_area_is_the_statistic_of_mann_and_whitney(digits: int):
    normal, strange = NORMAL.round(digits), STRANGE.round(digits)
    u = mannwhitneyu(strange, normal).statistic
    assert area_under_roc(normal, strange)[0] == pytest.approx(u / (300 * 200), abs=1e-12)


def test_the_area_follows_the_order_of_scores_alone():
    area = area_under_roc(NORMAL, STRANGE)
    assert area_under_roc(np.exp(NORMAL), np.exp(STRANGE)) == pytest.approx(area)
    turned = area_under_roc(-NORMAL, -STRANGE)
    assert turned == pytest.approx((1 - area[0], area[1]))
    assert average_precision(np.exp(NORMAL), np.exp(STRANGE)) == pytest.approx(
        average_precision(NORMAL, STRANGE)
    )


def test_the_area_of_two_gaussians_and_its_error():
    """Φ(1 / √2); the error is what repeated draws scatter by."""
    draws = [
        area_under_roc(RNG.normal(0, 1, 300), RNG.normal(1, 1, 200)) for _ in range(400)
    ]  # fmt: skip
    areas, errors = np.array(draws).T
    assert areas.mean() == pytest.approx(0.5 * (1 + math.erf(0.5)), abs=4 * areas.std() / 20)
    assert errors.mean() == pytest.approx(areas.std(), rel=0.12)


@pytest.mark.parametrize("second", [0, 1])  # the class that is anomalous to the second detector
def test_influences_add_up_over_detectors_that_judge_the_same_images(second: int):
    """The error of a mean of two areas is what it scatters by; as if independent it is another."""
    y = np.repeat([0, 1, 2], [80, 80, 40])
    means, errors, independent = [], [], []
    for _ in range(500):
        hard = RNG.normal(size=200)
        influences, areas = np.zeros((2, 200)), np.zeros(2)
        for t, anomalous in enumerate((0, second)):
            strange = y == anomalous
            scores = hard + strange + 0.2 * RNG.normal(size=200)
            areas[t], _ = area_under_roc(scores[~strange], scores[strange])
            influences[t, ~strange], influences[t, strange] = area_influences(
                scores[~strange], scores[strange]
            )
        means.append(areas.mean())
        errors.append(np.linalg.norm(influences.mean(axis=0)))
        independent.append(np.linalg.norm(influences) / 2)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.12)
    assert abs(np.mean(independent) / np.std(means) - 1) > 0.2


def test_a_perfect_detector_and_one_that_sees_nothing():
    assert area_under_roc(np.array([0.0, 1]), np.array([2.0, 3])) == (1.0, 0.0)
    assert average_precision(np.array([0.0, 1]), np.array([2.0, 3])) == 1.0
    same = np.zeros(30), np.zeros(10)
    assert area_under_roc(*same)[0] == 0.5
    assert average_precision(*same) == pytest.approx(0.25)


def test_average_precision_by_hand():
    """In falling order: strange, normal, strange."""
    found = average_precision(np.array([2.0, 0.5]), np.array([3.0, 1.0]))
    assert found == pytest.approx((1 + 2 / 3) / 2)


def test_curves_enclose_the_area_and_end_in_the_corners():
    found = curves(NORMAL, STRANGE)
    area = np.trapezoid(found.hits, found.false_alarms)
    assert area == pytest.approx(area_under_roc(NORMAL, STRANGE)[0])
    assert (found.false_alarms[[0, -1]], found.hits[[0, -1]]) == (
        pytest.approx([0, 1]),
        pytest.approx([0, 1]),
    )
    assert (found.precision[0], found.recall[0]) == (pytest.approx(0.4), 1.0)
    assert (found.precision[-1], found.recall[-1]) == (1.0, 0.0)


def test_a_threshold_keeps_its_rate_as_it_says():
    """Of uniform scores the share above a threshold is known exactly."""
    found = [threshold_at(RNG.uniform(size=99), 0.05) for _ in range(4000)]
    shares = 1 - np.array([threshold.value for threshold in found])
    expected, error = found[0].expected, found[0].error
    assert expected == pytest.approx(0.05)
    assert shares.mean() == pytest.approx(expected, abs=4 * error / math.sqrt(4000))
    assert shares.std() == pytest.approx(error, rel=0.05)


def test_a_threshold_is_one_of_the_scores_and_never_flags_too_many():
    scores = np.arange(20.0)
    assert threshold_at(scores, 0.05).value == 19.0  # 1 / 20 needs 19 scores: 20 still allow one
    assert threshold_at(scores, 0.5).value == 10.0
    assert threshold_at(scores, 0.5).expected <= 0.5


def test_too_few_images_give_the_nearest_share_there_is():
    few = threshold_at(np.arange(14.0), 0.05)
    assert (few.value, few.expected) == (13.0, pytest.approx(1 / 15))
    shares = 1 - np.array([threshold_at(RNG.uniform(size=14), 0.05).value for _ in range(4000)])
    assert shares.mean() == pytest.approx(1 / 15, abs=4 * few.error / math.sqrt(4000))
    assert threshold_at(np.arange(19.0), 0.05).expected == pytest.approx(0.05)
    assert threshold_at(np.arange(3.0), 0.99).value == 0.0


def test_too_few_images_are_refused():
    with pytest.raises(NotMeasured, match="no normal images that the model was not trained on"):
        threshold_at(np.array([]), 0.05)
    with pytest.raises(NotMeasured, match="1 normal and 2 anomalous images have no ROC curve"):
        area_under_roc(np.zeros(1), np.zeros(2))
