"""Whether classifiers trained on real images recognize what a model makes."""

from collections.abc import Iterator
from typing import Any

import torch

from twofold.apply.context import Context
from twofold.apply.judges import JUDGE, MLP_JUDGE, Judge
from twofold.apply.measures.generated import generated_by
from twofold.metrics.accuracy import accuracy
from twofold.metrics.measure import Measure, NotMeasured
from twofold.metrics.recognition import recognition
from twofold.models.capabilities import Classifies, Reconstructs

__all__ = ["by_mlp", "classification", "gan_test", "real_accuracy", "reconstruction"]

GIVEN = {
    "class": "the model is given the true class of the image",
    "image": "the model is given a part of the image",
}


def gan_test(context: Context) -> Iterator[Measure]:
    """Accuracy of a real-trained classifier on generated images (Shmelkov et al., 2018).

    Blind to diversity: one perfect image per class would score 100 %.
    """
    yield _gan_test(context, context.judge(JUDGE))


def reconstruction(context: Context) -> Iterator[Measure]:
    """Accuracy of a real-trained classifier on reconstructions of test images."""
    yield _reconstruction(context, context.judge(JUDGE))


def by_mlp(context: Context) -> Iterator[Measure]:
    """GAN-test and reconstructions by a classifier of 512 hidden units, as Lam (2023) has it."""
    judge = context.judge(MLP_JUDGE)
    missing = []
    for figure in (_gan_test, _reconstruction):
        try:
            yield figure(context, judge)
        except NotMeasured as reason:
            missing.append(str(reason))
    if len(missing) == 2:
        raise NotMeasured("; ".join(missing))


def _gan_test(context: Context, judge: Judge) -> Measure:
    made = generated_by(context)
    if made.y is None:
        raise NotMeasured(
            f"a {context.model.title} is conditioned on no class to recognize; a CVAE or CGAN is"
        )
    title = f"GAN-test by {judge.name}: generated images recognized"
    return _judged(context, judge, "gan_test", title, made.x, made.y, made.depends, made.caution)


def _reconstruction(context: Context, judge: Judge) -> Measure:
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
    return _judged(context, judge, "reconstruction", title, recon, labels, context.depends, caution)


def _judged(
    context: Context,
    judge: Judge,
    name: str,
    title: str,
    x: torch.Tensor,
    y: torch.Tensor,
    depends: dict[str, Any],
    caution: str = "",
) -> Measure:
    """How often a judge sees y in the images x, beside the same judge on real test images."""
    floor = real_accuracy(context, judge)
    return recognition(
        f"{name}/{judge.name}",
        title,
        judge.classifier.classify(x),
        y,
        context.dataset.class_names,
        {
            **depends,
            "classifier": f"{judge.name} {judge.digest}",
            "classifier_accuracy": round(floor, 5),
        },
        floor,
        caution,
    )


def classification(context: Context) -> Iterator[Measure]:
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
        context.depends,
    )


def real_accuracy(context: Context, judge: Judge) -> float:
    """A judge on the real test images, undisturbed by any binarization."""
    return accuracy(judge.classifier.classify(context.real("test")), context.labels)
