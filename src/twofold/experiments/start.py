"""What a run begins with: its experiment, its images, and the first files of its folder."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from twofold.data import ImageDataset, summarize
from twofold.errors import UsageError
from twofold.experiments.data import (
    IN_MEMORY,
    keep_images,
    load_data,
    name_in_memory,
    prepare_images,
)
from twofold.experiments.environment import describe_environment
from twofold.experiments.resolve import parse_experiment, resolve, to_yaml
from twofold.experiments.schema import Experiment
from twofold.files import write_json, write_text
from twofold.models.base import Model
from twofold.registry import Settings, settings_of
from twofold.settings import flat
from twofold.training.progress import Progress, Silent

__all__ = ["describe", "with_images", "write_model", "write_start"]


def describe(model: Model, images: Any, name: str, fields: Mapping[str, Any]) -> Experiment:
    """The experiment of a model that was made in Python.

    Raises:
        UsageError: If a field is unknown, or one of the model or the images, which are given.
    """
    if not isinstance(model, Model):
        raise UsageError(
            f"expected a Model, got {type(model).__name__}; wrap networks in one, as in "
            "models.VAE(encoder, decoder, latent_dim=16), or see twofold.train for an experiment"
        )
    if not hasattr(model, "condition"):
        raise UsageError(
            f"{type(model).__name__} has no condition; let its constructor say "
            "self.condition = NoCondition(), of twofold.conditions, or another"
        )
    if given := fields.keys() & {"data", "data.name"}:
        raise UsageError(f"{given.pop()}: the images are given already; leave it out")
    name = name or re.sub(r"[^\w-]+", "-", model.title).strip("-").lower() or "model"
    content = {
        "name": name,
        "data": {"name": str(images) if _is_named(images) else IN_MEMORY},
        "model": write_model(model),
        "training": {"epochs": 1},
    }
    experiment = parse_experiment(content, name)
    changed = resolve(experiment, fields)
    if changed.model != experiment.model:
        known = {key.rpartition(".")[2] for key in flat(write_model(model))}
        given = {key for key in fields if key.rpartition(".")[2] in known}
        raise UsageError(
            f"{', '.join(sorted(given))}: the model is made already; give this to its constructor, "
            "and fields of the training or the data, such as epochs or batch_size, here"
        )
    return changed


def write_model(model: Model) -> dict[str, Any]:
    """A model as plain data.

    One of registered pieces is written down whole, so that its run opens by itself; of another, or
    of one that was changed after it was made, there is a description for readers alone.
    """
    settings = settings_of(model) if model.image_shape else None
    if settings is not None and _structure(model) == _structure_of(settings, model):
        return settings.model_dump(mode="json")
    made = getattr(model, "_settings", None)
    arguments = None if made is None else made.model_dump(mode="json")
    written = {"title": model.title, "structure": _structure(model), "arguments": arguments}
    return {"family": "unregistered", **written}


def with_images(experiment: Experiment, images: Any) -> tuple[Experiment, ImageDataset]:
    """An experiment on images that are given, and these with their splits.

    Images that have a name or a path keep it; others are called by what they are.
    """
    if _is_named(images):
        experiment = resolve(experiment, {"data.name": str(images)})
        return experiment, load_data(experiment.data)
    dataset = prepare_images(images, experiment.data)
    return resolve(experiment, {"data.name": name_in_memory(dataset)}), dataset


def _structure(model: Model) -> str:
    """Twelve hex digits of the classes of a model's modules, and of names and shapes of tensors."""
    modules = [f"{name} {type(module).__name__}" for name, module in model.named_modules()]
    tensors = [f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()]
    return hashlib.sha256("\n".join(modules + tensors).encode()).hexdigest()[:12]


def _structure_of(settings: Settings, model: Model) -> str:
    """That of a model which is made anew by its settings."""
    classes = getattr(model.condition, "num_classes", 0) or getattr(model, "num_classes", 0)
    with torch.random.fork_rng([]):
        return _structure(settings.build(image_shape=model.image_shape, num_classes=classes))


def write_start(
    folder: Path,
    experiment: Experiment,
    dataset: ImageDataset,
    model: Model,
    device: torch.device,
    keep: bool = True,
    progress: Progress | None = None,
) -> None:
    """The files that a run folder has before its first step; says what is amiss with the images.

    Arguments:
        folder: The run.
        experiment: Resolved.
        dataset: Its images.
        model: Before training.
        device: Where it is trained.
        keep: Whether images that were given in memory are kept with the run.
        progress: Where to say so.
    """
    summary = summarize(dataset)
    for line in (*summary.notes, *summary.warnings):
        (progress or Silent()).say(f"{dataset.name}: {line}")
    write_text(folder / "experiment.yaml", to_yaml(experiment))
    write_json(folder / "environment.json", describe_environment(dataset, summary, model, device))
    if keep and experiment.data.name.startswith(IN_MEMORY):
        keep_images(folder, dataset)


def _is_named(images: Any) -> bool:
    return isinstance(images, str | Path)
