"""Filling in the missing part of images, in several plausible ways."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import NotMeasured, UsageError
from twofold.evaluation.figure import Quantity
from twofold.evaluation.pixels import psnr, ssim
from twofold.experiments.context import Subject, open_run, seeded
from twofold.inpainting.inpainters import Inpainter, make_inpainter
from twofold.inpainting.visible import Mask, part_name, visible_part
from twofold.pictures.sheets import grid
from twofold.training.progress import Console, Progress
from twofold.verbs.inputs import BATCH, Images, Inputs, load_inputs
from twofold.verbs.per_image import PerImage, means
from twofold.verbs.result import Result, pixels
from twofold.words import plural

__all__ = ["Completions", "complete"]

PSNR = Quantity("completion/psnr", "PSNR of the hidden part", "dB", "higher")
SSIM = Quantity("completion/ssim", "SSIM", "", "higher", least=-1.0, most=1.0)
SCALE = 2  # of the picture
HIDDEN = 0.7  # gray level of what is hidden, in the picture
ROWS = 4_000  # completions at a time


@dataclass(frozen=True, eq=False, repr=False)
class Completions(Result):
    """Images with what a model makes of their hidden part.

    Attributes:
        images: The whole images, shape (N, C, H, W), in [0, 1].
        visible: Which pixels the model was shown, boolean (H, W).
        completions: Shape (N, K, C, H, W), the visible pixels as they are in the images.
        labels: Classes, shape (N,), -1 where not known, or None.
    """

    saved = ("images", "visible", "completions", "labels")

    images: Tensor
    visible: Tensor
    completions: Tensor
    labels: NDArray[np.int64] | None

    def picture(self) -> NDArray[np.uint8]:
        """A row for each image: what is visible, the completions, the truth."""
        shown = torch.where(self.visible, self.images, HIDDEN)
        columns = [shown[:, None], self.completions, self.images[:, None]]
        heads = ["visible", *[""] * self.completions.shape[1], "truth"]
        return grid(pixels(torch.cat(columns, dim=1)), column_heads=heads, scale=SCALE)


def complete(
    run: Subject,
    images: Images | None = None,
    *,
    part: str | None = None,
    mask: Mask | None = None,
    num_completions: int = 8,
    n: int = 10,
    measure: int | Literal["all"] | None = None,
    num_draws: int = 100,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Completions:
    """Fills in the missing part of images, in several plausible ways.

    A model that was trained to complete images, by the visible part as its condition, draws z from
    the prior. Of any other decoder p(x|z), codes are drawn from p(z | visible pixels) by
    annealed importance sampling. A CVAE is given the class of the images that have a label; of the
    others, and of all images where the model infers the class, as M2 does, the class is drawn as
    well. That takes about two seconds per image and core, for small networks.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: A folder, archive or image file, or a data set's name (in Python also arrays); by
            default the run's test images. Their hidden pixels are the truth that completions are
            measured by, and the model does not see them.
        part: The visible part: left-half, right-half, top-half, bottom-half, middle-column,
            bottom-left or not-bottom-right; left-half by default.
        mask: An image, white where visible and black where hidden; a picture of which the hidden
            region is painted in magenta (255, 0, 255); in Python also an array.
        num_completions: Of each image.
        n: How many images to show.
        measure: How many images to measure, 0 for none, or `all`; by default those shown.
        num_draws: Draws of z for the log-likelihood, of a model that was trained to complete.
        label: The class of all images, by number or name, where they have no labels.
        resize: Bring images and mask of another size or color to the model's.
        seed: Seed of the draws.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.
        progress: Who hears what takes its time; by default the terminal or notebook.

    Returns:
        The completions: a .png or an .npz.

    Raises:
        UsageError: If the model can complete nothing, or what is given does not fit.

    Example:
        $ twofold complete runs/cvae --part top-half --num-completions 4
    """
    if num_completions < 1 or num_draws < 1:
        raise UsageError(
            f"num_completions={num_completions}, num_draws={num_draws}: each must be at least 1"
        )
    context = open_run(run, device)
    visible = visible_part(context.model, part, mask, resize)
    inpainter = make_inpainter(context, visible, num_completions, num_draws)

    def inputs(count: int | None) -> Inputs:
        return load_inputs(context, images, n=count, label=label, resize=resize, seed=seed)

    progress = progress or Console()
    with seeded(seed, context.device):
        shown = examined = inputs(n)
        progress.say(f"completing {plural(len(shown), 'image')}, {inpainter.how}")
        filled = list(_complete_batches(inpainter, shown, num_completions))
        batches = iter(filled if measure != 0 else ())
        if measure is not None and measure != 0:
            examined = inputs(None if measure == "all" else measure)
            batches = _complete_batches(inpainter, examined, num_completions)
        if measure != 0:
            progress.say(f"measuring {plural(len(examined), 'image')}; measure 0 leaves this out")
        missing: dict[str, str] = {}
        name = part_name(visible)
        provenance = {"visible": name, "completions": num_completions, "seed": seed}
        figures = (_figures(inpainter, visible, batch, made, missing) for batch, made in batches)
        measures = means(figures, provenance | examined.num_conditioned)
    return Completions(
        torch.cat([batch.x for batch, _ in filled]).cpu(),
        visible.cpu(),
        torch.cat([made.transpose(0, 1) for _, made in filled]).cpu(),
        shown.labels,
        caption=f"{context.title}, {name} visible, seed {seed}, {shown.source}",
        measures=measures,
        not_measured=missing,
    )


def _complete_batches(
    inpainter: Inpainter, inputs: Inputs, count: int
) -> Iterator[tuple[Batch, Tensor]]:
    """Batches with their completions (count, B, C, H, W)."""
    for batch in inputs.batches(max(1, min(BATCH, ROWS // count))):
        yield batch, inpainter.inpaint(batch, count)


def _figures(
    inpainter: Inpainter, visible: Tensor, batch: Batch, made: Tensor, missing: dict[str, str]
) -> list[PerImage]:
    """All there is to say of a batch and its completions; what cannot be said goes to `missing`."""
    found = []
    try:
        found += inpainter.likelihood(batch)
    except NotMeasured as error:
        missing["log-likelihood of the hidden part"] = str(error)
    count = len(made)
    for quantity, figure in (
        (PSNR, lambda x: psnr(x, batch.x, ~visible)),
        (SSIM, lambda x: ssim(x, batch.x)),
    ):
        try:
            each, of_mean = figure(made), figure(made.mean(dim=0))
        except NotMeasured as error:
            missing[quantity.title] = str(error)
            continue
        found += [
            PerImage(quantity, of_mean, "of_mean", f"mean of {count} completions"),
            PerImage(quantity, each.mean(dim=0), "average", f"average over {count} completions"),
            PerImage(quantity, each.amax(dim=0), "best", f"best of {count} completions"),
        ]
    return found
