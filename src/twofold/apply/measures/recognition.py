"""Whether classifiers trained on real images recognize what a model makes."""

from collections.abc import Iterator
from typing import Any

import torch

from twofold.apply.judges import JUDGE, MLP_JUDGE, Judge
from twofold.apply.measures.subject import Subject
from twofold.metrics.accuracy import accuracy
from twofold.metrics.measure import Measure, NotMeasured
from twofold.metrics.recognition import recognition
from twofold.models.base import Classifies, Reconstructs

__all__ = ["by_mlp", "classification", "gan_test", "real_accuracy", "reconstruction"]

GIVEN = {
    "class": "the model is given the true class of the image",
    "image": "the model is given a part of the image",
}


def gan_test(subject: Subject) -> Iterator[Measure]:
    """Accuracy of a real-trained classifier on generated images (Shmelkov et al., 2018).

    Blind to diversity: one perfect image per class would score 100 %.
    """
    yield _gan_test(subject, subject.judge(JUDGE))


def reconstruction(subject: Subject) -> Iterator[Measure]:
    """Accuracy of a real-trained classifier on reconstructions of test images."""
    yield _reconstruction(subject, subject.judge(JUDGE))


def by_mlp(subject: Subject) -> Iterator[Measure]:
    """GAN-test and reconstructions by a classifier of 512 hidden units, as Lam (2023) has it."""
    figures = (_gan_test, _reconstruction)
    judge = subject.judge(MLP_JUDGE)
    missing = []
    for figure in figures:
        try:
            yield figure(subject, judge)
        except NotMeasured as reason:
            missing.append(str(reason))
    if len(missing) == len(figures):
        raise NotMeasured("; ".join(missing))


def _gan_test(subject: Subject, judge: Judge) -> Measure:
    made = subject.generated
    if made.y is None:
        raise NotMeasured(
            f"a {subject.model.title} is conditioned on no class to recognize; a CVAE or CGAN is"
        )
    title = f"GAN-test by {judge.name}: generated images recognized"
    return _judged(subject, judge, "gan_test", title, made.x, made.y, made.depends, made.caution)


def _reconstruction(subject: Subject, judge: Judge) -> Measure:
    model = subject.model.offers(Reconstructs)
    if model is None:
        raise NotMeasured(f"a {subject.model.title} has no encoder; a VAE has")
    labels = subject.labels
    recon = torch.cat(
        [
            model.reconstruct(batch.x, model.condition.pick(batch.x, batch.y))
            for batch in subject.batches.in_order()
        ]
    )
    title = f"reconstructed test images recognized by {judge.name}"
    caution = GIVEN.get(model.condition.about, "")
    return _judged(subject, judge, "reconstruction", title, recon, labels, subject.depends, caution)


def _judged(
    subject: Subject,
    judge: Judge,
    name: str,
    title: str,
    x: torch.Tensor,
    y: torch.Tensor,
    depends: dict[str, Any],
    caution: str = "",
) -> Measure:
    """How often a judge sees y in the images x, beside the same judge on real test images."""
    floor = real_accuracy(subject, judge)
    return recognition(
        f"{name}/{judge.name}",
        title,
        judge.classifier.classify(x),
        y,
        subject.dataset.class_names,
        {
            **depends,
            "classifier": f"{judge.name} {judge.digest}",
            "classifier_accuracy": round(floor, 5),
        },
        floor,
        caution,
    )


def classification(subject: Subject) -> Iterator[Measure]:
    """Test accuracy of a classifier."""
    model = subject.model.offers(Classifies)
    if model is None:
        raise NotMeasured(f"a {subject.model.title} names no classes; an M2 or ACGAN does")
    labels = subject.labels
    x = torch.cat([batch.x for batch in subject.batches.in_order()])
    yield recognition(
        "accuracy",
        "test images recognized",
        model.classify(x),
        labels,
        subject.dataset.class_names,
        subject.depends,
    )


def real_accuracy(subject: Subject, judge: Judge) -> float:
    """A judge on the real test images, undisturbed by any binarization."""
    return accuracy(judge.classifier.classify(subject.real("test")), subject.labels)
