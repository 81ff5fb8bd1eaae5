"""The measures that `evaluate` knows, each a function from a context to figures."""

from collections.abc import Callable, Iterator

from twofold.apply.context import Context
from twofold.apply.measures.annealed import ais
from twofold.apply.measures.cost import cost
from twofold.apply.measures.features import bins, coverage, distance
from twofold.apply.measures.latents import latents, latents_mlp
from twofold.apply.measures.likelihood import likelihood
from twofold.apply.measures.losses import losses
from twofold.apply.measures.memorization import memorization
from twofold.apply.measures.modes import modes
from twofold.apply.measures.recognition import (
    by_mlp,
    classes,
    classification,
    gan_test,
    gan_train,
    reconstruction,
)
from twofold.metrics.measure import Measure
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


def measures() -> dict[str, Callable[[Context], Iterator[Measure]]]:
    """Every registered measure by name, in the order of the report."""
    return {entry.name: entry.make for entry in entries("measure")}


def default_measures() -> list[str]:
    """Those that `evaluate` takes unless it is asked for others."""
    return [name for name in measures() if name not in SLOW]
