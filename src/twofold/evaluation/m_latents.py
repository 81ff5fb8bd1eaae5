"""What latent codes say about classes, with the true class given to the encoder and without it.

An encoder that is given the class may write it into the code, and who reads it there measures the
leak. So every figure comes as `latents/label-conditioned/…` and as `latents/label-free/…`, and its floor is the
same figure of as many principal components of the pixels as the code has dimensions.

Codes are posterior means, as is usual. A unit that the decoder ignores has a mean that hardly
varies, drowned in the noise of z, and is read all the same; so the figure for drawn codes stands in
the details.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.conditions import ClassCondition
from twofold.data.batches import Batch, Batches
from twofold.errors import NotMeasured
from twofold.evaluation.cache import digest_of, remember
from twofold.evaluation.figure import Figure
from twofold.evaluation.latents import draw, knn_accuracy, linear_accuracy, mlp_accuracy, silhouette
from twofold.evaluation.planes import principal_axes, tsne
from twofold.evaluation.recognition import accuracy_error
from twofold.experiments.context import Context
from twofold.models.capabilities import Classifies, Encodes, HasCodes
from twofold.posteriors import LatentDistribution

__all__ = ["latents", "latents_mlp", "pixel_codes", "posterior_codes", "ways"]

AXES_FROM = 5_000  # training images whose principal components are taken
SILHOUETTE_POINTS, MAP_POINTS = 5_000, 2_000
NEIGHBORS, STEPS = 5, 100
HIDDEN, EPOCHS = 512, 20


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

        def q(batch: Batch, condition: EncoderCondition = condition) -> LatentDistribution:
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
    leaking = EncoderCondition("leaking", "the true class", lambda batch: batch.y, notes=caution)
    if isinstance(model, Classifies):
        what = "the class it infers"
        caution = "the encoder was given the class that the model infers, right for most images"
        return [leaking, EncoderCondition("withheld", what, lambda _: None, notes=caution)]
    generator = torch.Generator().manual_seed(seed)

    def random(batch: Batch) -> Tensor:
        c = torch.randint(condition.num_classes, (len(batch),), generator=generator)
        return c.to(batch.x.device)

    caution = "the encoder was given a random class, wrong for most images, as never in training"
    return [leaking, EncoderCondition("withheld", "a random class", random, notes=caution)]


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


@dataclass(frozen=True)
class Reading:
    """One way to score codes.

    Attributes:
        suffix: Of the measure's name.
        title: For people.
        score: From codes and a seed to a figure and its standard error.
        unit: Of the figure.
        depends: The recipe.
    """

    suffix: str
    title: str
    score: Callable[[Codes, int], tuple[float, float]]
    unit: str = "%"
    provenance: Mapping[str, Any] = field(default_factory=dict)


def latents(context: Context) -> Iterator[Figure]:
    """Silhouette of the classes in latent codes, labels read from these, and maps of them."""
    found = list(posterior_codes(context))
    yield from _compared(context, found, (SILHOUETTE, KNN, LINEAR))
    context.progress.say("maps of the latents")
    context.run.keep_arrays("latents", _maps(context, found))


def latents_mlp(context: Context) -> Iterator[Figure]:
    """Labels read from latent codes by a classifier of 512 hidden units."""
    yield from _compared(context, list(posterior_codes(context)), (MLP,))


def _compared(
    context: Context, found: Sequence[Posterior], readings: Sequence[Reading]
) -> Iterator[Figure]:
    """Each reading of each kind of codes, and of the pixels."""
    seed, dim = context.settings["seed"], found[0].means.codes.shape[1]
    pixels = pixel_codes(context, dim)
    for reading in readings:
        context.progress.say(reading.title)
        parts = [reading.suffix, dict(reading.provenance), seed]
        parts += [digest_of(torch.as_tensor(array)) for array in pixels]
        kept = remember("floors", parts, lambda r=reading: {"value": r.score(pixels, seed)[0]})
        for condition, means, draws in found:
            value, error = reading.score(means, seed)
            what = condition.what
            yield Figure(
                name=f"latents/{condition.name}{reading.suffix}",
                title=reading.title + (what and f", {what} given to the encoder"),
                value=value,
                unit=reading.unit,
                better=condition.better,
                error=error,
                reference=float(kept["value"]),
                provenance={
                    **context.provenance,
                    **reading.provenance,
                    "training_images": len(means.y),
                    "codes": "posterior means",
                    "condition": what or "none",
                },
                notes=join(condition.notes, MEANS),
                details={
                    "reference": f"{pixels.codes.shape[1]} principal components of the pixels",
                    "drawn": reading.score(draws, seed)[0],
                },
            )


def _maps(context: Context, found: Sequence[Posterior]) -> dict[str, Any]:
    """Test images on the plane, at most `MAP_POINTS` = M of them, drawn at random.

    Returns:
        `image`, which test images (M,); `label`, their classes (M,); `class_names` (K,); and for
        each NAME of `leaking` and `withheld` that there is: `NAME_pca` (M, 2), coordinates along
        the first principal components, `NAME_pca_share` (2,), the shares of these in the variance,
        `NAME_tsne` (M, 2), and for codes of two dimensions `NAME_code` (M, 2), these themselves.
        A code of one dimension has one principal component.
    """
    image = draw(len(context.batches), MAP_POINTS)
    arrays: dict[str, Any] = {
        "image": context.test_index[image],
        "label": found[0].means.test_y[image],
        "class_names": np.array(context.dataset.class_names),
    }
    for condition, means, _ in found:
        points = means.test_codes[image]
        axes = principal_axes(means.test_codes, 2)
        arrays[f"{condition.name}_pca"] = axes.project(points).astype(np.float32)
        arrays[f"{condition.name}_pca_share"] = axes.shares
        arrays[f"{condition.name}_tsne"] = tsne(points)
        if points.shape[1] == 2:
            arrays[f"{condition.name}_code"] = points
    return arrays


def _silhouette(codes: Codes, _seed: int) -> tuple[float, float]:
    some = draw(len(codes.test_y), SILHOUETTE_POINTS)
    each = silhouette(codes.test_codes[some], codes.test_y[some])
    return float(each.mean()), float(each.std(ddof=1) / len(each) ** 0.5)


def _per_cent(read: Callable[[Codes, int], float]) -> Callable[[Codes, int], tuple[float, float]]:
    """A share of the test codes as a score."""

    def score(codes: Codes, seed: int) -> tuple[float, float]:
        share = read(codes, seed)
        return 100 * share, 100 * accuracy_error(share, len(codes.test_y))

    return score


MEANS = "posterior means are read, without the noise of z that drawn codes have"
SILHOUETTE = Reading(
    "/silhouette",
    "silhouette of the classes in latents",
    _silhouette,
    unit="",
    provenance={"points": f"at most {SILHOUETTE_POINTS} test images, drawn at random"},
)
KNN = Reading(
    "/knn",
    f"labels read from latents by {NEIGHBORS} nearest neighbors",
    _per_cent(lambda codes, _: knn_accuracy(*codes, NEIGHBORS)),
    provenance={"neighbors": NEIGHBORS},
)
LINEAR = Reading(
    "/linear",
    "labels read from latents by a linear classifier",
    _per_cent(lambda codes, _: linear_accuracy(*codes, STEPS)),
    provenance={"classifier": f"logistic regression, at most {STEPS} steps"},
)
MLP = Reading(
    "",
    "labels read from latents by an MLP",
    _per_cent(lambda codes, seed: mlp_accuracy(*codes, HIDDEN, EPOCHS, seed)),
    provenance={"classifier": f"{HIDDEN} hidden units, {EPOCHS} epochs"},
)
