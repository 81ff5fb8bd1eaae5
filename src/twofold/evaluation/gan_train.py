"""What a classifier learns of generated images, by what it recognizes of real ones.

References:
    How Good Is My GAN? (Shmelkov, Schmid and Alahari, 2018), section 3,
    https://arxiv.org/abs/1807.09499
    Classification Accuracy Score for Conditional Generative Models (Ravuri and Vinyals, 2019),
    https://arxiv.org/abs/1905.10887
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from twofold.conditions import ClassCondition
from twofold.data import ImageDataset
from twofold.errors import NotMeasured
from twofold.evaluation.classifiers import (
    CNN,
    ReferenceClassifier,
    classifier_key,
    classifier_recipe,
    find_classifier,
    train_classifier,
)
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.gan_test import draw_confusions
from twofold.evaluation.measure import Measure
from twofold.evaluation.pictures import Panel
from twofold.evaluation.questions import RECOGNITION
from twofold.evaluation.recognition import accuracy, recognition
from twofold.evaluation.samples import classes_as_trained, notes_of_codes, of_codes, sample_images
from twofold.evaluation.summary import RunSummary
from twofold.experiments.context import Context
from twofold.experiments.resolve import resolve
from twofold.pictures.sheets import to_uint8
from twofold.registry import register

__all__ = ["GANTrain", "taught_by"]

GAN_TRAIN = Quantity(
    "gan_train",
    "GAN-train",
    "%",
    "higher",
    paper="Shmelkov et al. (2018), section 3",
    caveat="One training of one classifier.",
    headline=True,
    least=0.0,
    most=100.0,
)
ONE = "one training of the classifier, whose own spread over seeds is not in the error"


@register("measure", "gan-train")
class GANTrain(Measure):
    """Accuracy on real test images of a classifier trained on generated ones.

    One recipe, that of the reference classifier, and one training of it. As many images are
    generated as the model has learnt from, in the same proportions of the classes; the reference is
    the same of those real images, with all of their labels.
    """

    question = RECOGNITION
    quantities = (GAN_TRAIN,)
    slow = True

    def take(self, context: Context) -> Iterator[Figure]:
        model = context.model
        if not isinstance(model.condition, ClassCondition):
            raise NotMeasured(
                f"a {model.title} is conditioned on no class: its images have no labels"
            )
        taught = taught_by(context)
        left_out = context.run.experiment.data.without
        train = context.dataset.split("train").without(left_out).labeled()
        learnt_from = replace(train, splits={"train": np.arange(len(train))})  # with all labels
        real = find_classifier(CNN, learnt_from, str(model.device), context.progress, exactly=True)
        x, y = context.real("test"), context.labels
        yield recognition(
            f"gan_train/{taught.name}",
            f"{GAN_TRAIN.title}, by {taught.name}",
            taught.classifier.classify(x),
            y,
            context.dataset.class_names,
            {
                **context.provenance,
                **of_codes(context),
                "classifier": taught.name,
                "samples": len(context.train),
                "classes": "as in training",
                "reference": real.trained_on,
            },
            accuracy(real.classifier.classify(x), y),
            (ONE, *notes_of_codes(context)),
        )

    def panels(self, runs: Sequence[RunSummary]) -> Iterator[Panel]:
        yield from super().panels(runs)
        yield from draw_confusions(runs, f"gan_train/{CNN}", "true class")


def taught_by(
    context: Context, changes: Mapping[str, Any] = MappingProxyType({})
) -> ReferenceClassifier:
    """A classifier trained on as many images of a class-conditional model as it has learnt from."""
    count = len(context.train)
    y = classes_as_trained(context, count)
    generated = ImageDataset(
        to_uint8(sample_images(context, count, y).cpu().numpy()),
        y.cpu().numpy(),
        context.dataset.class_names,
        name="generated",
        splits={"train": np.arange(count)},
    )
    recipe = resolve(classifier_recipe(CNN, generated), changes)
    key = classifier_key(recipe, generated)
    folder = context.run.path / "classifiers" / f"gan-train-{recipe.name}-{key}"
    return train_classifier(recipe, generated, folder, str(context.model.device), context.progress)
