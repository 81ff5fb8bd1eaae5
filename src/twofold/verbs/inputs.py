"""The images that a verb is given: test images of the run, a path, a named set, or an array."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.data import ImageDataset, as_dataset, load_images
from twofold.data.batches import Batch
from twofold.data.dataset import SPLITS
from twofold.data.given import drawn_rows, fit_to, relabel
from twofold.data.preprocess import fix_binary
from twofold.data.summary import remarks
from twofold.errors import RunError, UsageError, printable, shorten
from twofold.experiments.context import Context, seeded
from twofold.training.progress import Console

__all__ = ["BATCH", "Images", "Inputs", "binarize_once", "load_inputs"]

BATCH = 500  # images at a time on the device

Images = str | Path | ImageDataset | NDArray[Any] | Tensor


@dataclass(frozen=True, eq=False)
class Inputs:
    """Images of the model's size, with their classes where they are known.

    Attributes:
        dataset: uint8 (N, C, H, W), labels by the model's own classes. Of a static binarization
            these are the images that were drawn, which going through batches leaves as they are.
        context: For whom they are.
        source: In words: `test images of mnist`.
        index: Which images of that source they are, shape (N,); None for all, in order.
    """

    dataset: ImageDataset
    context: Context
    source: str
    index: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Shape (N,), -1 where not known; None where none is."""
        return self.dataset.labels

    @property
    def names(self) -> list[str]:
        """The class of each image, "" where it is not known."""
        names = (*self.dataset.class_names, "")
        return [names[k] for k in ([-1] * len(self) if self.labels is None else self.labels)]

    @property
    def num_known(self) -> int:
        """Of how many the class is known."""
        return int(self.dataset.class_counts.sum())

    @property
    def num_conditioned(self) -> dict[str, int]:
        """Of how many the model gets the class: only where it needs one that it cannot infer."""
        return {"num_conditioned": self.num_known} if self.context.needs_class else {}

    def batches(self, size: int = BATCH) -> Iterator[Batch]:
        """The images as `Context.prepare` does; a dynamic binarization draws, within `seeded`."""
        return self.context.prepare(self.dataset, size).in_order()

    @torch.no_grad()
    def each(self, make: Callable[[Batch], tuple], seed: int, size: int = BATCH) -> list[Any]:
        """What a function makes of all images, on the CPU.

        From a batch of at most `size` it makes tensors with that first axis, or None; it may draw.
        """
        with seeded(seed, self.context.device):
            made = (make(batch) for batch in self.batches(size))
            parts = [[x if x is None else x.cpu() for x in batch] for batch in made]
        return [None if part[0] is None else torch.cat(part) for part in zip(*parts, strict=True)]


def load_inputs(
    context: Context,
    images: Images | None = None,
    *,
    n: int | None = None,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    split: str = "test",
    in_order: bool = False,
) -> Inputs:
    """Images for a model.

    Arguments:
        context: The model.
        images: A path (a folder, an archive, a single image), a data set's name (its test images),
            or what `as_dataset` takes; by default the test images of the run.
        n: Draw so many, the classes in balance and one after another; all by default.
        label: The class of the images that have no label, by number or name.
        resize: Bring images of another size or number of channels to the model's.
        seed: Of the draw.
        split: Of the run's images, where no others are given.
        in_order: Leave those that are drawn in the order in which they lie.

    Raises:
        UsageError: If the images do not fit the model, or there is no such class.
        RunError: If the run has no test images, or they are gone.
    """
    dataset, source = _read(context, images, resize, split)
    fitted = fit_to(dataset, context.model.image_shape, context.run.name, resize)
    dataset = relabel(binarize_once(fitted, context), context.class_names, label)
    if n is None:
        return Inputs(dataset, context, source)
    if n < 1:
        raise UsageError(f"n={n}: ask for at least one image")
    index = drawn_rows(dataset, n, seed)
    index = np.sort(index) if in_order else index
    return Inputs(dataset.subset(index), context, source, index)


def binarize_once(dataset: ImageDataset, context: Context) -> ImageDataset:
    """Images with the binarization that happens once, as in training and measuring."""
    data = context.run.experiment.data
    images = fix_binary(torch.as_tensor(dataset.images), data.binarize, data.binarize_seed)
    return replace(dataset, images=images.numpy())


def _read(
    context: Context, images: Images | None, resize: bool, split: str
) -> tuple[ImageDataset, str]:
    if split not in SPLITS or (images is not None and split != "test"):
        raise UsageError(
            f"split={shorten(split)}; expected {', '.join(SPLITS)} of the run's own images, and "
            "none beside images that are given"
        )
    if images is None:
        whole = context.run.dataset()
        if split not in whole.splits:
            raise RunError(
                f"{whole.name} has no {split} images to show; give some, or train with {split}=0.1"
            )
        words = {"train": "training"}.get(split, split)
        return whole.split(split), f"{words} images of {whole.name}"
    if isinstance(images, str | Path):
        C, H, W = context.model.image_shape
        fit: dict[str, Any] = {"size": (H, W), "gray": C == 1} if resize else {}
        dataset = load_images(images, **fit)
        for line in remarks(dataset):
            Console().say(line)
        return dataset, printable(str(images))
    if isinstance(images, ImageDataset):
        return images, images.name
    return as_dataset(images, validation=0, test=0), "images"
