"""Curves of training: which of the log belong together, with their units, and their pictures."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from twofold.evaluation.pictures import Panel
from twofold.evaluation.summary import RunSummary
from twofold.pictures.style import MUTED, PAPER, Picture, canvas, drawing, render
from twofold.words import capitalize, slug

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Curve", "Curves", "draw_training"]

SIZE = (4.0, 2.55)
POINTS = 90  # of a curve, each the mean of a stretch
NATS = "nats per image"
# phase/term -> (title, unit)
TITLES: dict[str, tuple[str, str]] = {
    "vae/loss": ("Loss of the VAE", NATS),
    "vae/recon_nll": ("Reconstruction term", NATS),
    "vae/kl": ("KL to the prior", NATS),
    "vae/nll_bound": ("Negative bound", NATS),
    "discriminator/loss": ("Loss of the discriminator", NATS),
    "generator/loss": ("Loss of the generator", NATS),
    "discriminator/accuracy_real": ("Real images taken for real", "share"),
    "discriminator/accuracy_fake": ("Fake images taken for fake", "share"),
    "discriminator/score_gap": ("Score of real minus fake", "score"),
    "discriminator/r1": ("R1 penalty, unweighted", "½ ‖∇D‖²"),
    "discriminator/r2": ("R2 penalty, unweighted", "½ ‖∇D‖²"),
    "discriminator/gp": ("Gradient penalty, unweighted", "(‖∇D‖ − 1)²"),
    "classifier/loss": ("Loss of the classifier", NATS),
    "classifier/accuracy": ("Accuracy of the classifier", "share"),
}
DIAGNOSES = {
    "active_units": ("Active latent dimensions", "count"),
    "diversity": ("Diversity of the fakes", "real images = 1"),
}


@dataclass(frozen=True)
class Curve:
    """One run's values of one term."""

    index: int  # of the run, for its color and letter
    x: Sequence[float]  # epochs
    y: Sequence[float]  # in the panel's unit
    held_out: bool = False  # on held-out images


@dataclass(frozen=True)
class Curves:
    """One small figure."""

    key: str  # names its file: `vae-kl`
    title: str
    unit: str
    curves: list[Curve] = field(default_factory=list)
    log: bool = False  # whether the vertical axis is logarithmic
    across: str = "epoch"  # what the horizontal axis counts


def draw_training(runs: Sequence[RunSummary]) -> list[Panel]:
    """What training did: a panel for every term, gradient norm and diagnosis that has a curve."""
    return [
        Panel(one.title, draw_curves(one, runs)) for one in [*panels(runs), *diagnosis_panels(runs)]
    ]


def panels(runs: Sequence[RunSummary]) -> list[Curves]:
    """A panel for every term of every phase, then one of gradient norms per phase."""
    found = []
    terms = dict.fromkeys(
        (phase, term)
        for run in runs
        for record in run.records
        for phase, values in (record.get("terms") or {}).items()
        for term in values
    )
    for phase, term in terms:
        if _repeats_loss(runs, phase, term):
            continue
        key = f"{phase}/{term}"
        title, unit = TITLES.get(
            key, (f"{capitalize(term.replace('_', ' '))}, {_phase(phase)}", NATS)
        )
        found.append(Curves(slug(key), title, unit, _curves(runs, "terms", phase, term)))
    for phase in dict.fromkeys(phase for phase, _ in terms):
        title = f"Gradient norm, {_phase(phase)}"
        curves = _curves(runs, "grad_norm", phase)
        found.append(Curves(slug(f"{phase}/grad_norm"), title, "norm", curves, log=True))
    return [panel for panel in found if any(len(curve.x) > 1 for curve in panel.curves)]


def _phase(name: str) -> str:
    return name.upper() if name == "vae" else name.replace("_", " ")


def diagnosis_panels(runs: Sequence[RunSummary]) -> list[Curves]:
    """Panels of what the diagnosis counts while a run goes on."""
    found = []
    for name, (title, unit) in DIAGNOSES.items():
        curves = _curves(runs, "diagnosis", name)
        if any(len(curve.x) > 1 for curve in curves):
            found.append(Curves(slug(f"diagnosis/{name}"), title, unit, curves))
    ranked = [
        Curve(index, range(1, len(kls) + 1), sorted(kls, reverse=True))
        for index, run in enumerate(runs)
        if (kls := run.diagnosis[0].get("kl_per_dim"))
    ]
    if ranked:
        title = "KL of each latent dimension"
        found.append(Curves("kl-per-dim", title, NATS, ranked, across="dimension, by its KL"))
    return found


