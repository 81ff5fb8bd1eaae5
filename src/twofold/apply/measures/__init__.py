"""The measures that `evaluate` knows, each a function from a subject to figures."""

from collections.abc import Callable, Iterator

from twofold.apply.measures.annealed import ais
from twofold.apply.measures.classes import classes
from twofold.apply.measures.cost import cost
from twofold.apply.measures.coverage import bins, coverage
from twofold.apply.measures.distance import distance
from twofold.apply.measures.gan_train import gan_train
from twofold.apply.measures.latents import latents, latents_mlp
from twofold.apply.measures.likelihood import likelihood
from twofold.apply.measures.losses import losses
from twofold.apply.measures.memorization import memorization
from twofold.apply.measures.modes import modes
from twofold.apply.measures.recognition import (
    by_mlp,
    classification,
    gan_test,
    reconstruction,
)
from twofold.apply.measures.subject import Subject, make_subject
from twofold.metrics.measure import Measure

__all__ = ["DEFAULT", "MEASURES", "Subject", "make_subject"]

MEASURES: dict[str, Callable[[Subject], Iterator[Measure]]] = {
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
}
SLOW = ("ais", "gan-train", "mlp-judge", "latents", "latents-mlp")
DEFAULT = tuple(name for name in MEASURES if name not in SLOW)
