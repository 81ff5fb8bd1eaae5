"""p(x|z) from a decoder's output: what is fixed or learned beside it, such as a scale.

Notation: output of the decoder (..., decoder_channels, H, W); x image (..., C, H, W) in [0, 1].
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from twofold.distributions import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Gaussian,
    ImageDistribution,
    single,
)
from twofold.registry import register
from twofold.settings import Positive

__all__ = [
    "BernoulliLikelihood",
    "ContinuousBernoulliLikelihood",
    "DiscretizedLogisticLikelihood",
    "GaussianLikelihood",
    "GaussianMapLikelihood",
    "LearnedGaussianLikelihood",
    "Likelihood",
]


class Likelihood(nn.Module, ABC):
    """Turns a decoder's output into p(x|z).

    Attributes:
        name: As in experiments.
        channels: C, the channels of the image.
        is_discrete: Whether ln p(x|z) is a probability of discrete pixels rather than a density.
        needs_binary: Whether ln p(x|z) is a likelihood only for images of zeros and ones.

    Example:
        >>> from twofold.registry import make
        >>> p = make("likelihood", "gaussian", channels=1)(torch.zeros(2, 1, 4, 4))
        >>> p.log_prob(torch.full((2, 1, 4, 4), 0.5)).shape
        torch.Size([2])
    """

    registry_kind = "likelihood"
    name: str
    is_discrete = False
    needs_binary = False

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    @property
    def decoder_channels(self) -> int:
        """How many channels the decoder must give."""
        return self.channels

    @abstractmethod
    def forward(self, output: Tensor) -> ImageDistribution:
        """p(x|z) from the decoder's output, shape (..., decoder_channels, H, W)."""


@register("likelihood", "bernoulli")
class BernoulliLikelihood(Likelihood):
    """Pixels that are 0 or 1, or gray values as their probabilities, which is no likelihood.

    Example:
        >>> BernoulliLikelihood(1)(torch.zeros(1, 1, 2, 2)).mean.flatten().tolist()
        [0.5, 0.5, 0.5, 0.5]
    """

    name, is_discrete, needs_binary = "bernoulli", True, True

    def forward(self, output: Tensor) -> Bernoulli:
        return Bernoulli(output)


@register("likelihood", "continuous-bernoulli", paper="Loaiza-Ganem and Cunningham, 2019")
class ContinuousBernoulliLikelihood(Likelihood):
    """A density on [0, 1] of the Bernoulli's form.

    Example:
        >>> ContinuousBernoulliLikelihood(1)(torch.zeros(1, 1, 2, 2)).mean[0, 0, 0, 0].item()
        0.5
    """

    name = "continuous-bernoulli"

    def forward(self, output: Tensor) -> ContinuousBernoulli:
        return ContinuousBernoulli(output)


@register("likelihood", "gaussian")
class GaussianLikelihood(Likelihood):
    """Normal pixels with one fixed σ; the squared error, but for a constant.

    Arguments:
        sigma: σ.

    Example:
        >>> p = GaussianLikelihood(1, sigma=0.1)(torch.zeros(1, 1, 2, 2))
        >>> round(p.log_prob(torch.full((1, 1, 2, 2), 0.5)).item(), 3)  # -4 ln(σ √2π)
        5.535
    """

    name = "gaussian"

    def __init__(self, channels: int, sigma: Positive = 1.0) -> None:
        super().__init__(channels)
        self.sigma = sigma
        self.register_buffer("log_sigma", torch.full((), math.log(sigma)))

    log_sigma: Tensor

    def forward(self, output: Tensor) -> Gaussian:
        return Gaussian(torch.sigmoid(single(output)), 2 * self.log_sigma)


@register("likelihood", "gaussian-learned")
class LearnedGaussianLikelihood(Likelihood):
    """Normal pixels with one σ, which is learned.

    Arguments:
        sigma: Where σ starts.

    Example:
        >>> LearnedGaussianLikelihood(1, sigma=0.5).log_sigma.exp().item()
        0.5
    """

    name = "gaussian-learned"

    def __init__(self, channels: int, sigma: Positive = 1.0) -> None:
        super().__init__(channels)
        self.log_sigma = nn.Parameter(torch.full((), math.log(sigma)))

    def forward(self, output: Tensor) -> Gaussian:
        return Gaussian(torch.sigmoid(single(output)), 2 * self.log_sigma)


@register("likelihood", "gaussian-map")
class GaussianMapLikelihood(Likelihood):
    """Normal pixels, each with a σ from the decoder, which gives twice the channels.

    Example:
        >>> GaussianMapLikelihood(3).decoder_channels
        6
    """

    name = "gaussian-map"

    @property
    def decoder_channels(self) -> int:
        return 2 * self.channels

    def forward(self, output: Tensor) -> Gaussian:
        mean, logvar = single(output).chunk(2, dim=-3)
        return Gaussian(torch.sigmoid(mean), logvar.clamp(-10, 10))


@register("likelihood", "discretized-logistic", paper="Kingma et al., 2016, appendix C.2")
class DiscretizedLogisticLikelihood(Likelihood):
    """A probability of each of the 256 gray levels, with a learned scale per channel.

    Arguments:
        scale: Where the scale starts.

    Example:
        >>> DiscretizedLogisticLikelihood(3).log_scale.shape
        torch.Size([3, 1, 1])
    """

    name, is_discrete = "discretized-logistic", True

    def __init__(self, channels: int, scale: Positive = 0.1) -> None:
        super().__init__(channels)
        self.log_scale = nn.Parameter(torch.full((channels, 1, 1), math.log(scale)))

    def forward(self, output: Tensor) -> DiscretizedLogistic:
        return DiscretizedLogistic(torch.sigmoid(single(output)), self.log_scale)
