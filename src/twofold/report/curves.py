"""From the log to panels: which curves belong together, with their units."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from twofold.report.facts import Facts
from twofold.report.words import slug

__all__ = ["Curve", "Panel", "diagnosis_panels", "panels"]

NATS = "nats per image"
# phase or phase/term -> (title, unit, note)
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
    """One run's values of one term.

    Attributes:
        index: Of the run, for its color and letter.
        x: Epochs.
        y: Values in the panel's unit.
        held_out: Whether on held-out images.
    """

    index: int
    x: Sequence[float]
    y: Sequence[float]
    held_out: bool = False


@dataclass(frozen=True)
class Panel:
    """One small figure.

    Attributes:
        key: Names its file: `vae-kl`.
        title: For people.
        unit: Of the vertical axis.
        curves: Of the runs.
        log: Whether the vertical axis is logarithmic.
        across: What the horizontal axis counts.
    """

    key: str
    title: str
    unit: str
    curves: list[Curve] = field(default_factory=list)
    log: bool = False
    across: str = "epoch"


def panels(runs: Sequence[Facts]) -> list[Panel]:
    """A panel for every term of every phase, then one of gradient norms per phase."""
    found = []
    for phase, term in _terms(runs):
        if _repeats_loss(runs, phase, term):
            continue
        key = f"{phase}/{term}"
        title, unit = TITLES.get(key, (f"{phase}: {term.replace('_', ' ')}", NATS))
        found.append(_panel(runs, key, title, unit, ("terms", phase, term)))
    for phase in dict.fromkeys(phase for phase, _ in _terms(runs)):
        title = f"Gradient norm, {phase.upper() if phase == 'vae' else phase}"
        where = ("grad_norm", phase)
        found.append(_panel(runs, f"{phase}/grad_norm", title, "norm", where, log=True))
    return [panel for panel in found if panel.curves]


def diagnosis_panels(runs: Sequence[Facts]) -> list[Panel]:
    """Panels of what the diagnosis counts while a run goes on."""
    found = []
    for name, (title, unit) in DIAGNOSES.items():
        panel = _panel(runs, f"diagnosis/{name}", title, unit, ("diagnosis", name))
        if any(len(curve.x) > 1 for curve in panel.curves):
            found.append(panel)
    ranked = [
        Curve(index, range(1, len(kls) + 1), sorted(kls, reverse=True))
        for index, run in enumerate(runs)
        if (kls := run.diagnosis[0].get("kl_per_dim"))
    ]
    if ranked:
        title = "KL of each latent dimension"
        found.append(Panel("kl-per-dim", title, NATS, ranked, across="dimension, by its KL"))
    return found


def _panel(
    runs: Sequence[Facts],
    key: str,
    title: str,
    unit: str,
    where: tuple[str, ...],
    log: bool = False,
) -> Panel:
    curves = []
    for index, run in enumerate(runs):
        for kind in ("train", "validation"):
            x, y = _series(run, kind, where)
            if x:
                curves.append(Curve(index, x, y, kind == "validation"))
    return Panel(slug(key), title, unit, curves, log)


def _series(run: Facts, kind: str, where: Iterable[str]) -> tuple[list[float], list[float]]:
    x, y = [], []
    for record in run.records:
        if record.get("kind") != kind:
            continue
        value = record
        for key in where:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, (int, float)) and math.isfinite(value):
            x.append(float(record["epoch"]))
            y.append(float(value))
    return x, y


def _terms(runs: Sequence[Facts]) -> list[tuple[str, str]]:
    """Every (phase, term) of the log, in its order."""
    found = {
        (phase, term): None
        for run in runs
        for record in run.records
        for phase, values in (record.get("terms") or {}).items()
        for term in values
    }
    return list(found)


def _repeats_loss(runs: Sequence[Facts], phase: str, term: str) -> bool:
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
