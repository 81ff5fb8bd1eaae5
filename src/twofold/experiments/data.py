"""The images that an experiment names, or that a run was given in memory and keeps."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from twofold.data import ImageDataset, as_dataset, load_dataset
from twofold.errors import UsageError
from twofold.experiments.schema import DataSettings
from twofold.files import read_arrays, write_arrays

__all__ = [
    "IN_MEMORY",
    "keep_images",
    "kept_images",
    "known_images",
    "load_data",
    "name_in_memory",
    "prepare_images",
]

IN_MEMORY = "in memory: "  # how the name of images begins that are no file and no named set
KEPT = "images.npz"
MOST_KEPT = 1 << 28  # bytes of pixels


def load_data(settings: DataSettings) -> ImageDataset:
    """Loads and divides the images as the experiment says.

    Raises:
        UsageError: If they were given in memory, so that no name leads to them.
    """
    if settings.name.startswith(IN_MEMORY):
        raise UsageError(
            f"the images {settings.name.removeprefix(IN_MEMORY)!r} were given in memory and are "
            "too large to be kept with a run; give them again, as in "
            "twofold.load(folder, images=...)"
        )
    return load_dataset(settings.name, options=settings.options, **_division(settings))


def prepare_images(images: Any, settings: DataSettings) -> ImageDataset:
    """Images that are given, divided as the experiment says, if that was not done already."""
    if isinstance(images, ImageDataset) and name_in_memory(images) == settings.name:
        return images
    name = getattr(images, "name", None)
    named = {"name": name} if isinstance(name, str) and name else {}
    return as_dataset(images, **named, **_division(settings))


def known_images(dataset: ImageDataset, split: str, settings: DataSettings) -> ImageDataset:
    """The images of a split, of the classes that the experiment does not leave out.

    What a model learns from, is validated on and is measured on goes through here. Images without
    any splits are all for training.

    Raises:
        UsageError: If there is no such split, or nothing is left of it.
    """
    whole = split == "train" and not dataset.splits
    return (dataset if whole else dataset.split(split)).without(settings.without)


def name_in_memory(dataset: ImageDataset) -> str:
    """What an experiment calls images that have no name elsewhere: by what they are."""
    return f"{IN_MEMORY}{dataset.name} ({dataset.fingerprint[:8]})"


def keep_images(folder: Path, dataset: ImageDataset) -> None:
    """Writes images that no name leads to into a run folder, unless they are too many."""
    if dataset.images.nbytes > MOST_KEPT:
        return
    arrays: dict[str, Any] = {"images": dataset.images, "class_names": list(dataset.class_names)}
    if dataset.labels is not None:
        arrays["labels"] = dataset.labels
    arrays |= {f"split_{name}": index for name, index in dataset.splits.items()}
    write_arrays(folder / KEPT, arrays)


def kept_images(folder: Path, settings: DataSettings) -> ImageDataset | None:
    """The images that a run folder keeps, if it does.

    Raises:
        RunError: If the file is damaged.
    """
    path = folder / KEPT
    if not path.is_file():
        return None
    arrays = read_arrays(path)
    splits = {
        name.removeprefix("split_"): index
        for name, index in arrays.items()
        if name.startswith("split_")
    }
    names = tuple(str(name) for name in arrays["class_names"])
    name = settings.name.removeprefix(IN_MEMORY).rpartition(" (")[0]
    dataset = ImageDataset(arrays["images"], arrays.get("labels"), names, name)
    return replace(dataset, splits=splits)


def _division(settings: DataSettings) -> dict[str, Any]:
    fields = ("size", "gray", "limit", "validation", "test", "split_seed")
    return {field: getattr(settings, field) for field in fields}
