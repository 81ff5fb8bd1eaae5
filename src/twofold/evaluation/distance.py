r"""Distances between two sets of features, one of real images and one of generated ones.

The Fréchet distance compares means and covariances, as if both sets were Gaussian:

.. math:: \lVert\mu_x - \mu_y\rVert^2
          + \mathrm{Tr}\bigl(\Sigma_x + \Sigma_y - 2(\Sigma_x\Sigma_y)^{1/2}\bigr)

It is biased upwards by about c / N, and c depends on the model, so that rankings at small N can
flip. The kernel distance is not biased. Notation: features x (N, D) of real images, and y (M, D).

References:
    GANs Trained by a Two Time-Scale Update Rule (Heusel et al., 2017), equation 6,
    https://arxiv.org/abs/1706.08500
    Effectively Unbiased FID and Inception Score (Chong and Forsyth, 2020), section 4,
    https://arxiv.org/abs/1911.07023
    Demystifying MMD GANs (Binkowski et al., 2018), section 4, https://arxiv.org/abs/1801.01401
"""

import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from twofold.errors import NotMeasured
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.findings import Finding, default_findings, with_its_unit
from twofold.evaluation.measure import Measure
from twofold.evaluation.pictures import DASHED, WIDE, Panel, bars, draw_reference
from twofold.evaluation.questions import DISTANCE
from twofold.evaluation.samples import Features, features_of
from twofold.evaluation.summary import RunSummary, those_with
from twofold.experiments.context import Context
from twofold.pictures.style import canvas, drawing, render
from twofold.registry import register
from twofold.words import count as in_groups
from twofold.words import listing, number

__all__ = [
    "Distance",
    "frechet_bias",
    "frechet_distance",
    "frechet_error",
    "frechet_limit",
    "kernel_distance",
]

SIZES = 15  # of the extrapolation, as Chong and Forsyth have
SMALLEST = 0.2  # of the extrapolation, as a share of all images
RESAMPLES = 20
SUBSETS, SUBSET_SIZE = 100, 1000


class _Given(nn.Module):
    """Features are computed elsewhere: the metrics of torchmetrics are handed them as they are."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """The Fréchet distance of two sets of features, in float64.

    Raises:
        NotMeasured: If either has too few images for a covariance of full rank.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    num_features = x.shape[1]
    if min(len(x), len(y)) <= num_features:
        raise NotMeasured(
            f"the covariance of {num_features} features needs more than {num_features} images, and "
            f"there are {len(x)} and {len(y)}; give more, or look at the kernel distance"
        )
    metric = FrechetInceptionDistance(feature=_Given(num_features)).to(x.device)
    metric.update(x.double(), real=True)
    metric.update(y.double(), real=False)
    return float(metric.compute())


def frechet_error(x: Tensor, y: Tensor, resamples: int = RESAMPLES) -> float:
    """Standard error of the Fréchet distance over images, by the bootstrap."""
    rng = np.random.default_rng(0)
    drawn = [
        frechet_distance(x[rng.integers(0, len(x), len(x))], y[rng.integers(0, len(y), len(y))])
        for _ in range(resamples)
    ]
    return float(np.std(drawn, ddof=1))


def frechet_bias(x: Tensor, count: int) -> float:
    """The Fréchet distance to expect of `count` images of the very distribution of x.

    Features are drawn from the Gaussian that has the mean and covariance of x, as many as x has
    against `count` more.
    """
    rng = np.random.default_rng(0)
    points = x.cpu().double()
    mean, covariance = points.mean(dim=0).numpy(), np.cov(points.numpy().T)
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    root = vectors * np.sqrt(np.clip(values, 0.0, None))

    def draw(n: int) -> Tensor:
        return torch.as_tensor(mean + rng.standard_normal((n, len(mean))) @ root.T)

    return float(np.mean([frechet_distance(draw(len(x)), draw(count)) for _ in range(3)]))


