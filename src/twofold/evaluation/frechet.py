r"""The Fréchet distance of two sets of features, one of real images and one of generated ones.

It compares means and covariances, as if both sets were Gaussian:

.. math:: \lVert\mu_x - \mu_y\rVert^2
          + \mathrm{Tr}\bigl(\Sigma_x + \Sigma_y - 2(\Sigma_x\Sigma_y)^{1/2}\bigr)

It is biased upwards by about c / N, and c depends on the model, so that rankings at small N can
flip. Notation: features x (N, D) of real images, and y (M, D).

References:
    GANs Trained by a Two Time-Scale Update Rule (Heusel et al., 2017), equation 6,
    https://arxiv.org/abs/1706.08500
    Effectively Unbiased FID and Inception Score (Chong and Forsyth, 2020), section 4,
    https://arxiv.org/abs/1911.07023
"""

import numpy as np
import torch
from torch import Tensor, nn

from twofold.errors import NotMeasured

__all__ = ["frechet_bias", "frechet_distance", "frechet_limit"]

SIZES = 15  # of the extrapolation, as Chong and Forsyth have
SMALLEST = 0.2  # of the extrapolation, as a share of all images


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
        The limit, its standard error of the fit (that of the images comes on top), and the points
        (N, distance) that the line was fitted to.

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
