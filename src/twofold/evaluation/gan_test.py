"""Whether a classifier of real images sees what generated and reconstructed ones are meant to show.

References:
    How Good Is My GAN? (Shmelkov, Schmid and Alahari, 2018), section 3,
    https://arxiv.org/abs/1807.09499
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.classifiers import CNN, MLP, ReferenceClassifier, reference_classifier
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.findings import Finding, above_reference, with_its_unit
from twofold.evaluation.measure import Measure
from twofold.evaluation.pictures import Panel
from twofold.evaluation.questions import RECOGNITION
from twofold.evaluation.recognition import (
    accuracy,
    accuracy_per_class,
    balanced,
    confusion,
    recognition,
)
from twofold.evaluation.samples import generated_by
from twofold.evaluation.summary import RunSummary, mentions, those_with
from twofold.experiments.context import Context
from twofold.models.capabilities import Classifies, Reconstructs
from twofold.pictures.style import INK, PAPER, Picture, canvas, cut, drawing, render
from twofold.registry import register
from twofold.words import listing, number, slug

__all__ = ["ACCURACY", "GAN_TEST", "Classification", "GANTest", "RecognitionByMLP",
           "Reconstruction", "draw_confusions"]  # fmt: skip

SHARE: dict[str, Any] = {"unit": "%", "better": "higher", "least": 0.0, "most": 100.0}
GAN_TEST = Quantity(
    "gan_test",
    "GAN-test",
    paper="Shmelkov et al. (2018), section 3",
    caveat="Blind to diversity: one good image of each class gets 100 %.",
    headline=True,
    **SHARE,
)
RECONSTRUCTED = Quantity(
    "reconstruction",
    "reconstructions recognized",
    caveat="A model that is given the class can draw it without having seen it.",
    **SHARE,
)
ACCURACY = Quantity("accuracy", "test images recognized", headline=True, **SHARE)
GIVEN = {
    "class": "the model is given the true class of the image",
    "image": "the model is given a part of the image",
}
FEW = 100  # images, below which a share says little
LEGIBLE = 12  # classes up to which shares are printed
LEAST = 0.005  # a share that rounds to 1 %
MOST = 30  # classes up to which the map is drawn
NOTE = (
    "Per cent of each row; the stronger the color the more, by its square root, so that rare "
    "mistakes are seen. Less than half a per cent is blank."
)


@register("measure", "gan-test")
class GANTest(Measure):
    """Accuracy of a real-trained classifier on generated images, on average over classes."""

    question = RECOGNITION
    quantities = (GAN_TEST,)

    def take(self, context: Context) -> Iterator[Figure]:
        yield _of_generated(context, reference_classifier(context, CNN))

    def findings(self, runs: Sequence[RunSummary]) -> Iterator[Finding]:
        """Who is ahead; and that to be recognized more often than real images is no praise."""
        yield from super().findings(runs)
        for name in self.names(runs):
            above = [r for r in those_with(runs, name) if above_reference(r.figures[name])]
            if above:
                figure = above[0].figures[name]
                real = with_its_unit(figure.reference, figure)
                text = (
                    f"The same classifier recognizes {real} of real test images, fewer than of "
                    f"those of {mentions(above)}. That is no praise: images of the easy, typical "
                    "kind are recognized more often than real ones."
                )
                yield Finding(figure.title, text)

    def panels(self, runs: Sequence[RunSummary]) -> Iterator[Panel]:
        yield from super().panels(runs)
        yield from draw_confusions(runs, f"gan_test/{CNN}", "asked for")

    def failures(self, run: RunSummary) -> Iterator[str]:
        """Recognized no better than chance, as a whole or in some class."""
        figure = run.figures.get(f"gan_test/{CNN}")
        if figure is None or len(figure.per_class) < 2:
            return
        chance = 100.0 / len(figure.per_class)
        if figure.value - 2 * (figure.error or 0.0) <= chance:
            share = with_its_unit(figure.value, figure)
            yield (
                f"fails a plain check: a classifier recognizes {share} of what it was asked to "
                f"draw, and guessing would give {number(chance, 3)} %"
            )
            return
        lost = [
            f"{name} ({with_its_unit(share, figure)})"
            for name, share in figure.per_class.items()
            if share < chance
        ]
        if lost:
            yield (
                "fails a plain check: what it draws is hardly ever recognized as "
                f"{listing(lost)}, where guessing would give {number(chance, 3)} %"
            )


@register("measure", "reconstruction")
class Reconstruction(Measure):
    """Accuracy of a real-trained classifier on reconstructions of test images."""

    question = RECOGNITION
    quantities = (RECONSTRUCTED,)

    def take(self, context: Context) -> Iterator[Figure]:
        yield _of_reconstructed(context, reference_classifier(context, CNN))


@register("measure", "recognition-mlp")
class RecognitionByMLP(Measure):
    """GAN-test and reconstructions by a classifier of 512 hidden units, as Lam (2023) has it."""

    question = RECOGNITION
    slow = True

    def take(self, context: Context) -> Iterator[Figure]:
        classifier = reference_classifier(context, MLP)
        missing = []
        for figure in (_of_generated, _of_reconstructed):
            try:
                yield figure(context, classifier)
            except NotMeasured as reason:
                missing.append(str(reason))
        if len(missing) == 2:
            raise NotMeasured("; ".join(missing))


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
        names = context.dataset.class_names
        yield recognition("accuracy", ACCURACY.title, log_probs, y, names, context.provenance)

    def panels(self, runs: Sequence[RunSummary]) -> Iterator[Panel]:
        yield from super().panels(runs)
        yield from draw_confusions(runs, "accuracy", "true class")


def _real_share(context: Context, classifier: ReferenceClassifier) -> float:
    """A classifier on the real test images, undisturbed by any binarization."""
    return balanced(classifier.classifier.classify(context.real("test")), context.labels)[0]


def _shares(log_probs: Tensor, y: Tensor, class_names: Sequence[str]) -> dict[str, Any]:
    """Of images with labels y what a figure has beside its value: error, classes, confusions."""
    by_class = zip(class_names, accuracy_per_class(log_probs, y), strict=True)
    return {
        "error": 100 * balanced(log_probs, y)[1],
        "per_class": {name: 100 * share for name, share in by_class if not math.isnan(share)},
        "details": {
            "confusion": confusion(log_probs, y).tolist(),
            "plain": 100 * accuracy(log_probs, y),
        },
    }


def _of_generated(context: Context, classifier: ReferenceClassifier) -> Figure:
    made = generated_by(context)
    if made.y is None:
        raise NotMeasured(
            f"a {context.model.title} is conditioned on no class to recognize; a CVAE or CGAN is"
        )
    given = (made.x, made.y, made.provenance, made.notes)
    return _recognized(context, classifier, GAN_TEST, *given)


def _of_reconstructed(context: Context, classifier: ReferenceClassifier) -> Figure:
    model = context.model.capability(Reconstructs)
    if model is None:
        raise NotMeasured(f"a {context.model.title} has no encoder; a VAE has")
    y, pick = context.labels, model.condition.pick
    batches = context.batches.in_order()
    recon = torch.cat([model.reconstruct(batch.x, pick(batch.x, batch.y)) for batch in batches])
    notes = tuple(filter(None, [GIVEN.get(model.condition.about, "")]))
    return _recognized(context, classifier, RECONSTRUCTED, recon, y, context.provenance, notes)


def _recognized(
    context: Context,
    classifier: ReferenceClassifier,
    quantity: Quantity,
    x: Tensor,
    y: Tensor,
    provenance: dict[str, Any],
    notes: tuple[str, ...],
) -> Figure:
    """How often a classifier sees y in the images x, beside the same on real test images."""
    log_probs, real = classifier.classifier.classify(x), _real_share(context, classifier)
    if len(context.labels) < FEW:
        notes += (f"the real images that the classifier was tried on are {len(context.labels)}",)
    return quantity.figure(
        100 * balanced(log_probs, y)[0],
        classifier.name,
        f"by {classifier.name}",
        **_shares(log_probs, y, context.dataset.class_names),
        reference=100 * real,
        provenance={
            **provenance,
            "classifier": f"{classifier.name} {classifier.digest}",
            "classifier_accuracy": round(real, 5),
            "chance": f"{100 / context.dataset.num_classes:.3g} %",
            "mean": "over classes",
        },
        notes=notes,
    )


def draw_confusions(runs: Sequence[RunSummary], name: str, rows: str) -> Iterator[Panel]:
    """A heat map for every run whose figure has a matrix of confusions."""
    for run in those_with(runs, name):
        figure = run.figures[name]
        counts = np.array(figure.details.get("confusion", []), np.float64)
        square = counts.ndim == 2 and counts.shape[0] == counts.shape[1] <= MOST
        if square and counts.sum() > 0:
            picture = _draw_confusion(counts, run, figure, rows)
            yield Panel(f"{run.mention} {figure.title}", picture, NOTE, folded=len(runs) > 4)


def _draw_confusion(
    counts: NDArray[np.float64], run: RunSummary, figure: Figure, rows: str
) -> Picture:
    """From images of class i (rows) taken for class j (columns), shape (K, K)."""
    from matplotlib.patches import Rectangle

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    num_classes = len(shares)
    known = len(run.class_names) == num_classes
    names = run.class_names if known else [str(k) for k in range(num_classes)]
    with drawing():
        drawn, axes = canvas((4.0, 3.7))
        axes.grid(False)
        strength = np.sqrt(shares)  # so that rare mistakes are seen
        for row, column in np.argwhere(shares >= LEAST):
            style = {"alpha": float(strength[row, column]), "linewidth": 0}
            corner = (column - 0.48, row - 0.48)
            axes.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=run.ink, **style))
            if num_classes <= LEGIBLE:
                text = f"{100 * shares[row, column]:.0f}"
                ink = PAPER if strength[row, column] > 0.7 else INK
                style = {"ha": "center", "va": "center_baseline", "fontsize": 7}
                axes.text(column, row, text, color=ink, **style)
        axes.set_xlim(-0.5, num_classes - 0.5)
        axes.set_ylim(num_classes - 0.5, -0.5)
        axes.set_aspect("equal")
        long = max(map(len, names)) > 2
        axes.set_xticks(range(num_classes), [cut(n, 12) for n in names], rotation=90 if long else 0)
        axes.set_yticks(range(num_classes), [cut(n, 12) for n in names])
        axes.set_xlabel("recognized as")
        axes.set_ylabel(rows)
        alt = f"{figure.title}: shares of each class taken for each, {run.name}"
        return render(drawn, f"confusion-{slug(figure.name)}-{run.letter}", alt)
