"""Images from a trained model: as tensors, a sheet, a folder of PNGs, or an .npz."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from twofold.apply.folder import write_image_folder
from twofold.apply.trained import class_index
from twofold.conditions import ClassCondition
from twofold.errors import UsageError
from twofold.experiments.environment import pick_device
from twofold.experiments.run import Run
from twofold.files import write_arrays, write_bytes
from twofold.models.base import Generative, require
from twofold.pictures.formats import png_bytes
from twofold.pictures.sheets import contact_sheet, to_uint8

__all__ = ["Samples", "sample"]


@dataclass(frozen=True)
class Samples:
    """Images with what they were asked to be.

    Attributes:
        images: uint8, shape (n, C, H, W).
        labels: The class each was asked to be, shape (n,), or None.
        class_names: Of the labels.
        caption: Model, seed and run, for the files.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    caption: str

    def sheet(self, columns: int | None = None, scale: int | None = None) -> bytes:
        """All images on one PNG."""
        columns = columns or min(len(self.images), 10)
        scale = scale or max(1, 56 // self.images.shape[2])
        picture = contact_sheet(self.images, columns, scale=scale)
        return png_bytes(picture, [("Description", self.caption)])

    def save(self, path: str | Path) -> Path:
        """Writes `.png` (a sheet), `.npz` (images and labels), or a folder of PNGs.

        Raises:
            UsageError: If the ending is none of these.
        """
        path = Path(path)
        if path.suffix == ".png":
            write_bytes(path, self.sheet())
        elif path.suffix == ".npz":
            arrays = {"images": self.images}
            if self.labels is not None:
                arrays |= {"labels": self.labels, "class_names": np.array(self.class_names)}
            write_arrays(path, arrays)
        elif path.suffix == "":
            write_image_folder(path, self.images, self.labels, self.class_names)
        else:
            raise UsageError(
                f"cannot write samples as {path.suffix}; use .png, .npz, or a folder's name"
            )
        return path

    def _repr_png_(self) -> bytes:
        return self.sheet()


def sample(
    run: str | Path | Run,
    n: int = 100,
    label: int | str | Sequence[int | str] | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Samples:
    """Draws images from a run's model.

    Arguments:
        run: A run or its folder.
        n: How many; of each class in turn where the model is told a class and `label` is None.
        label: A class by number or name, or several, for a class-conditional model.
        seed: Of the latent codes.
        device: Where to compute.

    Raises:
        UsageError: If the model makes no images, or has no such class.
    """
    run = run if isinstance(run, Run) else Run(run)
    if n < 1:
        raise UsageError(f"n={n}: ask for at least one image")
    model = require(run.model(str(pick_device(device))), Generative, "sample")
    names = tuple(run.environment["data"]["class_names"])
    labels = _labels(model, n, label, names)
    if model.condition.about == "image":
        raise UsageError(f"{model.title} completes images: give it the visible part")
    c = None if labels is None else torch.as_tensor(labels, device=model.device)
    images = to_uint8(model.sample(n, c, seed).cpu().numpy())
    caption = f"{model.title} of {run.name}, seed {seed}"
    return Samples(images, labels, names if labels is not None else (), caption)


def _labels(
    model: Generative, n: int, label: int | str | Sequence[int | str] | None, names: Sequence[str]
) -> NDArray[np.int64] | None:
    if not isinstance(model.condition, ClassCondition):
        if label is not None:
            raise UsageError(
                f"{model.title} is not told a class, so none can be asked for; use a CVAE or CGAN"
            )
        return None
    if label is None:
        wanted = list(range(len(names)))
    elif isinstance(label, (int, str)):
        wanted = [class_index(label, names)]
    else:
        wanted = [class_index(one, names) for one in label]
    return np.resize(np.asarray(wanted, dtype=np.int64), n)
