"""Checkpoints: tensors in safetensors, the rest in JSON, and a hash that ties the two.

A checkpoint is a pair of files, `step-00001200.safetensors` and `.json`. The JSON is written last
and carries the sha256 of the tensors, so that a pair that was cut short or altered is noticed. No
part of it is code: loading an untrusted checkpoint reads numbers.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twofold.errors import RunError, UnreadableError
from twofold.files import unreadable, write_json
from twofold.training.facts import is_finished, read_facts
from twofold.training.guard import all_finite, first_nonfinite
from twofold.training.tensors import read_tensors, write_tensors

__all__ = [
    "Checkpoint",
    "Standing",
    "best_checkpoint",
    "fall_back",
    "load_checkpoint",
    "newest_checkpoint",
    "rewrite_facts",
    "save_best",
    "save_checkpoint",
    "standing_of",
]

KEEP = 2

Checkpoint = tuple[dict[str, Tensor], dict[str, Any]]


@dataclass(frozen=True)
class Standing:
    """How far a run has come, read at one moment: a run in training goes on meanwhile.

    Attributes:
        newest: The JSON file of the checkpoint that training goes on from.
        facts: Of it.
    """

    newest: Path
    facts: Mapping[str, Any]

    @property
    def is_finished(self) -> bool:
        """Whether every step is done, or it stopped as no validation became better."""
        return is_finished(self.facts)

    @property
    def progress(self) -> tuple[int, int]:
        """Steps done, and steps in all."""
        return self.facts["step"], self.facts["total_steps"]

    @property
    def weights(self) -> Path:
        """The JSON file of the run's weights: the newest or, once it is finished, the best kept."""
        best = (self.facts.get("best") or {}).get("step")
        if best is None or not self.is_finished:
            return self.newest
        return best_checkpoint(self.newest.parent, best)

    @property
    def weights_facts(self) -> Mapping[str, Any]:
        """The facts of the run's weights."""
        return self.facts if self.weights == self.newest else read_facts(self.weights)


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> Path:
    """Writes a checkpoint and removes all but the newest two and the best that these know of.

    Arguments:
        folder: The `checkpoints` folder of a run.
        step: Steps done.
        tensors: Any tensors by name.
        facts: Plain data.

    Returns:
        The path of the JSON file.
    """
    path = _write(folder / f"step-{step:08d}.json", step, tensors, facts)
    checkpoints = sorted(folder.glob("step-*.json"))
    _remove(checkpoints[:-KEEP])
    if others := set(folder.glob("best-*.json")):
        known = [read_facts(kept).get("best") or {} for kept in checkpoints[-KEEP:]]
        best = {best_checkpoint(folder, one["step"]) for one in known if one.get("step")}
        _remove(others - best)
    for orphan in folder.glob("*.safetensors"):  # its facts were not written, or are removed
        if not orphan.with_suffix(".json").exists():
            orphan.unlink(missing_ok=True)
    return path


