"""Whether generated images can stand in for real ones as training images."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from torch import Tensor

from twofold.apply import judges
from twofold.apply.measures.recognition import real_accuracy
from twofold.apply.measures.subject import Subject
from twofold.conditions import ClassCondition
from twofold.data import ImageDataset
from twofold.metrics.measure import Measure, NotMeasured
from twofold.metrics.recognition import recognition
from twofold.pictures.sheets import to_uint8

__all__ = ["as_dataset", "gan_train"]


def gan_train(subject: Subject) -> Iterator[Measure]:
    """Accuracy on real test images of a classifier trained on generated ones.

    Shmelkov et al. (2018), section 3; the classification accuracy score of Ravuri and Vinyals
    (2019). One recipe, that of the judge, and one training of it. As many images are generated as
    the model has learnt from, in the same proportions of the classes; the floor is the same of
    those real images, with all of their labels.
    """
    model = subject.model
    if not isinstance(model.condition, ClassCondition):
        raise NotMeasured(f"a {model.title} is told no class: its images have no labels")
    count = len(subject.train)
    y = subject.classes(count)
    generated = as_dataset(subject.sample(count, y), y, subject.dataset)
    recipe = judges.judge_recipe(judges.JUDGE, generated)
    key = judges.judge_key(recipe, generated)
    folder = subject.run.path / "judges" / f"gan-train-{recipe.name}-{key}"
    device = str(model.device)
    made = judges.train_judge(recipe, generated, folder, device, subject.progress)
    real = _learnt_from(subject)
    floor = judges.judge(judges.JUDGE, real, device, subject.progress, exactly=True)
    yield recognition(
        f"gan_train/{recipe.name}",
        f"GAN-train by {recipe.name}: real test images recognised",
        made.classifier.classify(subject.real("test")),
        subject.labels,
        subject.dataset.class_names,
        {
            **subject.depends,
            "classifier": recipe.name,
            "samples": count,
            "classes": "as in training",
            "floor": floor.trained_on,
        },
        real_accuracy(subject, floor),
        "one training of the classifier, whose own spread over seeds is not in the error",
    )


def _learnt_from(subject: Subject) -> ImageDataset:
    """The training images of the model's classes, with all labels that the data has."""
    train = subject.dataset.split("train").without(subject.run.experiment.data.without).labelled()
    return replace(train, splits={"train": np.arange(len(train))})


def as_dataset(x: Tensor, y: Tensor, like: ImageDataset) -> ImageDataset:
    images = to_uint8(x.cpu().numpy())
    return ImageDataset(
        images,
        y.cpu().numpy(),
        like.class_names,
        name="generated",
        splits={"train": np.arange(len(images))},
    )
