r"""How probable a model finds held-out images: the ELBO, its terms, and IWAE bounds.

.. math:: L_k = E\left[\ln \tfrac{1}{k} \sum_{i=1}^k \frac{p(x, z_i)}{q(z_i|x)}\right],
          \quad \mathrm{ELBO} = L_1 \le L_k \le L_{k+1} \le \ln p(x)

References:
    Importance Weighted Autoencoders (Burda, Grosse and Salakhutdinov, 2016), theorem 1,
    https://arxiv.org/abs/1509.00519
"""

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

from twofold.data.batches import Batch
from twofold.models.base import evaluating
from twofold.models.capabilities import HasLikelihood

__all__ = ["elbo_terms", "iwae_bounds", "running_log_mean_exp", "sample_counts"]

ROWS = 20_000  # decoded images at a time: what bounds the memory


@torch.no_grad()
def elbo_terms(
    model: HasLikelihood, batches: Iterable[Batch], num_samples: int = 1
) -> tuple[Tensor, Tensor]:
    """Reconstruction term and KL of every held-out image, by so many draws of z.

    Returns:
        E_q[-ln p(x|z)] and KL in nats per image, float64, shapes (N,) and (N,).
    """
    recon, kl = [], []
    with evaluating(model):
        for batch in batches:
            c = model.condition.pick(batch.x, batch.y)
            terms = model.elbo_terms(batch.x, c, num_samples)
            recon.append(terms[0].cpu().double())
            kl.append(terms[1].cpu().double())
    return torch.cat(recon), torch.cat(kl)


def running_log_mean_exp(log_values: Iterable[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """ln of the mean of exp over the first axis of all stretches (S_1, B), (S_2, B), … so far.

    Yields:
        After each stretch the number of values so far, and shape (B,) in float64.

    Example:
        >>> stretches = [torch.zeros(3, 1), torch.full((1, 1), -1e9)]
        >>> [(count, round(mean.item(), 4)) for count, mean in running_log_mean_exp(stretches)]
        [(3, 0.0), (4, -0.2877)]
    """
    total, count = None, 0
    for stretch in log_values:
        part = torch.logsumexp(stretch.double(), dim=0)
        total = part if total is None else torch.logaddexp(total, part)
        count += len(stretch)
        yield count, total - math.log(count)


def sample_counts(num_samples: int) -> list[int]:
    """Where a bound of k samples is looked at on the way: 1, 10, 100, …, k // 10 and k.

    Example:
        >>> sample_counts(5000)
        [1, 10, 100, 500, 1000, 5000]
    """
    powers = {10**i for i in range(len(str(num_samples)))}
    return sorted({*powers, num_samples, num_samples // 10} - {0})


@torch.no_grad()
def iwae_bounds(
    model: HasLikelihood,
    batches: Iterable[Batch],
    num_samples: int,
    rows: int = ROWS,
) -> dict[int, Tensor]:
    """The IWAE bounds on ln p(x|c) of every image, in bounded memory.

    Each L_k is of the first k of the same draws, so their differences have less noise than they.

    Arguments:
        model: One that bounds ln p(x|c).
        batches: Held-out images.
        num_samples: The largest k.
        rows: How many images may be decoded at once, whatever k is.

    Returns:
        L_k in nats per image, float64, shape (N,), for each k of `sample_counts`.

    Raises:
        ValueError: If there is not at least one sample.
    """
    if num_samples < 1:
        raise ValueError(f"a bound needs at least one sample, got {num_samples}")
    counts = sample_counts(num_samples)
    bounds: dict[int, list[Tensor]] = {k: [] for k in counts}
    with evaluating(model):
        for batch in batches:
            c = model.condition.pick(batch.x, batch.y)
            lengths = _stretches(counts, max(1, rows // len(batch)))
            drawn = (model.log_weights(batch.x, c, length) for length in lengths)
            for k, bound in running_log_mean_exp(drawn):
                if k in bounds:
                    bounds[k].append(bound.cpu())
    return {k: torch.cat(parts) for k, parts in bounds.items()}


def _stretches(counts: list[int], longest: int) -> Iterator[int]:
    """Lengths that add up to each of the counts in turn, none above `longest`."""
    for start, end in pairwise([0, *counts]):
        yield from (min(longest, end - done) for done in range(start, end, longest))
