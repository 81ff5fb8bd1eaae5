"""How far generated images are from real ones, by features: the Fréchet and kernel distances."""

from collections.abc import Iterator

from torch import Tensor

from twofold.apply.measures.subject import Features, Subject
from twofold.metrics.distance import (
    frechet_bias,
    frechet_distance,
    frechet_error,
    frechet_limit,
    kernel_distance,
)
from twofold.metrics.measure import Measure, NotMeasured

__all__ = ["distance"]

FEW = 10  # images per feature, below which a covariance is mostly noise
ENOUGH = 200  # training images for the floor of a kernel distance
KERNEL_UNIT = 1000.0  # kernel distances are printed in thousandths


def distance(subject: Subject) -> Iterator[Measure]:
    """FID, its limit for infinitely many images, and KID, against test images."""
    missing = []
    for features in subject.features:
        for figure in (_frechet, _limit, _kernel):
            try:
                yield figure(features, subject.dataset.class_names)
            except NotMeasured as reason:
                missing.append(f"{figure.__name__[1:]} on {features.name} features: {reason}")
    if missing:
        raise NotMeasured("; ".join(missing))


def _frechet(features: Features, class_names: tuple[str, ...]) -> Measure:
    test, generated = features.test, features.generated
    bias = frechet_bias(test, len(generated))
    per_class = {
        class_names[k]: frechet_distance(real, fake)
        for k, real, fake in features.by_class()
        if min(len(real), len(fake)) > test.shape[1]
    }
    return Measure(
        f"fid/{features.name}",
        f"FID, {features.name} features",
        frechet_distance(test, generated),
        "",
        better="lower",
        error=frechet_error(test, generated),
        floor=features.floor(_frechet_floor).get("fid"),
        depends=features.depends,
        per_class=per_class,
        caution="; ".join(
            filter(None, [features.caution, _bias(features, bias), _floor(features)])
        ),
        details={"expected_bias": bias},
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


def _floor(features: Features) -> str:
    """A warning where the floor is of fewer images, and so higher, than the figure beside it."""
    fewer, many = len(features.train), len(features.generated)
    return f"the floor is of {fewer} training images, not {many}" if fewer < many else ""


def _limit(features: Features, class_names: tuple[str, ...]) -> Measure:  # noqa: ARG001
    value, error, points = frechet_limit(features.test, features.generated)
    return Measure(
        f"fid_infinity/{features.name}",
        f"FID for N → ∞, {features.name} features",
        value,
        "",
        better="lower",
        error=error,
        floor=features.floor(_limit_floor).get("fid_infinity"),
        depends=features.depends,
        caution="; ".join(filter(None, [features.caution, _floor(features)])),
        details={"points": points},
    )


def _kernel(features: Features, class_names: tuple[str, ...]) -> Measure:
    value, error = kernel_distance(features.test, features.generated)
    per_class = {
        class_names[k]: KERNEL_UNIT * kernel_distance(real, fake, subsets=10)[0]
        for k, real, fake in features.by_class()
        if min(len(real), len(fake)) >= 20
    }
    return Measure(
        f"kid/{features.name}",
        f"KID, {features.name} features",
        KERNEL_UNIT * value,
        "×10⁻³",
        better="lower",
        error=KERNEL_UNIT * error,
        floor=features.floor(_kernel_floor).get("kid"),
        depends=features.depends,
        per_class=per_class,
        caution=features.caution,
    )


def _frechet_floor(test: Tensor, train: Tensor) -> dict[str, float]:
    return {"fid": frechet_distance(test, train)}


def _limit_floor(test: Tensor, train: Tensor) -> dict[str, float]:
    return {"fid_infinity": frechet_limit(test, train)[0]}


def _kernel_floor(test: Tensor, train: Tensor) -> dict[str, float]:
    if len(train) < ENOUGH:
        raise NotMeasured(f"{len(train)} training images leave nothing but noise")
    return {"kid": KERNEL_UNIT * kernel_distance(test, train)[0]}
