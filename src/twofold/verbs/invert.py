"""Finding the latent code of an image for a model without an encoder."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.conditions import ImagePart
from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.evaluation.figure import Quantity
from twofold.evaluation.inversion import invert_images
from twofold.evaluation.pixels import psnr
from twofold.experiments.context import Subject, open_run
from twofold.models.base import Generative
from twofold.pictures.sheets import grid
from twofold.verbs.inputs import Images, load_inputs
from twofold.verbs.per_image import PerImage, means, squared_error
from twofold.verbs.result import Result, pixels

__all__ = ["Inversions", "invert"]


@dataclass(frozen=True, eq=False, repr=False)
class Inversions(Result):
    """Images with the nearest that a model makes.

    Attributes:
        images: As given, shape (N, C, H, W), in [0, 1].
        inversions: What the model makes of the codes, the same shape.
        z: Codes, shape (N, D), which `model.generate` takes.
        labels: The class that each was made with, shape (N,), or None.
        psnr: Of each inversion, in dB, shape (N,); of the hidden pixels alone where the model was
            shown others.
    """

    saved = ("images", "inversions", "z", "psnr", "labels")

    images: Tensor
    inversions: Tensor
    z: Tensor
    labels: Tensor | None
    psnr: Tensor

    def picture(self) -> NDArray[np.uint8]:
        """A column for each image, under how near its inversion is."""
        heads = [f"{value:.1f} dB" for value in self.psnr.tolist()]
        both = pixels(torch.stack([self.images, self.inversions]))
        return grid(both, ["image", "inversion"], heads)


def invert(
    run: Subject,
    images: Images | None = None,
    *,
    restarts: int = 8,
    steps: int = 300,
    prior: float = 0.0,
    n: int = 10,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Inversions:
    """Finds the latent codes of images, for models without an encoder too.

    A class-conditional model is given the class of each image. One that is shown a part of the
    image is measured by the rest.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: A folder, archive, image or data set's name, or arrays; by default the test images.
        restarts: Draws of the prior to start from, for each image; the best end counts.
        steps: Of gradient descent.
        prior: Weight of ‖z‖² beside the squared error summed over pixels, which keeps codes likely.
        n: How many images.
        label: The class of all images, by number or name, where they have no labels.
        resize: Bring images of another size or color to the model's.
        seed: Seed of the draws.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        Images and codes: a .png or an .npz.

    Raises:
        UsageError: If the model makes no images, or what is given does not fit.

    Example:
        $ twofold invert runs/cgan --images path/to/images --resize
    """
    if restarts < 1 or steps < 1 or prior < 0:
        raise UsageError(
            f"restarts={restarts}, steps={steps}, prior={prior}: the first two are at least 1, the "
            "third at least 0"
        )
    context = open_run(run, device)
    model = context.model.capability(Generative, "invert")
    inputs = load_inputs(context, images, n=n, label=label, resize=resize, seed=seed)
    condition = model.condition

    def search(batch: Batch) -> tuple[Tensor | None, ...]:
        c = context.condition_of(batch)
        found = invert_images(model, batch.x, c, restarts, steps, prior=prior)
        return batch.x, found.images.float(), found.z, c if condition.about == "class" else None

    x, found, z, labels = inputs.each(search, seed)
    hidden = ~condition.visible.cpu() if isinstance(condition, ImagePart) else None
    of, whole = ("", " of the inversions") if hidden is None else (" of the hidden part", "")
    near = psnr(found, x, hidden)
    provenance = {"restarts": restarts, "steps": steps, "prior": prior, "seed": seed}
    figures = [
        PerImage(Quantity("invert/psnr", f"PSNR{whole}{of}", "dB", "higher"), near),
        squared_error("invert", f"inversions{of}", found, x, mask=hidden),
    ]
    how = f"{restarts} restarts, {steps} steps, seed {seed}"
    return Inversions(
        x,
        found,
        z,
        labels,
        near,
        caption=f"{context.title}, {how}, {inputs.source}",
        measures=means([figures], provenance),
    )
