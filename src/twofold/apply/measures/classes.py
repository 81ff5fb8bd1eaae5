"""Which classes are generated, as a classifier of real images sees them."""

from collections.abc import Iterator

import torch
from torch import Tensor

from twofold.apply.context import Context
from twofold.apply.judges import JUDGE
from twofold.apply.measures.generated import generated_by
from twofold.metrics.classes import class_shares, inception_score, kl_of_shares
from twofold.metrics.measure import Measure, NotMeasured, join

__all__ = ["classes"]


def classes(context: Context) -> Iterator[Measure]:
    """Histogram of generated classes against the data's, and the Inception Score by classifier."""
    labels, made = context.labels, generated_by(context)
    judge = context.judge(JUDGE)
    seen = judge.classifier.classify(made.x)
    real = judge.classifier.classify(context.real("train", len(made)))
    depends = {
        **made.depends,
        "split": "test",
        "images": len(labels),
        "classifier": f"{judge.name} {judge.digest}",
    }
    yield Measure(
        "inception_score",
        "Inception Score by classifier",
        inception_score(seen),
        "",
        floor=inception_score(real),
        depends=depends,
        caution=join(made.caution, "blind to the real images, so a check of sanity only"),
    )
    num_classes = context.dataset.num_classes
    data = torch.bincount(labels, minlength=num_classes).double() / len(labels)
    shares, names = class_shares(seen), context.dataset.class_names
    asked = "" if made.y is None else "the model was asked for the classes in these proportions"
    yield Measure(
        "class_kl",
        "KL of generated classes from the data's",
        kl_of_shares(shares, data),
        "nats",
        better="lower",
        floor=_floor(class_shares(real), data),
        depends=depends,
        caution=join(made.caution, asked),
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
