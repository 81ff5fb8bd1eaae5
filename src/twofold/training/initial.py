"""Starting from the weights of another run."""

from pathlib import Path

import torch

from twofold.errors import RunError, UsageError
from twofold.training.checkpoint import (
    load_checkpoint,
    load_module,
    standing_of,
    under,
)
from twofold.training.facts import read_facts
from twofold.training.settings import TrainingSettings

__all__ = ["start_from", "weights_at", "weights_hash"]

SHOWN = 3  # names of tensors in an error


def weights_at(place: str | Path) -> Path:
    """The checkpoint that a run folder or one of a checkpoint's two files stands for.

    Raises:
        UsageError: If there is none.
    """
    path = Path(place).expanduser()
    if path.is_dir() and (found := standing_of(path / "checkpoints")) is not None:
        return found.weights
    if path.is_file() and path.suffix in (".json", ".safetensors"):
        return path.with_suffix(".json")
    raise UsageError(
        f"init_from={place}: there is no run with a checkpoint, and no checkpoint; give a run's "
        "folder, such as runs/cvae, or a file of its checkpoints/"
    )


def weights_hash(place: str | Path) -> str:
    """Sixteen hex digits of a checkpoint's content, by which a recipe tells it from others."""
    return str(read_facts(weights_at(place))["sha256"])[:16]


def start_from(model: torch.nn.Module, settings: TrainingSettings) -> None:
    """Gives a model the weights that its training starts from, where it does from any.

    Arguments:
        model: As its constructor or the user left it.
        settings: Whose `init_from` says from where and `init_hash` which they are.

    Raises:
        UsageError: If they are others by now, or do not fit, naming the tensors.
    """
    if settings.init_from is None:
        return
    place = settings.init_from
    tensors, facts = load_checkpoint(weights_at(place))
    if settings.init_hash not in (None, facts["sha256"][:16]):
        raise UsageError(
            f"init_from={place}: the weights there are now {facts['sha256'][:16]} and were "
            f"{settings.init_hash} when this experiment was written; give init_from={place} "
            "to take them as they are, or the checkpoint that is meant"
        )
    if misfits := _misfits(model, {k: v.shape for k, v in under(tensors, "model/").items()}):
        raise UsageError(
            f"init_from={place}: the weights there do not fit this model: {'; '.join(misfits)}. "
            "Both must have the same networks, latent_dim and condition"
        )
    try:
        load_module(model, tensors, "model/")
    except RunError as error:
        raise UsageError(f"init_from={place}: {error}") from error


def _misfits(model: torch.nn.Module, there: dict[str, torch.Size]) -> list[str]:
    """What differs, in words, the first few of each kind."""
    here = {name: value.shape for name, value in model.state_dict().items()}
    both = [name for name in here if name in there]
    kinds = {
        "of another shape": [
            f"{name} {tuple(there[name])} there and {tuple(here[name])} here"
            for name in both
            if there[name] != here[name]
        ],
        "missing there": [f"{n} {tuple(s)}" for n, s in here.items() if n not in there],
        "unknown here": [f"{n} {tuple(s)}" for n, s in sorted(there.items()) if n not in here],
    }
    return [
        f"{len(names)} {kind}: {', '.join(names[:SHOWN] + ['…'] * (len(names) > SHOWN))}"
        for kind, names in kinds.items()
        if names
    ]
