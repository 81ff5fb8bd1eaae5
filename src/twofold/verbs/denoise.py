"""Taking noise away: what the model makes of the likeliest code of a noisy image.

An encoder was trained on clean images and is misled by noise. Its code is only one of the places
where a search begins, beside draws of the prior: by gradient descent for the code z that is
likeliest a posteriori if the noise is Gaussian of its own σ, the least ‖x_noisy − G(z)‖² + σ² ‖z‖².
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.evaluation.figure import Quantity
from twofold.evaluation.inversion import invert_images
from twofold.evaluation.pixels import psnr
from twofold.experiments.context import Context, Subject, open_run, seeded
from twofold.models.base import Generative
from twofold.models.capabilities import HasCodes
from twofold.pictures.sheets import grid
from twofold.verbs.inputs import Images, Inputs, load_inputs
from twofold.verbs.per_image import PerImage, means
from twofold.verbs.result import Result, pixels

__all__ = ["Denoised", "add_noise", "denoise"]

DRAWS = 3  # of the prior, from which the search begins as well
NOISE = 0.3  # added where nothing else is asked for, and thought to be in images noisy already
QUANTITIES = (  # of the images in `Done` after the clean ones, in their order
    Quantity("denoise/psnr/noisy", "PSNR of the noisy images", "dB"),
    Quantity("denoise/psnr/encoder", "PSNR by the encoder alone", "dB"),
    Quantity("denoise/psnr/denoised", "PSNR after denoising", "dB", "higher"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Denoised(Result):
    """Images before and after.

    Attributes:
        images: As given, shape (N, C, H, W), in [0, 1].
        noisy: With the noise that was added; the images themselves where none was.
        denoised: As the model makes them.
    """

    saved = ("images", "noisy", "denoised")

    images: Tensor
    noisy: Tensor
    denoised: Tensor

    @property
    def added(self) -> bool:
        """Whether noise was added, so that the images are clean."""
        return not torch.equal(self.images, self.noisy)

    def picture(self) -> NDArray[np.uint8]:
        """A column for each image."""
        rows = {"clean": self.images} if self.added else {}
        rows |= {"noisy": self.noisy, "denoised": self.denoised}
        return grid(pixels(torch.stack(list(rows.values()))), row_heads=list(rows))


def denoise(
    run: Subject,
    images: Images | None = None,
    *,
    noise: float | None = None,
    flip: float = 0.0,
    steps: int = 100,
    n: int = 10,
    measure: int | Literal["all"] | None = None,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Denoised:
    """Takes noise away, through the codes of a VAE.

    A model that infers the class does so from the noisy image. Any other that is
    conditioned on the class is given the true one, and gains by it.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: A folder, archive, image or data set's name, or arrays; by default the test images.
        noise: σ of the Gaussian noise to add, on pixels in [0, 1], which are clamped; 0.3 where
            `flip` is not given either, and 0 for images that are noisy already.
        flip: The share of pixels to turn black or white, as likely one as the other.
        steps: Of the search for the code, from the encoder's, which 0 keeps.
        n: How many images to show.
        measure: How many images to measure, 0 for none, or `all`; by default those shown.
        label: The class of all images, by number or name, where they have no labels.
        resize: Bring images of another size or color to the model's.
        seed: Seed of noise and draws.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The images before and after: a .png or an .npz.

    Raises:
        UsageError: If the model does not reconstruct whole images, or the noise cannot be.

    Example:
        $ twofold denoise runs/cvae --flip 0.1
    """
    if noise is None:
        noise = 0.0 if flip else NOISE
    if noise < 0 or not 0 <= flip <= 1 or steps < 0:
        raise UsageError(
            f"noise={noise}, flip={flip}, steps={steps}: noise is a σ from 0, flip a share of "
            "pixels, and steps a count"
        )
    context = open_run(run, device)
    denoiser = _Denoiser(context, noise, flip, steps)
    if context.model.condition.about == "image":
        raise UsageError(
            f"cannot denoise: this {context.model.title} is conditioned on a part of the image, "
            "noise and all; use a VAE, CVAE, M2 or DRAW that sees the whole"
        )

    def inputs(count: int | None) -> Inputs:
        return load_inputs(context, images, n=count, label=label, resize=resize, seed=seed)

    with seeded(seed, context.device):
        shown = examined = inputs(n)
        done = [denoiser(batch) for batch in shown.batches()]
        figures = map(_figures, done)
        if measure is not None:
            examined = inputs(None if measure == "all" else measure)
            figures = (_figures(denoiser(batch)) for batch in examined.batches())
        provenance = {"noise": noise, "flip": flip, "steps": steps, "seed": seed}
        provenance |= examined.num_conditioned
        measures = means(figures, provenance) if noise or flip else []
    clean, noisy, _, denoised = (torch.cat(part).cpu() for part in zip(*done, strict=True))
    how = f"noise {noise:g}, flip {flip:g}, seed {seed}"
    caption = f"{context.title}, {how}, {shown.source}"
    return Denoised(clean, noisy, denoised, caption=caption, measures=measures)


def add_noise(x: Tensor, noise: float, flip: float) -> Tensor:
    """Images (B, C, H, W) with Gaussian noise, clamped to [0, 1], and then salt and pepper.

    All channels of a pixel turn black or white together.
    """
    if noise:
        x = (x + noise * torch.randn_like(x)).clamp(0, 1)
    if not flip:
        return x
    uniform = torch.rand_like(x[:, :1])  # (B, 1, H, W)
    return torch.where(uniform < flip, (uniform < flip / 2).to(x.dtype), x)


Done = tuple[Tensor, Tensor, Tensor, Tensor]  # clean, noisy, by the encoder alone, denoised


class _Denoiser:
    """Adds noise to a batch, and takes it away without having seen the clean images.

    The class is read off the noisy ones by a model that can; any other is given the true one.
    """

    def __init__(self, context: Context, noise: float, flip: float, steps: int) -> None:
        self.context, self.noise, self.flip, self.steps = context, noise, flip, steps
        self.encoder = context.model.capability(HasCodes, "denoise")
        self.model = context.model.capability(Generative, "denoise")

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Done:
        noisy = add_noise(batch.x, self.noise, self.flip)
        c = self.context.condition_of(Batch(noisy, batch.y if self.context.needs_class else None))
        encoded = self.encoder.codes(noisy, c)[None]  # (1, B, D)
        draws = DRAWS if self.steps else 0
        drawn = self.model.prior.sample(draws * len(noisy)).unflatten(0, (draws, len(noisy)))
        # A flipped pixel is off by 1 or not at all.
        variance = self.noise**2 + self.flip / 2 or NOISE**2
        first, last = (
            invert_images(self.model, noisy, c, steps=steps, prior=variance, start=start).images
            for steps, start in ((0, encoded), (self.steps, torch.cat([encoded, drawn])))
        )
        return batch.x, noisy, first.float(), last.float()


def _figures(done: Done) -> list[PerImage]:
    clean, *others = done
    return [PerImage(of, psnr(x, clean)) for of, x in zip(QUANTITIES, others, strict=True)]
