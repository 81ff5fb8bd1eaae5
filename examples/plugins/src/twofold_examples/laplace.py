r"""A likelihood: pixels with an absolute error.

.. math:: \ln p(x|z) = \sum_i -\ln 2b - |x_i - \mu_i| / b
"""

import math

import torch
from torch import Tensor

from twofold.distributions import ImageDistribution
from twofold.likelihoods import Likelihood
from twofold.registry import register
from twofold.settings import Positive


class Laplace(ImageDistribution):
    """Pixels with density exp(-|x - mu| / b) / 2b."""

    def __init__(self, mu: Tensor, scale: float) -> None:
        self.mu, self.scale = mu, scale

    @property
    def mean(self) -> Tensor:
        return self.mu

    def pixel_log_prob(self, x: Tensor) -> Tensor:
        return -(x - self.mu).abs() / self.scale - math.log(2 * self.scale)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        u = torch.rand(self.mu.shape, generator=generator, device=self.mu.device) - 0.5
        return self.mu - self.scale * u.sign() * torch.log1p(-2 * u.abs())


@register("likelihood", "laplace", title="pixels with an absolute error")
class LaplaceLikelihood(Likelihood):
    """Laplace pixels of one fixed scale around the decoder's sigmoid.

    Arguments:
        scale: b.
    """

    name = "laplace"

    def __init__(self, channels: int, scale: Positive = 0.1) -> None:
        super().__init__(channels)
        self.scale = scale

    def forward(self, output: Tensor) -> Laplace:
        return Laplace(torch.sigmoid(output.float()), self.scale)
