"""What a model makes of what lies between two codes."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.errors import UsageError, unknown_name
from twofold.experiments.context import Classes, Subject, open_run
from twofold.models.base import Generative
from twofold.models.capabilities import HasCodes
from twofold.pictures.sheets import grid
from twofold.ranges import name_list
from twofold.verbs.codes import Codes, Request
from twofold.verbs.inputs import Images
from twofold.verbs.paths import line, path_between
from twofold.verbs.result import Strips, pixels

__all__ = ["BETWEEN", "Interpolation", "interpolate"]

BETWEEN = ("images", "seeds", "classes")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Interpolation(Strips):
    """A row for each pair, from the one to the other.

    Attributes:
        z: The codes, shape (rows, columns, D).
        ends: The images that the first and last codes are of, shape (rows, 2, C, H, W); None where
            these are of no image.
    """

    saved = ("images", "z", "ends")

    z: Tensor
    ends: Tensor | None = None

    def picture(self) -> NDArray[np.uint8]:
        """The strips, between the images themselves where there are any."""
        if self.ends is None:
            return super().picture()
        cells = torch.cat([self.ends[:, :1], self.images, self.ends[:, 1:]], dim=1)
        heads = ["image", *self.column_heads, "image"]
        return grid(pixels(cells), self.row_heads, heads)


def interpolate(
    run: Subject,
    images: Images | None = None,
    *,
    between: str | None = None,
    n: int = 5,
    steps: int = 10,
    path: str | None = None,
    square: bool = False,
    label: Classes | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Interpolation:
    """Goes from one image, seed or class to another, and shows what lies between.

    Between images, a pair is one of the first half and one of the second half of the images, and a
    class-conditional model gets weights of both classes, which change with the code: at both ends
    these are the reconstructions, and where the classes are one they change nothing. Between seeds,
    pairs are draws of the prior, of one class or with a part of one image.
    Between classes, the code stays and only the weights change, from each class to the next. What
    lies between two classes is nothing that a model was trained on, except M2 by Gumbel-softmax.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: A folder, archive, image or data set's name, or arrays; by default the test images.
        between: `images`, `seeds` or `classes`; by default images where the model finds codes of
            images, else seeds.
        n: How many pairs, a row each.
        steps: Images from one end to the other, both included.
        path: `linear`, or `spherical`, which is the default between seeds of N(0, I): its draws of
            many dimensions are all of about one length, and what lies straight between two is
            shorter.
        square: A square in place of strips, between four corners: the pairs are its upper and its
            lower edge.
        label: Classes as in 3,8 or 0..4. Between seeds one for each row in turn; between classes
            those to go through; between images the one class of all, where they have no labels.
        resize: Bring images of another size or color to the model's.
        seed: Seed of the choice of images, and of the codes.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The strips: a .png, an animated .webp, or an .npz.

    Raises:
        UsageError: If the model has no such codes or classes, or the images do not fit it.

    Example:
        $ twofold interpolate runs/cvae --between classes --label 3,8
    """
    if steps < 2:
        raise UsageError(f"steps={steps}: two ends are needed, so ask for at least 2")
    context = open_run(run, device)
    model = context.model.capability(Generative, "interpolate")
    by_part = model.condition.about == "image"
    able = not by_part and context.model.capability(HasCodes) is not None
    kind = between or ("images" if able else "seeds")
    if kind not in BETWEEN:
        raise unknown_name("kind of ends", kind, BETWEEN)
    if images is not None and kind != "images" and not by_part:
        raise UsageError(f"between {kind} no images are looked at; leave them out")
    if isinstance(label, str) and kind != "images":
        label = name_list(label, context.class_names)
    asked = Request(context, images, label, resize, seed)
    start, end = _ENDS[kind](asked, 2 if square else n, square)
    way = path or ("spherical" if kind == "seeds" and model.prior.spherical else "linear")
    straight = model.prior.code_dim
    z = path_between(start.z, end.z, steps, way, straight)
    c = None if start.c is None or end.c is None else _mixed(start.c, end.c, steps)
    if square:
        z = path_between(z[0], z[1], steps, way, straight).transpose(0, 1)
        c = None if c is None else _mixed(c[0], c[1], steps).transpose(0, 1)
    flat = None if c is None else c.flatten(0, 1)
    made = model.images_of(z.flatten(0, 1), flat).cpu().unflatten(0, z.shape[:2])
    caption = f"{context.title}, {way} between {kind}, seed {seed}"
    if square:
        return Interpolation(images=made, caption=caption, z=z.cpu())
    ends = None if start.x is None or end.x is None else torch.stack([start.x, end.x], dim=1)
    return Interpolation(
        images=made,
        row_heads=[
            a if a == b else f"{a} to {b}" for a, b in zip(start.names, end.names, strict=True)
        ],
        column_heads=[f"{t:.2g}" for t in np.linspace(0, 1, steps)],
        caption=caption,
        z=z.cpu(),
        ends=ends,
    )


def _of_images(asked: Request, rows: int, square: bool) -> tuple[Codes, Codes]:
    """The first half of the images, and the second."""
    model = asked.context.model
    if model.condition.about == "image":
        raise UsageError(
            f"{model.title} is conditioned on a part of an image, and between two images "
            "there is none; go between seeds, which completes one image in different ways"
        )
    codes = asked.codes_of_images("interpolate", 2 * rows)
    half = len(codes) // 2
    if half < (2 if square else 1):
        needs = "a square needs four" if square else "a strip needs two"
        raise UsageError(f"{needs} images, and {len(codes)} is too few; give more")
    return codes.part(0, half), codes.part(half, 2 * half)


def _of_seeds(asked: Request, rows: int, square: bool) -> tuple[Codes, Codes]:
    """Two draws for each row, both with one condition; for a square, all four."""
    start = asked.drawn_codes(1 if square else rows)
    if not square:
        rows = len(start)
    elif start.c is not None:
        start = replace(start, c=start.c.expand(rows, *start.c.shape[1:]))
    assert isinstance(asked.context.model, Generative)
    z = asked.context.model.sample_latent(2 * rows, asked.seed)
    return replace(start, z=z[:rows]), replace(start, z=z[rows:])


def _of_classes(asked: Request, rows: int, _: bool) -> tuple[Codes, Codes]:
    """One draw for each row, of one class and of the next."""
    classes = asked.context.asked_classes(asked.label)
    if len(classes) < 2:
        raise UsageError(
            f"{asked.context.model.title} goes between classes where they are its condition and "
            "two or more are asked for; use a CVAE or CGAN, or go between images or seeds"
        )
    steps = list(pairwise(classes)) + ([(classes[-1], classes[0])] if len(classes) > 2 else [])
    first, second = (replace(asked, label=ends) for ends in zip(*steps, strict=True))
    return first.drawn_codes(rows), second.drawn_codes(rows)


_ENDS = {"images": _of_images, "seeds": _of_seeds, "classes": _of_classes}


def _mixed(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """What the model is conditioned on from a to b: (N, ...) and (N, ...) to (N, steps, ...)."""
    return line(a, b, torch.linspace(0, 1, steps, dtype=torch.float64))
