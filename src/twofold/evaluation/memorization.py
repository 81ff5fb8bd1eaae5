"""Whether generated images repeat the training images, or each other.

References:
    Diffusion Probabilistic Models Generalize when They Fail to Memorize (Yoon et al., 2023),
    section 3: an image is a copy if its nearest training image is less than a third as far as the
    second nearest.
    A Three Sample Hypothesis Test for Evaluating Generative Models (Meehan, Chaudhuri and Dasgupta,
    2020), section 3, https://arxiv.org/abs/2004.05675
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.cache import digest_of, remember
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.findings import above_reference, with_its_unit
from twofold.evaluation.intervals import wilson
from twofold.evaluation.measure import Measure
from twofold.evaluation.neighbors import nearest
from twofold.evaluation.pictures import Panel, draw_grid, image_grid
from twofold.evaluation.questions import MEMORIZATION
from twofold.evaluation.recognition import accuracy_error
from twofold.evaluation.samples import Generated, generated_by
from twofold.evaluation.summary import RunSummary
from twofold.experiments.context import Context
from twofold.pictures.sheets import to_uint8
from twofold.registry import register
from twofold.words import number

__all__ = ["COPY", "Memorization", "copying_score", "is_copy", "threshold_of_duplicates"]

COPY = 1.0 / 3.0


def is_copy(distances: Tensor) -> Tensor:
    """Whether each image is a copy, shape (N,), by distances (N, 2) to the two nearest others.

    Example:
        >>> is_copy(torch.tensor([[0.1, 3.0], [2.0, 3.0], [0.0, 0.0]]))
        tensor([ True, False,  True])
    """
    return distances[:, 0] <= COPY * distances[:, 1]


def copying_score(generated: Tensor, held_out: Tensor) -> float:
    """How much nearer to the training images generated images lie than held-out ones do.

    The Mann-Whitney statistic in standard deviations, Z_U of Meehan et al., taken over the whole
    space and not cell by cell as their C_T: near 0 where both lie equally near, below -3 for
    copying, above 3 for underfitting. It grows with the square root of the number of images.
    Given are distances to the nearest training image, shapes (N,) and (M,).
    """
    from scipy.stats import rankdata

    n, m = len(generated), len(held_out)
    ranks = rankdata(torch.cat([generated, held_out]).cpu().double().numpy())
    wins = ranks[:n].sum() - n * (n + 1) / 2  # pairs in which the generated one is farther
    return float((wins - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12))


def threshold_of_duplicates(distances: Tensor) -> float:
    """The distance below which two images count as one: of real images only 1 % have such a twin.

    These have the given distances to their nearest other, shape (N,).
    """
    return float(np.quantile(distances.cpu().double().numpy(), 0.01))


ENOUGH = 100  # images, below which one twin would be more than a per cent of them
TWINS = 2.0  # twins come in pairs, and the threshold is as uncertain again
SHOWN = 12  # pairs kept for a picture, of each of two kinds
MUCH = 10.0  # per cent of twins, beyond which a model repeats itself
SMOOTH = "smooth images, such as a decoder's means, lie nearer to any image than real ones do"
COPIES = Quantity(
    "copies",
    "copies of training images",
    "%",
    "lower",
    paper="Yoon et al. (2023), section 3",
    least=0.0,
    most=100.0,
)
NEAREST = Quantity("nearest", "distance to the nearest training image", least=0.0)
COPYING = Quantity(
    "copying",
    "copying score Z_U, below −3 suspicious",
    "σ",
    paper="Meehan et al. (2020), section 3",
    caveat="It grows with the square root of the number of images.",
)
DUPLICATES = Quantity(
    "duplicates", "duplicates among generated images", "%", "lower", least=0.0, most=100.0
)
PAIRS = {"first": "Not chosen", "closest": "Those that lie nearest"}
NOTE = (
    "Generated images above, and below each the training image nearest to it, by the distance "
    "between pixels. Pairs that are alike in every stroke are copies; alike in kind is what a good "
    "model makes."
)


@register("measure", "memorization")
class Memorization(Measure):
    """Copies of training images, how near these are, and duplicates among generated images."""

    question = MEMORIZATION
    quantities = (COPIES, NEAREST, COPYING, DUPLICATES)
    of_images = True

    def take(self, context: Context) -> Iterator[Figure]:
        made = generated_by(context)
        train, test = context.real("train"), context.real("test")
        context.progress.say("nearest training image of every generated one")
        distances, indices = nearest(made.x, train, k=2)
        real = _nearest_of_test(test, train)
        _keep_pairs(context, made, train, distances, indices)
        provenance = {**made.provenance, "training_images": len(train), "distance": "pixels"}
        notes = (*made.notes, SMOOTH) if "pixels" in made.provenance else made.notes
        share = is_copy(distances).double().mean().item()
        yield COPIES.figure(
            100 * share,
            error=100 * accuracy_error(share, len(made)),
            interval=[100 * end for end in wilson(share, len(made))],
            reference=100 * is_copy(real).double().mean().item(),
            provenance=provenance,
            notes=made.notes,
        )
        of_nearest = {"reference": real[:, 0].mean().item(), "provenance": provenance}
        yield NEAREST.mean(distances[:, 0], **of_nearest, notes=notes)
        least = min(len(made), len(test), len(train))
        if least < ENOUGH:
            raise NotMeasured(
                f"the copying score and duplicates need {ENOUGH} images of each kind, and there "
                f"are {least}"
            )
        yield COPYING.figure(
            copying_score(distances[:, 0], real[:, 0]),
            reference=0.0,
            provenance={**provenance, "images": len(test)},
            notes=notes,
        )
        yield _duplicates(context, made, least, notes)

    def panels(self, runs: Sequence[RunSummary]) -> Iterator[Panel]:
        """For every run that kept them: generated images above the nearest training images."""
        for run in runs:
            yield from _strips(run, run.arrays.get("memorization") or {})

    def failures(self, run: RunSummary) -> Iterator[str]:
        """More copies than real test images are, or far more twins."""
        copies, twins = (run.figures.get(one.key) for one in (COPIES, DUPLICATES))
        if copies and above_reference(copies):
            yield (
                f"repeats its training images: {with_its_unit(copies.value, copies)} of its images "
                f"are copies, against {with_its_unit(copies.reference, copies)} of real test images"
            )
        if twins and twins.value > MUCH and above_reference(twins):
            yield (
                f"repeats itself: {with_its_unit(twins.value, twins)} of its images have a twin, "
                f"against {with_its_unit(twins.reference, twins)} of real test images"
            )


def _duplicates(context: Context, made: Generated, count: int, notes: tuple[str, ...]) -> Figure:
    """Among equally many images of each kind, for the more there are the nearer they lie."""
    sets = (context.real("train", count), made.x[:count], context.real("test", count))
    apart = [nearest(x, x, itself=True)[0] for x in sets]
    threshold = threshold_of_duplicates(apart[0])
    shares = [(one <= threshold).double().mean().item() for one in apart[1:]]
    return DUPLICATES.figure(
        100 * shares[0],
        error=100 * TWINS * accuracy_error(shares[0], count),
        reference=100 * shares[1],
        provenance={**made.provenance, "of_each": count, "threshold": round(threshold, 4)},
        notes=notes,
    )


def _nearest_of_test(test: Tensor, train: Tensor) -> Tensor:
    parts = [digest_of(test), digest_of(train)]
    found = remember(
        "nearest", parts, lambda: {"distances": nearest(test, train, k=2)[0].cpu().numpy()}
    )
    return torch.as_tensor(found["distances"]).to(test.device)


def _keep_pairs(
    context: Context, made: Generated, train: Tensor, distances: Tensor, indices: Tensor
) -> None:
    """Generated images beside the training images nearest to them, as evaluation/memorization.npz.

    `first`: the first that were generated, not chosen; `closest`: those that lie nearest. Pictures
    are uint8, (2, n, C, H, W): generated, training; `*_distance` has shape (n,).
    """
    order = {
        "first": torch.arange(min(SHOWN, len(made)), device=distances.device),
        "closest": distances[:, 0].argsort()[:SHOWN],
    }
    arrays = {}
    for name, index in order.items():
        pairs = torch.stack([made.x[index], train[indices[index, 0]]])
        arrays[name] = to_uint8(pairs.cpu().numpy())
        arrays[f"{name}_distance"] = distances[index, 0].cpu().numpy()
    context.keep_arrays("memorization", arrays)


def _strips(run: RunSummary, arrays: Mapping[str, Any]) -> Iterator[Panel]:
    """From (2, n, C, H, W), generated and training."""
    for kind, words in PAIRS.items():
        pairs, distances = arrays.get(kind), arrays.get(f"{kind}_distance")
        if pairs is None or pairs.ndim != 5 or len(pairs) != 2:
            continue
        heading = f"{run.mention} {words.lower()}"
        if distances is not None and len(distances):
            low, high = (number(float(end), 2) for end in (distances.min(), distances.max()))
            heading += f"; {low} to {high} apart"
        alt = f"Images of {run.name} above the nearest training images: {words.lower()}"
        rows = ("generated", "training")
        grid = image_grid(pairs.reshape(-1, *pairs.shape[2:]), pairs.shape[1])
        picture = draw_grid(grid, rows, f"nearest-{kind}-{run.letter}", alt)
        yield Panel(heading, picture, NOTE)
