"""Whether generated images can stand in for real ones as training images."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from twofold.apply import judges
from twofold.apply.common.result import pixels
from twofold.apply.context import Context
from twofold.apply.measures.generated import (
    caution_of_codes,
    classes_as_trained,
    of_codes,
    sample_images,
)
from twofold.apply.measures.recognition import real_accuracy
from twofold.conditions import ClassCondition
from twofold.data import ImageDataset
from twofold.experiments.resolve import resolve
from twofold.metrics.measure import Measure, NotMeasured, join
from twofold.metrics.recognition import recognition

__all__ = ["gan_train", "taught_by"]


def gan_train(context: Context) -> Iterator[Measure]:
    """Accuracy on real test images of a classifier trained on generated ones.

    Shmelkov et al. (2018), section 3; the classification accuracy score of Ravuri and Vinyals
    (2019). One recipe, that of the judge, and one training of it. As many images are generated as
    the model has learnt from, in the same proportions of the classes; the floor is the same of
    those real images, with all of their labels.
    """
    model = context.model
    if not isinstance(model.condition, ClassCondition):
        raise NotMeasured(f"a {model.title} is conditioned on no class: its images have no labels")
    taught = taught_by(context)
    train = context.dataset.split("train").without(context.run.experiment.data.without).labeled()
    learnt_from = replace(train, splits={"train": np.arange(len(train))})  # with all labels
    floor = judges.judge(
        judges.JUDGE, learnt_from, str(model.device), context.progress, exactly=True
    )
    yield recognition(
        f"gan_train/{taught.name}",
        f"GAN-train by {taught.name}: real test images recognized",
        taught.classifier.classify(context.real("test")),
        context.labels,
        context.dataset.class_names,
        {
            **context.depends,
            **of_codes(context),
            "classifier": taught.name,
            "samples": len(context.train),
            "classes": "as in training",
            "floor": floor.trained_on,
        },
        real_accuracy(context, floor),
        join(
            "one training of the classifier, whose own spread over seeds is not in the error",
            caution_of_codes(context),
        ),
    )


def taught_by(context: Context, changes: Mapping[str, Any] = MappingProxyType({})) -> judges.Judge:
    """A classifier trained on as many generated images as the model has learnt from.

    Arguments:
        context: Whose model is conditioned on the class.
        changes: Of the judge's recipe.
    """
    count = len(context.train)
    y = classes_as_trained(context, count)
    generated = ImageDataset(
        pixels(sample_images(context, count, y)),
        y.cpu().numpy(),
        context.dataset.class_names,
        name="generated",
        splits={"train": np.arange(count)},
    )
    recipe = resolve(judges.judge_recipe(judges.JUDGE, generated), changes)
    key = judges.judge_key(recipe, generated)
    folder = context.run.path / "judges" / f"gan-train-{recipe.name}-{key}"
    return judges.train_judge(
        recipe, generated, folder, str(context.model.device), context.progress
    )
