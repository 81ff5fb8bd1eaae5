"""What training ended with: the losses of the log, of training images and of held-out ones."""

import math
from collections.abc import Iterator
from typing import Any

from twofold.apply.measures.subject import Subject
from twofold.metrics.measure import Measure, NotMeasured

__all__ = ["losses"]

UNIT = "nats per image"


def losses(subject: Subject) -> Iterator[Measure]:
    """Each phase's mean loss over the last epoch of training, and on validation at the end.

    The first is the mean over steps between which the weights changed, as reports print it; dropout
    and batch statistics are those of training. A line of the log counts by its steps, where all of
    them lie within the last epoch.
    """
    records = subject.run.records
    train = [record for record in records if record["kind"] == "train"]
    if not train:
        raise NotMeasured("the log has no line of training yet")
    last = train[-1]["epoch"]
    starts = [{"step": 0, "epoch": 0.0}, *train[:-1]]
    final = [
        (record, record["step"] - start["step"])
        for start, record in zip(starts, train, strict=True)
        if start["epoch"] > last - 1 - 1e-9 or record is train[-1]
    ]
    for phase in train[-1]["terms"]:
        spans = [
            (_loss(record, phase), steps) for record, steps in final if phase in record["terms"]
        ]
        mean = sum(loss * steps for loss, steps in spans) / sum(steps for _, steps in spans)
        yield _measure("train", phase, mean, {"split": "train", "epoch": last})
    held_out = [r for r in records if r["kind"] == "validation" and r["split"] == "validation"]
    for phase in held_out[-1]["terms"] if held_out else ():
        depends = {"split": "validation", "epoch": held_out[-1]["epoch"]}
        yield _measure("validation", phase, _loss(held_out[-1], phase), depends)


def _loss(record: dict[str, Any], phase: str) -> float:
    return record["terms"][phase].get("loss", math.nan)


def _measure(split: str, phase: str, value: float, depends: dict[str, Any]) -> Measure:
    where = {"train": "last epoch of training", "validation": "validation images"}[split]
    return Measure(
        f"loss/{split}/{phase}", f"loss of {phase}, {where}", value, UNIT, depends=depends
    )
