"""M2 as a classifier of scikit-learn, which learns from unlabeled rows too.

References:
    Semi-supervised Learning with Deep Generative Models (Kingma, Rezende, Mohamed and Welling,
    2014), https://arxiv.org/abs/1406.5298
"""

import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from twofold.data import ImageDataset
from twofold.data.dataset import UNLABELED
from twofold.data.preprocess import to_unit
from twofold.experiments.resolve import parse_experiment
from twofold.experiments.schema import Experiment
from twofold.experiments.train import make_trainer
from twofold.models.m2 import M2
from twofold.training.progress import Silent

__all__ = ["SemiSupervisedClassifier"]


class SemiSupervisedClassifier(ClassifierMixin, BaseEstimator):
    """The semi-supervised VAE M2, with the manners of scikit-learn.

    Rows of a table are brought to [0, 1] feature by feature, images (n, H, W) or (n, C, H, W) all
    by one range; either is kept to 256 levels. Labels are numbers, with -1 for an unlabeled row as
    in `sklearn.semi_supervised`, or an array of objects, such as strings, with -1 among them.
    Nothing is left on the disk.

    Arguments:
        latent_dim: Dimensions of z.
        layers: Hidden layers of q(y|x), q(z|x, y) and p(x|y, z), in the layer notation.
        alpha: Weight of -ln q(y|x) on labeled rows, beside the bound in nats per row.
        likelihood: p(x|y, z): `bernoulli`, `gaussian` …
        epochs: Passes over the rows.
        min_steps: Steps of the optimizer that are taken at least, which small sets need.
        batch_size: Rows in a step; as many labeled ones are beside the unlabeled.
        lr: Learning rate of Adam.
        device: auto, cpu, cuda, cuda:1 or mps.
        random_state: Of weights, order and noise.

    Attributes:
        classes_: The K classes, sorted.
        n_features_in_: Features of a row, or pixels of an image in all its channels.
        model_: The `M2`, on the CPU.

    Example:
        Two blobs, one labeled row in each.

        >>> rng = np.random.default_rng(0)
        >>> X = np.concatenate([rng.normal(0, 1, (50, 2)), rng.normal(6, 1, (50, 2))])
        >>> y = np.full(100, -1)
        >>> y[[0, 99]] = [3, 7]
        >>> model = SemiSupervisedClassifier(layers="fc-16", random_state=0).fit(X, y)
        >>> model.classes_, model.score(X, np.repeat([3, 7], 50))
        (array([3, 7]), 1.0)

        On scikit-learn's digits, 30 % held out, with 5 labels in each class of the other 1257, five
        draws of split, labels and weights (`benchmarks/few_labels.py`): 91.2 ± 1.5 % right, beside
        87.5 ± 3.9 % of `SelfTrainingClassifier(LogisticRegression(max_iter=2000))`, 85.6 ± 2.2 % of
        an `SVC` on the labeled rows alone, and 92.9 ± 1.1 % of `LabelSpreading(kernel="knn")`,
        which suits these data.
    """

    classes_: NDArray[Any]
    n_features_in_: int

    def __init__(
        self,
        latent_dim: int = 10,
        layers: str = "fc-100",
        alpha: float = 1.0,
        likelihood: str = "bernoulli",
        epochs: float = 100,
        min_steps: int = 300,
        batch_size: int = 100,
        lr: float = 3e-3,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.latent_dim = latent_dim
        self.layers = layers
        self.alpha = alpha
        self.likelihood = likelihood
        self.epochs = epochs
        self.min_steps = min_steps
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any) -> Self:
        """Learns from labeled and unlabeled rows.

        Arguments:
            X: Shape (n, features), or images (n, H, W) or (n, C, H, W).
            y: Shape (n,), -1 where not known.

        Raises:
            ValueError: If the data do not fit, fewer than two classes are labeled, or a parameter
                cannot be what was given.
        """
        flat, images = _flat(X)
        _check_labels(y)
        checked: Any = validate_data(self, flat, y, dtype=np.float64)  # whose type it does not say
        rows, y = checked
        known = ~(np.asarray(y == UNLABELED) & np.ones(len(y), dtype=bool))
        check_classification_targets(y[known])
        labels = np.full(len(y), UNLABELED, np.int64)
        self.classes_, labels[known] = np.unique(y[known], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"got labels of {len(self.classes_)} class(es), expected 2 or more; -1 marks a row "
                "without a label"
            )
        axis = None if images else 0
        self._low, self._span = rows.min(axis=axis), np.ptp(rows, axis=axis)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        names = tuple(str(k) for k in range(len(self.classes_)))
        dataset = ImageDataset(self._pixels(rows), labels, names, "rows")
        with tempfile.TemporaryDirectory() as folder:
            experiment = self._experiment(seed, labels)
            trainer = make_trainer(experiment, dataset, Path(folder), Silent())
            outcome = trainer.run()
        if not outcome.finished:
            raise KeyboardInterrupt
        assert isinstance(trainer.model, M2)
        self.model_ = trainer.model.cpu().eval()
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """q(y|x), shape (n, K), in the order of `classes_`.

        Raises:
            NotFittedError: Before `fit`.
            ValueError: If X has other features.
        """
        check_is_fitted(self, "model_")
        flat, _ = _flat(X)
        rows = np.asarray(validate_data(self, flat, reset=False, dtype=np.float64))
        log_probs = self.model_.classify(to_unit(torch.as_tensor(self._pixels(rows))))
        return log_probs.double().softmax(dim=1).numpy()

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likeliest class of each row, shape (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def _pixels(self, rows: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Rows (n, F) as 256 levels of the range that was seen, (n, 1, 1, F): M2's images."""
        span = np.where(self._span > 0, self._span, 1.0)
        levels = np.rint(255 * np.clip((rows - self._low) / span, 0.0, 1.0))
        return levels.astype(np.uint8)[:, None, None, :]

    def _experiment(self, seed: int, labels: NDArray[np.int64]) -> Experiment:
        unlabeled = int((labels == UNLABELED).sum())
        epoch = unlabeled or len(labels)
        batch_size = min(self.batch_size, epoch)
        network = {"layers": self.layers}
        return parse_experiment(
            {
                "name": "rows",
                "data": "rows",
                "seed": seed,
                "model": {
                    "family": "m2",
                    "latent_dim": self.latent_dim,
                    "classifier": network,
                    "encoder": network,
                    "decoder": network,
                    "likelihood": self.likelihood,
                    "objective": {"alpha": self.alpha},
                },
                "training": {
                    "images": max(round(self.epochs * epoch), self.min_steps * batch_size),
                    "batch_size": batch_size,
                    "device": self.device,
                    "log_every": 1000,
                    "sample_every": 1e9,
                    "optimizers": {"m2": {"name": "adam", "lr": self.lr}},
                },
            },
            type(self).__name__,
        )


def _check_labels(y: Any) -> None:
    """Refuses what numpy would turn into another label, or cannot sort."""
    array = isinstance(y, np.ndarray)
    values = y.ravel().tolist() if array else list(y) if isinstance(y, list | tuple) else []
    if any(one is None for one in values):
        raise ValueError("y has None for a label, expected -1 for a row without one")
    words = {isinstance(one, str) for one in values}
    if "-1" in values or (not array and words == {True, False}):
        raise ValueError(
            "y has -1 among strings, which an array of strings makes '-1', the name of a class; "
            "give np.array(labels, dtype=object) with the number -1"
        )


def _flat(X: ArrayLike) -> tuple[Any, bool]:
    """Images as rows, and whether they were images; anything else as it is."""
    if getattr(X, "ndim", 2) in (3, 4):
        images = np.asarray(X)
        return images.reshape(len(images), -1), True
    return X, False
