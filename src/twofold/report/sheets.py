"""Samples of every run from one seed, a row per class where the model is conditioned on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from twofold.apply.common.result import pixels as shown
from twofold.apply.sample import sample
from twofold.errors import UsageError
from twofold.experiments.run import Run
from twofold.report.facts import Facts
from twofold.report.pixels import Pixels, grid
from twofold.report.words import epochs

__all__ = ["Sheet", "draw_sheet"]

COLUMNS = 10
MAX_CLASSES = 20


@dataclass(frozen=True)
class Sheet:
    """A run's samples, or why there are none.

    Attributes:
        facts: The run.
        pixels: With the name of the class of each row, where the model is conditioned on
            it; None without samples.
        caption: What was drawn, or why nothing was.
    """

    facts: Facts
    pixels: Pixels | None
    caption: str


def draw_sheet(run: Run, facts: Facts, seed: int) -> Sheet:
    """Ten images of every class, or a hundred of a model that is conditioned on none.

    Raises:
        RunError: If the checkpoint is damaged or of another experiment than the run says.
    """
    if not run.has_checkpoint:
        return Sheet(facts, None, "No samples: there is no checkpoint yet.")
    names = [str(name) for name in facts.data.get("class_names") or []]
    by_class = facts.condition == "class"
    rows = names[:MAX_CLASSES] if by_class else []
    try:
        labels = [name for name in rows for _ in range(COLUMNS)] if by_class else None
        samples = sample(run, n=COLUMNS * (len(rows) if by_class else 10), label=labels, seed=seed)
    except UsageError as error:
        return Sheet(facts, None, f"No samples: {error}.")
    picture, alt = grid(shown(samples.images), COLUMNS), f"Samples of {facts.name}"
    pixels = Pixels(f"samples-{facts.letter}", alt, picture, tuple(rows))
    return Sheet(facts, pixels, _caption(facts, seed, len(names), rows))


def _caption(facts: Facts, seed: int, num_classes: int, rows: Sequence[str]) -> str:
    after = "" if facts.epochs_done is None else f" after {epochs(facts.epochs_done)}"
    text = f"{facts.model_title}{after}, seed {seed}, {facts.latent_dim} latents"
    if rows and num_classes > len(rows):
        text += f"; the first {len(rows)} of {num_classes} classes"
    return text + ("." if rows else "; not conditioned on the class, so rows mean nothing.")
