"""How DRAW draws: the image as it stands after each step."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.experiments.context import Subject, open_run
from twofold.models.base import Generative
from twofold.models.capabilities import Paints
from twofold.pictures.sheets import beside, contact_sheet, grid
from twofold.verbs.inputs import Images, load_inputs
from twofold.verbs.result import Result, pixels

__all__ = ["Canvases", "canvases"]

BATCH = 100  # images at a time, as each has a canvas for every step
HELD = 8  # times that the finished picture is shown at the end of the film


@dataclass(frozen=True, eq=False, repr=False)
class Canvases(Result):
    """Reconstructions and samples as they come about.

    Attributes:
        x: The images that are reconstructed, floats in [0, 1], shape (N, C, H, W).
        reconstructions: The canvas after each of T steps, shape (N, T, C, H, W).
        samples: The same from codes of the prior, shape (N, T, C, H, W).
        columns: Which steps the picture shows.
    """

    saved = ("x", "reconstructions", "samples")

    x: Tensor
    reconstructions: Tensor
    samples: Tensor
    columns: tuple[int, ...]

    def picture(self) -> NDArray[np.uint8]:
        """Reconstructions on the left, beside the images, and samples on the right."""
        heads, shown = [str(t + 1) for t in self.columns], list(self.columns)
        left = torch.cat([self.x[:, None], self.reconstructions[:, shown]], dim=1)
        sheets = [
            grid(pixels(left), column_heads=["image", *heads]),
            grid(pixels(self.samples[:, shown]), column_heads=heads),
        ]
        return beside(sheets, ["reconstruction", "sample"])

    def frames(self) -> list[NDArray[np.uint8]]:
        """A step at a time: images, their reconstructions and samples, a row of each."""
        scale = max(1, round(84 / self.x.shape[-2]))
        steps = zip(self.reconstructions.unbind(1), self.samples.unbind(1), strict=True)
        rows = [torch.cat([self.x, *both]) for both in steps]
        film = [contact_sheet(pixels(row), len(self.x), scale=scale) for row in rows]
        return film + [film[-1]] * HELD


def canvases(
    run: Subject,
    images: Images | None = None,
    *,
    n: int = 5,
    steps: int = 10,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Canvases:
    """Shows how DRAW draws, step by step.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: A folder, archive, image or data set's name, or arrays; by default the test images.
        n: How many images, the classes in balance.
        steps: How many of the model's steps the picture shows, evenly, the last among them; the
            arrays and the film have all.
        label: The class of all images, by number or name, where they have no labels.
        resize: Bring images of another size or color to the model's.
        seed: Seed of the choice of images, and of the samples.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The canvases: a .png, an animated .webp, or an .npz.

    Raises:
        UsageError: If the model makes its images at one go, or the images do not fit it.

    Example:
        $ twofold canvases runs/draw --out film.webp
    """
    if steps < 1:
        raise UsageError(f"steps={steps}: ask for at least one")
    context = open_run(run, device)
    model = context.model.capability(Paints, "show canvases")
    maker = context.model.capability(Generative, "sample")
    inputs = load_inputs(context, images, n=n, label=label, resize=resize, seed=seed)
    codes = iter(maker.sample_latent(len(inputs), seed))

    def paint(batch: Batch) -> tuple[Tensor, ...]:
        c = context.condition_of(batch)
        z = torch.stack([next(codes) for _ in batch.x])
        both = (model.canvases(one, c).transpose(0, 1) for one in (model.codes(batch.x, c), z))
        return batch.x, *both

    x, again, samples = inputs.each(paint, seed, BATCH)
    total = samples.shape[1]
    count = min(steps, total)
    columns = tuple(-(-(i + 1) * total // count) - 1 for i in range(count))  # the last among them
    caption = f"{context.title}, {inputs.source}, seed {seed}"
    return Canvases(x, again.float(), samples.float(), columns, caption=caption)
