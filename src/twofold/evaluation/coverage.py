"""Whether generated images lie among real ones, and real ones among generated: four shares.

Precision and density fall when images are wrong, recall and coverage when some kinds are missing.
The shares themselves are those of `neighbors.py`.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.findings import Finding, above_reference, with_its_unit
from twofold.evaluation.halves import estimate_neighborhood
from twofold.evaluation.measure import Measure
from twofold.evaluation.neighbors import neighborhood
from twofold.evaluation.pictures import Panel, draw_by_class, draw_tradeoff
from twofold.evaluation.questions import COVERAGE
from twofold.evaluation.samples import Features, features_of
from twofold.evaluation.summary import RunSummary
from twofold.experiments.context import Context, draw_index
from twofold.registry import register
from twofold.words import listing

__all__ = ["Coverage"]

K = 5  # at which two samples of one distribution have a coverage of 97 %
FAR = 0.8  # of the reference: below it a share is far from that of real images
KYNKAANNIEMI, NAEEM = "Kynkäänniemi et al. (2019), section 3", "Naeem et al. (2020), section 3"
PER_CENT = {"unit": "%", "better": "higher", "least": 0.0, "most": 100.0}
PRECISION = Quantity("precision", "precision", paper=KYNKAANNIEMI, **PER_CENT)
DENSITY = Quantity("density", "density", better="higher", paper=NAEEM, least=0.0)
RECALL = Quantity("recall", "recall", paper=KYNKAANNIEMI, **PER_CENT)
COVERED = Quantity("coverage", "coverage", paper=NAEEM, **PER_CENT)
SHOWN = {
    "coverage": "its images come near {value} of the test images (coverage; real ones {real})",
    "recall": "{value} of the test images lie among its own (recall; among real ones {real})",
}
NOTE = (
    "The best place is top right, and the cross is that of other real images. A model that shows "
    "few kinds of images well is top left, one that shows all kinds badly is bottom right. Bars "
    "are 95 % intervals."
)


@register("measure", "coverage")
class Coverage(Measure):
    """Precision, recall, density and coverage, by nearest neighbors among features."""

    question = COVERAGE
    quantities = (PRECISION, DENSITY, RECALL, COVERED)
    of_images = True

    def take(self, context: Context) -> Iterator[Figure]:
        for features in features_of(context):
            yield from _shares(features, self.quantities, context.dataset.class_names)

    def panels(self, runs: Sequence[RunSummary]) -> Iterator[Panel]:
        """Precision against recall and density against coverage, of one kind of features."""
        for by in ("classifier", "random"):
            found = [
                draw_tradeoff(runs, (x, f"{x.key}/{by}"), (y, f"{y.key}/{by}"), NOTE)
                for x, y in ((RECALL, PRECISION), (COVERED, DENSITY))
            ]
            if any(found):
                yield from filter(None, [*found, draw_by_class(runs, f"coverage/{by}")])
                return

    def findings(self, runs: Sequence[RunSummary]) -> Iterator[Finding]:
        """Which recipes show less of the real images than real ones do, and whether they err."""
        said: dict[str, list[str]] = {}
        for run in runs:
            if text := _misses(run):
                said.setdefault(text, []).append(run.mention)
        for text, who in said.items():
            yield Finding("diversity", f"{listing(who)}: {text}")


def _shares(
    features: Features, quantities: Sequence[Quantity], class_names: tuple[str, ...]
) -> Iterator[Figure]:
    count = min(len(features.generated), len(features.test))
    some = torch.as_tensor(draw_index(len(features.test), count))
    real, generated = features.test[some], features.generated[:count]
    found = neighborhood(real, generated, K)
    sure = estimate_neighborhood(real, generated, K, found=found)
    y_test = None if features.y_test is None else features.y_test[some]
    references = features.reference("coverage", _references) or [None] * len(quantities)
    least = min(len(features.real), count)
    notes = features.notes
    if least < count:
        notes += (f"the reference is of {least} images each",)
    for quantity, reference in zip(quantities, references, strict=True):
        values, scale = getattr(found, quantity.key), 100.0 if quantity.unit else 1.0
        y = features.y_generated if quantity in (PRECISION, DENSITY) else y_test
        estimate = sure[quantity.key]
        yield quantity.estimated(
            estimate.scaled(scale) if estimate else scale * values.mean().item(),
            features.name,
            f"{features.name} features",
            reference=None if reference is None else scale * reference,
            provenance={**features.provenance, "k": K, "of_each": count},
            per_class=_per_class(scale * values, y, class_names),
            notes=notes,
        )


def _per_class(values: Tensor, y: Tensor | None, class_names: tuple[str, ...]) -> dict[str, float]:
    if y is None:
        return {}
    y = y[: len(values)]
    return {class_names[k]: values[y == k].mean().item() for k in y.unique().tolist()}


def _references(test: Tensor, real: Tensor) -> list[float]:
    count = min(len(test), len(real))
    found = neighborhood(test[torch.as_tensor(draw_index(len(test), count))], real[:count], K)
    return [getattr(found, one.key).mean().item() for one in Coverage.quantities]


def _misses(run: RunSummary) -> str:
    """What a run shows too little of; empty where it is near real images."""
    figures = {
        kind: run.figures.get(f"{kind}/classifier") for kind in (*SHOWN, "precision", "density")
    }
    low = {kind: one for kind, one in figures.items() if one is not None and _far_below(one)}
    parts = [
        text.format(
            value=with_its_unit(low[kind].value, low[kind]),
            real=with_its_unit(low[kind].reference, low[kind]),
        )
        for kind, text in SHOWN.items()
        if kind in low
    ]
    if not parts:
        return ""
    wrong = [f"{k} {with_its_unit(one.value, one)}" for k, one in low.items() if k not in SHOWN]
    if wrong:
        verdict = (
            f"Its images are often off the real ones ({listing(wrong)}), so whether kinds of "
            "images are missing or badly made is not known."
        )
    elif "coverage" in low:
        verdict = "It misses kinds of images."
    else:
        verdict = "Its images vary less than real ones do."
    return f"{listing(parts)}. {verdict}"


def _far_below(figure: Figure) -> bool:
    return above_reference(figure, sign=-1) and figure.value < FAR * (figure.reference or 0.0)
