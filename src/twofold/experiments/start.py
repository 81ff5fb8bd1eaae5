"""What a run begins with: its experiment, its images, and the first files of its folder."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from twofold.data import ImageDataset
from twofold.errors import UsageError
from twofold.experiments.data import IN_MEMORY, keep_images, load_data, prepare_images
from twofold.experiments.environment import describe_environment
from twofold.experiments.resolve import parse_experiment, resolve, to_yaml
from twofold.experiments.schema import Experiment
from twofold.files import write_json, write_text
from twofold.models.base import Model
from twofold.registry import settings_of

__all__ = ["describe", "divide", "in_memory", "write_start"]


def describe(model: Model, images: Any, name: str, fields: Mapping[str, Any]) -> Experiment:
    """The experiment of a model that was made in Python.

    A model of registered pieces is written down whole, so that its run opens by itself; of another
    there is a description for readers alone.

    Raises:
        UsageError: If a field is unknown, or one of the model, which is made already.
    """
    settings = settings_of(model)
    written: Any = {"family": "unregistered", "title": model.title}
    if settings is not None:
        written = settings
    elif (made := getattr(model, "_settings", None)) is not None:
        written["arguments"] = made.model_dump(mode="json", exclude_defaults=True)
    name = name or re.sub(r"[^\w-]+", "-", model.title).strip("-").lower() or "model"
    content = {
        "name": name,
        "data": {"name": str(images) if _is_named(images) else IN_MEMORY + _name_of(images)},
        "model": written,
        "training": {"epochs": 1},
    }
    experiment = parse_experiment(content, name)
    changed = resolve(experiment, fields)
    if changed.model != experiment.model:
        known = set(type(settings).model_fields) if settings is not None else set()
        given = ", ".join(key for key in fields if key.rpartition(".")[2] in known)
        raise UsageError(
            f"{given}: the model is made already; give this to its constructor, and fields of the "
            "training or the data, such as epochs or batch_size, here"
        )
    return changed


def in_memory(experiment: Experiment, images: Any) -> Experiment:
    """The experiment on images that are given in place of those it names."""
    return resolve(experiment, {"data.name": IN_MEMORY + _name_of(images)})


def divide(images: Any, experiment: Experiment) -> ImageDataset:
    """The images of an experiment, given or named, with their splits."""
    if images is None or _is_named(images):
        return load_data(experiment.data)
    return prepare_images(images, experiment.data)


def write_start(
    folder: Path,
    experiment: Experiment,
    dataset: ImageDataset,
    model: Model,
    device: torch.device,
    keep: bool = True,
) -> None:
    """The files that a run folder has before its first step.

    Arguments:
        folder: The run.
        experiment: Resolved.
        dataset: Its images.
        model: Before training.
        device: Where it is trained.
        keep: Whether images that were given in memory are kept with the run.
    """
    write_text(folder / "experiment.yaml", to_yaml(experiment))
    write_json(folder / "environment.json", describe_environment(dataset, model, device))
    if keep and experiment.data.name.startswith(IN_MEMORY):
        keep_images(folder, dataset)


def _is_named(images: Any) -> bool:
    return isinstance(images, str | Path)


def _name_of(images: Any) -> str:
    name = getattr(images, "name", None)
    return name if isinstance(name, str) and name else "images"
