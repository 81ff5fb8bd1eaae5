r"""Distances between two sets of features, one of real images and one of generated ones.

The Fréchet distance compares means and covariances, as if both sets were Gaussian:

.. math:: \lVert\mu_x - \mu_y\rVert^2
          + \mathrm{Tr}\bigl(\Sigma_x + \Sigma_y - 2(\Sigma_x\Sigma_y)^{1/2}\bigr)

It is biased upwards by about c / N, and c depends on the model, so that rankings at small N can
flip. The kernel distance is not biased. Notation: features x (N, D) of real images, and y (M, D).

References:
    GANs Trained by a Two Time-Scale Update Rule (Heusel et al., 2017), equation 6,
    https://arxiv.org/abs/1706.08500
    Effectively Unbiased FID and Inception Score (Chong and Forsyth, 2020), section 4,
    https://arxiv.org/abs/1911.07023
    Demystifying MMD GANs (Binkowski et al., 2018), section 4, https://arxiv.org/abs/1801.01401
"""

import warnings

import numpy as np
import torch
from torch import Tensor, nn

from twofold.metrics.measure import NotMeasured

__all__ = ["frechet_bias", "frechet_distance", "frechet_error", "frechet_limit", "kernel_distance"]

SIZES = 15  # of the extrapolation, as Chong and Forsyth have
SMALLEST = 0.2  # of the extrapolation, as a share of all images
RESAMPLES = 20
SUBSETS, SUBSET_SIZE = 100, 1000


class _Given(nn.Module):
    """Features are computed elsewhere: the metrics of torchmetrics are handed them as they are."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """The Fréchet distance of two sets of features, in float64.

    Raises:
        NotMeasured: If either has too few images for a covariance of full rank.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    num_features = x.shape[1]
    if min(len(x), len(y)) <= num_features:
        raise NotMeasured(
            f"the covariance of {num_features} features needs more than {num_features} images, and "
            f"there are {len(x)} and {len(y)}; give more, or look at the kernel distance"
        )
    metric = FrechetInceptionDistance(feature=_Given(num_features)).to(x.device)
    metric.update(x.double(), real=True)
    metric.update(y.double(), real=False)
    return float(metric.compute())


def frechet_error(x: Tensor, y: Tensor, resamples: int = RESAMPLES) -> float:
    """Standard error of the Fréchet distance over images, by the bootstrap."""
    rng = np.random.default_rng(0)
    drawn = [
        frechet_distance(x[rng.integers(0, len(x), len(x))], y[rng.integers(0, len(y), len(y))])
        for _ in range(resamples)
    ]
    return float(np.std(drawn, ddof=1))


def frechet_bias(x: Tensor, count: int) -> float:
    """The Fréchet distance to expect of `count` images of the very distribution of x.

    Features are drawn from the Gaussian that has the mean and covariance of x, as many as x has
    against `count` more.
    """
    rng = np.random.default_rng(0)
    points = x.cpu().double()
    mean, covariance = points.mean(dim=0).numpy(), np.cov(points.numpy().T)
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance))
    root = vectors * np.sqrt(np.clip(values, 0.0, None))

    def draw(n: int) -> Tensor:
        return torch.as_tensor(mean + rng.standard_normal((n, len(mean))) @ root.T)

    return float(np.mean([frechet_distance(draw(len(x)), draw(count)) for _ in range(3)]))


def frechet_limit(x: Tensor, y: Tensor) -> tuple[float, float, list[tuple[int, float]]]:
    """The Fréchet distance of infinitely many images, extrapolated in 1/N.

    Chong and Forsyth shrink the generated set alone. Here both sets shrink together, to N images
    each, so that the bias of the real ones goes as well: for two samples of one distribution the
    limit is zero.

    Returns:
        The limit, its standard error of the fit (that of the images, `frechet_error`, comes on
        top), and the points (N, distance) that the line was fitted to.

    Raises:
        NotMeasured: If there are fewer than 20 images per feature.
    """
    most, num_features = min(len(x), len(y)), x.shape[1]
    if most < 20 * num_features:
        raise NotMeasured(
            f"extrapolating over {num_features} features needs {20 * num_features} images, and "
            f"there are {most}"
        )
    rng = np.random.default_rng(0)
    counts = np.linspace(SMALLEST * most, most, SIZES).astype(int)
    values = [
        frechet_distance(x[rng.permutation(len(x))[:n]], y[rng.permutation(len(y))[:n]])
        for n in counts
    ]
    design = np.stack([np.ones(SIZES), 1.0 / counts], axis=1)
    coefficients, residuals, *_ = np.linalg.lstsq(design, values, rcond=None)
    noise = residuals.sum() / (SIZES - 2) * np.linalg.inv(design.T @ design)[0, 0]
    return (
        float(coefficients[0]),
        float(np.sqrt(noise)),
        list(zip(counts.tolist(), values, strict=True)),
    )


def kernel_distance(x: Tensor, y: Tensor, subsets: int = SUBSETS) -> tuple[float, float]:
    """The squared maximum mean discrepancy under the kernel (x·y / D + 1)³, unbiased.

    The mean over `subsets` subsets of at most 1 000 images. Unbiased, so it may be slightly
    negative, and figures of different N can be compared.

    Returns:
        The distance and its standard error over images, from the spread s over subsets of m: these
        are drawn from the same N images without replacement, so that s² = c (1/m - 1/N), and
        c / N is wanted.

    Raises:
        NotMeasured: If there are fewer than 10 images in either.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    most = min(len(x), len(y))
    if most < 10:
        raise NotMeasured(f"the kernel distance needs 10 images of each kind, and there are {most}")
    size = min(SUBSET_SIZE, most // 2)  # subsets of all images would not differ
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps the features, which is wanted
        metric = KernelInceptionDistance(_Given(x.shape[1]), subsets=subsets, subset_size=size)
    metric.update(x.double(), real=True)
    metric.update(y.double(), real=False)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        mean, spread = metric.compute()
    share = size / most
    return float(mean), float(spread) * (share / (1 - share) + 1 / subsets) ** 0.5
