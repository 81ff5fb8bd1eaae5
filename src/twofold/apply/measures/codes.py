"""The codes of images as measures read them: of the posterior, and components of the pixels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.apply.context import Context
from twofold.conditions import ClassCondition
from twofold.data.batches import Batch, Batches
from twofold.distributions import DiagonalGaussian
from twofold.metrics.latents import draw
from twofold.metrics.measure import NotMeasured
from twofold.metrics.planes import principal_axes
from twofold.models.capabilities import Classifies, Encodes, HasCodes

__all__ = ["Codes", "EncoderCondition", "Posterior", "pixel_codes", "posterior_codes", "ways"]

AXES_FROM = 5_000  # training images whose principal components are taken


@dataclass(frozen=True)
class EncoderCondition:
    """What an encoder is given beside the image.

    Attributes:
        name: `leaking` if it is the true class, else `withheld`.
        what: In words; empty for nothing.
        pick: From a batch to the encoder's `c`.
        better: Which way figures of such codes are better.
        caution: What a reader must know of them.
    """

    name: str
    what: str
    pick: Callable[[Batch], Tensor | None]
    better: Literal["higher", "lower"] | None = None
    caution: str = ""


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
    train = _training_images(context)
    for condition in ways(model, context.settings["seed"]):
        context.progress.say(f"codes of all images, given {condition.what or 'no condition'}")

        def q(batch: Batch, condition: EncoderCondition = condition) -> DiagonalGaussian:
            return model.posterior(batch.x, condition.pick(batch))

        means = _encoded(context, train, lambda batch, q=q: q(batch).mean)
        draws = _encoded(context, train, lambda batch, q=q: q(batch).rsample())
        yield Posterior(condition, means, draws)


def pixel_codes(context: Context, dim: int) -> Codes:
    """The first `dim` principal components of the pixels, of the same images."""
    train = _training_images(context)
    some = torch.as_tensor(draw(len(train), AXES_FROM))
    pixels = [batch.x.flatten(1).cpu() for batch in train.only(some, 500).in_order()]
    axes = principal_axes(torch.cat(pixels).numpy(), dim)
    mean, directions = (
        torch.as_tensor(part, dtype=torch.float32, device=context.model.device)
        for part in (axes.mean, axes.directions.copy())
    )
    return _encoded(context, train, lambda batch: (batch.x.flatten(1) - mean) @ directions)


def ways(model: Encodes | HasCodes, seed: int) -> list[EncoderCondition]:
    """What an encoder may be given beside the image: the true class, and what it has without it."""
    condition = model.condition
    if not isinstance(condition, ClassCondition):
        what = "a part of the image" if condition.dim else ""
        return [
            EncoderCondition(
                "withheld", what, lambda batch: condition.pick(batch.x, batch.y), better="higher"
            )
        ]
    caution = "the encoder was given the answer"
    leaking = EncoderCondition("leaking", "the true class", lambda batch: batch.y, caution=caution)
    if isinstance(model, Classifies):
        what = "the class it infers"
        caution = "the encoder was given the class that the model infers, right for most images"
        return [leaking, EncoderCondition("withheld", what, lambda _: None, caution=caution)]
    generator = torch.Generator().manual_seed(seed)

    def random(batch: Batch) -> Tensor:
        c = torch.randint(condition.num_classes, (len(batch),), generator=generator)
        return c.to(batch.x.device)

    caution = "the encoder was given a random class, wrong for most images, as never in training"
    return [leaking, EncoderCondition("withheld", "a random class", random, caution=caution)]


def _training_images(context: Context) -> Batches:
    test_y = context.labels
    train = context.dataset.split("train")
    classes = min(int((train.class_counts > 0).sum()), len(test_y.unique()))
    if classes < 2:
        raise NotMeasured(
            f"codes are read by class, and the labeled training or test images have {classes} of "
            "them; that takes two"
        )
    return context.prepare(train.labeled())


@torch.no_grad()
def _encoded(context: Context, train: Batches, encode: Callable[[Batch], Tensor]) -> Codes:
    found = []
    for batches in (train, context.batches):
        codes = torch.cat([encode(batch) for batch in batches.in_order(500)]).float()
        broken = int((~codes.isfinite().all(dim=1)).sum())
        if broken:
            raise NotMeasured(
                f"{broken} of {len(codes)} codes hold NaN or infinite numbers: training has "
                "diverged; look at the losses, and train again with a smaller lr"
            )
        assert batches.labels is not None
        found += [codes.cpu().numpy(), batches.labels.cpu().numpy()]
    return Codes(*found)
