"""Who tries what and how it went: Optuna's journal in the folder of a sweep.

The journal is all that is stored of a sweep beside the runs. Several processes append to it, on one
machine or on several that share the folder. A trial that is under way is locked by its process; one
that is under way and not locked was interrupted, and whoever looks for work next goes on with it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from twofold.errors import RunError
from twofold.experiments.resolve import parse_experiment
from twofold.experiments.run import differences
from twofold.experiments.schema import Experiment
from twofold.locks import TEMPORARY, locked
from twofold.packages import require
from twofold.streams import seed_for
from twofold.sweeps.space import Choice, Factor, Range, Value, cells

__all__ = ["JOURNAL", "Ledger", "holds_sweep"]

JOURNAL = "trials.jsonl"
NAME = "sweep"
STARTUP = 5  # trials before any is pruned, and validations of a trial before it can be


class _Lock:
    """One process at a time appends to the journal; a line that a killed one cut short is removed.

    Optuna's own lock outlives the process that holds it, and the next line would be appended to
    the torn one.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._stack = path, ExitStack()

    def acquire(self) -> bool:
        lock = self.path.with_name(f"{TEMPORARY}{self.path.name}")
        self._stack.enter_context(locked(lock, f"is writing {self.path}", lambda _: None))
        with self.path.open("rb+") as file:
            if end := file.seek(0, os.SEEK_END):
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        self._stack.close()


def holds_sweep(folder: Path) -> bool:
    """Whether a sweep was begun in a folder.

    Raises:
        RunError: If it holds something else.
    """
    if folder.is_file():
        raise RunError(f"{folder} is a file; --out names a folder")
    if (folder / JOURNAL).exists() or not folder.exists():
        return folder.exists()
    if any(not one.name.startswith(TEMPORARY) for one in folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no sweep; choose another --out")
    return False


class Ledger:
    """The journal of a sweep, opened or begun.

    Arguments:
        folder: Of the sweep.
        plan: What is swept, where it may be a new one: see `plan_of`.

    Raises:
        UsageError: If Optuna is not installed.
        RunError: If the folder holds another sweep, or cannot be written.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.optuna = require("optuna", "sweep")
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        if plan is not None:
            self._begin(plan)
        self.study = self._open()

    @property
    def path(self) -> Path:
        return self.folder / JOURNAL

    def _begin(self, plan: Mapping[str, Any]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {self.folder}: {error.strerror or error}") from error
        with self._alone():
            study = self._open("maximize" if plan["higher"] else "minimize")
            there = study.user_attrs.get("plan")
            if there is not None:
                _refuse_another(self.folder, there, plan)
            if there != plan:  # it may have more trials now
                study.set_user_attr("plan", dict(plan))

    def _alone(self) -> Any:
        lock = self.folder / f"{TEMPORARY}next-trial"
        return locked(lock, f"is choosing a trial of {self.folder}", lambda _: None)

    def _open(self, direction: str = "") -> Any:
        journal = self.optuna.storages.journal
        try:
            backend = journal.JournalFileBackend(str(self.path), _Lock(self.path))
            storage = self.optuna.storages.JournalStorage(backend)
            if direction:
                return self.optuna.create_study(
                    storage=storage, study_name=NAME, direction=direction, load_if_exists=True
                )
            return self.optuna.load_study(storage=storage, study_name=NAME)
        except OSError as error:
            raise RunError(f"cannot write {self.path}: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{self.path} is damaged ({error}); the runs beside it are whole, and a sweep in "
                "another --out begins anew"
            ) from error

    @cached_property
    def plan(self) -> Mapping[str, Any]:
        """What is swept."""
        return self.study.user_attrs["plan"]

    @cached_property
    def experiment(self) -> Experiment:
        """What every trial starts from."""
        return parse_experiment(self.plan["experiment"], str(self.path))

    @cached_property
    def factors(self) -> dict[str, Factor]:
        """What is tried, by the names of fields."""
        return {
            key: Choice(tuple(one["values"])) if "values" in one else Range(**one)
            for key, one in self.plan["space"].items()
        }

    @property
    def total(self) -> int:
        """How many trials there will be."""
        return self.plan["trials"]

    def trials(self) -> list[Any]:
        """Optuna's records of all trials so far, by number."""
        return self.study.get_trials(deepcopy=False)

    @contextmanager
    def next_trial(self) -> Iterator[tuple[Any, dict[str, Value]] | None]:
        """A trial that nobody else works at within the block, and its settings.

        An interrupted one first; None where nothing is left to begin.
        """
        with ExitStack() as stack:
            with self._alone():
                trial = self._interrupted(stack) or self._new(stack)
                settings = trial and {
                    key: factor.suggest(trial, key) for key, factor in self.factors.items()
                }
            yield trial and (trial, settings)

    def _interrupted(self, stack: ExitStack) -> Any:
        running = self.optuna.trial.TrialState.RUNNING
        for one in self.trials():
            if one.state == running and self._lock(one.number, stack):
                return self.optuna.trial.Trial(self._with_sampler(one.number), one._trial_id)
        return None

    def _new(self, stack: ExitStack) -> Any:
        waits = self.optuna.trial.TrialState.WAITING
        there = self.trials()
        tried = [one.params for one in there if one.state != waits]
        waiting = len(tried) < len(there)  # of one who was killed right here
        if len(tried) >= self.total and not waiting:
            return None
        study = self._with_sampler(len(tried))
        if self.plan["search"] == "grid" and not waiting:
            cell = next((one for one in cells(self.factors) if one not in tried), None)
            if cell is None:
                return None
            study.enqueue_trial(cell)
        trial = study.ask()
        self._lock(trial.number, stack)
        return trial

    def _lock(self, number: int, stack: ExitStack) -> bool:
        lock = self.folder / f"{TEMPORARY}trial-{number:04d}"
        try:
            stack.enter_context(locked(lock, f"is at trial {number} of {self.folder}"))
        except RunError:
            return False
        return True

    def _with_sampler(self, number: int) -> Any:
        """The study with a sampler that draws the same for a trial, whichever process asks."""
        seed = seed_for(f"sweep {self.plan['search_seed']}", number) % 2**32
        samplers, pruners = self.optuna.samplers, self.optuna.pruners
        if self.plan["search"] == "tpe":
            self.study.sampler = samplers.TPESampler(seed=seed, constant_liar=True)
        else:
            self.study.sampler = samplers.RandomSampler(seed=seed)
        self.study.pruner = pruners.MedianPruner(STARTUP, STARTUP)
        return self.study


def _refuse_another(folder: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuses a journal of another sweep; only the number of trials may differ."""
    other = [
        f"{key}={json.dumps(there[key])} in place of {json.dumps(asked[key])}"
        for key in asked
        if key not in ("experiment", "trials") and there[key] != asked[key]
    ]
    before, now = (parse_experiment(one["experiment"], str(folder)) for one in (there, asked))
    other += [f"{key}={a!r} in place of {b!r}" for key, (a, b) in differences(before, now).items()]
    if other:
        raise RunError(
            f"{folder} holds another sweep, with {', '.join(other[:3])}; choose another --out"
        )
