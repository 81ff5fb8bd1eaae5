"""What classifiers recognize of what a model makes, which classes they see, and can learn of it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twofold.conditions import ClassCondition
from twofold.data import ImageDataset
from twofold.errors import NotMeasured
from twofold.evaluation import classifiers
from twofold.evaluation.classifiers import CNN, MLP, ReferenceClassifier
from twofold.evaluation.figure import Figure
from twofold.evaluation.recognition import (
    accuracy,
    class_shares,
    inception_score,
    kl_of_shares,
    recognition,
)
from twofold.evaluation.samples import (
    caution_of_codes,
    classes_as_trained,
    generated_by,
    of_codes,
    sample_images,
)
from twofold.experiments.context import Context
from twofold.experiments.resolve import resolve
from twofold.models.capabilities import Classifies, Reconstructs
from twofold.verbs.result import pixels

__all__ = [
    "by_mlp",
    "classes",
    "classification",
    "gan_test",
    "gan_train",
    "real_accuracy",
    "reconstruction",
    "taught_by",
]

GIVEN = {
    "class": "the model is given the true class of the image",
    "image": "the model is given a part of the image",
}


def gan_test(context: Context) -> Iterator[Figure]:
    """Accuracy of a real-trained classifier on generated images (Shmelkov et al., 2018).

    Blind to diversity: one perfect image per class would score 100 %.
    """
    yield _gan_test(context, reference_classifier(context, CNN))


def reconstruction(context: Context) -> Iterator[Figure]:
    """Accuracy of a real-trained classifier on reconstructions of test images."""
    yield _reconstruction(context, reference_classifier(context, CNN))


def by_mlp(context: Context) -> Iterator[Figure]:
    """GAN-test and reconstructions by a classifier of 512 hidden units, as Lam (2023) has it."""
    judge = reference_classifier(context, MLP)
    missing = []
    for figure in (_gan_test, _reconstruction):
        try:
            yield figure(context, judge)
        except NotMeasured as reason:
            missing.append(str(reason))
    if len(missing) == 2:
        raise NotMeasured("; ".join(missing))


def _gan_test(context: Context, judge: ReferenceClassifier) -> Figure:
    made = generated_by(context)
    if made.y is None:
        raise NotMeasured(
            f"a {context.model.title} is conditioned on no class to recognize; a CVAE or CGAN is"
        )
    title = f"GAN-test by {judge.name}: generated images recognized"
    return _judged(context, judge, "gan_test", title, made.x, made.y, made.provenance, made.notes)


def _reconstruction(context: Context, judge: ReferenceClassifier) -> Figure:
    model = context.model.capability(Reconstructs)
    if model is None:
        raise NotMeasured(f"a {context.model.title} has no encoder; a VAE has")
    labels = context.labels
    recon = torch.cat(
        [
            model.reconstruct(batch.x, model.condition.pick(batch.x, batch.y))
            for batch in context.batches.in_order()
        ]
    )
    title = f"reconstructed test images recognized by {judge.name}"
    caution = GIVEN.get(model.condition.about, "")
    return _judged(
        context, judge, "reconstruction", title, recon, labels, context.provenance, caution
    )


def _judged(
    context: Context,
    judge: ReferenceClassifier,
    name: str,
    title: str,
    x: torch.Tensor,
    y: torch.Tensor,
    provenance: dict[str, Any],
    caution: str = "",
) -> Figure:
    """How often a judge sees y in the images x, beside the same judge on real test images."""
    floor = real_accuracy(context, judge)
    return recognition(
        f"{name}/{judge.name}",
        title,
        judge.classifier.classify(x),
        y,
        context.dataset.class_names,
        {
            **provenance,
            "classifier": f"{judge.name} {judge.digest}",
            "classifier_accuracy": round(floor, 5),
        },
        floor,
        caution,
    )


def classification(context: Context) -> Iterator[Figure]:
    """Test accuracy of a classifier."""
    model = context.model.capability(Classifies)
    if model is None:
        raise NotMeasured(f"a {context.model.title} names no classes; an M2 or ACGAN does")
    labels = context.labels
    x = torch.cat([batch.x for batch in context.batches.in_order()])
    yield recognition(
        "accuracy",
        "test images recognized",
        model.classify(x),
        labels,
        context.dataset.class_names,
        context.provenance,
    )


def real_accuracy(context: Context, judge: ReferenceClassifier) -> float:
    """A judge on the real test images, undisturbed by any binarization."""
    return accuracy(judge.classifier.classify(context.real("test")), context.labels)


def gan_train(context: Context) -> Iterator[Figure]:
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
    floor = classifiers.find_classifier(
        classifiers.CNN, learnt_from, str(model.device), context.progress, exactly=True
    )
    yield recognition(
        f"gan_train/{taught.name}",
        f"GAN-train by {taught.name}: real test images recognized",
        taught.classifier.classify(context.real("test")),
        context.labels,
        context.dataset.class_names,
        {
            **context.provenance,
            **of_codes(context),
            "classifier": taught.name,
            "samples": len(context.train),
            "classes": "as in training",
            "reference": floor.trained_on,
        },
        real_accuracy(context, floor),
        join(
            "one training of the classifier, whose own spread over seeds is not in the error",
            caution_of_codes(context),
        ),
    )


def taught_by(
    context: Context, changes: Mapping[str, Any] = MappingProxyType({})
) -> classifiers.ReferenceClassifier:
    """A classifier trained on as many images of a class-conditional model as it has learnt from."""
    count = len(context.train)
    y = classes_as_trained(context, count)
    generated = ImageDataset(
        pixels(sample_images(context, count, y)),
        y.cpu().numpy(),
        context.dataset.class_names,
        name="generated",
        splits={"train": np.arange(count)},
    )
    recipe = resolve(classifiers.classifier_recipe(classifiers.CNN, generated), changes)
    key = classifiers.classifier_key(recipe, generated)
    folder = context.run.path / "judges" / f"gan-train-{recipe.name}-{key}"
    return classifiers.train_classifier(
        recipe, generated, folder, str(context.model.device), context.progress
    )


def classes(context: Context) -> Iterator[Figure]:
    """Histogram of generated classes against the data's, and the Inception Score by classifier."""
    labels, made = context.labels, generated_by(context)
    judge = reference_classifier(context, CNN)
    seen = judge.classifier.classify(made.x)
    real = judge.classifier.classify(context.real("train", len(made)))
    provenance = {
        **made.provenance,
        "split": "test",
        "images": len(labels),
        "classifier": f"{judge.name} {judge.digest}",
    }
    yield Figure(
        "inception_score",
        "Inception Score by classifier",
        inception_score(seen),
        "",
        reference=inception_score(real),
        provenance=provenance,
        notes=join(made.notes, "blind to the real images, so a check of sanity only"),
    )
    num_classes = context.dataset.num_classes
    data = torch.bincount(labels, minlength=num_classes).double() / len(labels)
    shares, names = class_shares(seen), context.dataset.class_names
    asked = "" if made.y is None else "the model was asked for the classes in these proportions"
    yield Figure(
        "class_kl",
        "KL of generated classes from the data's",
        kl_of_shares(shares, data),
        "nats",
        better="lower",
        reference=_floor(class_shares(real), data),
        provenance=provenance,
        notes=join(made.notes, asked),
        details={
            "generated": dict(zip(names, shares.tolist(), strict=True)),
            "data": dict(zip(names, data.tolist(), strict=True)),
        },
    )


def _floor(shares: Tensor, data: Tensor) -> float | None:
    """That of as many training images, where the test images have all of their classes."""
    try:
        return kl_of_shares(shares, data)
    except NotMeasured:
        return None
