r"""Density and coverage that outliers cannot inflate, and that fall in step with what is wrong.

Clipped Density counts in how many real balls an image lies, at most k of them, where no ball
reaches farther than the median ball; divided by what real images have among themselves. Clipped
Coverage looks at how many generated images each real ball holds, at most k:

.. math:: c = \frac{1}{N k} \sum_i \min\Bigl(k, \sum_j 1[y_j \in B(x_i)]\Bigr), \qquad
          f(m) = \frac{1}{k} E \min(k, J_m), \quad J_m \sim \mathrm{BetaBinomial}(m, k, N - k)

With m good images among M, c is :math:`f(m)` on average whatever the distribution, so that the m
whose f(m) is c, over M, is the share of good images.

References:
    Enhanced Generative Model Evaluation with Clipped Density and Coverage (Salvy, Talbot and
    Thirion, 2026), https://arxiv.org/abs/2507.01761
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.neighbors import nearest, within_reach

__all__ = ["clipped_coverage", "clipped_density"]


def clipped_density(real: Tensor, fake: Tensor, k: int = 5) -> float:
    """Share of generated images as good as real ones, 0 to 1, by features (N, D) and (M, D).

    Raises:
        NotMeasured: If there are not more than k real images.
    """
    _refuse_few(real, fake, k)
    distances, indices = nearest(real, real, k, itself=True)
    reach = distances[:, -1].clamp(max=_median(distances[:, -1]))
    among = torch.bincount(indices[distances <= reach[:, None]], minlength=len(real))
    ideal = (among.double() / k).clamp(max=1).mean()
    inside = torch.zeros(len(fake), dtype=torch.float64, device=fake.device)
    for (within,) in within_reach(real, fake, reach[:, None], edge=True):
        inside += within.sum(dim=0)
    if ideal == 0:
        raise NotMeasured("no real image lies in the ball of another, so that nothing compares")
    return min(1.0, ((inside / k).clamp(max=1).mean() / ideal).item())


def clipped_coverage(real: Tensor, fake: Tensor, k: int = 5) -> float:
    """Share of good images that would cover the real ones as far, 0 to 1: (N, D) and (M, D).

    Note:
        As the authors' program has it, the share is of M + 1. There fewer than k images cover
        nothing; here they cover what they cover on average.

    Raises:
        NotMeasured: If there are not more than k images of each kind.
    """
    _refuse_few(real, fake, k)
    reach = nearest(real, real, k, itself=True)[0][:, -1]
    held = torch.cat([within.sum(dim=1) for (within,) in within_reach(real, fake, reach[:, None])])
    covered = (held.double() / k).clamp(max=1).mean().item()
    expected = _expected_cover(len(real), len(fake), k)
    return float(np.searchsorted(expected, covered) / len(expected))


def _expected_cover(num_real: int, num_fake: int, k: int) -> NDArray[np.float64]:
    r"""f(m) for m = 0 … M good images, shape (M + 1,).

    With :math:`E \min(k, J) = \sum_{c < k} P(J > c)` only k probabilities are needed of each m.
    """
    from scipy.special import betaln, gammaln

    m = np.arange(num_fake + 1, dtype=np.float64)
    below = np.zeros_like(m)  # P(J <= c)
    total = np.zeros_like(m)
    for c in range(k):
        possible = m >= c
        choose = gammaln(m[possible] + 1) - gammaln(c + 1) - gammaln(m[possible] - c + 1)
        law = betaln(c + k, m[possible] - c + num_real - k) - betaln(k, num_real - k)
        below[possible] += np.exp(choose + law)
        total += 1 - below
    return np.maximum.accumulate(np.clip(total / k, 0.0, 1.0))


def _median(values: Tensor) -> float:
    return float(np.median(values.cpu().numpy()))


def _refuse_few(real: Tensor, fake: Tensor, k: int) -> None:
    if min(len(real) - 1, len(fake)) < k:
        raise NotMeasured(
            f"the {k}th nearest neighbor needs more than {k} real images and {k} generated ones, "
            f"and there are {len(real)} and {len(fake)}"
        )
