"""How often a model that names classes itself is right."""

from collections.abc import Iterator, Sequence

import torch

from twofold.errors import NotMeasured
from twofold.evaluation.confusions import draw_confusions
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.measure import Measure
from twofold.evaluation.pictures import Panel
from twofold.evaluation.questions import RECOGNITION
from twofold.evaluation.recognition import notes_of_few, recognition
from twofold.evaluation.summary import RunSummary
from twofold.experiments.context import Context
from twofold.models.capabilities import Classifies
from twofold.registry import register

__all__ = ["Classification"]

ACCURACY = Quantity(
    "accuracy", "test images recognized", "%", "higher", headline=True, least=0.0, most=100.0
)


@register("measure", "classification")
class Classification(Measure):
    """Test accuracy of a model that names classes itself."""

    question = RECOGNITION
    quantities = (ACCURACY,)

    def take(self, context: Context) -> Iterator[Figure]:
        model = context.model.capability(Classifies)
        if model is None:
            raise NotMeasured(f"a {context.model.title} names no classes; an M2 or ACGAN does")
        y = context.labels
        log_probs = model.classify(torch.cat([batch.x for batch in context.batches.in_order()]))
        given = (log_probs, y, context.dataset.class_names, context.provenance)
        yield recognition("accuracy", ACCURACY.title, *given, notes=notes_of_few(len(y)))

    def panels(self, runs: Sequence[RunSummary]) -> Iterator[Panel]:
        yield from super().panels(runs)
        yield from draw_confusions(runs, "accuracy", "true class")
