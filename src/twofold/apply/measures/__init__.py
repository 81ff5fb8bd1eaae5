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
from twofold.apply.measures.memory import memory
from twofold.apply.measures.modes import modes
from twofold.apply.measures.recognition import classification, gan_test, reconstruction
from twofold.apply.measures.subject import Subject, make_subject
from twofold.metrics.measure import Measure

__all__ = ["DEFAULT", "MEASURES", "Subject", "make_subject"]

MEASURES: dict[str, Callable[[Subject], Iterator[Measure]]] = {
    "likelihood": likelihood,
    "gan-test": gan_test,
    "reconstruction": reconstruction,
    "classification": classification,
    "distance": distance,
    "coverage": coverage,
    "bins": bins,
    "memory": memory,
    "classes": classes,
    "modes": modes,
    "losses": losses,
    "cost": cost,
    "gan-train": gan_train,
    "latents": latents,
    "latents-mlp": latents_mlp,
    "ais": ais,
}
DEFAULT = (
    *("likelihood", "gan-test", "reconstruction", "classification", "modes"),
    *("losses", "cost"),
)
