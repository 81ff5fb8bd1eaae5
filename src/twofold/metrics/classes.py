r"""What a classifier makes of generated images: confusions, the histogram, the Inception Score.

Notation: its log_probs, shape (N, K), and labels y, shape (N,).

References:
    Improved Techniques for Training GANs (Salimans et al., 2016), section 4,
    https://arxiv.org/abs/1606.03498
    A Note on the Inception Score (Barratt and Sharma, 2018), https://arxiv.org/abs/1801.01973
"""

import math

import torch
from torch import Tensor

from twofold.metrics.measure import NotMeasured

__all__ = ["class_shares", "confusion", "inception_score", "kl_of_shares"]


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
