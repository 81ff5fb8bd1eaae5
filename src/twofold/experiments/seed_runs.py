"""Training one experiment with several seeds, or several draws of labels, one after the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twofold.errors import RunError, UsageError
from twofold.experiments.folders import State, state_of
from twofold.experiments.resolve import parse_changes, resolve
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.experiments.start import with_images
from twofold.experiments.train import resume, train
from twofold.ranges import whole_numbers
from twofold.training.callbacks import Listener
from twofold.training.progress import Console, Progress

__all__ = ["SeedRun", "Seeds", "plan_seeds", "train_seed_run", "train_seeds"]

Seeds = Iterable[int] | str


@dataclass(frozen=True)
class SeedRun:
    """One of several runs that differ in one seed.

    Attributes:
        draw: What sets it apart, `seed=1` or `label_seed=1`.
        experiment: Resolved.
        folder: Where it is trained.
        state: How far it has come.
    """

    draw: str
    experiment: Experiment
    folder: Path
    state: State


def train_seeds(
    experiment: str | Path | Experiment,
    changes: Iterable[str] | Mapping[str, Any] = (),
    *,
    seeds: Seeds | None = None,
    label_seeds: Seeds | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    dataset: Any = None,
    **fields: Any,
) -> list[Run]:
    """Trains an experiment once for each seed, one after the other.

    What is there already is not trained again: a finished run is left, an interrupted one is
    continued. After Ctrl-C no other run is started.

    Arguments:
        experiment: A name of the library, a YAML file, or an experiment.
        changes: Fields to change, as `key=value` texts or a mapping.
        seeds: Training seeds, as numbers or as text: `0,1,2` or `0..4`.
        label_seeds: In place of seeds: draws of the labels that are kept.
        out: Runs are trained in OUT-seed0, OUT-seed1 … or OUT-labels0 …; by default runs/NAME-….
        progress: Where to say how it goes; the terminal or notebook by default, `Silent()` nowhere.
        dataset: Images to use in place of those that the experiment names.
        fields: Fields to change, by their bare names.

    Returns:
        The runs in the order of their seeds; after Ctrl-C the last is unfinished.

    Raises:
        UsageError, DataError: Before anything is written, if something does not fit.
        RunError: If a folder holds something else, a loss is not finite, or the disk is full.
    """
    progress = progress or Console()
    seed_runs = plan_seeds(
        experiment,
        changes,
        seeds=seeds,
        label_seeds=label_seeds,
        out=out,
        dataset=dataset,
        **fields,
    )
    runs = []
    for number, one in enumerate(seed_runs, 1):
        progress.say(
            f"{number} of {len(seed_runs)}: {one.draw} in {one.folder}, {_news(one.state)}"
        )
        try:
            runs.append(train_seed_run(one, progress, dataset))
        except RunError as error:
            raise RunError(f"{one.draw} in {one.folder}: {error}") from error
        if not runs[-1].finished:
            break
    return runs


def plan_seeds(
    experiment: str | Path | Experiment,
    changes: Iterable[str] | Mapping[str, Any] = (),
    *,
    seeds: Seeds | None = None,
    label_seeds: Seeds | None = None,
    out: str | Path | None = None,
    dataset: Any = None,
    **fields: Any,
) -> list[SeedRun]:
    """What `train_seeds` would train, and how far each run has come.

    Raises:
        UsageError: If there are no seeds or they repeat, or the experiment fixes them otherwise.
        RunError: If a folder holds something else.
    """
    key, mark, given = _which(seeds, label_seeds)
    changes = parse_changes(changes)
    for field in (*changes, *fields):
        if field.rpartition(".")[2] == key:
            raise UsageError(f"{field} and {key}s say the same thing twice; leave {field} out")
    resolved = resolve(experiment, {**changes, **fields})
    if dataset is not None:
        resolved, _ = with_images(resolved, dataset)
    if key == "label_seed" and resolved.data.labels is None:
        raise UsageError(
            "label_seeds has no effect: every label is kept; keep fewer, as in labels=100"
        )
    folder = _folder(out, resolved)
    found = []
    for seed in _checked(given, f"{key}s"):
        one = resolve(resolved, {key: seed})
        place = folder.with_name(f"{folder.name}-{mark}{seed}")
        found.append(SeedRun(f"{key}={seed}", one, place, state_of(place, one)))
    return found


def _which(seeds: Seeds | None, label_seeds: Seeds | None) -> tuple[str, str, Seeds]:
    """The field that sets the runs apart, its mark in the names of folders, and its values."""
    if seeds is not None and label_seeds is not None:
        raise UsageError(
            "seeds and label_seeds at once would leave open which go together; train the label "
            "draws of one seed at a time, as in `label_seeds=0,1 seed=0 --out runs/NAME-seed0`"
        )
    if label_seeds is not None:
        return "label_seed", "labels", label_seeds
    return "seed", "seed", () if seeds is None else seeds


def train_seed_run(
    seed_run: SeedRun,
    progress: Progress,
    dataset: Any = None,
    callbacks: Iterable[Listener] = (),
) -> Run:
    """One of the runs, trained, continued or left as it is."""
    others: Any = {"progress": progress, "dataset": dataset, "callbacks": callbacks}
    if seed_run.state == "new":
        return train(seed_run.experiment, out=seed_run.folder, **others)
    return resume(seed_run.folder, **others)


def _news(state: State) -> str:
    return {
        "new": "from the start",
        "interrupted": "continued from its checkpoint",
        "finished": "finished before",
    }[state]


def _folder(out: str | Path | None, experiment: Experiment) -> Path:
    folder = Path("runs") / experiment.name if out is None else Path(out)
    if folder.name in ("", ".."):
        raise UsageError(f"out={out}: give a name, from which runs/NAME-seed0 and so on are made")
    return folder


def _checked(seeds: Seeds, key: str) -> list[int]:
    """The seeds as numbers, each once."""
    found = whole_numbers(seeds, f"{key}=") if isinstance(seeds, str) else list(seeds)
    if not found:
        raise UsageError(f"{key} is empty; give one or more, as in {key}=0,1,2 or {key}=0..4")
    repeated = sorted({seed for seed in found if found.count(seed) > 1})
    if repeated:
        raise UsageError(f"{key} repeats {', '.join(map(str, repeated))}; each is trained once")
    return found
