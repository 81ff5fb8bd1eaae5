"""Ways from one latent code to another.

References:
    Animating Rotation with Quaternion Curves (Shoemake, 1985), for the arc
    Sampling Generative Networks (White, 2016), https://arxiv.org/abs/1609.04468, for arcs between
    codes: in many dimensions, draws of N(0, I) lie close to a sphere, and a straight way between
    two of them leaves it
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from twofold.errors import unknown_name

__all__ = ["PATHS", "arc", "line", "path_between", "to_and_fro"]

PATHS = ("linear", "spherical")
STRAIGHT = 1e-6  # the sine of an angle below which an arc has no direction of its own


def path_between(a: Tensor, b: Tensor, steps: int, path: str, straight: int = 0) -> Tensor:
    """Even points (N, steps, D) from a to b (N, D), both included, on one of `PATHS`.

    So many of the first coordinates go straight in any case.

    Raises:
        UsageError: If there is no such path.
    """
    if path not in PATHS:
        raise unknown_name("path", path, PATHS)
    t = torch.linspace(0, 1, steps, dtype=torch.float64)
    if path == "linear" or straight == a.shape[1]:
        return line(a, b, t)
    code = line(a[:, :straight], b[:, :straight], t)
    return torch.cat([code, arc(a[:, straight:], b[:, straight:], t)], dim=2)


def to_and_fro(span: float, steps: int) -> Tensor:
    """Even steps from -span to span, with exactly 0 in the middle of an odd number: (steps,)."""
    return torch.arange(1 - steps, steps, 2) * (span / (steps - 1))


def line(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 - t) a + t b for every t: (N, ...), (N, ...) and (T,) to (N, T, ...)."""
    t = t.to(a.dtype).to(a.device).view(-1, *[1] * (a.dim() - 1))
    return torch.lerp(a[:, None], b[:, None], t)


def arc(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The direction turns evenly from a's to b's, and the length goes evenly from a's to b's.

    Where the two are parallel, opposite or zero, no arc is singled out, and the way is straight.
    Shapes are (N, D), (N, D) and (T,) to (N, T, D); t goes from 0 at a to 1 at b.
    """
    like = a
    a, b, t = (part.cpu().double() for part in (a, b, t))  # not every device has doubles
    from_size, to_size = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)  # (N, 1)
    start, end = F.normalize(a, dim=1), F.normalize(b, dim=1)  # zero stays zero
    angle = (start * end).sum(dim=1, keepdim=True).clamp(-1, 1).arccos()  # (N, 1)
    straight = (angle.sin() < STRAIGHT) | (from_size == 0) | (to_size == 0)
    sine = angle.sin().masked_fill(straight, 1.0)
    shares = ((1 - t) * angle).sin() / sine, (t * angle).sin() / sine  # (N, T)
    turned = shares[0][..., None] * start[:, None] + shares[1][..., None] * end[:, None]
    length = torch.lerp(from_size, to_size, t)  # (N, T)
    bent = length[..., None] * turned
    return torch.where(straight[..., None], line(a, b, t), bent).to(like.dtype).to(like.device)
