"""What a classifier makes of images: how often it agrees with labels, and what it takes them for.

Notation: its log_probs, shape (N, K), and labels y, shape (N,).

References:
    Improved Techniques for Training GANs (Salimans et al., 2016), section 4,
    https://arxiv.org/abs/1606.03498
    A Note on the Inception Score (Barratt and Sharma, 2018), https://arxiv.org/abs/1801.01973
    On Calibration of Modern Neural Networks (Guo, Pleiss, Sun and Weinberger, 2017), equations 2
    to 5, https://arxiv.org/abs/1706.04599
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, bincount

from twofold.errors import NotMeasured
from twofold.evaluation.figure import Figure
from twofold.evaluation.intervals import Estimate, Z, wilson

__all__ = [
    "Calibration",
    "accuracy",
    "accuracy_error",
    "accuracy_per_class",
    "balanced",
    "balanced_interval",
    "calibration",
    "class_shares",
    "confusion",
    "estimate_inception_score",
    "inception_score",
    "kl_of_shares",
    "notes_of_few",
    "recognition",
]

FEW = 100  # test images, below which a single one is more than a point of a share


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
    counts = confusion(log_probs, y).cpu().double()
    return (counts.diagonal() / counts.sum(dim=1)).tolist()


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
    return _kl_from_marginal(log_probs).mean().exp().item()


def estimate_inception_score(log_probs: Tensor) -> Estimate:
    """`inception_score` of independent images, what varies being these, to first order.

    An image moves ln IS by how far its KL from p(y) is from the mean; that it moves p(y) as well is
    of second order.
    """
    kl = _kl_from_marginal(log_probs)
    score = kl.mean().exp().item()
    error = kl.std().item() / len(kl) ** 0.5
    low, high = (score * math.exp(sign * Z * error) for sign in (-1, 1))
    return Estimate(score, max(1.0, low), min(float(log_probs.shape[1]), high), score * error)


def _kl_from_marginal(log_probs: Tensor) -> Tensor:
    """KL(p(y|x) || p(y)) of each image in nats, shape (N,)."""
    log_probs = log_probs.double()
    marginal = torch.logsumexp(log_probs, dim=0) - math.log(len(log_probs))
    return (log_probs.exp() * (log_probs - marginal)).sum(dim=1)


def balanced(log_probs: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean over the classes there are of the share recognized among each, and its standard error.

    Who always answers the largest class has 1 / K, however large that class is.

    Example:
        >>> always = torch.tensor([[0.9, 0.1]]).log().expand(4, 2)
        >>> balanced(always, torch.tensor([0, 0, 0, 1]))[0]
        0.5
    """
    counts = bincount(y.to(log_probs.device), minlength=log_probs.shape[1]).tolist()
    shares = accuracy_per_class(log_probs, y)
    found = [(share, n) for share, n in zip(shares, counts, strict=True) if n]
    error = math.sqrt(sum(accuracy_error(share, n) ** 2 for share, n in found)) / len(found)
    return sum(share for share, _ in found) / len(found), error


def recognition(
    name: str,
    title: str,
    log_probs: Tensor,
    y: Tensor,
    class_names: Sequence[str],
    provenance: Mapping[str, Any],
    reference: float | None = None,
    notes: tuple[str, ...] = (),
) -> Figure:
    """The share of images that are recognized as y, in per cent, over all and by class.

    The reference is the same share of real images, from 0 to 1; else arguments are as of `Figure`.
    The interval is Wilson's.
    """
    value = accuracy(log_probs, y)
    shares = zip(class_names, accuracy_per_class(log_probs, y), strict=True)
    return Figure(
        name,
        title,
        100 * value,
        unit="%",
        better="higher",
        error=100 * accuracy_error(value, len(y)),
        reference=None if reference is None else 100 * reference,
        provenance=provenance,
        per_class={label: 100 * share for label, share in shares if not math.isnan(share)},
        notes=notes,
        details={"confusion": confusion(log_probs, y).tolist()},
        interval=[100 * end for end in wilson(value, len(y))],
    )


