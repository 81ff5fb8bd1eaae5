"""Checkpoints: tensors in safetensors, the rest in JSON, and a hash that ties the two.

A checkpoint is a pair of files, `step-00001200.safetensors` and `.json`. The JSON is written last
and carries the sha256 of the tensors, so that a pair that was cut short or altered is noticed. No
part of it is code: loading an untrusted checkpoint reads numbers.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twofold.errors import RunError
from twofold.files import write_bytes, write_json

__all__ = [
    "Checkpoint",
    "best_checkpoint",
    "is_finished",
    "load_checkpoint",
    "model_checkpoint",
    "newest_checkpoint",
    "read_facts",
    "rewrite_facts",
    "save_best",
    "save_checkpoint",
]

KEEP = 2
_GO_BACK = "delete the pair to go back to the checkpoint before it"

Checkpoint = tuple[dict[str, Tensor], dict[str, Any]]


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
    content = tensor_bytes(tensors)
    write_bytes(path.with_suffix(".safetensors"), content)
    write_json(path, {"step": step, "sha256": hashlib.sha256(content).hexdigest(), **facts})
    return path


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()
        path.with_suffix(".safetensors").unlink(missing_ok=True)


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors by name as the content of a safetensors file."""
    from safetensors.torch import save

    return save(_apart(tensors))


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, of which those that share their numbers become copies."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        value = tensor.detach().contiguous()
        found[name] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    return found


def newest_checkpoint(folder: Path) -> Path | None:
    """The JSON file of the newest checkpoint, or None."""
    return max(folder.glob("step-*.json"), default=None)


def is_finished(facts: Mapping[str, Any]) -> bool:
    """Whether training ended with the checkpoint of these facts, at its last step or before."""
    return facts["step"] >= facts["total_steps"] or bool(facts.get("stopped"))


def model_checkpoint(folder: Path) -> Path | None:
    """The JSON file of a run's weights: the newest or, once it is finished, the best if kept."""
    newest = newest_checkpoint(folder)
    if newest is None:
        return None
    facts = read_facts(newest)
    best = (facts.get("best") or {}).get("step")
    return newest if best is None or not is_finished(facts) else best_checkpoint(folder, best)


def read_facts(path: Path) -> dict[str, Any]:
    """The JSON file of a checkpoint.

    Raises:
        RunError: If it is missing or damaged.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"the checkpoint is incomplete: {path} is missing") from error
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read the checkpoint {path}: {error}; {_GO_BACK}") from error
    if not isinstance(facts, dict) or not {"step", "sha256"} <= facts.keys():
        raise RunError(f"the checkpoint {path} is damaged: it lacks step or sha256; {_GO_BACK}")
    return facts


def rewrite_facts(folder: Path, changes: Mapping[str, Any]) -> None:
    """Changes facts of every checkpoint of a folder, the newest last; the tensors stay."""
    for path in sorted(folder.glob("step-*.json")):
        write_json(path, {**read_facts(path), **changes})


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Reads a checkpoint, having checked that it is whole.

    Raises:
        RunError: Naming the file that is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    tensors_path = path.with_suffix(".safetensors")
    facts = read_facts(path)
    try:
        content = tensors_path.read_bytes()
    except FileNotFoundError as error:
        raise RunError(f"the checkpoint is incomplete: {error.filename} is missing") from error
    except OSError as error:
        raise RunError(f"cannot read the checkpoint {tensors_path}: {error}") from error
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise RunError(
            f"the checkpoint {tensors_path} is damaged: its sha256 is not the one in {path.name}; "
            + _GO_BACK
        )
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise RunError(f"the checkpoint {tensors_path} is damaged: {error}") from error
    return {name: value.to(device) for name, value in tensors.items()}, facts


def module_tensors(module: torch.nn.Module, prefix: str) -> dict[str, Tensor]:
    """A state dict under a prefix."""
    return {f"{prefix}{name}": value for name, value in module.state_dict().items()}


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}


def load_module(module: torch.nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Puts tensors under a prefix into a module.

    Raises:
        RunError: If names or shapes differ: the checkpoint is of another experiment.
    """
    own = under(tensors, prefix)
    try:
        module.load_state_dict(own, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise RunError(
            f"the checkpoint does not fit this experiment's networks: {first[0].strip()}"
        ) from error


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
    """Puts the state back, each tensor in the memory layout of its parameter."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    found = under(tensors, prefix)
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**found, **numbers}.items():
        index, key = name.split("/")
        if isinstance(value, Tensor):
            parameter = parameters[int(index)]
            if value.shape == parameter.shape:
                value = torch.empty_like(parameter).copy_(value)
            else:
                value = value.clone()
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
