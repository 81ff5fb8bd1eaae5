r"""How a figure of counts varies: images by mode, by class or by bin.

A figure T of counts :math:`n_k` loses :math:`T - T_{-k}` with one image of kind k. Over all images
that gives the jackknife's variance, which near equal shares counts what is of second order twice.
With the law of T known there (a multiple of :math:`\chi^2`), its variance :math:`V_0` is taken off
once, and is the least that is left:

.. math:: V = \max\Bigl(\tfrac{N - 1}{N} \sum_k n_k (T_{-k} - \bar T)^2 - V_0, \; V_0\Bigr)

References:
    The Jackknife Estimate of Variance (Efron and Stein, 1981), Annals of Statistics 9
    Nonparametric estimation of the number of classes in a population (Chao, 1984), Scandinavian
    Journal of Statistics 11, for what was not seen
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.evaluation.intervals import Estimate
from twofold.evaluation.recognition import kl_of_shares

__all__ = ["estimate_class_kl", "estimate_jensen_shannon", "estimate_modes", "estimate_modes_kl",
           "jensen_shannon", "kl_to_uniform", "present_error"]  # fmt: skip

ENOUGH = 10  # modes that were seen once, for an estimate of those that were not

Counts = NDArray[np.int64]


def kl_to_uniform(counts: Tensor) -> float:
    """KL from the shares of the modes to equal shares, in nats; 0 to ln K."""
    p = counts.double() / counts.sum()
    return (torch.xlogy(p, p).sum() + math.log(len(p))).item()


def present_error(counts: Tensor) -> float:
    """Standard error of the number of modes present, over draws of as many images.

    The multinomial's, with its covariances to first order, of the shares found.
    """
    num_images = counts.sum().item()
    p = counts.double() / num_images
    absent = (1 - p) ** num_images
    variance = (absent * (1 - absent)).sum() - num_images * (p * absent).sum() ** 2
    return math.sqrt(max(0.0, variance.item()))


def jensen_shannon(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Jensen-Shannon divergence of two histograms, nats, 0 to ln 2.

    Example:
        >>> round(jensen_shannon(np.array([1, 0]), np.array([0, 1])), 6)
        0.693147
    """
    from scipy.spatial.distance import jensenshannon

    return float(jensenshannon(a / a.sum(), b / b.sum())) ** 2


def estimate_modes(counts: Tensor) -> Estimate:
    r"""How many modes K are reached by as many images, of which each has `counts` (K,).

    Of the modes, :math:`f_0` were not seen (Chao), :math:`f_1` once. The law of what is reached
    has the variance :math:`f_0 - f_0(2N) - f_1^2 / N`, in which a further N images leave
    :math:`f_0(2N) = f_0 e^{-f_1 / f_0}` unseen; where hardly any mode was seen once, the
    variance is that of the shares found, if it is more.

    Example:
        >>> found = estimate_modes(torch.full((10,), 100))
        >>> found.low, found.high
        (10.0, 10.0)
    """
    reached = (counts > 0).sum().item()
    once, twice = ((counts == n).sum().item() for n in (1, 2))
    unseen = once**2 / (2 * twice) if twice else once * (once - 1) / 2
    new = unseen * -math.expm1(-once / unseen) if unseen else 0.0
    found = present_error(counts) ** 2 if once < ENOUGH else 0.0
    variance = max(new - once**2 / counts.sum().item(), found)
    return Estimate.normal(reached, math.sqrt(variance), least=0.0, most=float(len(counts)))


def estimate_modes_kl(counts: Tensor) -> Estimate:
    """`kl_to_uniform` of as many images as there are counts (K,)."""

    def figure(changed: Counts) -> float:
        return kl_to_uniform(torch.as_tensor(changed))

    number, reached = counts.sum().item(), (counts > 0).sum().item()
    return _estimate(figure, [_array(counts)], [(reached - 1) / (2 * number**2)])


def estimate_class_kl(generated: Tensor, real: Tensor) -> Estimate:
    """`kl_of_shares` of generated images from real ones, by counts of each class (K,).

    Raises:
        NotMeasured: If there is a class of which generated images are and no real ones.
    """

    def figure(p: Counts, q: Counts) -> float:
        return kl_of_shares(torch.as_tensor(p / p.sum()), torch.as_tensor(q / q.sum()))

    return _estimate_pair(figure, _array(generated), _array(real), 0.5)


def estimate_jensen_shannon(generated: Counts, real: Counts) -> Estimate:
    """`jensen_shannon` of as many images of both kinds, by counts in each bin (K,)."""
    return _estimate_pair(jensen_shannon, generated, real, 0.125)


def _array(counts: Tensor) -> Counts:
    return counts.cpu().numpy().astype(np.int64)


def _estimate_pair(
    figure: Callable[[Counts, Counts], float], generated: Counts, real: Counts, factor: float
) -> Estimate:
    """Of a figure that for equal shares is factor (1/n + 1/m) χ², of K - 1 degrees of freedom."""
    n, m, kinds = generated.sum(), real.sum(), ((generated + real) > 0).sum()
    variance = 2 * factor**2 * (kinds - 1)
    each = [variance * (1 / n**2 + 1 / (n * m)), variance * (1 / m**2 + 1 / (n * m))]
    return _estimate(figure, [generated, real], each)


def _estimate(figure: Callable[..., float], counts: list[Counts], least: list[float]) -> Estimate:
    """The figure of one or two sets of counts, of which the first is of generated images."""
    value = figure(*counts)
    variances = [_jackknife(figure, counts, place) for place in range(len(counts))]
    error = math.sqrt(max(sum(variances) - sum(least), sum(least)))
    generated = math.sqrt(max(variances[0] - least[0], least[0])) if len(counts) > 1 else None
    return Estimate.squared(value, error, generated)


def _jackknife(figure: Callable[..., float], counts: list[Counts], place: int) -> float:
    """Variance over the images of one set of counts."""
    ours, number = counts[place], int(counts[place].sum())
    without, times = [], []
    for k in np.flatnonzero(ours > (0 if place == 0 else 1)):  # a last real one has no figure
        changed = ours.copy()
        changed[k] -= 1
        without.append(figure(*counts[:place], changed, *counts[place + 1 :]))
        times.append(int(ours[k]))
    values, weights = np.array(without), np.array(times)
    spread = values - np.average(values, weights=weights)
    return float((number - 1) / number * (weights * spread**2).sum())
