"""Labels for images, with probabilities: by M2, an ACGAN, a hybrid of M2, or a classifier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.data.dataset import UNLABELED
from twofold.data.preprocess import to_unit
from twofold.errors import UsageError
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.recognition import calibration, recognition
from twofold.experiments.context import Subject, open_run
from twofold.models.capabilities import Classifies
from twofold.pictures.results import label_columns, labeled_sheet
from twofold.verbs.inputs import Images, Inputs, load_inputs
from twofold.verbs.result import Result, pixels

__all__ = ["Classified", "classify"]

CALIBRATION = Quantity("calibration_error", "expected calibration error", "%", "lower", least=0.0)


@dataclass(frozen=True, eq=False, repr=False)
class Classified(Result):
    """What a model takes images for.

    Attributes:
        probabilities: p(y|x) of all images, shape (N, K), float64.
        labels: Their true classes, shape (N,), -1 where not known.
        class_names: K names.
        files: Where each image lay; () where they come from no files.
        shown: Which images the picture shows, the least certain first, shape (n,).
        images: These, shape (n, C, H, W).
    """

    saved = ("probabilities", "predicted", "labels", "class_names")

    probabilities: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    shown: Tensor
    images: Tensor

    @property
    def predicted(self) -> Tensor:
        """The likeliest class of each image, shape (N,)."""
        return self.probabilities.argmax(dim=1)

    @property
    def names(self) -> list[str]:
        """The name of the likeliest class of each image, N of them."""
        return [self.class_names[k] for k in self.predicted.tolist()]

    @property
    def true(self) -> list[str]:
        """The name of the true class of each image, "" where it is not known."""
        return [(*self.class_names, "")[k] for k in self.labels.tolist()]

    def picture(self) -> NDArray[np.uint8]:
        """The least certain images, each below its class and, in per cent, how sure that is.

        A class that is known to be another one stands in brackets.
        """
        names, true, shown = self.names, self.true, self.shown.tolist()
        sure = self.probabilities.amax(dim=1)[self.shown].numpy()
        words = [names[i] for i in shown], sure, [true[i] for i in shown]
        return labeled_sheet(pixels(self.images), *words)

    def by_heading(self) -> Mapping[str, Sequence[Any]]:
        """A row for each image, in the order they were given."""
        return label_columns(self.class_names, self.probabilities.numpy(), self.true, self.files)


def classify(
    run: Subject,
    images: Images | None = None,
    *,
    n: int = 30,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Classified:
    """Labels images, with probabilities.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: A folder, archive or image file, or a data set's name (in Python also arrays), all
            of it classified; by default the run's test images.
        n: How many of the least certain are shown.
        label: The true class of all images, where it is known and they have no labels.
        resize: Bring images of another size or color to the model's.
        seed: Seed of the binarization, where the model was trained with one that draws.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The labels: a .png of the least certain images, a .csv or an .npz of all.

    Raises:
        UsageError: If the model names no classes, or the images do not fit it.
        RunError: If the run is damaged or its test images are gone.

    Example:
        $ twofold classify runs/m2 --images path/to/images
    """
    if n < 1:
        raise UsageError(f"n={n}: ask for at least one image")
    context = open_run(run, device)
    reader = context.model.capability(Classifies, "classify")
    inputs = load_inputs(context, images, label=label, resize=resize)
    (log_probs,) = inputs.each(lambda batch: (reader.classify(batch.x),), seed)
    labels = np.full(len(inputs), UNLABELED) if inputs.labels is None else inputs.labels
    y = torch.as_tensor(labels)
    probabilities = log_probs.double().softmax(dim=1)
    shown = probabilities.amax(dim=1).argsort(stable=True)[:n]
    return Classified(
        probabilities,
        y,
        context.class_names,
        inputs.dataset.files,
        shown,
        to_unit(torch.as_tensor(inputs.dataset.images[shown.numpy()])),
        caption=f"{context.title}: {len(inputs)} images ({inputs.source}), the least certain first",
        measures=_measured(log_probs, y, inputs),
    )


def _measured(log_probs: Tensor, y: Tensor, inputs: Inputs) -> list[Figure]:
    """Accuracy and calibration on the images whose class is known; nothing where there is none."""
    known = y != UNLABELED
    if not known.any():
        return []
    log_probs, y = log_probs[known], y[known]
    provenance = {"source": inputs.source, "images": len(y)}
    names = inputs.context.class_names
    found = calibration(log_probs, y)
    return [
        recognition("accuracy", "images recognized", log_probs, y, names, provenance),
        CALIBRATION.figure(
            100 * found.error,
            error=100 * found.spread,
            provenance={**provenance, "bins": "15 of equal width"},
            notes=(
                "with so few images a perfectly calibrated model would get "
                f"{100 * found.by_chance:.2g} % by chance",
            ),
            details={
                "confidence": found.confidence,
                "accuracy": found.accuracy,
                "counts": found.counts,
                "by_chance": 100 * found.by_chance,
            },
        ),
    ]