def notes_of_few(count: int) -> tuple[str, ...]:
    """What a reader must know of a share of so many test images.

    Example:
        >>> notes_of_few(14)
        ('there are only 14 test images, and a single one is 7.1 % of them',)
    """
    if count >= FEW:
        return ()
    return (f"there are only {count} test images, and a single one is {100 / count:.2g} % of them",)


def balanced_interval(log_probs: Tensor, y: Tensor) -> tuple[float, float]:
    r"""Ends of Wilson's 95 % interval of a `balanced` share, of labels y (N,).

    It is that of as many images of one share p as have the variance of this mean,
    :math:`p (1 - p) / n = \frac{1}{K^2} \sum_k p_k (1 - p_k) / n_k` for n_k images of class k: of N
    where classes are alike in size and share. Shares are taken with one more image right and one
    more wrong, so that a small class without a mistake is not thought certain.

    Example:
        >>> y = torch.arange(14) % 2
        >>> [round(end, 3) for end in balanced_interval(torch.eye(2)[y].log(), y)]
        [0.785, 1.0]
    """
    counts = confusion(log_probs, y).cpu().double()
    right, n = counts.diagonal(), counts.sum(dim=1)
    right, n = right[n > 0], n[n > 0]
    p = (right + 1) / (n + 2)
    variance = (p * (1 - p) / n).sum() / len(n) ** 2
    share, spread = (right / n).mean().item(), p.mean() * (1 - p.mean())
    return wilson(share, (spread / variance).item())


@dataclass(frozen=True)
class Calibration:
    """Confidence beside accuracy.

    Attributes:
        error: The expected calibration error, Σ_b n_b / N · |accuracy_b - confidence_b|.
        spread: Its standard deviation over bootstrap draws of the images.
        by_chance: What it would be on average were the confidences exactly right; above 0, since a
            bin holds few images.
        confidence: Mean of each bin that holds images, ascending.
        accuracy: Of the same bins.
        counts: Images in each.
    """

    error: float
    spread: float
    by_chance: float
    confidence: list[float]
    accuracy: list[float]
    counts: list[int]


def calibration(
    log_probs: Tensor, y: Tensor, bins: int = 15, draws: int = 200, seed: int = 0
) -> Calibration:
    """The expected calibration error of the likeliest class, in bins of equal width.

    Arguments:
        log_probs: Shape (N, K), beside labels y (N,).
        bins: How many, from 0 to 1.
        draws: Of the bootstrap, and of labels that the confidences make up.
        seed: Of both.

    Example:
        >>> log_probs = torch.tensor([[0.8, 0.2]]).log().expand(4, 2)
        >>> round(calibration(log_probs, torch.tensor([0, 0, 0, 1])).error, 6)
        0.05
    """
    log_probs = log_probs.cpu().double()
    top, predicted = log_probs.exp().max(dim=1)
    hits = (predicted == y.cpu()).double()
    which = (top * bins).ceil().long().clamp(1, bins) - 1  # (0, 1/bins] is the first
    N, generator = len(top), torch.Generator().manual_seed(seed)
    again, chance = torch.empty(draws), torch.empty(draws)
    for i in range(draws):  # one after another, for they are as large as the data
        drawn = torch.randint(N, (N,), generator=generator)
        again[i] = _error(which[drawn], (hits - top)[drawn], bins)
        made_up = torch.rand(N, generator=generator, dtype=torch.float64) < top
        chance[i] = _error(which, made_up.double() - top, bins)
    counts = torch.bincount(which, minlength=bins)
    there = counts > 0
    return Calibration(
        error=_error(which, hits - top, bins),
        spread=again.std().item(),
        by_chance=chance.mean().item(),
        confidence=(_summed(which, top, bins) / counts)[there].tolist(),
        accuracy=(_summed(which, hits, bins) / counts)[there].tolist(),
        counts=counts[there].tolist(),
    )


def _error(which: Tensor, gap: Tensor, bins: int) -> float:
    """Σ_b |Σ_i gap_i| / N over the images i of each bin b."""
    return _summed(which, gap, bins).abs().sum().item() / len(gap)


def _summed(which: Tensor, values: Tensor, bins: int) -> Tensor:
    """Sums of values (N,) over the images of each bin, shape (bins,)."""
    return torch.zeros(bins, dtype=torch.float64).index_add_(0, which, values)
