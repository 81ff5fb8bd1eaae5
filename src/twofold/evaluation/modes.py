r"""How many modes a generator reaches, on images of three digits whose 1000 classes are known.

With p the shares of the modes among N images, of which each mode has `counts` (K,),

.. math:: \mathrm{KL}(p \| u) = \sum_k p_k \ln (K p_k), \qquad K = 1000.

Both figures depend on N. Real images too miss a mode with probability :math:`(1 - 1/K)^N`, and
their KL is about :math:`(K - 1) / 2N`, not 0. An image whose digits are not clear falls into some
mode none the less, so a classifier's errors make modes that are not there; counting only images
that it is sure of removes them, and some true ones.

References:
    Unrolled Generative Adversarial Networks (Metz et al., 2017),
    https://arxiv.org/abs/1611.02163
    VEEGAN (Srivastava et al., 2017), https://arxiv.org/abs/1705.07761
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from twofold.data import ImageDataset, load_dataset
from twofold.data.catalog import CATALOG
from twofold.data.preprocess import to_unit
from twofold.data.stacked import CHANNELS, STACKED_NAMES, draw_stacks
from twofold.errors import NotMeasured
from twofold.evaluation.classifiers import CNN, find_classifier
from twofold.evaluation.counts import estimate_modes, estimate_modes_kl, kl_to_uniform
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.measure import Measure
from twofold.evaluation.questions import CLASSES
from twofold.evaluation.recognition import accuracy
from twofold.evaluation.samples import generated_by
from twofold.experiments.context import Context
from twofold.registry import register

__all__ = [
    "Modes",
    "count_modes",
    "expected_modes",
    "modes_of",
    "sure_of",
]


def modes_of(log_probs: Tensor) -> Tensor:
    """The mode of each image, from 0 to K^C - 1: its channels' most probable digits as one number.

    Shapes are (N, C, K) to (N,); the first channel counts most.

    Example:
        >>> digits = torch.tensor([[3, 0, 5], [0, 0, 7]])
        >>> modes_of(torch.eye(10)[digits].log())
        tensor([305,   7])
    """
    _, C, K = log_probs.shape
    places = K ** torch.arange(C - 1, -1, -1, device=log_probs.device)
    return (log_probs.argmax(dim=2) * places).sum(dim=1)


def sure_of(log_probs: Tensor, confidence: float = 0.9) -> Tensor:
    """Whether the digit of every channel has at least this probability: (N, C, K) -> bool (N,)."""
    return (log_probs.amax(dim=2) >= math.log(confidence)).all(dim=1)


def count_modes(modes: Tensor, num_modes: int = 1000) -> Tensor:
    """Images of each mode: (N,) -> (K,)."""
    return torch.bincount(modes, minlength=num_modes)


def expected_modes(shares: Tensor, count: int) -> float:
    """Modes expected among so many independent images, of modes with these shares (K,).

    Example:
        >>> round(expected_modes(torch.full((1000,), 0.001), 1000))
        632
    """
    return (1 - (1 - shares.double()) ** count).sum().item()


CONFIDENCE = 0.9
USUAL = 26_000  # images in which VEEGAN and PacGAN count; Unrolled GAN counts in 25 600
METZ = "Metz et al. (2017)"
OF_ALL = f"of {len(STACKED_NAMES)}"
MODES = Quantity(
    "modes", "modes reached", OF_ALL, "higher", paper=METZ, headline=True, least=0.0, most=1000.0
)
SURE = Quantity(
    "modes_sure",
    f"modes reached by images whose digits are {CONFIDENCE:.0%} sure",
    OF_ALL,
    "higher",
    paper=METZ,
    least=0.0,
    most=1000.0,
)
MODES_KL = Quantity(
    "modes_kl", "KL from the shares of the modes to equal shares", "nats", "lower", paper=METZ
)


@register("measure", "modes")
class Modes(Measure):
    """Modes of stacked digits among generated images, and KL to equal shares (Metz et al., 2017).

    A classifier of the digits that were stacked reads each color channel. The reference is the same
    of as many stacks of real test digits.
    """

    question = CLASSES
    quantities = (MODES, SURE, MODES_KL)
    of_images = True

    def take(self, context: Context) -> Iterator[Figure]:
        digits = _digits(context)
        made = generated_by(context)
        reader = find_classifier(CNN, digits, str(context.model.device), context.progress)
        test = digits.split("test")
        singles = reader.classifier.classify(to_unit(torch.as_tensor(test.images)))  # (N, 10)
        channels = made.x.flatten(0, 1).unsqueeze(1)  # (N 3, 1, H, W)
        fake = reader.classifier.classify(channels).unflatten(0, (-1, CHANNELS))  # (N, 3, 10)
        stacks = torch.as_tensor(draw_stacks(len(test), len(made), seed=0))
        real = singles[stacks.to(singles.device)]
        provenance = {
            **made.provenance,
            "classifier": f"{CNN} {reader.digest}",
            "classifier_accuracy": round(accuracy(singles, torch.as_tensor(test.labels)), 5),
        }
        notes = made.notes
        if len(made) < 25_600:
            notes += (
                f"the literature counts {USUAL} samples, more than these: --num-samples {USUAL}",
            )
        both = {"provenance": provenance, "notes": notes}
        counts, reference = count_modes(modes_of(fake)), count_modes(modes_of(real))
        yield _present(MODES, counts, reference, **both)
        sure, sure_real = (modes_of(x)[sure_of(x, CONFIDENCE)] for x in (fake, real))
        both_sure = {**both, "provenance": {**provenance, "confidence": CONFIDENCE}}
        yield _present(SURE, count_modes(sure), count_modes(sure_real), **both_sure)
        yield MODES_KL.estimated(
            estimate_modes_kl(counts), reference=kl_to_uniform(reference), **both
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


def _present(quantity: Quantity, counts: Tensor, reference: Tensor, **others: Any) -> Figure:
    """How many modes have an image, with the images of each."""
    num_modes, seen = len(STACKED_NAMES), int(counts.sum())
    uniform = torch.full((num_modes,), 1 / num_modes)
    others["reference"] = float((reference > 0).sum())
    others["details"] = {
        "images": seen,
        "expected_of_equal_shares": round(expected_modes(uniform, seen), 2),
        "counts": counts.tolist(),
    }
    return (
        quantity.estimated(estimate_modes(counts), **others)
        if seen
        else quantity.figure(0.0, **others)
    )