def save_best(
    folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> Path:
    """Writes the weights of the best validation so far, beside those of earlier ones.

    The next checkpoint knows it; until then the one before is that of the run, so that a run which
    is killed goes on with the best it knew of.
    """
    return _write(best_checkpoint(folder, step), step, tensors, facts)


def best_checkpoint(folder: Path, step: int) -> Path:
    """The JSON file of the weights that were the best at a step."""
    return folder / f"best-{step:08d}.json"


def _write(path: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    sha256 = write_tensors(path.with_suffix(".safetensors"), tensors)
    write_json(path, {"step": step, "sha256": sha256, **facts})
    return path


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
        path.with_suffix(".safetensors").unlink(missing_ok=True)


def newest_checkpoint(folder: Path) -> Path | None:
    """The JSON file of the newest checkpoint, or None.

    Raises:
        RunError: If nobody may look into the folder.
    """
    return max(_checkpoints(folder), default=None)


def _checkpoints(folder: Path) -> list[Path]:
    try:  # where nobody may look, `glob` finds nothing
        return [one for one in folder.iterdir() if one.match("step-*.json")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error


def standing_of(folder: Path) -> Standing | None:
    """How far a run has come by its `checkpoints` folder, None without a checkpoint.

    Raises:
        RunError: If the newest checkpoint is damaged, or nobody may read it.
    """
    path = newest_checkpoint(folder)
    if path is None:
        return None
    facts = _or_go_back(path, read_facts)
    if facts.get("total_steps") is None:
        raise _go_back(path, RunError(f"the checkpoint {path} is damaged: total_steps is missing"))
    return Standing(path, facts)


def fall_back(folder: Path, lines: int, say: Callable[[str], None]) -> None:
    """Removes checkpoints that cannot be gone on from, where there is an earlier one that can.

    That is one which is whole, as is the log up to it.

    Arguments:
        folder: The `checkpoints` folder of a run that nobody else trains.
        lines: Whole lines of the log.
        say: Told what was wrong.

    Raises:
        RunError: If nobody may read them.
    """
    problems: list[str] = []
    paths = sorted(_checkpoints(folder), reverse=True)
    for path in paths:
        try:
            facts = load_checkpoint(path)[1]
        except UnreadableError:
            raise
        except RunError as error:
            problems.append(str(error))
            continue
        if facts.get("lines", 0) <= lines:
            break
        problems.append(f"the log has {lines} lines of the {facts['lines']} before {path.name}")
    else:
        if problems and problems[-1].startswith("the log"):
            say(f"{problems[-1]}; its curves have a gap")
        return
    _remove(paths[: paths.index(path)])
    for problem in problems:
        say(f"{problem}; going on from {path.name}, the checkpoint before")


def _or_go_back(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except UnreadableError:
        raise
    except RunError as error:
        raise _go_back(path, error) from error


def _go_back(path: Path, error: RunError) -> RunError:
    if not path.name.startswith("step-"):
        return error
    return RunError(f"{error}; `twofold resume {path.parent.parent}` goes back to the one before")


def rewrite_facts(folder: Path, changes: Mapping[str, Any]) -> None:
    """Changes facts of every checkpoint of a folder, the newest last; the tensors stay."""
    for path in sorted(folder.glob("step-*.json")):
        write_json(path, {**read_facts(path), **changes})


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Reads a checkpoint, having checked that it is whole.

    Raises:
        RunError: Naming the file that is missing or damaged.
    """

    def read(path: Path) -> Checkpoint:
        facts = read_facts(path)
        tensors = read_tensors(path.with_suffix(".safetensors"), facts["sha256"])
        return {name: value.to(device) for name, value in tensors.items()}, facts

    return _or_go_back(path, read)


def module_tensors(module: torch.nn.Module, prefix: str) -> dict[str, Tensor]:
    """A state dict under a prefix."""
    return {f"{prefix}{name}": value for name, value in module.state_dict().items()}


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}


def load_module(module: torch.nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Puts tensors under a prefix into a module.

    Raises:
        RunError: If names, shapes or types differ: the checkpoint is of another experiment; or if
            a weight is not finite.
    """
    own = under(tensors, prefix)
    for name, value in module.state_dict().items():
        if name in own and own[name].dtype != value.dtype:
            raise RunError(
                f"the checkpoint does not fit this experiment's networks: {name} is "
                f"{own[name].dtype}, expected {value.dtype}"
            )
    try:
        module.load_state_dict(own, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise RunError(
            f"the checkpoint does not fit this experiment's networks: {first[0].strip()}"
        ) from error
    if not all_finite(list(own.values())):
        raise RunError(
            f"the weight {first_nonfinite(module)} is not finite, so nothing can be made with this "
            "model; its training has diverged, or the file was changed. Take another checkpoint "
            "or train again"
        )


def optimizer_state(optimizer: torch.optim.Optimizer, prefix: str) -> Checkpoint:
    """An optimizer's tensors under a prefix, and its plain numbers."""
    tensors, numbers = {}, {}
    for index, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{prefix}{index}/{key}"] = value
            else:
                numbers[f"{index}/{key}"] = value
    return tensors, numbers


def load_optimizer(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    numbers: Mapping[str, Any],
    prefix: str,
) -> None:
    """Puts the state back, each tensor in the memory layout of its parameter.

    Raises:
        ValueError: If it is not what such an optimizer remembers of its parameters.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    expected = _state_after_a_step(optimizer)
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**under(tensors, prefix), **numbers}.items():
        index, _, key = name.partition("/")
        if not index.isdecimal() or int(index) >= len(parameters) or key not in expected:
            raise ValueError(f"{prefix}{name} is unknown to this optimizer")
        parameter, like = parameters[int(index)], expected[key]
        if isinstance(value, Tensor):
            shape = parameter.shape if isinstance(like, Tensor) and like.dim() else torch.Size()
            if not isinstance(like, Tensor) or value.shape != shape or value.dtype != like.dtype:
                raise ValueError(f"{prefix}{name} is {value.dtype} of shape {tuple(value.shape)}")
            value = torch.empty_like(parameter).copy_(value) if like.dim() else value.clone()
        elif isinstance(like, Tensor):
            raise ValueError(f"{prefix}{name} is no tensor")
        state.setdefault(int(index), {})[key] = value
    for index, entries in state.items():
        if entries.keys() != expected.keys():
            raise ValueError(f"{prefix}{index} lacks {sorted(expected.keys() - entries.keys())}")
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _state_after_a_step(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What such an optimizer remembers of a parameter, here of shape (2,)."""
    known = inspect.signature(type(optimizer)).parameters
    settings = {key: value for key, value in optimizer.defaults.items() if key in known}
    parameter = torch.nn.Parameter(optimizer.param_groups[0]["params"][0].new_zeros(2))
    parameter.grad = torch.zeros_like(parameter)
    like = type(optimizer)([parameter], **settings)
    like.step()
    return dict(like.state[parameter])
