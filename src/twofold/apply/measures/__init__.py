"""The measures that `evaluate` knows, each a function from a subject to figures."""

from collections.abc import Callable, Iterator

from twofold.apply.measures.annealed import ais
from twofold.apply.measures.cost import cost
from twofold.apply.measures.likelihood import likelihood
from twofold.apply.measures.losses import losses
from twofold.apply.measures.readings import gan_train, latent_labels
from twofold.apply.measures.recognition import classification, gan_test, reconstruction
from twofold.apply.measures.subject import Subject, make_subject
from twofold.metrics.measure import Measure

__all__ = ["DEFAULT", "MEASURES", "Subject", "make_subject"]

MEASURES: dict[str, Callable[[Subject], Iterator[Measure]]] = {
    "likelihood": likelihood,
    "gan-test": gan_test,
    "reconstruction": reconstruction,
    "classification": classification,
    "losses": losses,
    "cost": cost,
    "gan-train": gan_train,
    "latents": latent_labels,
    "ais": ais,
}
DEFAULT = ("likelihood", "gan-test", "reconstruction", "classification", "losses", "cost")