def frechet_limit(x: Tensor, y: Tensor) -> tuple[float, float, list[tuple[int, float]]]:
    """The Fréchet distance of infinitely many images, extrapolated in 1/N.

    Chong and Forsyth shrink the generated set alone. Here both sets shrink together, to N images
    each, so that the bias of the real ones goes as well: for two samples of one distribution the
    limit is zero.

    Returns:
        The limit, its standard error of the fit (that of the images, `frechet_error`, comes on
        top), and the points (N, distance) that the line was fitted to.

    Raises:
        NotMeasured: If there are fewer than 20 images per feature.
    """
    most, num_features = min(len(x), len(y)), x.shape[1]
    if most < 20 * num_features:
        raise NotMeasured(
            f"extrapolating over {num_features} features needs {20 * num_features} images, and "
            f"there are {most}"
        )
    rng = np.random.default_rng(0)
    counts = np.linspace(SMALLEST * most, most, SIZES).astype(int)
    values = [
        frechet_distance(x[rng.permutation(len(x))[:n]], y[rng.permutation(len(y))[:n]])
        for n in counts
    ]
    design = np.stack([np.ones(SIZES), 1.0 / counts], axis=1)
    coefficients, residuals, *_ = np.linalg.lstsq(design, values, rcond=None)
    noise = residuals.sum() / (SIZES - 2) * np.linalg.inv(design.T @ design)[0, 0]
    return (
        float(coefficients[0]),
        float(np.sqrt(noise)),
        list(zip(counts.tolist(), values, strict=True)),
    )


