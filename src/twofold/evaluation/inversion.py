r"""The latent code whose image is nearest to a given one, by gradient descent.

.. math:: \min_z \; \| x - G(z, c) \|^2 + \lambda \| z \|^2

With λ = σ² that is the likeliest code if pixels have Gaussian noise of that σ. The descent starts
from several draws of the prior and the best end counts.

References:
    Inverting the Generator of a Generative Adversarial Network (Creswell and Bharath, 2018),
    section II, https://arxiv.org/abs/1611.05644
    Adam: A Method for Stochastic Optimization (Kingma and Ba, 2015), https://arxiv.org/abs/1412.6980
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from twofold.models.base import Generative, evaluating

__all__ = ["Inverted", "invert_images"]

ROWS = 2_000  # images generated at a time, with what their gradient needs
DECAY = (0.9, 0.999)  # of Adam's moments, its defaults


@dataclass(frozen=True)
class Inverted:
    """Codes of N images.

    Attributes:
        z: Shape (N, D).
        images: G(z, c), shape (N, C, H, W).
        objective: What each restart came to, shape (R, N), the first being the best.
    """

    z: Tensor
    images: Tensor
    objective: Tensor


def invert_images(
    model: Generative,
    x: Tensor,
    c: Tensor | None = None,
    restarts: int = 8,
    steps: int = 300,
    lr: float = 0.1,
    prior: float = 0.0,
    start: Tensor | None = None,
    rows: int = ROWS,
) -> Inverted:
    """Finds a code for every image, all restarts of all images in a batch at once.

    The learning rate falls to zero along half a cosine. The model is in evaluation mode meanwhile,
    and no gradient reaches its parameters.

    Arguments:
        model: One that makes images from codes.
        x: Images in [0, 1], shape (N, C, H, W).
        c: The condition of each image, first axis N.
        restarts: R, each from a draw of the prior.
        steps: Of Adam; 0 stays at the start.
        lr: The first learning rate.
        prior: λ, of -2 ln p(z), which is ‖z‖² for N(0, I), beside the squared error summed over
            pixels.
        start: Where to begin, shape (R, N, D), in the place of draws of the prior.
        rows: How many images may be generated at once, or as many as there are restarts.
    """
    if start is None:
        drawn = model.prior.sample(restarts * len(x)).detach()
        start = drawn.unflatten(0, (restarts, len(x)))  # (R, N, D)
    at_once = max(1, rows // len(start))
    cs = [None] * len(x) if c is None else c.split(at_once)
    with evaluating(model):
        parts = [
            _invert(model, x_part, c_part, z, steps, lr, prior)
            for x_part, c_part, z in zip(
                x.split(at_once), cs, start.split(at_once, dim=1), strict=False
            )
        ]
    return Inverted(
        torch.cat([part.z for part in parts]),
        torch.cat([part.images for part in parts]),
        torch.cat([part.objective for part in parts], dim=1),
    )


def _invert(
    model: Generative,
    x: Tensor,
    c: Tensor | None,
    start: Tensor,
    steps: int,
    lr: float,
    prior: float,
) -> Inverted:
    repeated = None if c is None else torch.cat([c] * len(start))

    def generate(z: Tensor) -> Tensor:
        """Codes (R, B, D) to images (R, B, C, H, W)."""
        return model.generate(z.flatten(0, 1), repeated).unflatten(0, z.shape[:2])

    def objective(z: Tensor, images: Tensor) -> Tensor:
        """Of every code, shape (R, B)."""
        squared = (images - x).square().flatten(2).sum(dim=2)
        return squared + prior * model.prior.energy(z)

    z = start.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=lr, betas=DECAY)
    for step in range(steps):
        adam.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        with torch.enable_grad():  # of a sum, in which every code is in one term alone
            (z.grad,) = torch.autograd.grad(objective(z, generate(z)).sum(), z)
        adam.step()
    with torch.no_grad():
        z = z.detach()
        images = generate(z)
        found = objective(z, images)
    best, each = found.argmin(dim=0), torch.arange(len(x), device=x.device)
    return Inverted(z[best, each], images[best, each], found.sort(dim=0).values)
