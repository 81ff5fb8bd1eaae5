"""Which classes are generated, as a classifier sees them."""

from collections.abc import Iterator

import torch
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.classifiers import CNN, reference_classifier
from twofold.evaluation.counts import estimate_class_kl
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.measure import Measure
from twofold.evaluation.questions import CLASSES
from twofold.evaluation.recognition import (
    class_shares,
    estimate_inception_score,
    inception_score,
    kl_of_shares,
)
from twofold.evaluation.samples import generated_by, notes_of_reference
from twofold.evaluation.summary import RunSummary
from twofold.experiments.context import Context
from twofold.registry import register
from twofold.words import listing

__all__ = ["Classes"]

INCEPTION = Quantity(
    "inception_score",
    "Inception Score by classifier",
    paper="Salimans et al. (2016), section 4",
    caveat="Blind to the real images, so a check of sanity only.",
    least=1.0,
)
CLASS_KL = Quantity(
    "class_kl",
    "KL of generated classes from the data's",
    "nats",
    "lower",
    caveat="A model that is asked for its classes gets their shares for free.",
    least=0.0,
)
HARDLY = 0.1  # of a class's share in the data: below it the class is missing


@register("measure", "classes")
class Classes(Measure):
    """Histogram of generated classes against the data's, and the Inception Score by classifier.

    Both are among the classes that the model knows: one that was left out of training is none.
    """

    question = CLASSES
    quantities = (CLASS_KL, INCEPTION)
    of_images = True

    def take(self, context: Context) -> Iterator[Figure]:
        labels, made = context.labels, generated_by(context)
        classifier = reference_classifier(context, CNN)
        known = context.known_classes
        seen, real = (
            classifier.classifier.classify(x)[:, known].log_softmax(dim=1)
            for x in (made.x, context.real("reference", len(made)))
        )
        notes = made.notes + notes_of_reference(context)
        provenance = {
            **made.provenance,
            "split": context.split,
            "images": len(labels),
            "classifier": f"{classifier.name} {classifier.digest}",
            "reference": f"{context.reference[0]} images",
        }
        yield INCEPTION.estimated(
            estimate_inception_score(seen),
            reference=inception_score(real),
            provenance=provenance,
            notes=notes,
        )
        counts = torch.bincount(labels, minlength=context.dataset.num_classes)[known]
        data, shares = counts.double() / len(labels), class_shares(seen)
        names = [context.dataset.class_names[k] for k in known]
        asked = "the model was asked for the classes in these proportions"
        yield CLASS_KL.estimated(
            estimate_class_kl((shares * len(made)).round().long(), counts),
            reference=_reference(class_shares(real), data),
            provenance=provenance,
            notes=(*notes, asked) if "classes" in made.provenance else notes,
            details={
                "generated": dict(zip(names, shares.tolist(), strict=True)),
                "data": dict(zip(names, data.tolist(), strict=True)),
            },
        )

    def failures(self, run: RunSummary) -> Iterator[str]:
        """Classes of the data that are hardly generated."""
        found = run.figures[CLASS_KL.key].details if CLASS_KL.key in run.figures else {}
        if not {"generated", "data"} <= found.keys():
            return
        missing = [
            name
            for name, share in found["data"].items()
            if found["generated"].get(name, 0.0) < HARDLY * share
        ]
        if missing:
            yield (
                f"fails a plain check: hardly any of its images are taken for {listing(missing)}, "
                "which the data has"
            )


def _reference(shares: Tensor, data: Tensor) -> float | None:
    """That of as many real images, where the test images have all of their classes."""
    try:
        return kl_of_shares(shares, data)
    except NotMeasured:
        return None
