"""Which validation was the best, and when no better one is waited for any longer.

A figure is one number of a validation's record: `vae/loss` is a term of a phase, `diversity` one of
the diagnosis. A term that only one phase has goes by its bare name, `loss`. `elbo` is minus the sum
of the terms that make it up.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from twofold.errors import UsageError
from twofold.training.settings import TrainingSettings

__all__ = ["Best", "figure_of", "higher_is_better"]

HIGHER = frozenset(
    {"elbo", "accuracy", "diversity", "active_units"}
)  # of all others less is better
ELBO = ("recon_nll", "kl")  # what a phase with an ELBO has
PARTS = (*ELBO, "label_kl")  # what counts towards it


@dataclass
class Best:
    """The best validation so far.

    Attributes:
        figure: What is compared, as it was asked for: `elbo`, `max:accuracy`.
        patience: Validations without a better one after which training stops, or None.
        step: Of the best, None before the first.
        epoch: Of the best.
        value: Of the figure there.
        waited: Validations since.

    Example:
        >>> best = Best("loss", patience=2)
        >>> [best.improves({"step": s, "epoch": s / 9, "terms": {"vae": {"loss": loss}}})
        ...  for s, loss in ((9, 3.0), (18, 2.0), (27, 2.5), (36, 2.0))]
        [True, True, False, False]
        >>> best.step, best.waited, best.is_final
        (18, 2, True)
    """

    figure: str
    patience: int | None = None
    step: int | None = None
    epoch: float = 0.0
    value: float = 0.0
    waited: int = 0

    @classmethod
    def of(cls, settings: TrainingSettings, is_validated: bool) -> "Best | None":
        """What keeps the best validation, where that is asked for.

        Raises:
            UsageError: If there are no validation images.
        """
        if settings.keep_best is None:
            return None
        if not is_validated:
            raise UsageError(
                f"keep_best={settings.keep_best} needs validation images, and there are none that "
                "this model can read; set some aside, as in validation=0.1"
            )
        return cls(settings.keep_best, settings.patience)

    def improves(self, entry: Mapping[str, Any]) -> bool:
        """Takes note of a validation, and says whether it is the best so far.

        Raises:
            UsageError: If it has no such figure.
        """
        value, sign = figure_of(entry, self.figure), self._sign
        better = math.isfinite(value) and (self.step is None or sign * value > sign * self.value)
        if better:
            self.step, self.epoch, self.value, self.waited = entry["step"], entry["epoch"], value, 0
        else:
            self.waited += 1
        return better

    @property
    def is_final(self) -> bool:
        """Whether no better one is waited for."""
        return self.patience is not None and self.waited >= self.patience

    def facts(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return asdict(self)

    def words(self) -> str:
        """What a run says of it at its end."""
        if self.step is None:
            return f"no validation had a finite {self.figure}; the weights are the last ones"
        stop = f"stopped: no better one in {self.waited} validations; " if self.is_final else ""
        shown = f"{self.figure} {self.value:.6g}"
        return f"{stop}the weights are those of epoch {self.epoch:g}, with the best {shown}"

    @property
    def _sign(self) -> int:
        return 1 if higher_is_better(self.figure) else -1


def higher_is_better(figure: str) -> bool:
    """Whether more of a figure of a validation's record is better.

    Example:
        >>> higher_is_better("elbo"), higher_is_better("vae/loss"), higher_is_better("max:kl")
        (True, False, True)
    """
    way, _, name = figure.rpartition(":")
    return way == "max" or (not way and name.rpartition("/")[2] in HIGHER)


def figure_of(entry: Mapping[str, Any], figure: str, field: str = "keep_best") -> float:
    """A figure of a validation's record, which a field asks for.

    Raises:
        UsageError: Listing those there are, if there is no such figure or it could be several.

    Example:
        >>> entry = {"terms": {"vae": {"loss": 9.5, "recon_nll": 8.0, "kl": 2.0}}}
        >>> figure_of(entry, "elbo"), figure_of(entry, "vae/kl"), figure_of(entry, "max:kl")
        (-10.0, 2.0, 2.0)
    """
    name = figure.rpartition(":")[2]
    there = _figures(entry)
    if name in there:
        return there[name]
    several = [full for full in there if full.rpartition("/")[2] == name]
    if len(several) == 1:
        return there[several[0]]
    problem = f"{name} could be {' or '.join(several)}" if several else "there is no such figure"
    if name == "elbo":
        problem = "this model's terms make up no ELBO"
    raise UsageError(
        f"{field}={figure}: {problem}; a validation of this model has {', '.join(there)}"
    )


def _figures(entry: Mapping[str, Any]) -> dict[str, float]:
    """Every number of a validation's record, by its full name."""
    found = {}
    for phase, terms in entry.get("terms", {}).items():
        if set(ELBO) <= terms.keys():
            found["elbo"] = -sum(terms[name] for name in PARTS if name in terms)
        found |= {f"{phase}/{name}": value for name, value in terms.items()}
    diagnosis = entry.get("diagnosis", {})
    return found | {k: float(v) for k, v in diagnosis.items() if isinstance(v, int | float)}
