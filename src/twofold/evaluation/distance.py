"""How far generated images are from real ones as features see them: FID, its limit, and KID.

The Fréchet distance (`frechet.py`) is biased upwards where images are few; the kernel distance of
all pairs (`spread.py`) is not. How sure both are is in `spread.py` too.

References:
    GANs Trained by a Two Time-Scale Update Rule (Heusel et al., 2017), equation 6,
    https://arxiv.org/abs/1706.08500
    Demystifying MMD GANs (Binkowski et al., 2018), section 4, https://arxiv.org/abs/1801.01401
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.findings import Finding, default_findings, with_its_unit
from twofold.evaluation.frechet import frechet_bias, frechet_distance, frechet_limit
from twofold.evaluation.measure import Measure
from twofold.evaluation.pictures import DASHED, WIDE, Panel, bars, draw_reference
from twofold.evaluation.questions import DISTANCE
from twofold.evaluation.samples import Features, features_of
from twofold.evaluation.spread import estimate_frechet, estimate_kernel
from twofold.evaluation.summary import RunSummary, those_with
from twofold.experiments.context import Context
from twofold.pictures.style import canvas, drawing, render
from twofold.registry import register
from twofold.words import count as in_groups
from twofold.words import listing, number

__all__ = ["Distance"]

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
    found, bias = estimate_frechet(test, generated), frechet_bias(test, len(generated))
    by = (features.name, f"{features.name} features")
    fewer, many = len(features.real), len(generated)
    notes = features.notes
    if fewer < many:
        notes += (f"the reference is of {fewer} real images, not {many}",)
    yield FID.estimated(
        found,
        *by,
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
        error=math.hypot(found.error, of_the_fit),
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
    found = estimate_kernel(features.test, features.generated).scaled(KERNEL_UNIT)
    per_class = {
        class_names[k]: KERNEL_UNIT * estimate_kernel(real, fake).value
        for k, real, fake in features.by_class()
        if min(len(real), len(fake)) >= 20
    }
    yield KID.estimated(
        found,
        features.name,
        f"{features.name} features",
        reference=features.reference("kid", _kernel_reference),
        provenance=features.provenance,
        per_class=per_class,
        notes=features.notes,
    )


def _kernel_reference(test: Tensor, real: Tensor) -> float:
    if len(real) < ENOUGH:
        raise NotMeasured(f"{len(real)} real images leave nothing but noise")
    return KERNEL_UNIT * estimate_kernel(test, real).value


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
