"""Which codes of images are read: those of an encoder given the class or not, and of the pixels.

An encoder that is given the class may write it into the code, and who reads it there measures the
leak; so the codes of a conditioned encoder come twice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.conditions import ClassCondition
from twofold.data.batches import Batch, Batches
from twofold.errors import NotMeasured
from twofold.evaluation.figure import Direction
from twofold.evaluation.planes import principal_axes
from twofold.experiments.context import Context, draw_index
from twofold.experiments.data import known_images
from twofold.models.capabilities import Classifies, Encodes, HasCodes
from twofold.streams import seed_for

__all__ = [
    "Codes",
    "EncoderCondition",
    "Posterior",
    "pixel_codes",
    "posterior_codes",
    "read_index",
    "ways",
]

AXES_FROM = 5_000  # training images whose principal components are taken
VALUES = 2**24  # numbers in the codes of a split: of wide codes fewer images are read


@dataclass(frozen=True)
class EncoderCondition:
    """What an encoder is given beside the image.

    Attributes:
        name: `label-conditioned` if it is the true class, else `label-free`.
        what: In words; empty for nothing.
        pick: From a batch to the encoder's `c`.
        better: Which way figures of such codes are better.
        notes: What a reader must know of them.
    """

    name: str
    what: str
    pick: Callable[[Batch], Tensor | None]
    better: Direction | None = None
    notes: tuple[str, ...] = ()


class Codes(NamedTuple):
    """Of labeled training images, (N, D) and labels (N,), and of test images, (M, D) and (M,)."""

    codes: NDArray[Any]
    y: NDArray[Any]
    test_codes: NDArray[Any]
    test_y: NDArray[Any]


class Posterior(NamedTuple):
    """Codes by q(z|x, c) for one kind of c: its means, and a draw for each image."""

    condition: EncoderCondition
    means: Codes
    draws: Codes


def posterior_codes(context: Context) -> Iterator[Posterior]:
    """Codes by q(z|x, c) for each c that an encoder may be given.

    A model of the class gets the true one, and then what it would have without: one that infers
    the class gets that, any other a random one, for it cannot do with none.

    Raises:
        NotMeasured: If the model has no encoder, the images have too few classes, or codes are not
            finite.
    """
    model = context.model.capability(Encodes)
    if model is None:
        raise NotMeasured(
            f"a {context.model.title} has no encoder with one q(z|x); a VAE or M2 has"
        )
    images = _images(context, model.latent_dim)
    for condition in ways(model, context.settings["seed"]):
        context.progress.say(f"codes of all images, given {condition.what or 'no condition'}")

        def encode(batch: Batch, condition: EncoderCondition = condition) -> tuple[Tensor, Tensor]:
            q = model.posterior(batch.x, condition.pick(batch))
            return q.mean, q.rsample()

        yield Posterior(condition, *_encoded(images, encode))


def pixel_codes(context: Context, dim: int) -> Codes:
    """The first `dim` principal components of the pixels, of the same images."""
    images = _images(context, dim)
    train, _ = images
    some = torch.as_tensor(draw_index(len(train), AXES_FROM))
    pixels = [batch.x.flatten(1).cpu() for batch in train.only(some, 500).in_order()]
    axes = principal_axes(torch.cat(pixels).numpy(), dim)
    mean, directions = (
        torch.as_tensor(part, dtype=torch.float32, device=context.model.device)
        for part in (axes.mean, axes.directions.copy())
    )
    return _encoded(images, lambda batch: ((batch.x.flatten(1) - mean) @ directions,))[0]


def ways(model: Encodes | HasCodes, seed: int) -> list[EncoderCondition]:
    """What an encoder may be given beside the image: the true class, and what it has without it."""
    condition = model.condition
    if not isinstance(condition, ClassCondition):
        what = "a part of the image" if condition.dim else ""
        return [
            EncoderCondition(
                "label-free", what, lambda batch: condition.pick(batch.x, batch.y), better="higher"
            )
        ]
    note = "the encoder was given the answer"
    given = EncoderCondition(
        "label-conditioned", "the true class", lambda batch: batch.y, notes=(note,)
    )
    if isinstance(model, Classifies):
        what = "the class it infers"
        note = "the encoder was given the class that the model infers, right for most images"
        return [given, EncoderCondition("label-free", what, lambda _: None, notes=(note,))]
    generator = torch.Generator().manual_seed(seed_for("random classes", seed))

    def random(batch: Batch) -> Tensor:
        c = torch.randint(condition.num_classes, (len(batch),), generator=generator)
        return c.to(batch.x.device)

    note = "the encoder was given a random class, wrong for most images, as never in training"
    return [given, EncoderCondition("label-free", "a random class", random, notes=(note,))]


def read_index(count: int, dim: int) -> NDArray[Any]:
    """Which of `count` images have their codes of `dim` dimensions read: the same every time.

    Example:
        >>> len(read_index(60_000, 64)), len(read_index(60_000, 10_000))
        (60000, 1677)
    """
    return np.sort(draw_index(count, max(1, VALUES // max(1, dim))))


def _images(context: Context, dim: int) -> tuple[Batches, Batches]:
    """The labeled training images of the classes that the model knows, and the test images."""
    test_y = context.labels
    train = known_images(context.dataset, "train", context.run.experiment.data)
    classes = min(int((train.class_counts > 0).sum()), len(test_y.unique()))
    if classes < 2:
        raise NotMeasured(
            f"codes are read by class, and the labeled training or test images have {classes} of "
            "them; that takes two"
        )
    known, test = context.prepare(train.labeled()), context.batches
    return (
        known.only(torch.as_tensor(read_index(len(known), dim)), 500),
        test.only(torch.as_tensor(read_index(len(test), dim)), 500),
    )


@torch.no_grad()
def _encoded(
    images: tuple[Batches, Batches], encode: Callable[[Batch], tuple[Tensor, ...]]
) -> list[Codes]:
    """Each sort of codes that `encode` makes of a batch, of training and of test images."""
    splits = []
    for batches in images:
        parts = [encode(batch) for batch in batches.in_order()]
        sorts = [torch.cat(part).float() for part in zip(*parts, strict=True)]
        for codes in sorts:
            if broken := int((~codes.isfinite().all(dim=1)).sum()):
                raise NotMeasured(
                    f"{broken} of {len(codes)} codes hold NaN or infinite numbers: training has "
                    "diverged; look at the losses, and train again with a smaller lr"
                )
        assert batches.labels is not None
        y = batches.labels.cpu().numpy()
        splits.append([(codes.cpu().numpy(), y) for codes in sorts])
    return [Codes(*train, *test) for train, test in zip(*splits, strict=True)]
