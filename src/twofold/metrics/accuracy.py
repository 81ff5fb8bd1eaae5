"""How often a classifier, with log_probs (N, K), agrees with labels y (N,)."""

import math

import torch
from torch import Tensor

__all__ = ["accuracy", "accuracy_error", "accuracy_per_class"]


def accuracy(log_probs: Tensor, y: Tensor) -> float:
    """Share of images whose most probable class is y.

    Example:
        >>> accuracy(torch.eye(4).log(), torch.tensor([0, 1, 2, 0]))
        0.75
    """
    return (log_probs.argmax(dim=1) == y.to(log_probs.device)).double().mean().item()


def accuracy_error(value: float, count: int) -> float:
    """Standard error of a share of `count` images, binomial.

    One hit and one miss are added (Laplace), so that all of three images right is not 100 ± 0 %.

    Example:
        >>> round(accuracy_error(1.0, 3), 3), round(accuracy_error(0.5, 10_000), 4)
        (0.179, 0.005)
    """
    share = (value * count + 1.0) / (count + 2.0)
    return math.sqrt(share * (1.0 - share) / (count + 2.0))


def accuracy_per_class(log_probs: Tensor, y: Tensor) -> list[float]:
    """Accuracy among the images of each class, length K; NaN for a class that is absent."""
    y = y.to(log_probs.device)
    right = (log_probs.argmax(dim=1) == y).double()
    num_classes = log_probs.shape[1]
    hits = torch.zeros(num_classes, dtype=torch.float64, device=y.device).index_add_(0, y, right)
    return (hits / torch.bincount(y, minlength=num_classes)).tolist()
