"""Functions of one's own that are called while a run goes on."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.errors import UsageError

if TYPE_CHECKING:
    from twofold.training.loop import Outcome, Trainer

__all__ = ["Callback", "Callbacks", "Listener"]

EVENTS = ("on_start", "on_record", "on_picture", "on_end")


class Callback:
    """Is called while a run goes on; override what is of interest, or give any of these alone.

    It may read the trainer and its model. Torch's random numbers are its own: what it draws does
    not change training. An error in it stops the run at the end of the step, with a checkpoint from
    which `resume` continues, and is then raised.

    Example:
        >>> class Losses(Callback):
        ...     def __init__(self) -> None:
        ...         self.losses: list[float] = []
        ...
        ...     def on_record(self, entry: dict[str, Any]) -> None:
        ...         self.losses += [terms["loss"] for terms in entry["terms"].values()]
        >>> losses = Losses()
        >>> losses.on_record({"kind": "train", "terms": {"vae": {"loss": 2.5}}})
        >>> losses.losses
        [2.5]
    """

    def on_start(self, trainer: "Trainer") -> None:
        """Before the first step of a session: of a new run, or of one that goes on."""

    def on_record(self, entry: dict[str, Any]) -> None:
        """After each line of metrics.jsonl, with what it says: `kind` is train or validation."""

    def on_picture(self, path: Path, step: int) -> None:
        """After each picture of samples, with its file."""

    def on_end(self, outcome: "Outcome") -> None:
        """After the last step of a session, also of one that was interrupted or went wrong."""


Listener = Callback | Callable[[dict[str, Any]], Any]


class Callbacks:
    """Those of a run, called one after the other.

    Arguments:
        given: Callbacks, or functions of a record.

    Attributes:
        error: The first that was raised, or None.

    Raises:
        UsageError: If one has nothing that could be called.
    """

    def __init__(self, given: Iterable[Listener]) -> None:
        self.given = list(given)
        self.error: Exception | None = None
        for one in self.given:
            if not callable(one) and not _has_events(one):
                raise UsageError(
                    f"callbacks: {one!r} is no function of a record and has none of "
                    f"{', '.join(EVENTS)}"
                )

    def tell(self, event: str, *arguments: Any) -> None:
        """Calls all that listen to an event; an error of one does not keep it from the others."""
        for one in self.given:
            heard: Any = getattr(one, event, None)
            if heard is None and event == "on_record" and not _has_events(one):
                heard = one
            if heard is not None:
                try:
                    heard(*arguments)
                except Exception as error:
                    self.error = self.error or error


def _has_events(one: object) -> bool:
    return any(hasattr(one, event) for event in EVENTS)
