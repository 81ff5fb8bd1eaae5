"""M2 as a scikit-learn classifier beside scikit-learn's own, on its digits with five labels each.

    python benchmarks/few_labels.py          # writes docs/results/few-labels.json

Thirty per cent of the 1797 images are held out; of the others five in each class keep their label.
A seed draws the split, the labels and the weights; 0 and 1 served to choose the estimator's
defaults and are left out.
"""

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC

from twofold import SemiSupervisedClassifier
from twofold.experiments.environment import describe_versions, processor_name

OUT = Path(__file__).parents[1] / "docs" / "results" / "few-labels.json"
SEEDS = (2, 3, 4, 5, 6)
LABELS = 5  # of each class


def score_all(seed: int) -> dict[str, float]:
    """Accuracy on the held-out images in per cent, by classifier."""
    X, y = load_digits(return_X_y=True)
    train, test, known, truth = train_test_split(X, y, test_size=0.3, random_state=seed, stratify=y)
    rng = np.random.default_rng(seed)
    kept = np.concatenate([rng.permutation(np.flatnonzero(known == k))[:LABELS] for k in range(10)])
    part = np.full(len(known), -1)
    part[kept] = known[kept]
    scores = {name: model.fit(train, part) for name, model in semi_supervised(seed).items()}
    scores |= {name: model.fit(train[kept], known[kept]) for name, model in labels_alone().items()}
    return {name: 100 * model.score(test, truth) for name, model in scores.items()}


def semi_supervised(seed: int) -> dict[str, Any]:
    """Those that learn from images without a label too."""
    logistic = LogisticRegression(max_iter=2000)
    return {
        "SemiSupervisedClassifier": SemiSupervisedClassifier(random_state=seed, device="cpu"),
        "LabelSpreading, knn": LabelSpreading(kernel="knn"),
        "SelfTrainingClassifier, logistic regression": SelfTrainingClassifier(logistic),
    }


def labels_alone() -> dict[str, Any]:
    """Those that see the fifty labeled images only."""
    return {
        "SVC, labels alone": SVC(),
        "logistic regression, labels alone": LogisticRegression(max_iter=2000),
    }


def main() -> None:
    by_seed = [score_all(seed) for seed in SEEDS]
    found = {name: [round(scores[name], 2) for scores in by_seed] for name in by_seed[0]}
    for name, values in found.items():
        print(f"{name}: {statistics.mean(values):.1f} ± {statistics.stdev(values):.1f} %")
    content = {
        "accuracy_percent": found,
        "seeds": SEEDS,
        "labels_of_each_class": LABELS,
        "processor": processor_name(),
        "versions": describe_versions(),
    }
    OUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
