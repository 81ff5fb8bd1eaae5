"""Which classes are generated, as a classifier of real images sees them."""

from collections.abc import Iterator

import torch

from twofold.apply.judges import JUDGE
from twofold.apply.measures.subject import Subject
from twofold.metrics.classes import class_shares, inception_score, kl_of_shares
from twofold.metrics.measure import Measure

__all__ = ["classes"]


def classes(subject: Subject) -> Iterator[Measure]:
    """Histogram of generated classes against the data's, and the Inception Score by classifier."""
    labels, made = subject.labels, subject.generated
    judge = subject.judge(JUDGE)
    seen = judge.classifier.classify(made.x)
    real = judge.classifier.classify(subject.real("test"))
    num_classes = subject.dataset.num_classes
    data = torch.bincount(labels, minlength=num_classes).double() / len(labels)
    shares = class_shares(seen)
    depends = {
        **made.depends,
        "split": "test",
        "images": len(labels),
        "classifier": f"{judge.name} {judge.digest}",
    }
    told = "" if made.y is None else "the model was asked for the classes in these proportions"
    names = subject.dataset.class_names
    yield Measure(
        "class_kl",
        "KL of generated classes from the data's",
        kl_of_shares(shares, data),
        "nats",
        better="lower",
        floor=kl_of_shares(class_shares(real), data),
        depends=depends,
        caution="; ".join(filter(None, [made.caution, told])),
        details={
            "generated": dict(zip(names, shares.tolist(), strict=True)),
            "data": dict(zip(names, data.tolist(), strict=True)),
        },
    )
    yield Measure(
        "inception_score",
        "Inception Score by classifier",
        inception_score(seen),
        "",
        floor=inception_score(real),
        depends=depends,
        caution="; ".join(
            filter(None, [made.caution, "blind to the real images, so a check of sanity only"])
        ),
    )
