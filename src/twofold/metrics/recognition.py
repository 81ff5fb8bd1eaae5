"""What a classifier makes of images: how often it agrees with labels, and what it takes them for.

Notation: its log_probs, shape (N, K), and labels y, shape (N,).

References:
    Improved Techniques for Training GANs (Salimans et al., 2016), section 4,
    https://arxiv.org/abs/1606.03498
    A Note on the Inception Score (Barratt and Sharma, 2018), https://arxiv.org/abs/1801.01973
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, bincount

from twofold.metrics.measure import Measure, NotMeasured

__all__ = [
    "accuracy",
    "accuracy_error",
    "accuracy_per_class",
    "class_shares",
    "confusion",
    "inception_score",
    "kl_of_shares",
    "recognition",
]


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


def confusion(log_probs: Tensor, y: Tensor) -> Tensor:
    """How many images of class i (rows) are taken for class j (columns), shape (K, K)."""
    num_classes = log_probs.shape[1]
    pairs = y.to(log_probs.device) * num_classes + log_probs.argmax(dim=1)
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_shares(log_probs: Tensor) -> Tensor:
    """Share of images taken for each class, shape (K,), float64."""
    counts = torch.bincount(log_probs.argmax(dim=1), minlength=log_probs.shape[1])
    return counts.double() / len(log_probs)


def kl_of_shares(p: Tensor, q: Tensor) -> float:
    """KL(p || q) of two histograms, nats.

    Raises:
        NotMeasured: If q lacks a class that p has, which makes it infinite.

    Example:
        >>> kl_of_shares(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))
        0.6931471805599453
    """
    p, q = p.double(), q.double()
    absent = ((q == 0) & (p > 0)).nonzero().flatten().tolist()
    if absent:
        raise NotMeasured(
            f"class {absent[0]} is generated but absent from the real images, which makes the "
            "divergence infinite; measure on images of every class"
        )
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum().item()


def inception_score(log_probs: Tensor) -> float:
    r"""exp E KL(p(y|x) || p(y)): 1 to K, and K only if images are clear and classes in balance.

    Example:
        >>> round(inception_score(torch.eye(4).clamp_min(1e-30).log()), 9)
        4.0
    """
    log_probs = log_probs.double()
    marginal = torch.logsumexp(log_probs, dim=0) - math.log(len(log_probs))
    kl = (log_probs.exp() * (log_probs - marginal)).sum(dim=1)
    return kl.mean().exp().item()


def recognition(
    name: str,
    title: str,
    log_probs: Tensor,
    y: Tensor,
    class_names: Sequence[str],
    depends: Mapping[str, Any],
    floor: float | None = None,
    caution: str = "",
) -> Measure:
    """The share of images that are recognized as y, in per cent, over all and by class.

    The floor is the same share of real images, from 0 to 1; else arguments are as of `Measure`.
    """
    value = accuracy(log_probs, y)
    present = bincount(y, minlength=len(class_names)) > 0
    per_class = zip(class_names, accuracy_per_class(log_probs, y), present.tolist(), strict=True)
    return Measure(
        name=name,
        title=title,
        value=100 * value,
        unit="%",
        better="higher",
        error=100 * accuracy_error(value, len(y)),
        floor=None if floor is None else 100 * floor,
        depends=depends,
        per_class={label: 100 * share for label, share, there in per_class if there},
        caution=caution,
        details={"confusion": confusion(log_probs, y).tolist()},
    )
