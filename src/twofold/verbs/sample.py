"""Images from a trained model, drawn from the prior."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.errors import UsageError
from twofold.experiments.context import Classes, Subject, open_run
from twofold.models.base import Generative
from twofold.pictures.results import COLUMNS, sampled_sheet
from twofold.ranges import name_list, whole_numbers
from twofold.verbs.result import Result, Save, pixels, write_image_folder

__all__ = ["Samples", "sample"]


@dataclass(frozen=True, eq=False, repr=False)
class Samples(Result):
    """Images with what they were asked to be.

    Attributes:
        images: Floats in [0, 1], shape (n, C, H, W).
        labels: The class each was asked to be, shape (n,), or None.
        seeds: Of the latent code of each, shape (n,).
        class_names: Of the labels.
    """

    images: Tensor
    labels: Tensor | None
    seeds: Tensor
    class_names: tuple[str, ...]

    def picture(self) -> NDArray[np.uint8]:
        """A row per seed where there are several, else per class, else as they come."""
        labels = None if self.labels is None else self.labels.numpy()
        return sampled_sheet(pixels(self.images), labels, self.seeds.numpy(), self.class_names)

    def arrays(self) -> Mapping[str, Any]:
        """`images` uint8 (n, C, H, W), as a data set has them, `seeds`, and classes if any."""
        named = {"images": pixels(self.images), "seeds": self.seeds}
        if self.labels is not None:
            named |= {"labels": self.labels, "class_names": np.array(self.class_names)}
        return named

    def writers(self) -> dict[str, Save]:
        """Also a folder of PNGs, in a sub-folder per class where there are classes."""
        labels = None if self.labels is None else self.labels.numpy()
        given = (pixels(self.images), labels, self.class_names)
        return {**super().writers(), "": lambda folder: write_image_folder(folder, *given)}


def sample(
    run: Subject,
    n: int | None = None,
    label: Classes | None = None,
    seed: int = 0,
    device: str = "auto",
    *,
    seeds: Sequence[int] | str | None = None,
) -> Samples:
    """Draws images from a trained model.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        n: How many images, 100 by default, the classes in turn.
        label: Classes by number or name, of a class-conditional model: 7, or 3,8, or 0..4; by
            default all.
        seed: Seed of the latent codes.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.
        seeds: Several seeds, as in 0,1,2 or 0..9, in place of `n` and `seed`. Each is a row: every
            class with one and the same code, or ten images of a model without classes.

    Returns:
        The images: a .png sheet, an .npz, or a new folder of PNGs.

    Raises:
        UsageError: If the model makes no images, or has no such class.

    Example:
        $ twofold sample runs/cvae --label 7 -n 20
    """
    if n is not None and n < 1:
        raise UsageError(f"n={n}: ask for at least one image")
    if isinstance(seeds, str):
        seeds = whole_numbers(seeds, "seeds=")
    if seeds is not None and (n is not None or not seeds):
        raise UsageError("seeds draws a row for each seed: name at least one, and leave n out")
    context = open_run(run, device)
    model = context.model.capability(Generative, "sample")
    if isinstance(label, str):
        label = name_list(label, context.class_names)
    asked = context.asked_classes(label)
    if model.condition.about == "image":
        raise UsageError(f"{model.title} completes images: give it some with `complete`")
    if seeds is None:
        z = model.sample_latent(n or 100, seed)
        drawn = torch.full((len(z),), seed)
    else:  # of each its first code for every class, or its first ten
        first, times = (1, len(asked)) if asked else (COLUMNS, 1)
        z = torch.cat([model.sample_latent(first, seed) for seed in seeds])
        z = z.repeat_interleave(times, dim=0)
        drawn = torch.as_tensor(seeds).repeat_interleave(first * times)
    labels = torch.as_tensor(np.resize(asked, len(z))) if asked else None
    used = [seed] if seeds is None else seeds
    return Samples(
        model.images_of(z, labels).cpu(),
        labels,
        drawn,
        context.class_names if asked else (),
        caption=f"{context.title}, seed{'s' * (len(used) > 1)} {', '.join(map(str, used))}",
    )
