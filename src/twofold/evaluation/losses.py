"""What training ended with: the losses of the log, of training images and of held-out ones."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from twofold.errors import NotMeasured
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.measure import Measure
from twofold.evaluation.questions import LOSSES
from twofold.experiments.context import Context
from twofold.phases import NATS
from twofold.registry import register

__all__ = ["Losses"]

PARTS = {"recon_nll": "reconstruction term", "kl": "KL"}  # of a loss, as reports print them
ACCURACIES = ("accuracy_real", "accuracy_fake")
WHERE = {"train": "last epoch of training", "validation": "validation images"}
LOSS = Quantity("loss", "loss", listed=False)


@register("measure", "losses")
class Losses(Measure):
    """Each phase's mean loss over the last epoch of training, and on validation at the end.

    The first is the mean over steps between which the weights changed, as reports print it; dropout
    and batch statistics are those of training. A line of the log counts by its steps, where all of
    them lie within the last epoch. Where a loss has a reconstruction term and a KL these stand
    beside it, and so does the accuracy of a discriminator, over real and fake images alike.
    """

    question = LOSSES
    of_model = True
    quantities = (LOSS,)

    def take(self, context: Context) -> Iterator[Figure]:
        units = {phase.name: phase.unit for phase in context.model.phases}
        for spans in filter(None, (_training(context), _validation(context))):
            for phase, terms in spans.phases.items():
                yield spans.figure(f"loss of {phase}", units.get(phase, ""), phase, "loss")
                for part in [part for part in PARTS if part in terms]:
                    yield spans.figure(f"{PARTS[part]} of {phase}", NATS, phase, part)
                if terms.keys() >= set(ACCURACIES):
                    yield spans.figure(f"accuracy of {phase}", "", phase, *ACCURACIES)


@dataclass(frozen=True)
class _Spans:
    """What the log says of one split: the terms of every phase, and what each line counts."""

    split: str
    epoch: float
    lines: tuple[tuple[Mapping[str, Mapping[str, float | None]], int], ...]

    @property
    def phases(self) -> Mapping[str, Mapping[str, float | None]]:
        return self.lines[-1][0]

    def figure(self, title: str, unit: str, phase: str, *terms: str) -> Figure:
        """The mean of terms of a phase, named after the term that it is of."""
        value = sum(self.mean(phase, term) for term in terms) / len(terms)
        part = "accuracy" if terms == ACCURACIES else terms[0]
        by = [self.split, phase, *([part] if part != "loss" else [])]
        return replace(LOSS, title=title, unit=unit).figure(
            value,
            "/".join(by),
            WHERE[self.split],
            provenance={"split": self.split, "epoch": self.epoch},
        )

    def mean(self, phase: str, term: str) -> float:
        having = [(terms[phase], count) for terms, count in self.lines if phase in terms]
        counted = sum(count for _, count in having)
        values = [(terms.get(term), count) for terms, count in having]
        if any(value is None for value, _ in values):  # JSON has no word for what is not finite
            return math.nan
        return sum(value * count for value, count in values if value is not None) / counted


def _training(context: Context) -> _Spans:
    train = [record for record in context.run.records if record["kind"] == "train"]
    if not train:
        raise NotMeasured("the log has no line of training yet")
    last = train[-1]["epoch"]
    starts = [{"step": 0, "epoch": 0.0}, *train[:-1]]
    final = [
        (record["terms"], record["step"] - start["step"])
        for start, record in zip(starts, train, strict=True)
        if start["epoch"] > last - 1 - 1e-9 or record is train[-1]
    ]
    return _Spans("train", last, tuple(final))


def _validation(context: Context) -> _Spans | None:
    found = [r for r in context.run.records if r["kind"] == "validation" == r["split"]]
    return _Spans("validation", found[-1]["epoch"], ((found[-1]["terms"], 1),)) if found else None
