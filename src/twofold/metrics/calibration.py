"""Whether a classifier is as often right as it says it is.

References:
    On Calibration of Modern Neural Networks (Guo, Pleiss, Sun and Weinberger, 2017), equations 2
    to 5, https://arxiv.org/abs/1706.04599
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Calibration", "calibration"]


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
