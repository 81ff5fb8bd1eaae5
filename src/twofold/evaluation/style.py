"""How an image is drawn, apart from what it shows: how bright it is, and how it leans.

Notation: images x in [0, 1], shape (N, C, H, W); a feature before (N,), and after (N, K) as each
class; labels y (N,).
"""

import numpy as np
import torch
from torch import Tensor

from twofold.errors import NotMeasured

__all__ = ["brightness", "kept_error", "kept_within_class", "slant"]


def brightness(x: Tensor) -> Tensor:
    """Mean of all pixels, float64 (N,), which for light strokes on black is how thick they are."""
    return x.double().flatten(1).mean(dim=1)


def slant(x: Tensor) -> Tensor:
    """By how many pixels the light goes to the right for each that it goes up.

    The covariance of both coordinates over the variance of the vertical one, the light being the
    weight: the shear that would set the image upright. An image without any height has none, 0.

    Returns:
        Shape (N,), float64.

    Example:
        >>> x = torch.eye(5).flip(1).expand(1, 1, 5, 5)  # a diagonal from bottom left to top right
        >>> slant(x).tolist()
        [1.0]
    """
    light = x.double().mean(dim=1)  # (N, H, W)
    height, width = light.shape[1:]
    weight = light / light.sum(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    up = -torch.arange(height, dtype=torch.float64, device=x.device)[:, None]
    right = torch.arange(width, dtype=torch.float64, device=x.device)
    up = up - (weight * up).sum(dim=(1, 2), keepdim=True)
    right = right - (weight * right).sum(dim=(1, 2), keepdim=True)
    variance = (weight * up**2).sum(dim=(1, 2))
    covariance = (weight * up * right).sum(dim=(1, 2))
    return torch.where(variance > 1e-9, covariance / variance.clamp_min(1e-9), 0.0)


def kept_within_class(before: Tensor, after: Tensor, y: Tensor) -> float:
    """Correlation of a feature before and after, among images that had one class and got another.

    Of each pair of classes its own mean is taken away, so that what classes have in common counts
    for nothing: a one leans with no style at all. Pairs of one class are left out.

    Raises:
        NotMeasured: If no class has two images, or the feature is the same in all.
    """
    value = _correlations(before, after, y, torch.ones(1, len(y))).item()
    if not np.isfinite(value):
        raise NotMeasured("a correlation within classes needs two different images of some class")
    return value


def kept_error(
    before: Tensor, after: Tensor, y: Tensor, resamples: int = 500, seed: int = 0
) -> float | None:
    """Standard error of `kept_within_class` over images, by the bootstrap.

    An image is drawn with all that became of it, for its pairs are not independent.

    Returns:
        The error, or None where most draws have no correlation.
    """
    N = len(y)
    times = np.random.default_rng(seed).multinomial(N, np.full(N, 1 / N), size=resamples)
    values = _correlations(before, after, y, torch.as_tensor(times))
    values = values[values.isfinite()]
    return values.std().item() if len(values) > resamples / 2 else None


def _correlations(before: Tensor, after: Tensor, y: Tensor, times: Tensor) -> Tensor:
    """`kept_within_class` of R sets that hold each image so many times, (R, N): shape (R,), or NaN.

    Sums over each class, of products less the products of means, are taken for all sets at once.
    """
    N, K = after.shape
    onehot = torch.nn.functional.one_hot(y, K).double()  # (N, K)
    share = onehot / onehot.sum(dim=0).clamp_min(1)
    features = torch.cat([before.double()[:, None], after.double()], dim=1)
    features = features - onehot @ (share.T @ features)  # small, or the differences would cancel
    b, a = features[:, :1].expand(N, K), features[:, 1:]

    def by_class(values: Tensor) -> Tensor:
        """Sums of (N, K) within each class of each set, shape (R, K, K)."""
        flat = (onehot[:, :, None] * values[:, None]).flatten(1)  # (N, K K)
        return (times.double() @ flat).unflatten(1, (K, K))

    count = by_class(torch.ones_like(a)).clamp_min(1)
    sum_b, sum_a = by_class(b), by_class(a)
    other = 1.0 - torch.eye(K, dtype=torch.float64)
    ab, aa, bb = (
        (other * (by_class(u * v) - sum_u * sum_v / count)).sum(dim=(1, 2))
        for u, v, sum_u, sum_v in (
            (a, b, sum_a, sum_b),
            (a, a, sum_a, sum_a),
            (b, b, sum_b, sum_b),
        )
    )
    size = (aa.clamp_min(0) * bb.clamp_min(0)).sqrt()
    return torch.where(size < 1e-12, torch.nan, ab / size)
