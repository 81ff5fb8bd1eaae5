"""How an image is drawn, apart from what it shows: how bright it is, and how it leans."""

import torch
from torch import Tensor

from twofold.metrics.measure import NotMeasured

__all__ = ["brightness", "kept_within_class", "slant"]


def brightness(x: Tensor) -> Tensor:
    """Mean of all pixels, which for light strokes on black is how thick they are.

    Arguments:
        x: Images in [0, 1], shape (N, C, H, W).

    Returns:
        Shape (N,), float64.
    """
    return x.double().flatten(1).mean(dim=1)


def slant(x: Tensor) -> Tensor:
    """By how many pixels the light goes to the right for each that it goes up.

    The covariance of both coordinates over the variance of the vertical one, the light being the
    weight: the shear that would set the image upright. An image without any height has none, 0.

    Arguments:
        x: Images in [0, 1], shape (N, C, H, W), light on black.

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

    Arguments:
        before: The feature of the images, shape (N,).
        after: The feature of each image as each class, shape (N, K).
        y: The classes of the images, shape (N,).

    Raises:
        NotMeasured: If no class has two images, or the feature is the same in all.
    """
    num_classes = after.shape[1]
    onehot = torch.nn.functional.one_hot(y, num_classes).double()  # (N, K)
    share = onehot / onehot.sum(dim=0).clamp_min(1)
    before = before.double()[:, None].expand(after.shape)
    other = 1.0 - onehot
    residuals = [f - onehot @ (share.T @ f) for f in (before, after.double())]
    b, a = (other * residual for residual in residuals)
    size = (b.square().sum() * a.square().sum()).sqrt().item()
    if size < 1e-12:
        raise NotMeasured("a correlation within classes needs two different images of some class")
    return (a * b).sum().item() / size
