"""One trial: a run, trained or continued, and its figure in the journal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from twofold.errors import DataError, NotFiniteError, UsageError
from twofold.experiments.folders import state_of
from twofold.experiments.resolve import resolve
from twofold.experiments.run import Run
from twofold.experiments.seed_runs import SeedRun, train_seed_run
from twofold.sweeps.ledger import Ledger
from twofold.sweeps.objective import Objective
from twofold.sweeps.space import Value
from twofold.training.callbacks import Callback
from twofold.training.progress import Progress

__all__ = ["Trial", "folder_name", "in_words", "take_trial", "trials_of"]

LONGEST = 100  # characters of a folder's name
State = Literal["done", "repeated", "pruned", "failed", "unfinished"]


@dataclass(frozen=True)
class Trial:
    """How one trial went.

    Attributes:
        number: From 0.
        settings: What was tried, by the names of fields.
        state: `repeated` where its settings had been tried before: that figure counts, and nothing
            is trained again; `pruned` where it was stopped as worse than others by then; `failed`
            where its settings do not fit or its loss was not finite.
        folder: Its run.
        value: The figure, or None.
        seconds: Of training, or None.
        reason: Why it failed.
    """

    number: int
    settings: Mapping[str, Value]
    state: State
    folder: Path
    value: float | None = None
    seconds: float | None = None
    reason: str = ""


def trials_of(ledger: Ledger) -> list[Trial]:
    """All trials that were begun, by number."""
    states: dict[str, State] = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}
    found = []
    for one in ledger.trials():
        if one.state.name == "WAITING":
            continue
        state, known = states.get(one.state.name, "unfinished"), one.user_attrs
        folder = ledger.folder / known.get("run", folder_name(one.number, one.params))
        if state == "done" and folder.name != folder_name(one.number, one.params):
            state = "repeated"
        value = one.value if one.state.name == "COMPLETE" else None
        more = (value, known.get("seconds"), known.get("reason", ""))
        found.append(Trial(one.number, one.params, state, folder, *more))
    return found


def in_words(settings: Mapping[str, Value]) -> str:
    """Settings as they are given on a command line, numbers to three digits.

    Example:
        >>> in_words({"latent_dim": 8, "lr": 0.00123456})
        'latent_dim=8 lr=0.00123'
    """
    return " ".join(f"{key}={_short(value)}" for key, value in settings.items())


def folder_name(number: int, settings: Mapping[str, Value]) -> str:
    """The name of a trial's run: its number keeps names apart that are cut short.

    Example:
        >>> folder_name(3, {"latent_dim": 8, "decoder.layers": "fc-8 fc-8"})
        '0003-latent_dim=8-decoder.layers=fc-8-fc-8'
    """
    text = f"{number:04d}-{in_words(settings)}"
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "=.-+_") else "-" for c in text)
    return kept[:LONGEST].rstrip("-.")


def _short(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def take_trial(ledger: Ledger, objective: Objective, progress: Progress) -> bool:
    """Takes a trial that is left to its end; False where none is.

    Raises:
        KeyboardInterrupt: After Ctrl-C; the trial can be gone on with.
        RunError: If it cannot be written, or its folder holds something else.
    """
    with ledger.next_trial() as found:
        if found is None:
            return False
        trial, settings = found
        states = ledger.optuna.trial.TrialState
        for one in trials_of(ledger):
            if one.state == "done" and one.settings == settings:
                trial.set_user_attr("run", one.folder.name)
                ledger.study.tell(trial, one.value)
                return True
        try:
            run, value = _train_and_measure(ledger, objective, trial, settings, progress)
        except _Pruned:
            ledger.study.tell(trial, state=states.PRUNED)
        except (UsageError, DataError, NotFiniteError) as error:
            trial.set_user_attr("reason", str(error))
            ledger.study.tell(trial, state=states.FAIL)
        else:
            trial.set_user_attr("seconds", run.records[-1]["seconds"])
            if math.isfinite(value):
                ledger.study.tell(trial, value)
            else:
                trial.set_user_attr("reason", f"its {objective.name} is {value}")
                ledger.study.tell(trial, state=states.FAIL)
        return True


def _train_and_measure(
    ledger: Ledger,
    objective: Objective,
    trial: Any,
    settings: Mapping[str, Value],
    progress: Progress,
) -> tuple[Run, float]:
    experiment = resolve(ledger.experiment, settings)
    folder = ledger.folder / folder_name(trial.number, settings)
    seed_run = SeedRun(in_words(settings), experiment, folder, state_of(folder, experiment))
    if seed_run.state != "finished":
        progress.say(f"trial {trial.number} of {ledger.total}: {seed_run.draw}")
    callbacks = [_Pruner(ledger, trial, objective)] if ledger.plan["prune"] else []
    run = train_seed_run(seed_run, progress, callbacks=callbacks)
    if not run.finished:
        raise KeyboardInterrupt
    return run, objective.of(run, progress)


class _Pruned(Exception):  # noqa: N818
    """A trial that is worse than half of the others were after as many epochs."""


class _Pruner(Callback):
    """Reports every validation to Optuna, and stops a trial that falls behind."""

    def __init__(self, ledger: Ledger, trial: Any, objective: Objective) -> None:
        self.trial, self.objective = trial, objective
        self.reported: Sequence[int] = list(ledger.trials()[trial.number].intermediate_values)

    def on_record(self, entry: dict[str, Any]) -> None:
        epoch = round(entry["epoch"])
        if entry["kind"] != "validation" or epoch in self.reported:
            return
        self.trial.report(self.objective.of_record(entry), epoch)
        self.reported = [*self.reported, epoch]
        if self.trial.should_prune():
            raise _Pruned
