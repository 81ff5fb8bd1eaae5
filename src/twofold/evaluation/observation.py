r"""A generator with Gaussian noise on its images, which gives it a density.

.. math:: p(x|z, c) = N(x; G(z, c), \sigma^2 I)

With σ fitted to training images by the expectation-maximization algorithm: σ² becomes the mean
squared difference between an image and G(z, c) for z from p(z|x, c) under the last σ.

References:
    On the Quantitative Analysis of Decoder-Based Generative Models (Wu, Burda, Salakhutdinov and
    Grosse, 2017), section 2.2, for the observation model, https://arxiv.org/abs/1611.04273
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from twofold.distributions import Gaussian
from twofold.evaluation.annealed import annealed_likelihood
from twofold.models.base import Generative, evaluating

__all__ = ["GaussianObservation", "fit_sigma"]

DRAWS = 50  # from the prior for each image, of which the nearest gives the first σ
SMALLEST = 1 / (255 * math.sqrt(12))  # the rounding error of 8-bit pixels


class GaussianObservation(nn.Module):
    """p(x|z, c) of a generator of images in [0, 1], each pixel with standard deviation sigma."""

    def __init__(self, generator: Generative, sigma: float) -> None:
        super().__init__()
        self.generator = generator
        self.condition = generator.condition
        self.latent_dim = generator.latent_dim
        self.prior = generator.prior
        self.logvar = torch.tensor(2 * math.log(sigma), device=generator.device)
        self.train(generator.training)

    @property
    def device(self) -> torch.device:
        return self.generator.device

    def decode(self, z: Tensor, c: Tensor | None = None) -> Gaussian:
        """p(x|z, c) for codes (B, D)."""
        return Gaussian(self.generator.generate(z, c), self.logvar)


def fit_sigma(
    generator: Generative, x: Tensor, c: Tensor | None = None, rounds: int = 2, **options: Any
) -> list[float]:
    """σ of a generator's Gaussian observation model.

    The first is by the nearest of `DRAWS` images from the prior. Each round draws codes from the
    posterior by annealed importance sampling.

    Arguments:
        generator: A model that makes images in [0, 1] from codes.
        x: Training images, shape (N, C, H, W).
        c: The condition of each image, first axis N.
        rounds: Of expectation and maximization.
        options: As of `annealed_likelihood`.

    Returns:
        The first σ and that after each round, the last being the fit; none below the rounding
        error of 8-bit pixels.
    """
    prior = generator.prior.sample(DRAWS * len(x)).unflatten(0, (DRAWS, len(x)))
    nearest = _squared_errors(generator, prior, x, c).amin(dim=0)
    sigmas = [_root(nearest)]
    for _ in range(rounds):
        model = GaussianObservation(generator, sigmas[-1])
        found = annealed_likelihood(model, x, c, **options)
        errors = _squared_errors(generator, found.z, x, c)
        sigmas.append(_root((found.weights * errors).sum(dim=0)))
    return sigmas


@torch.no_grad()
def _squared_errors(generator: Generative, z: Tensor, x: Tensor, c: Tensor | None) -> Tensor:
    """Mean over pixels of (x - G(z, c))² for codes (S, N, D), shape (S, N) in float64."""
    with evaluating(generator):
        return torch.stack(
            [
                (x - generator.generate(codes, c)).square().flatten(1).double().mean(dim=1)
                for codes in z
            ]
        )


def _root(squared_errors: Tensor) -> float:
    return max(squared_errors.mean().sqrt().item(), SMALLEST)