def kernel_distance(x: Tensor, y: Tensor, subsets: int = SUBSETS) -> tuple[float, float]:
    """The squared maximum mean discrepancy under the kernel (x·y / D + 1)³, unbiased.

    The mean over `subsets` subsets of at most 1 000 images. Unbiased, so it may be slightly
    negative, and figures of different N can be compared.

    Returns:
        The distance and its standard error over images, from the spread s over subsets of m: these
        are drawn from the same N images without replacement, so that s² = c (1/m - 1/N), and
        c / N is wanted.

    Raises:
        NotMeasured: If there are fewer than 10 images in either.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    most = min(len(x), len(y))
    if most < 10:
        raise NotMeasured(f"the kernel distance needs 10 images of each kind, and there are {most}")
    size = min(SUBSET_SIZE, most // 2)  # subsets of all images would not differ
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps the features, which is wanted
        metric = KernelInceptionDistance(_Given(x.shape[1]), subsets=subsets, subset_size=size)
    metric.update(x.double(), real=True)
    metric.update(y.double(), real=False)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        mean, spread = metric.compute()
    share = size / most
    return float(mean), float(spread) * (share / (1 - share) + 1 / subsets) ** 0.5


FEW = 10  # images per feature, below which a covariance is mostly noise
ENOUGH = 100  # images for the reference of a kernel distance
KERNEL_UNIT = 1000.0  # kernel distances are printed in thousandths
HEUSEL = "Heusel et al. (2017), equation 6"
FID = Quantity(
    "fid",
    "FID",
    better="lower",
    paper=HEUSEL,
    caveat="It grows when fewer images are counted; compare it between equal numbers alone.",
    headline=True,
    least=0.0,
)
LIMIT = Quantity(
    "fid_infinity", "FID for N → ∞", better="lower", paper="Chong and Forsyth (2020), section 4"
)
KID = Quantity("kid", "KID", "×10⁻³", better="lower", paper="Binkowski et al. (2018), section 4")


@register("measure", "distance")
class Distance(Measure):
    """FID, its limit for infinitely many images, and KID, against test images."""

    question = DISTANCE
    quantities = (FID, LIMIT, KID)
    of_images = True

    def take(self, context: Context) -> Iterator[Figure]:
        missing = []
        for features in features_of(context):
            for figures in (_frechet, _kernel):
                try:
                    yield from figures(features, context.dataset.class_names)
                except NotMeasured as reason:
                    missing.append(f"on {features.name} features: {reason}")
        if missing:
            raise NotMeasured("; ".join(missing))

    def findings(self, runs: Sequence[RunSummary]) -> Iterator[Finding]:
        """Who is nearer by FID, and what real images have; by random features if by no others."""
        names = [name for name in self.names(runs) if name.startswith("fid/")]
        for name in names[:1]:
            yield from default_findings(runs, name)
            figures = [run.figures[name] for run in those_with(runs, name)]
            real = [with_its_unit(f.reference, f) for f in figures if f.reference is not None]
            if real:
                found = listing(list(dict.fromkeys(real)), "or")
                text = f"Other real images in the place of the generated ones have {found}."
                yield Finding(figures[0].title, text)

    def panels(self, runs: Sequence[RunSummary]) -> Iterator[Panel]:
        yield from super().panels(runs)
        for name in self.names(runs):
            if name == "fid_infinity/classifier":
                yield from _draw_limits(runs, name)


def _frechet(features: Features, class_names: tuple[str, ...]) -> Iterator[Figure]:
    test, generated = features.test, features.generated
    value, bias = frechet_distance(test, generated), frechet_bias(test, len(generated))
    error = frechet_error(test, generated)
    by = (features.name, f"{features.name} features")
    fewer, many = len(features.real), len(generated)
    notes = features.notes
    if fewer < many:
        notes += (f"the reference is of {fewer} real images, not {many}",)
    yield FID.figure(
        value,
        *by,
        error=error,
        reference=features.reference("fid", frechet_distance),
        provenance=features.provenance,
        per_class={
            class_names[k]: frechet_distance(real, fake)
            for k, real, fake in features.by_class()
            if min(len(real), len(fake)) > test.shape[1]
        },
        notes=notes + _bias(features, bias),
        details={"expected_bias": bias},
    )
    limit, of_the_fit, points = frechet_limit(test, generated)
    yield LIMIT.figure(
        limit,
        *by,
        error=math.hypot(error, of_the_fit),
        reference=features.reference(
            "fid_infinity", lambda test, real: frechet_limit(test, real)[0]
        ),
        provenance=features.provenance,
        notes=notes,
        details={"points": points},
    )


def _bias(features: Features, bias: float) -> tuple[str, ...]:
    """A warning where there are few images for the features."""
    least, num_features = min(len(features.generated), len(features.test)), features.test.shape[1]
    if least >= FEW * num_features:
        return ()
    return (
        f"{least} images for {num_features} {features.name} features: even perfect images would "
        f"have an FID of about {bias:.2g}, so compare it only between equal numbers of images",
    )


def _kernel(features: Features, class_names: tuple[str, ...]) -> Iterator[Figure]:
    value, error = kernel_distance(features.test, features.generated)
    per_class = {
        class_names[k]: KERNEL_UNIT * kernel_distance(real, fake, subsets=10)[0]
        for k, real, fake in features.by_class()
        if min(len(real), len(fake)) >= 20
    }
    yield KID.figure(
        KERNEL_UNIT * value,
        features.name,
        f"{features.name} features",
        error=KERNEL_UNIT * error,
        reference=features.reference("kid", _kernel_reference),
        provenance=features.provenance,
        per_class=per_class,
        notes=features.notes,
    )


def _kernel_reference(test: Tensor, real: Tensor) -> float:
    if len(real) < ENOUGH:
        raise NotMeasured(f"{len(real)} real images leave nothing but noise")
    return KERNEL_UNIT * kernel_distance(test, real)[0]


def _draw_limits(runs: Sequence[RunSummary], name: str) -> Iterator[Panel]:
    """For every run: FID of fewer and of more images, and the line to its limit."""
    note = (
        "FID falls with N by about a / N: the diamond is where the line meets N → ∞, the gray "
        "dashes are the same of real images."
    )
    for run in those_with(runs, name):
        figure = run.figures[name]
        points = figure.details.get("points") or []
        if len(points) < 2:
            continue
        counts, values = np.array(points, dtype=np.float64).T
        slope = np.polyfit(1 / counts, values, 1)[0]
        with drawing():
            drawn, axes = canvas(WIDE)
            end = 1 / counts.min()
            line = [figure.value, figure.value + slope * end]
            axes.plot([0, end], line, color=run.ink, **DASHED)
            axes.plot(1 / counts, values, "o", color=run.ink, markersize=3.5)
            style = {"fmt": "D", "color": run.ink, "markersize": 4.5}
            axes.errorbar(0, figure.value, yerr=bars(figure), **style)
            draw_reference(axes, [figure], "y")
            shown = [counts.max(), np.median(counts), counts.min()]
            texts = [in_groups(round(n)) for n in shown]
            axes.set_xticks([0, *(1 / n for n in shown)], ["∞", *texts])
            axes.margins(x=0.06, y=0.12)
            axes.set(xlabel="N images, by 1 / N", ylabel="FID")
            alt = f"FID of {run.name} by 1 / N, and its limit of {number(figure.value)}"
            picture = render(drawn, f"fid-by-n-{run.letter}", alt)
        yield Panel(f"{run.mention} {figure.title}", picture, note, folded=True)
