"""What each latent does: one moves, the others stay."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from twofold.errors import UsageError
from twofold.experiments.context import Subject, open_run
from twofold.models.base import Generative
from twofold.models.capabilities import HasCodes
from twofold.ranges import whole_numbers
from twofold.verbs.codes import Codes, Request
from twofold.verbs.inputs import Images
from twofold.verbs.paths import to_and_fro
from twofold.verbs.result import Strips

__all__ = ["Traversal", "traverse"]

IMAGES = 1000  # whose codes say which latents carry something


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Traversal(Strips):
    """A row for each latent, with its variance in brackets where there is one.

    Attributes:
        latents: Which, shape (rows,).
        values: Of the latent that moves, in standard deviations of the prior: shape (columns,).
        z: The code they start from, shape (D,).
        variances: Of all latents over the codes of images, shape (D,); None without an encoder.
    """

    saved = ("images", "latents", "values", "z", "variances")

    latents: Tensor
    values: Tensor
    z: Tensor
    variances: Tensor | None


def traverse(
    run: Subject,
    images: Images | None = None,
    *,
    n: int = 10,
    latents: Sequence[int] | str | None = None,
    steps: int = 11,
    span: float = 3.0,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Traversal:
    """Moves one latent at a time, the most active ones first.

    The latents come in the order of the variance of their posterior means over images, which is
    close to 0 where the encoder ignores one. A model that finds no codes starts from a draw, and
    its latents come in the order of how much each changes the image.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: The first of which is where to start; by default the run's test images.
        n: How many latents.
        latents: Which, as in 0,3,5 or 0..4, in place of the `n` most active ones.
        steps: Images in a row.
        span: Each latent goes from -span to span, in standard deviations of the prior, or from its
            median as far as these would be if it were Gaussian.
        label: The class to show, of a class-conditional model: starts from an image of it if there
            is any.
        resize: Bring images of another size or color to the model's.
        seed: Seed of the choice of images, or of the draw.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The rows: a .png, an animated .webp, or an .npz.

    Raises:
        UsageError: If the model makes no images, or a setting or the images do not fit.

    Example:
        $ twofold traverse runs/cvae --latents 0..4 --label 5
    """
    for given, ok, least in (
        (f"n={n}", n >= 1, "at least 1"),
        (f"steps={steps}", steps >= 2, "at least 2"),
        (f"span={span}", 0 < span < float("inf"), "more than 0"),
    ):
        if not ok:
            raise UsageError(f"{given}; expected {least}")
    context = open_run(run, device)
    model = context.model.capability(Generative, "traverse")
    by_part = model.condition.about == "image"
    if images is not None and model.capability(HasCodes) is None and not by_part:
        raise UsageError(
            f"{context.title} finds no codes of images and starts from a draw; leave images out"
        )
    if isinstance(latents, str):
        latents = whole_numbers(latents, "latents=")
    wrong = [d for d in latents or () if not 0 <= d < model.latent_dim]
    if latents is not None and (wrong or not latents):
        got, last = wrong[0] if wrong else "none", model.latent_dim - 1
        raise UsageError(f"latents={got}: the latents of this model are numbered 0 to {last}")
    start, variances = _start(Request(context, images, label, resize, seed), model)
    values = to_and_fro(span, steps)
    if latents is None:
        wanted = _most_active(model, start, variances, values)[:n]
    else:
        wanted = torch.as_tensor(latents)
    shown = "".join(f", {name}" for name in start.names)
    return Traversal(
        images=_moved(model, start, wanted, values),
        row_heads=[
            f"z{d}" if variances is None else f"z{d} ({variances[d]:.2f})" for d in wanted.tolist()
        ],
        column_heads=[f"{value:.2g}" for value in values.tolist()],
        caption=f"{context.title}, one latent at a time{shown}, seed {seed}",
        latents=wanted,
        values=values,
        z=start.z[0].cpu(),
        variances=variances,
    )


def _start(asked: Request, model: Generative) -> tuple[Codes, Tensor | None]:
    """One code, and the variances (D,) of those of images."""
    drawn = asked.drawn_codes(1)
    if model.capability(HasCodes) is None:
        return drawn, None
    codes = asked.codes_of_images("traverse", IMAGES)
    variances = codes.z.var(dim=0, correction=0).cpu()
    if asked.label is None:
        return codes.part(0, 1), variances
    name = drawn.names[0]
    first = codes.names.index(name) if name in codes.names else 0
    return replace(codes.part(first, first + 1), c=drawn.c, names=drawn.names), variances


def _most_active(
    model: Generative, start: Codes, variances: Tensor | None, values: Tensor
) -> Tensor:
    """All latents, the most active first, shape (D,)."""
    if variances is None:
        moved = _moved(model, start, torch.arange(model.latent_dim), values)
        variances = moved.var(dim=1).flatten(1).mean(dim=1)
    return variances.argsort(descending=True)


def _moved(model: Generative, start: Codes, latents: Tensor, values: Tensor) -> Tensor:
    """Images (rows, columns, C, H, W) of the code with one latent set to each value."""
    rows, columns = len(latents), len(values)
    z = start.z.repeat(rows, columns, 1)  # (rows, columns, D)
    middle, sigma = (part.to(z)[latents.to(z.device), None] for part in model.prior.spread())
    z[torch.arange(rows), :, latents] = middle + sigma * values.to(z)  # (rows, columns)
    c = None if start.c is None else start.c.expand(rows * columns, *start.c.shape[1:])
    return model.images_of(z.flatten(0, 1), c).cpu().unflatten(0, (rows, columns))