def draw_curves(panel: Curves, runs: Sequence[RunSummary]) -> Picture:
    """Curves over epochs; a line is a mean over a stretch, its band the range within."""
    with drawing():
        figure, axes = canvas(SIZE)
        shown, ends = [], {}
        for curve in panel.curves:
            x, mean = _draw_curve(axes, curve, runs)
            shown.append((x, mean))
            ends.setdefault(curve.index, (x[-1], mean[-1]))  # training before held-out
        axes.set_xlabel(panel.across)
        axes.set_ylabel(panel.unit)
        axes.margins(x=0)
        axes.set_xlim(0, max(x[-1] for x, _ in shown) or 1)
        _scale(axes, panel, shown)
        _few_ticks(axes)
        _label_ends(axes, [(x, y, runs[i].letter, runs[i].ink) for i, (x, y) in ends.items()])
        letters = ", ".join(runs[i].letter for i in ends)
        return render(figure, panel.key, f"{panel.title} by {panel.across}, runs {letters}")


def _curves(runs: Sequence[RunSummary], *where: str) -> list[Curve]:
    """The values at a place in the records of each run, of training and of held-out images."""
    found = []
    for index, run in enumerate(runs):
        for kind in ("train", "validation"):
            points = list(_points(run, kind, where))
            if points:
                x, y = zip(*points, strict=True)
                found.append(
                    Curve(index, _middles(x) if kind == "train" else x, y, kind == "validation")
                )
    return found


def _middles(x: Sequence[float]) -> tuple[float, ...]:
    """Where the mean over a stretch stands, of the ends of stretches that follow one another."""
    return tuple((a + b) / 2 for a, b in pairwise([0.0, *x]))


def _points(run: RunSummary, kind: str, where: Sequence[str]) -> Iterator[tuple[float, float]]:
    for record in run.records:
        value = record if record.get("kind") == kind else None
        for key in where:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, (int, float)) and math.isfinite(value):
            yield float(record["epoch"]), float(value)


def _repeats_loss(runs: Sequence[RunSummary], phase: str, term: str) -> bool:
    """Whether a term is all of its phase's loss in every run, and need not be drawn twice."""
    if term == "loss":
        return False
    return all(
        values[term] == values.get("loss")
        for run in runs
        for record in run.records
        for values in [(record.get("terms") or {}).get(phase) or {}]
        if term in values
    )


def _draw_curve(
    axes: "Axes", curve: Curve, runs: Sequence[RunSummary]
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a curve; gives the epochs and means of the `POINTS` stretches that it shows."""
    stretches = np.array_split(np.arange(len(curve.x)), min(POINTS, len(curve.x)))
    x = np.array([np.mean([curve.x[i] for i in stretch]) for stretch in stretches])
    parts = [np.asarray(curve.y)[stretch] for stretch in stretches]
    mean = np.array([part.mean() for part in parts])
    ink = runs[curve.index].ink
    if curve.held_out:
        marks = {"marker": "o", "markersize": 2.6, "markerfacecolor": PAPER}
        axes.plot(x, mean, color=ink, linewidth=0.9, linestyle=(0, (3, 2)), **marks)
    else:
        low, high = [part.min() for part in parts], [part.max() for part in parts]
        axes.fill_between(x, low, high, color=ink, alpha=0.16, linewidth=0)
        axes.plot(x, mean, color=ink, linewidth=1.7)
    return x, mean


def _scale(axes: "Axes", panel: Curves, shown: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    if panel.log and all((mean > 0).all() for _, mean in shown):
        axes.set_yscale("log")
    elif panel.unit == "share":
        axes.set_ylim(-0.02, 1.02)
    elif panel.across == "epoch":
        _leave_out_the_start(axes, shown)


def _leave_out_the_start(axes: "Axes", shown: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Scales to what follows the first tenth where that start would flatten all the rest."""
    everything = np.concatenate([mean for _, mean in shown])
    later = np.concatenate([mean[x >= 0.1 * x[-1]] for x, mean in shown])
    low, high = later.min(), later.max()
    if everything.max() - low <= 2.5 * (high - low) or high == low:
        return
    axes.set_ylim(low - 0.06 * (high - low), high + 0.22 * (high - low))
    text = f"early, up to {everything.max():.3g}: off the scale"
    style = {"ha": "right", "va": "top", "color": MUTED, "fontsize": 7.5}
    axes.text(0.98, 0.97, text, transform=axes.transAxes, **style)


def _label_ends(axes: "Axes", ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Each curve's letter at its end, moved apart where two would touch."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    points = 72 / figure.dpi
    lowest = -np.inf
    for x, y, text, ink in sorted(ends, key=lambda end: axes.transData.transform(end[:2])[1]):
        height = axes.transData.transform((x, y))[1] * points
        lowest = max(height, lowest + 11)
        style = {"textcoords": "offset points", "va": "center", "annotation_clip": False}
        place = (7, lowest - height)
        axes.annotate(text, (x, y), xytext=place, color=ink, fontweight="bold", **style)


def _few_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_locator(MaxNLocator(5))
        return
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=7))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
