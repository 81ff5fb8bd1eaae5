"""Whether generated images can stand in for real ones as training images."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from twofold.apply import judges
from twofold.apply.measures.recognition import real_accuracy, recognition
from twofold.apply.measures.subject import Subject
from twofold.conditions import ClassCondition
from twofold.data import ImageDataset
from twofold.metrics.measure import Measure, NotMeasured
from twofold.models.base import Generative
from twofold.pictures import to_uint8

__all__ = ["gan_train"]


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
    for name in judges.JUDGES:
        recipe = judges.judge_recipe(name, generated)
        folder = subject.run.path / "judges" / f"gan-train-{name}-{subject.run.progress[0]}"
        made = judges.train_judge(recipe, generated, folder, str(model.device), subject.progress)
        yield recognition(
            subject,
            f"gan_train/{name}",
            f"GAN-train by {name}: real test images recognised",
            made.classifier.classify(subject.real("test")),
            subject.labels,
            {**subject.depends, "classifier": name, "samples": count},
            real_accuracy(subject, subject.judge(name)),
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
