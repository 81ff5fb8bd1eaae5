"""How DRAW draws: the image as it stands after each step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.apply.common.inputs import Images, load_inputs
from twofold.apply.common.result import Result, pixels
from twofold.apply.context import Subject, open_run, seeded
from twofold.errors import UsageError
from twofold.models.base import Generative, evaluating
from twofold.models.capabilities import Paints
from twofold.pictures.sheets import beside, contact_sheet, grid

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

    x: Tensor
    reconstructions: Tensor
    samples: Tensor
    columns: tuple[int, ...]
    caption: str

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
        steps, scale = self.samples.shape[1], max(1, round(84 / self.x.shape[-2]))
        rows = [
            torch.cat([self.x, self.reconstructions[:, t], self.samples[:, t]])
            for t in range(steps)
        ]
        film = [contact_sheet(pixels(row), len(self.x), scale=scale) for row in rows]
        return film + [film[-1]] * HELD

    def arrays(self) -> Mapping[str, Any]:
        return {"x": self.x, "reconstructions": self.reconstructions, "samples": self.samples}


@torch.no_grad()
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
        images: A folder, archive or image file, or a data set's name (in Python also arrays); by
            default the run's test images.
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
    model, maker = (
        context.model.capability(Paints, "show canvases"),
        context.model.capability(Generative, "sample"),
    )
    inputs = load_inputs(context, images, n=n, label=label, resize=resize, seed=seed)
    z = maker.sample_latent(len(inputs), seed)
    x, again, drawn = [], [], []
    with seeded(seed, context.device), evaluating(model):
        for batch in inputs.batches(BATCH):
            c = context.condition_of(batch)
            start = sum(map(len, x))
            x.append(batch.x.cpu())
            again.append(model.canvases(model.codes(batch.x, c), c).transpose(0, 1).cpu())
            drawn.append(model.canvases(z[start : start + len(batch)], c).transpose(0, 1).cpu())
    samples = torch.cat(drawn).float()
    columns = tuple(_evenly(samples.shape[1], steps))
    caption = f"{context.title}, {inputs.source}, seed {seed}"
    return Canvases(torch.cat(x), torch.cat(again).float(), samples, columns, caption)


def _evenly(total: int, count: int) -> list[int]:
    """So many of 0 .. total - 1, or all, evenly, the last among them."""
    count = min(count, total)
    return [-(-(i + 1) * total // count) - 1 for i in range(count)]
