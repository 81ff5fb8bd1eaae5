"""Images beside what a model makes of them, and what it makes of nothing."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.data.batches import Batch
from twofold.experiments.context import Subject, open_run
from twofold.models.base import Generative
from twofold.models.capabilities import Reconstructs
from twofold.pictures.results import reconstructed_sheet
from twofold.verbs.inputs import Images, load_inputs
from twofold.verbs.per_image import means, squared_error
from twofold.verbs.result import Result, pixels

__all__ = ["Reconstructions", "reconstruct"]

SHOWN = "the model was shown a part of each image, which counts as well"


@dataclass(frozen=True, eq=False, repr=False)
class Reconstructions(Result):
    """Images, reconstructions of them, and as many samples of the prior.

    Attributes:
        x: Images as the model gets them, floats in [0, 1], shape (N, C, H, W).
        reconstructions: Shape (N, C, H, W).
        samples: With the conditions of the reconstructions, shape (N, C, H, W).
    """

    saved = ("x", "reconstructions", "samples")

    x: Tensor
    reconstructions: Tensor
    samples: Tensor

    def picture(self) -> NDArray[np.uint8]:
        """Rows of inputs, reconstructions and samples, ten columns at a time."""
        three = torch.stack([self.x, self.reconstructions, self.samples])
        return reconstructed_sheet(pixels(three))


def reconstruct(
    run: Subject,
    images: Images | None = None,
    *,
    n: int | None = 10,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Reconstructions:
    """Shows images, their reconstructions, and samples of the prior.

    A model that is conditioned on the class or a part of the image has the same condition in both.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: A folder, archive, image or data set's name, or arrays; by default the test images.
        n: How many images, the classes in balance.
        label: The class of all images, by number or name, where they have no labels.
        resize: Bring images of another size or color to the model's.
        seed: Seed of the choice of images, of a dynamic binarization, and of the samples.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        All three: a .png or an .npz.

    Raises:
        UsageError: If the model cannot reconstruct, or the images do not fit it.

    Example:
        $ twofold reconstruct runs/cvae --images path/to/images --resize
    """
    context = open_run(run, device)
    model = context.model.capability(Reconstructs, "reconstruct")
    maker = context.model.capability(Generative, "sample")
    inputs = load_inputs(context, images, n=n, label=label, resize=resize, seed=seed)
    codes = iter(maker.sample_latent(len(inputs), seed))

    def three(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        c = context.condition_of(batch)
        z = torch.stack([next(codes) for _ in batch.x])
        return batch.x, model.reconstruct(batch.x, c).float(), maker.images_of(z, c)

    x, again, samples = inputs.each(three, seed)
    notes = (SHOWN,) if maker.condition.about == "image" else ()
    error = squared_error("reconstruct", "reconstructions", again, x, notes)
    return Reconstructions(
        x,
        again,
        samples,
        caption=f"{context.title}, {inputs.source}, seed {seed}",
        measures=means([[error]], {"source": inputs.source, "seed": seed}),
    )
