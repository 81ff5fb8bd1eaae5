"""Folders of runs: who may train in one, and how far an experiment has come there."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Literal

from twofold.errors import RunError, UnreadableError, UsageError
from twofold.experiments.run import Run, differences
from twofold.experiments.schema import DURATION, Experiment
from twofold.locks import TEMPORARY, locked, sweep

__all__ = ["State", "claimed", "locked_for_training", "refuse_used", "state_of"]

State = Literal["new", "interrupted", "finished"]


@contextmanager
def claimed(experiment: Experiment, out: str | Path | None) -> Iterator[Path]:
    """The folder for a new run; nobody else trains in it within the block."""
    if out is not None:
        refuse_used(Path(out), experiment)
        with locked_for_training(Path(out)):
            refuse_used(Path(out), experiment)
            yield Path(out)
        return
    first = Path("runs") / experiment.name
    for number in count(1):
        folder = first if number == 1 else first.with_name(f"{first.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"cannot write {folder}: {error.strerror or error}") from error
        try:
            with locked_for_training(folder):
                yield folder
        finally:
            with suppress(OSError):  # where nothing could be written, nothing stays
                folder.rmdir()
        return


@contextmanager
def locked_for_training(folder: Path) -> Iterator[None]:
    """One process at a time trains in a folder; what a killed one left half is removed.

    Raises:
        RunError: Naming the process that does, or if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from error
    with locked(folder / f"{TEMPORARY}training", f"is training {folder}"):
        for place in (folder, folder / "checkpoints", folder / "samples"):
            sweep(place)
        yield


def refuse_used(folder: Path, experiment: Experiment) -> None:
    """Refuses a folder in which a run can be resumed, or that holds anything else.

    Raises:
        UsageError, RunError: Saying what it holds.
    """
    if state_of(folder, experiment) != "new":
        raise RunError(
            f"{folder} already holds this run; `twofold resume {folder}` continues it, "
            "or choose another --out"
        )


def state_of(folder: Path, experiment: Experiment) -> State:
    """How far an experiment has come in a folder; without a checkpoint it starts anew.

    Raises:
        UsageError, RunError: If the folder holds anything else.
    """
    if folder.is_file():
        raise UsageError(f"{folder} is a file; --out names a folder")
    if not folder.exists() or all(one.name.startswith(TEMPORARY) for one in folder.iterdir()):
        return "new"
    if not (folder / "experiment.yaml").exists():
        raise RunError(f"{folder} is not empty and is no run; choose another --out")
    run = Run(folder)
    if other := differences(run.experiment, experiment):
        changes = [f"{key}={there} in place of {asked}" for key, (there, asked) in other.items()]
        shown = ", ".join(changes[:3] + ["…"] * (len(changes) > 3))
        longer = ""
        if other.keys() <= DURATION:
            key, asked = next((key, asked) for key, (_, asked) in other.items() if asked)
            longer = f", or `twofold resume {folder} {key.removeprefix('training.')}={asked:g}`"
        raise RunError(
            f"{folder} holds a run of another experiment, with {shown}; choose another --out"
            + longer
        )
    if not run.has_checkpoint:
        return "new"  # stopped before its first checkpoint, for example by a full disk
    try:
        return "finished" if run.finished else "interrupted"
    except UnreadableError:
        raise
    except RunError:
        return "interrupted"  # resuming goes back to the checkpoint before
