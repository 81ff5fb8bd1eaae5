"""Two sets of images as a run, so that every measure can look at them without a model."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from twofold.data import ImageDataset, as_dataset, load_dataset
from twofold.data.dataset import UNLABELED
from twofold.errors import DataError, UsageError
from twofold.experiments.adopt import adopt
from twofold.experiments.run import Run
from twofold.models.given import GivenImages

__all__ = ["run_of_images"]


def run_of_images(generated: Any, real: Any, out: str | Path | None = None) -> Run:
    """A run whose samples are given images, beside real ones.

    Real images without test images of their own are divided in halves: one is what figures are
    taken against, the other stands for training images and gives the references.

    Arguments:
        generated: A folder, an archive, an array or whatever else `fit` takes.
        real: The same, or a data set's name.
        out: The run folder; by default one that lasts as long as the run.

    Raises:
        UsageError, DataError: If either cannot be read, or the two differ in shape.
    """
    held, whole = _read(generated), _read(real)
    if held.image_shape != whole.image_shape:
        sizes = " and ".join("×".join(map(str, one.image_shape)) for one in (held, whole))
        raise DataError(
            f"the generated and the real images are {sizes} (channels, height, width); "
            "bring them to one size first"
        )
    model = GivenImages(len(held), image_shape=held.image_shape)
    model.x.copy_(torch.as_tensor(held.images))
    model.y.copy_(torch.as_tensor(_labels(held, whole)))
    split = {} if "test" in whole.splits else {"test": 0.5}
    try:
        return adopt(model.eval(), real, out=out, name=held.name, **split)
    except UsageError as error:
        raise UsageError(f"{error} (of the real images)") from error


def _read(images: Any) -> ImageDataset:
    return load_dataset(str(images)) if isinstance(images, str | Path) else as_dataset(images)


def _labels(held: ImageDataset, whole: ImageDataset) -> np.ndarray:
    """The classes of the generated images by the real ones' numbers, where all have one."""
    nothing = np.full(len(held), UNLABELED, np.int64)
    if held.labels is None or not set(held.class_names) <= set(whole.class_names):
        return nothing
    numbers = np.array([whole.class_names.index(name) for name in held.class_names])
    return np.where(held.labels == UNLABELED, UNLABELED, numbers[held.labels])
