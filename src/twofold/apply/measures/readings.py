"""Two more readings of "classifier accuracy" for a conditional model, each under its own name.

GAN-train is the accuracy on real test images of a classifier that saw only generated ones. The
accuracy of labels read from latent codes comes twice: with the encoder told the true label, which
leaks it, and with the label withheld (a random one in its place).
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twofold.apply.judges import JUDGES, judge_recipe, train_judge
from twofold.apply.measures.recognition import real_accuracy, recognition
from twofold.apply.measures.subject import Subject
from twofold.conditions import ClassCondition
from twofold.data import ImageDataset
from twofold.data.batches import Batches
from twofold.metrics.accuracy import accuracy_error
from twofold.metrics.measure import Measure, NotMeasured
from twofold.models.base import Encodes, Generative
from twofold.pictures import to_uint8

__all__ = ["gan_train", "latent_labels"]

HIDDEN, EPOCHS = 512, 20


def gan_train(subject: Subject) -> Iterator[Measure]:
    """Accuracy on real test images of classifiers trained on generated ones.

    Shmelkov et al. (2018), section 3.

    As many images are generated as the model was trained on, classes in balance.
    """
    model, dataset = subject.model, subject.dataset
    if not isinstance(model, Generative) or not isinstance(model.condition, ClassCondition):
        raise NotMeasured(f"a {model.title} is told no class: its images have no labels")
    count = len(dataset.split("train"))
    y = torch.arange(count, device=model.device) % dataset.num_classes
    seed = subject.settings["seed"]
    generated = _as_dataset(model.sample(count, y, seed), y, dataset)
    for name in JUDGES:
        recipe = judge_recipe(name, generated)
        folder = subject.run.path / "judges" / f"gan-train-{name}-{subject.run.progress[0]}"
        made = train_judge(recipe, generated, folder, str(model.device), subject.progress)
        yield recognition(
            subject,
            f"gan_train/{name}",
            f"GAN-train by {name}: real test images recognised",
            made.classifier.classify(subject.real("test")),
            subject.labels,
            {**subject.depends, "classifier": name, "samples": count},
            real_accuracy(subject, subject.judge(name)),
        )


def latent_labels(subject: Subject) -> Iterator[Measure]:
    """Accuracy of a 512-unit classifier on posterior means, with and without the label leaking."""
    model = subject.model.offers(Encodes)
    if model is None:
        raise NotMeasured(f"a {subject.model.title} has no encoder; a VAE has")
    labels = subject.labels
    leaks = (True, False) if isinstance(model.condition, ClassCondition) else (False,)
    train = Batches(
        subject.dataset.split("train").labelled(),
        1,
        binarise=subject.run.experiment.data.binarise,
        binarise_seed=subject.run.experiment.data.binarise_seed,
        device=model.device,
    )
    for leak in leaks:
        value = _mlp_accuracy(
            _codes(model, train, leak),
            _numpy(train.labels),
            _codes(model, subject.batches, leak),
            _numpy(labels),
            subject.settings["seed"],
        )
        yield Measure(
            name="latents/leaking" if leak else "latents/withheld",
            title=f"labels read from latents, {'true label given to' if leak else 'no label for'}"
            " the encoder",
            value=100 * value,
            unit="%",
            better=None,
            error=100 * accuracy_error(value, len(subject.batches)),
            depends={**subject.depends, "classifier": f"{HIDDEN} hidden units, {EPOCHS} epochs"},
            caution="the encoder was told the answer" if leak else "",
        )


def _as_dataset(x: Tensor, y: Tensor, like: ImageDataset) -> ImageDataset:
    images = to_uint8(x.cpu().numpy())
    return ImageDataset(
        images,
        y.cpu().numpy(),
        like.class_names,
        name="generated",
        splits={"train": np.arange(len(images))},
    )


@torch.no_grad()
def _codes(model: Encodes, batches: Batches, leak: bool) -> np.ndarray:
    means = []
    for batch in batches.in_order(500):
        c = model.condition.pick(batch.x, batch.y)
        if isinstance(model.condition, ClassCondition) and not leak:
            c = torch.randint(model.condition.num_classes, (len(batch),), device=batch.x.device)
        means.append(model.posterior(batch.x, c).mean)
    return _numpy(torch.cat(means))


def _mlp_accuracy(
    codes: np.ndarray, y: np.ndarray, test_codes: np.ndarray, test_y: np.ndarray, seed: int
) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    settings: dict[str, Any] = {"batch_size": min(100, len(codes)), "max_iter": EPOCHS}
    mlp = MLPClassifier((HIDDEN,), random_state=seed, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # a fixed number of epochs is the recipe
        classifier = make_pipeline(StandardScaler(), mlp).fit(codes, y)
    return float(classifier.score(test_codes, test_y))


def _numpy(tensor: Tensor | None) -> np.ndarray:
    assert tensor is not None
    return tensor.float().cpu().numpy() if tensor.is_floating_point() else tensor.cpu().numpy()
