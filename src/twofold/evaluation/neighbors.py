r"""How two sets of features lie among each other, by nearest neighbors.

A ball around a point reaches to its k-th nearest neighbor in its own set. Precision is the share
of generated images inside some real ball, recall the share of real images inside some generated
ball; an outlier with a wide ball inflates both. Density counts how many real balls a generated
image lies in, divided by k, and coverage is the share of real balls with a generated image inside:
they use the balls of real images alone.

For two samples of one distribution, of equal size, density is 1 and coverage 1 - 2^-k on average;
precision and recall are below 1.

References:
    Improved Precision and Recall Metric (Kynkäänniemi et al., 2019), section 3,
    https://arxiv.org/abs/1904.06991
    Reliable Fidelity and Diversity Metrics (Naeem et al., 2020), section 3,
    https://arxiv.org/abs/2002.09797
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from twofold.errors import NotMeasured
from twofold.evaluation.distances import Pool, apart

__all__ = ["Neighborhood", "nearest", "neighborhood", "within_reach"]

ROWS = 1000  # of the matrix of distances at a time


@dataclass(frozen=True)
class Neighborhood:
    """Per image, so that a mean over some of them is the figure of a class.

    Attributes:
        precision: Whether a generated image lies in a real ball, shape (M,).
        density: In how many, divided by k, shape (M,).
        recall: Whether a real image lies in a generated ball, shape (N,).
        coverage: Whether the ball of a real image holds a generated one, shape (N,).
    """

    precision: Tensor
    density: Tensor
    recall: Tensor
    coverage: Tensor


def neighborhood(real: Tensor, fake: Tensor, k: int = 5) -> Neighborhood:
    """Precision, recall, density and coverage of each image, by features (N, D) and (M, D).

    Raises:
        NotMeasured: If there are no k neighbors.
    """
    if min(len(real), len(fake)) <= k:
        raise NotMeasured(
            f"the {k}th nearest neighbor needs more than {k} images, and there are {len(real)} "
            f"and {len(fake)}"
        )
    reach_real, reach_fake = _reach(real, k), _reach(fake, k)
    inside = torch.zeros(len(fake), dtype=torch.float64, device=fake.device)
    recall, coverage = [], []
    for in_real, in_fake in within_reach(real, fake, reach_real[:, None], reach_fake[None]):
        inside += in_real.sum(dim=0)
        coverage.append(in_real.any(dim=1))
        recall.append(in_fake.any(dim=1))
    return Neighborhood(
        (inside > 0).double(), inside / k, torch.cat(recall).double(), torch.cat(coverage).double()
    )


def nearest(x: Tensor, pool: Tensor, k: int = 1, itself: bool = False) -> tuple[Tensor, Tensor]:
    """The k nearest of a pool (M, ...) to each of x (N, ...), by Euclidean distance.

    Where x is the pool `itself`, an image is not its own neighbor.

    Distances of copies are 0, and others exact to a few units in the last place.

    Returns:
        Distances and indices, nearest first, shapes (N, k).

    Raises:
        NotMeasured: If the pool has fewer than k others.
    """
    if len(pool) < k + itself:
        raise NotMeasured(f"{k} neighbors need a pool of {k + itself}, and there are {len(pool)}")
    x, pool = x.flatten(1), pool.flatten(1)
    found, among = [], Pool(pool, few=True)
    for start in range(0, len(x), ROWS):
        part = x[start : start + ROWS]
        own = start + torch.arange(len(part), device=x.device) if itself else None
        found.append(among.nearest(part, k, own))
    return torch.cat([one for one, _ in found]), torch.cat([which for _, which in found])


def within_reach(
    x: Tensor, y: Tensor, *reaches: Tensor, edge: bool = False
) -> Iterator[list[Tensor]]:
    """Which of y (M, D) lie within reach of each of x (N, D), a block of rows at a time.

    What rounding leaves open is decided by differences, as `nearest` finds a reach.

    Arguments:
        x: Shape (N, D).
        y: Shape (M, D).
        reaches: Of each of x, shape (N, 1), or of each of y, shape (1, M).
        edge: Whether what lies just at the reach is within.

    Yields:
        For each reach bool, shape (ROWS, M), in the last block with what rows are left.
    """
    pool = Pool(y)
    for start in range(0, len(x), ROWS):
        part = x[start : start + ROWS]
        squared, rounding = pool.bounds(part)
        found = []
        for reach in reaches:
            limit = reach[start : start + ROWS] if reach.shape[1] == 1 else reach
            within = squared < limit.square()
            i, j = ((squared - limit.square()).abs() <= rounding).nonzero(as_tuple=True)
            distance, allowed = apart(part[i], y[j]), limit.expand_as(squared)[i, j]
            within[i, j] = distance <= allowed if edge else distance < allowed
            found.append(within)
        yield found


def _reach(x: Tensor, k: int) -> Tensor:
    """Distance of each point to its k-th nearest other, shape (N,)."""
    return nearest(x, x, k, itself=True)[0][:, -1]
