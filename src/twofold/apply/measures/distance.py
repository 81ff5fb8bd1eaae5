"""How far generated images are from real ones, by features: the Fréchet and kernel distances."""

import math
from collections.abc import Iterator

from torch import Tensor

from twofold.apply.context import Context
from twofold.apply.measures.generated import Features, features_of
from twofold.metrics.distance import (
    frechet_bias,
    frechet_distance,
    frechet_error,
    frechet_limit,
    kernel_distance,
)
from twofold.metrics.measure import Measure, NotMeasured, join

__all__ = ["distance"]

FEW = 10  # images per feature, below which a covariance is mostly noise
ENOUGH = 200  # training images for the floor of a kernel distance
KERNEL_UNIT = 1000.0  # kernel distances are printed in thousandths


def distance(context: Context) -> Iterator[Measure]:
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


def _frechet(features: Features, class_names: tuple[str, ...]) -> Iterator[Measure]:
    test, generated = features.test, features.generated
    value, bias = frechet_distance(test, generated), frechet_bias(test, len(generated))
    error = frechet_error(test, generated)
    fewer, many = len(features.train), len(generated)
    higher = f"the floor is of {fewer} training images, not {many}" if fewer < many else ""
    caution = join(features.caution, higher)
    yield Measure(
        f"fid/{features.name}",
        f"FID, {features.name} features",
        value,
        "",
        better="lower",
        error=error,
        floor=features.floor("fid", frechet_distance),
        depends=features.depends,
        per_class={
            class_names[k]: frechet_distance(real, fake)
            for k, real, fake in features.by_class()
            if min(len(real), len(fake)) > test.shape[1]
        },
        caution=join(caution, _bias(features, bias)),
        details={"expected_bias": bias},
    )
    limit, of_the_fit, points = frechet_limit(test, generated)
    yield Measure(
        f"fid_infinity/{features.name}",
        f"FID for N → ∞, {features.name} features",
        limit,
        "",
        better="lower",
        error=math.hypot(error, of_the_fit),
        floor=features.floor("fid_infinity", lambda test, train: frechet_limit(test, train)[0]),
        depends=features.depends,
        caution=caution,
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


def _kernel(features: Features, class_names: tuple[str, ...]) -> Iterator[Measure]:
    value, error = kernel_distance(features.test, features.generated)
    per_class = {
        class_names[k]: KERNEL_UNIT * kernel_distance(real, fake, subsets=10)[0]
        for k, real, fake in features.by_class()
        if min(len(real), len(fake)) >= 20
    }
    yield Measure(
        f"kid/{features.name}",
        f"KID, {features.name} features",
        KERNEL_UNIT * value,
        "×10⁻³",
        better="lower",
        error=KERNEL_UNIT * error,
        floor=features.floor("kid", _kernel_floor),
        depends=features.depends,
        per_class=per_class,
        caution=features.caution,
    )


def _kernel_floor(test: Tensor, train: Tensor) -> float:
    if len(train) < ENOUGH:
        raise NotMeasured(f"{len(train)} training images leave nothing but noise")
    return KERNEL_UNIT * kernel_distance(test, train)[0]
