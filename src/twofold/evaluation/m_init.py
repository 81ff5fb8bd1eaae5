"""The measures that `evaluate` knows, each a function from a context to figures."""

from collections.abc import Callable, Iterator

from twofold.evaluation.figure import Figure
from twofold.evaluation.m_annealed import ais
from twofold.evaluation.m_cost import cost
from twofold.evaluation.m_features import bins, coverage, distance
from twofold.evaluation.m_latents import latents, latents_mlp
from twofold.evaluation.m_likelihood import likelihood
from twofold.evaluation.m_losses import losses
from twofold.evaluation.m_memorization import memorization
from twofold.evaluation.m_modes import modes
from twofold.evaluation.m_recognition import (
    by_mlp,
    classes,
    classification,
    gan_test,
    gan_train,
    reconstruction,
)
from twofold.experiments.context import Context
from twofold.registry import entries, register

__all__ = ["default_measures", "measures"]

SLOW = ("ais", "gan-train", "mlp-judge", "latents", "latents-mlp")  # asked for by name

for _name, _measure in {
    "likelihood": likelihood,
    "ais": ais,
    "distance": distance,
    "coverage": coverage,
    "bins": bins,
    "memorization": memorization,
    "gan-test": gan_test,
    "gan-train": gan_train,
    "mlp-judge": by_mlp,
    "classes": classes,
    "modes": modes,
    "reconstruction": reconstruction,
    "classification": classification,
    "latents": latents,
    "latents-mlp": latents_mlp,
    "losses": losses,
    "cost": cost,
}.items():
    register("measure", _name)(_measure)


def measures() -> dict[str, Callable[[Context], Iterator[Figure]]]:
    """Every registered measure by name, in the order of the report."""
    return {entry.name: entry.make for entry in entries("measure")}


def default_measures() -> list[str]:
    """Those that `evaluate` takes unless it is asked for others."""
    return [name for name in measures() if name not in SLOW]
