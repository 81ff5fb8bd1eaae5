"""M2 with scikit-learn's manners."""

import copy
import os

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from twofold.verbs.estimator import SemiSupervisedClassifier

QUICK = {"layers": "fc-16", "latent_dim": 2, "epochs": 1, "lr": 0.01, "device": "cpu"}


def quick(**changes) -> SemiSupervisedClassifier:
    return SemiSupervisedClassifier(**{**QUICK, "min_steps": 100, "random_state": 0, **changes})


def expected_failures(_):
    return {
        "check_classifiers_classes": "its labels are -1 and 1, and -1 marks a row without a label; "
        "scikit-learn leaves its own semi-supervised classifiers out of this part by their names",
    }


@parametrize_with_checks(
    [SemiSupervisedClassifier(**QUICK, min_steps=30)],
    expected_failed_checks=expected_failures,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["cat", -1, "owl", "owl"], "-1 among strings"),
        (np.array(["cat", "-1", "owl", "owl"]), "-1 among strings"),
        (["cat", None, "owl", "owl"], "None for a label, expected -1"),
        (np.array(["cat", None, "owl", "owl"], dtype=object), "None for a label, expected -1"),
    ],
)
def test_labels_that_numpy_would_change_are_refused(labels, words):
    with pytest.raises(ValueError, match=words):
        quick().fit(np.arange(8.0).reshape(4, 2), labels)


def test_strings_with_a_number_among_them_are_read():
    y = np.array(["cat", -1, "owl", "owl"], dtype=object)
    model = quick(min_steps=2).fit(np.arange(8.0).reshape(4, 2), y)
    assert model.classes_.tolist() == ["cat", "owl"]


@pytest.fixture(scope="module")
def blobs():
    """300 rows in three blobs, and labels of which two in a blob are known."""
    X, truth = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)[:2]
    y = np.full(300, -1)
    for k in range(3):
        y[np.flatnonzero(truth == k)[:2]] = k
    return X, y, truth


def test_unlabeled_rows_are_learnt_from(blobs):
    X, y, truth = blobs
    model = quick(min_steps=200).fit(X, y)
    assert model.score(X, truth) > 0.95  # chance is 0.33
    proba = model.predict_proba(X)
    assert np.allclose(proba.sum(axis=1), 1)
    assert np.array_equal(model.classes_[proba.argmax(axis=1)], model.predict(X))
    assert model.classes_.tolist() == [0, 1, 2]
    none_used = quick(min_steps=200).fit(X[y != -1], y[y != -1])
    assert not np.allclose(none_used.predict_proba(X), proba)


@pytest.mark.parametrize("names", [("cat", "dog", "eel"), (10, 5, 99)])
def test_labels_of_any_kind(blobs, names):
    X, y, truth = blobs
    labels = np.array([-1 if k == -1 else names[k] for k in y], dtype=object)
    if isinstance(names[0], int):
        labels = labels.astype(int)
    model = quick().fit(X, labels)
    assert model.classes_.tolist() == sorted(names)
    assert set(model.predict(X)) <= set(names)
    assert (model.predict(X) == np.array(names)[truth]).mean() > 0.8


def test_every_row_labeled(blobs):
    X, _, truth = blobs
    assert quick().fit(X, truth).score(X, truth) > 0.9


def test_images_are_rows_of_pixels_with_one_range():
    X, y = load_digits(return_X_y=True)
    images = X[:200].reshape(-1, 8, 8)
    model = quick().fit(images, y[:200])
    assert model.n_features_in_ == 64
    assert np.array_equal(model.predict(images), model.predict(images[:, None]))
    assert model._pixels(X[:200])[0].max() == round(255 * X[0].max() / 16)
    rows = quick().fit(X[:200], y[:200])
    assert rows._pixels(X[:200]).max(axis=0).ravel().tolist() == [
        255 if high > 0 else 0 for high in np.ptp(X[:200], axis=0)
    ]


def test_the_same_for_a_seed_and_after_a_copy(blobs):
    X, y, _ = blobs
    first, again, other = (quick(random_state=s).fit(X, y).predict_proba(X) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    fitted = quick().fit(X, y)
    assert np.array_equal(copy.deepcopy(fitted).predict_proba(X), fitted.predict_proba(X))
    assert clone(fitted).get_params() == fitted.get_params()


def test_it_works_with_others_and_leaves_nothing_behind(blobs, tmp_path, monkeypatch):
    X, _, truth = blobs
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pipeline = make_pipeline(StandardScaler(), quick())
    assert cross_val_score(pipeline, X, truth, cv=2).min() > 0.8
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_what_does_not_fit_is_refused_in_words(blobs):
    X, y, _ = blobs
    with pytest.raises(ValueError, match=r"labels of 0 class\(es\), expected 2 or more; -1 marks"):
        quick().fit(X, np.full(300, -1))
    with pytest.raises(ValueError, match="NaN"):
        quick().fit(np.full((300, 2), np.nan), y)
    with pytest.raises(ValueError, match="expecting 2 features"):
        quick().fit(X, y).predict(X[:, :1])
    with pytest.raises(ValueError, match="latent_dim"):
        quick(latent_dim=0).fit(X, y)
    with pytest.raises(NotFittedError):
        quick().predict(X)
