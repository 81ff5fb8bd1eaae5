"""How many of the thousand modes of three stacked digits a model reaches."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from twofold.data import ImageDataset, load_dataset
from twofold.data.catalog import CATALOG
from twofold.data.preprocess import to_unit
from twofold.data.stacked import CHANNELS, STACKED_NAMES, draw_stacks
from twofold.errors import NotMeasured
from twofold.evaluation.classifiers import CNN
from twofold.evaluation.figure import Figure
from twofold.evaluation.modes import (
    count_modes,
    expected_modes,
    kl_error,
    kl_to_uniform,
    modes_of,
    present_error,
    sure_of,
)
from twofold.evaluation.recognition import accuracy
from twofold.evaluation.samples import generated_by
from twofold.experiments.context import Context

__all__ = ["modes"]

CONFIDENCE = 0.9
USUAL = 26_000  # images in which VEEGAN and PacGAN count; Unrolled GAN counts in 25 600


def modes(context: Context) -> Iterator[Figure]:
    """Modes of stacked digits among generated images, and KL to equal shares (Metz et al., 2017).

    A classifier of the digits that were stacked reads each color channel. The floor is the same
    of as many stacks of real test digits.
    """
    digits = _digits(context)
    made = generated_by(context)
    reader = find_classifier(CNN, digits, str(context.model.device), context.progress)
    test = digits.split("test")
    singles = reader.classifier.classify(to_unit(torch.as_tensor(test.images)))  # (N, 10)
    channels = made.x.flatten(0, 1).unsqueeze(1)  # (N 3, 1, H, W)
    fake = reader.classifier.classify(channels).unflatten(0, (-1, CHANNELS))  # (N, 3, 10)
    real = singles[torch.as_tensor(draw_stacks(len(test), len(made), seed=0)).to(singles.device)]
    provenance = {
        **made.provenance,
        "classifier": f"{CNN} {reader.digest}",
        "classifier_accuracy": round(accuracy(singles, torch.as_tensor(test.labels)), 5),
    }
    few = f"the literature counts {USUAL} samples, more than these: --num-samples {USUAL}"
    caution = join(made.notes, few if len(made) < 25_600 else "")
    counts, floor = count_modes(modes_of(fake)), count_modes(modes_of(real))
    yield _present("modes", "modes reached", counts, floor, provenance, caution)
    yield _present(
        "modes_sure",
        f"modes reached by images whose digits are {CONFIDENCE:.0%} sure",
        count_modes(modes_of(fake)[sure_of(fake, CONFIDENCE)]),
        count_modes(modes_of(real)[sure_of(real, CONFIDENCE)]),
        {**provenance, "confidence": CONFIDENCE},
        caution,
    )
    yield Figure(
        name="modes_kl",
        title="KL from the shares of the modes to equal shares",
        value=kl_to_uniform(counts),
        unit="nats",
        better="lower",
        error=kl_error(counts),
        reference=kl_to_uniform(floor),
        provenance=provenance,
        notes=caution,
    )


def _digits(context: Context) -> ImageDataset:
    """The digits that were stacked into the images of a run."""
    data = context.run.experiment.data
    entry = CATALOG.get(data.name)
    if entry is None or not entry.stacks:
        stacked = " and ".join(name for name, entry in CATALOG.items() if entry.stacks)
        raise NotMeasured(f"modes are counted on {stacked}; {context.dataset.name} is neither")
    if data.gray:
        raise NotMeasured("gray=true mixes the three digits; train on the colors to count modes")
    return load_dataset(entry.stacks, size=data.size)


def _present(
    name: str, title: str, counts: Tensor, floor: Tensor, provenance: dict[str, Any], caution: str
) -> Figure:
    """How many modes have an image, with the images of each."""
    num_modes, seen = len(STACKED_NAMES), int(counts.sum())
    uniform = torch.full((num_modes,), 1 / num_modes)
    return Figure(
        name=name,
        title=title,
        value=float((counts > 0).sum()),
        unit=f"of {num_modes}",
        better="higher",
        error=present_error(counts) if seen else None,
        reference=float((floor > 0).sum()),
        provenance=provenance,
        notes=caution,
        details={
            "images": seen,
            "expected_of_equal_shares": round(expected_modes(uniform, seen), 2),
            "counts": counts.tolist(),
        },
    )
