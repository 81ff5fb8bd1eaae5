r"""A prior: every coordinate of z follows Student's t, whose tails are heavier than N(0, 1)'s.

.. math:: z_d = \epsilon_d / \sqrt{w_d / \nu}, \quad \epsilon_d \sim N(0, 1), \; w_d \sim \chi^2_\nu
"""

import math

import torch
from torch import Tensor

from twofold.priors import Prior
from twofold.registry import register
from twofold.settings import Count


@register("prior", "student-t", title="Student's t in every coordinate")
class StudentT(Prior):
    """A prior that forgives codes far out. The KL has no formula, so it is sampled.

    Arguments:
        degrees: ν, degrees of freedom; 1 is Cauchy's, many are N(0, I).
    """

    def __init__(self, degrees: Count = 5) -> None:
        super().__init__()
        self.degrees = degrees

    def log_prob(self, z: Tensor) -> Tensor:
        nu = self.degrees
        log_scale = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(nu * math.pi)
        return (log_scale - (nu + 1) / 2 * torch.log1p(z.square() / nu)).sum(dim=-1)

    def sample(
        self, n: int, generator: torch.Generator | None = None, scale: float = 1.0
    ) -> Tensor:
        normal = self.noise(n * (1 + self.degrees), generator, 1.0).unflatten(0, (-1, n))
        mean_square = normal[1:].square().mean(dim=0)  # w / ν, (n, D)
        return scale * normal[0] / mean_square.sqrt()
