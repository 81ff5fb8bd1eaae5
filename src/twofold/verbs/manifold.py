"""What a model makes of a plane through its latent space.

References:
    Auto-Encoding Variational Bayes (Kingma and Welling, 2014), appendix A, for the plane of two
    latents by the quantiles of the prior, https://arxiv.org/abs/1312.6114
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from twofold.errors import UsageError
from twofold.evaluation.planes import principal_axes
from twofold.experiments.context import Subject, open_run
from twofold.models.base import Generative
from twofold.models.capabilities import HasCodes
from twofold.verbs.codes import Request
from twofold.verbs.inputs import Images
from twofold.verbs.paths import to_and_fro
from twofold.verbs.result import Sheet

__all__ = ["Manifold", "manifold"]

IMAGES = 1000  # whose codes say along which directions a latent space is used


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Manifold(Sheet):
    """Images of a plane of codes; the first coordinate grows to the right, the second upwards.

    Attributes:
        z: The codes, shape (rows, columns, D).
        coordinates: Along either direction, shape (columns,).
        directions: `latents`, `principal` or `random`: which plane it is.
    """

    saved = ("images", "z", "coordinates")

    z: Tensor
    coordinates: Tensor
    directions: str


def manifold(
    run: Subject,
    images: Images | None = None,
    *,
    steps: int = 10,
    span: float = 2.0,
    quantiles: bool = False,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Manifold:
    """Shows a plane of the latent space: its two latents, or where codes vary most.

    A latent space of two dimensions is its own plane. In a larger one the plane goes through the
    mean of the codes of a thousand images along their first two principal components, a unit being
    their standard deviation along each. A model that finds no codes is shown on the plane of two
    orthogonal draws; a unit is √(D/2), so that with u² + v² = 2 a point is as far from the middle
    as a draw of the prior.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: Whose codes, or whose visible part; by default the run's test images.
        steps: Images along each side.
        span: The grid goes from -span to span.
        quantiles: Space the codes by quantiles of the prior instead, so that with two latents each
            image stands for as much of it. In a larger space the plane is but a cut, and has no
            share of it.
        label: The class to show, of a class-conditional model; by default the first.
        resize: Bring images of another size or color to the model's.
        seed: Seed of the choice of images, and of drawn directions.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The plane: a .png or an .npz.

    Raises:
        UsageError: If the model makes no images, or a setting or the images do not fit.

    Example:
        $ twofold manifold runs/vae-z2 --steps 20
    """
    if steps < 2 or not 0 < span < float("inf"):
        raise UsageError(f"steps={steps}, span={span}: ask for 2 steps or more and a span above 0")
    context = open_run(run, device)
    model = context.model.capability(Generative, "show the manifold")
    looks = model.latent_dim > 2 and model.capability(HasCodes) is not None
    if images is not None and not looks and model.condition.about != "image":
        raise UsageError(f"the manifold of {context.title} looks at no images; leave them out")
    asked = Request(context, images, label, resize, seed)
    draw = asked.drawn_codes(1)
    directions, center, along = _plane(asked, model)
    u = v = to_and_fro(span, steps)
    if quantiles:
        levels = (torch.arange(steps) + 0.5) / steps
        u = v = torch.special.ndtri(levels)
        if directions == "latents":  # by the prior's own, from its middle and in its own unit
            u, v = ((model.prior.quantiles(levels) - center) @ along.inverse()).T.cpu()
    v = v.flip(0)
    points = torch.stack(torch.meshgrid(v, u, indexing="ij"), dim=-1).to(center)  # (v, u, 2)
    z = center + points.flip(-1) @ along  # (S, S, D)
    c = None if draw.c is None else draw.c.expand(steps**2, *draw.c.shape[1:])
    made = model.images_of(z.flatten(0, 1), c).cpu()
    shown = "".join(f", {name}" for name in draw.names)
    return Manifold(
        images=made.unflatten(0, (steps, steps)),
        row_heads=[f"{value:.2g}" for value in v],
        column_heads=[f"{value:.2g}" for value in u],
        caption=f"{context.title}, {_WORDS[directions]}{shown}, seed {seed}",
        z=z.cpu(),
        coordinates=u,
        directions=directions,
    )


_WORDS = {
    "latents": "the plane of both latents",
    "principal": "the first two principal components of codes",
    "random": "a plane of two draws",
}


def _plane(asked: Request, model: Generative) -> tuple[str, Tensor, Tensor]:
    """Which plane it is, and its codes center + u·along[0] + v·along[1]: shapes (D,) and (2, D)."""
    D, device, title = model.latent_dim, model.device, asked.context.title
    if D == 1:
        raise UsageError(f"{title} has one latent, which makes no plane; use `traverse`")
    middle, sigma = (part.to(device) for part in model.prior.spread())  # (D,)
    if D == 2:
        return "latents", middle, torch.diag(sigma)
    if model.capability(HasCodes) is None:
        orthonormal, _ = torch.linalg.qr(model.sample_latent(2, asked.seed).T)  # (D, 2)
        return "random", middle, orthonormal.T * (D / 2) ** 0.5 * sigma
    codes = asked.codes_of_images("show the manifold", IMAGES)
    points = codes.z.cpu().double().numpy()
    axes = principal_axes(points, 2)
    along = axes.directions * axes.project(points).std(axis=0)  # (D, 2)
    center, along = torch.as_tensor(axes.mean), torch.as_tensor(along).T
    return "principal", center.to(codes.z), along.to(codes.z)
