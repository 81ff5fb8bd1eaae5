"""What a result depends on beside the experiment: versions, hardware, data."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy
import torch

from twofold._version import __version__
from twofold.data import ImageDataset, Summary
from twofold.errors import UsageError
from twofold.models.base import AutoEncoder, Model
from twofold.models.capabilities import Discriminates, HasCodes, HasLikelihood
from twofold.registry import Settings, find, is_known, settings_of

__all__ = [
    "describe_environment",
    "describe_machine",
    "describe_versions",
    "pick_device",
    "processor_name",
]


def pick_device(name: str) -> torch.device:
    """The device of a name; `auto` takes CUDA, then Apple's GPU, then the CPU.

    Raises:
        UsageError: If there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device={name} is not usable here ({reason}); use auto or cpu") from error
    return device


def describe_versions() -> dict[str, str]:
    """The software that runs now."""
    return {
        "twofold": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
    }


def describe_environment(
    dataset: ImageDataset, summary: Summary, model: Model, device: torch.device
) -> dict[str, Any]:
    """Plain data for `environment.json`."""
    train = dataset.split("train") if dataset.splits else dataset
    return {
        **describe_versions(),
        **describe_machine(device),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": {
            "name": dataset.name,
            "source": dataset.source,
            "fingerprint": dataset.fingerprint,
            "image_shape": list(dataset.image_shape),
            "class_names": list(dataset.class_names),
            "splits": dict(summary.splits),
            "trained_on": train.class_counts.tolist(),
            "notes": list(summary.notes),
            "warnings": list(summary.warnings),
        },
        "model": describe_model(model) | {"plugins": plugins_of(model) | _plugin_of(dataset)},
        "parameters": {
            name: sum(p.numel() for p in child.parameters() if p.requires_grad)
            for name, child in model.named_children()
            if any(p.requires_grad for p in child.parameters())
        },
    }


def describe_model(model: Model) -> dict[str, Any]:
    """What a report says of a model, whichever family it is of."""
    condition, given = settings_of(model.condition), model.condition.dim > 0
    bounded = model.capability(HasLikelihood)
    discriminates = model.capability(Discriminates) is not None
    kinds = {
        "recurrent": any(isinstance(m, torch.nn.RNNCellBase) for m in model.modules()),
        "convolutional": model.is_convolutional,
        "dense": True,
    }
    return {
        "title": model.title,
        "condition": getattr(condition, "name", model.condition.about if given else "none"),
        "latent_dim": model.latent_dim,
        "likelihood": None if bounded is None else bounded.likelihood.name,
        "needs_binary": bounded is not None and bounded.likelihood.needs_binary,
        "bounds": isinstance(model, AutoEncoder),
        "discriminates": discriminates,
        "wraps": discriminates and model.capability(HasCodes) is not None,
        "networks": next(kind for kind, so in kinds.items() if so),
    }


def plugins_of(model: Model) -> dict[str, str]:
    """The registered names that a model is made of and that are not Twofold's: where from."""
    found: dict[str, str] = {}

    def follow(settings: Settings) -> None:
        entry = type(settings).entry
        if entry.origin:
            found[f"{entry.kind} {entry.name}"] = entry.origin
        for name in entry.parameters:
            if isinstance(part := getattr(settings, name), Settings):
                follow(part)

    if (settings := settings_of(model)) is not None:
        follow(settings)
    return found


def _plugin_of(dataset: ImageDataset) -> dict[str, str]:
    """Where the data set came from, if a plugin registered it."""
    if not is_known("dataset", dataset.name):
        return {}
    return {f"dataset {dataset.name}": find("dataset", dataset.name).origin}


def describe_machine(device: torch.device) -> dict[str, Any]:
    """What decides the speed beside the model: platform, processor, cores, threads, device."""
    return {
        "platform": platform.platform(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": _device_name(device),
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def processor_name() -> str:
    """What the processor calls itself."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
