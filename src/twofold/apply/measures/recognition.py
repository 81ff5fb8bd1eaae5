"""Whether classifiers trained on real images recognise what a model makes."""

from collections.abc import Iterator
from typing import Any

import torch

from twofold.apply.judges import JUDGES, Judge
from twofold.apply.measures.subject import Subject
from twofold.metrics.accuracy import accuracy, accuracy_error, accuracy_per_class
from twofold.metrics.classes import confusion
from twofold.metrics.measure import Measure, NotMeasured
from twofold.models.base import Classifies, Reconstructs

__all__ = ["classification", "gan_test", "real_accuracy", "recognition", "reconstruction"]

TOLD = {
    "class": "the model is told the true class of the image",
    "image": "the model is told a part of the image",
}


def gan_test(subject: Subject) -> Iterator[Measure]:
    """Accuracy of real-trained classifiers on generated images (Shmelkov et al., 2018).

    Blind to diversity: one perfect image per class would score 100 %.
    """
    made = subject.generated
    if made.y is None:
        raise NotMeasured(
            f"a {subject.model.title} is told no class to recognise; a CVAE or CGAN is"
        )
    title = "GAN-test by {judge}: generated images recognised"
    yield from _by_every_judge(subject, "gan_test", title, made.x, made.y, made.depends)


def reconstruction(subject: Subject) -> Iterator[Measure]:
    """Accuracy of real-trained classifiers on reconstructions of test images."""
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
    title = "reconstructed test images recognised by {judge}"
    caution = TOLD.get(model.condition.about, "")
    yield from _by_every_judge(
        subject, "reconstruction", title, recon, labels, subject.depends, caution
    )


def _by_every_judge(
    subject: Subject,
    name: str,
    title: str,
    x: torch.Tensor,
    y: torch.Tensor,
    depends: dict[str, Any],
    caution: str = "",
) -> Iterator[Measure]:
    """How often each judge sees y in the images x, beside the same judge on real test images."""
    for judge in map(subject.judge, JUDGES):
        floor = real_accuracy(subject, judge)
        yield recognition(
            subject,
            f"{name}/{judge.name}",
            title.format(judge=judge.name),
            judge.classifier.classify(x),
            y,
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
        subject,
        "accuracy",
        "test images recognised",
        model.classify(x),
        labels,
        subject.depends,
        None,
    )


def real_accuracy(subject: Subject, judge: Judge) -> float:
    """A judge on the real test images, undisturbed by any binarisation."""
    return accuracy(judge.classifier.classify(subject.real("test")), subject.labels)


def recognition(
    subject: Subject,
    name: str,
    title: str,
    log_probs: torch.Tensor,
    y: torch.Tensor,
    depends: dict[str, Any],
    floor: float | None,
    caution: str = "",
) -> Measure:
    value = accuracy(log_probs, y)
    present = torch.bincount(y, minlength=subject.dataset.num_classes) > 0
    per_class = dict(
        zip(subject.dataset.class_names, accuracy_per_class(log_probs, y), strict=True)
    )
    return Measure(
        name=name,
        title=title,
        value=100 * value,
        unit="%",
        better="higher",
        error=100 * accuracy_error(value, len(y)),
        floor=None if floor is None else 100 * floor,
        depends=depends,
        per_class={
            label: 100 * share
            for (label, share), there in zip(per_class.items(), present.tolist(), strict=True)
            if there
        },
        caution=caution,
        details={"confusion": confusion(log_probs, y).tolist()},
    )
