"""How generated images lie among real ones: distances of their features, and nearest neighbors.

Precision and density fall when images are wrong, recall and coverage when some kinds are missing.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.bins import assign_bins, different_bins, jensen_shannon, make_bins
from twofold.evaluation.cache import digest_of, remember
from twofold.evaluation.distance import (
    frechet_bias,
    frechet_distance,
    frechet_error,
    frechet_limit,
    kernel_distance,
)
from twofold.evaluation.figure import Figure
from twofold.evaluation.neighbors import neighborhood
from twofold.evaluation.samples import Features, features_of, generated_by
from twofold.experiments.context import Context, draw_index

__all__ = ["bins", "coverage", "distance"]

FEW = 10  # images per feature, below which a covariance is mostly noise
ENOUGH = 200  # training images for the floor of a kernel distance
KERNEL_UNIT = 1000.0  # kernel distances are printed in thousandths
K = 5  # at which two samples of one distribution have a coverage of 97 %
BOTH_SETS = 2**0.5  # the balls of the other set are as random as the images of this one
FIGURES = ("precision", "density", "recall", "coverage")


def distance(context: Context) -> Iterator[Figure]:
    """FID, its limit for infinitely many images, and KID, against test images."""
    missing = []
    for features in features_of(context):
        for figures in (_frechet, _kernel):
            try:
                yield from figures(features, context.dataset.class_names)
            except NotMeasured as reason:
                missing.append(f"on {features.name} features, {reason}")
    if missing:
        raise NotMeasured("; ".join(missing))


def _frechet(features: Features, class_names: tuple[str, ...]) -> Iterator[Figure]:
    test, generated = features.test, features.generated
    value, bias = frechet_distance(test, generated), frechet_bias(test, len(generated))
    error = frechet_error(test, generated)
    fewer, many = len(features.train), len(generated)
    higher = f"the floor is of {fewer} training images, not {many}" if fewer < many else ""
    caution = join(features.notes, higher)
    yield Figure(
        f"fid/{features.name}",
        f"FID, {features.name} features",
        value,
        "",
        better="lower",
        error=error,
        reference=features.reference("fid", frechet_distance),
        provenance=features.provenance,
        per_class={
            class_names[k]: frechet_distance(real, fake)
            for k, real, fake in features.by_class()
            if min(len(real), len(fake)) > test.shape[1]
        },
        notes=join(caution, _bias(features, bias)),
        details={"expected_bias": bias},
    )
    limit, of_the_fit, points = frechet_limit(test, generated)
    yield Figure(
        f"fid_infinity/{features.name}",
        f"FID for N → ∞, {features.name} features",
        limit,
        "",
        better="lower",
        error=math.hypot(error, of_the_fit),
        reference=features.reference(
            "fid_infinity", lambda test, train: frechet_limit(test, train)[0]
        ),
        provenance=features.provenance,
        notes=caution,
        details={"points": points},
    )


def _bias(features: Features, bias: float) -> str:
    """A warning where there are few images for the features."""
    least, num_features = min(len(features.generated), len(features.test)), features.test.shape[1]
    if least >= FEW * num_features:
        return ""
    return (
        f"{least} images for {num_features} features: even perfect images would have an FID of "
        f"about {bias:.2g}, so compare it only between equal numbers of images"
    )


def _kernel(features: Features, class_names: tuple[str, ...]) -> Iterator[Figure]:
    value, error = kernel_distance(features.test, features.generated)
    per_class = {
        class_names[k]: KERNEL_UNIT * kernel_distance(real, fake, subsets=10)[0]
        for k, real, fake in features.by_class()
        if min(len(real), len(fake)) >= 20
    }
    yield Figure(
        f"kid/{features.name}",
        f"KID, {features.name} features",
        KERNEL_UNIT * value,
        "×10⁻³",
        better="lower",
        error=KERNEL_UNIT * error,
        reference=features.reference("kid", _kernel_floor),
        provenance=features.provenance,
        per_class=per_class,
        notes=features.notes,
    )


def _kernel_floor(test: Tensor, train: Tensor) -> float:
    if len(train) < ENOUGH:
        raise NotMeasured(f"{len(train)} training images leave nothing but noise")
    return KERNEL_UNIT * kernel_distance(test, train)[0]


def coverage(context: Context) -> Iterator[Figure]:
    """Precision, recall, density and coverage, by nearest neighbors among features."""
    for features in features_of(context):
        yield from _coverage(features, context.dataset.class_names)


def _coverage(features: Features, class_names: tuple[str, ...]) -> Iterator[Figure]:
    count = min(len(features.generated), len(features.test))
    some = torch.as_tensor(draw_index(len(features.test), count))
    found = neighborhood(features.test[some], features.generated[:count], K)
    y_test = None if features.y_test is None else features.y_test[some]
    floors = features.reference("coverage", _coverage_floor) or [None] * len(FIGURES)
    least = min(len(features.train), count)
    fewer = f"the floor is of {least} images each" if least < count else ""
    for name, floor in zip(FIGURES, floors, strict=True):
        values, unit = getattr(found, name), "" if name == "density" else "%"
        scale = 100.0 if unit else 1.0
        y = features.y_generated if name in ("precision", "density") else y_test
        yield Figure(
            f"{name}/{features.name}",
            f"{name}, {features.name} features",
            scale * values.mean().item(),
            unit,
            better="higher",
            error=scale * BOTH_SETS * values.std().item() / count**0.5,
            reference=None if floor is None else scale * floor,
            provenance={**features.provenance, "k": K, "of_each": count},
            per_class=_per_class(scale * values, y, class_names),
            notes=join(features.notes, fewer),
        )


def _per_class(values: Tensor, y: Tensor | None, class_names: tuple[str, ...]) -> dict[str, float]:
    if y is None:
        return {}
    y = y[: len(values)]
    return {class_names[k]: values[y == k].mean().item() for k in y.unique().tolist()}


def _coverage_floor(test: Tensor, train: Tensor) -> list[float]:
    count = min(len(test), len(train))
    found = neighborhood(test[torch.as_tensor(draw_index(len(test), count))], train[:count], K)
    return [getattr(found, name).mean().item() for name in FIGURES]


def bins(context: Context) -> Iterator[Figure]:
    """NDB / K and the Jensen-Shannon divergence over bins of similar training images."""
    made, train = generated_by(context), context.real("train")
    kept = remember("bins", [digest_of(train)], lambda: {"centers": make_bins(_flat(train))})
    centers = kept["centers"]
    count = min(len(made), len(context.batches))  # the fewer images, the fewer bins differ
    expected, fake, real = (
        assign_bins(_flat(images), centers)
        for images in (train, made.x[:count], context.real("test", count))
    )
    for name, title, figure, unit in (
        ("ndb", "bins over- or underfull, NDB / K", lambda *c: 100 * different_bins(*c), "%"),
        ("js", "Jensen-Shannon divergence over bins", jensen_shannon, "nats"),
    ):
        yield Figure(
            name,
            title,
            figure(fake, expected),
            unit,
            better="lower",
            reference=figure(real, expected),
            provenance={**made.provenance, "bins": len(centers), "of_each": count},
            notes=made.notes,
        )


def _flat(images: Tensor) -> np.ndarray:
    return images.flatten(1).cpu().numpy()
