r"""Euclidean distances that are exact where they are small, at the speed of a product of matrices.

:math:`|a|^2 + |b|^2 - 2ab` loses what two nearly equal points differ by: copies come out as far
apart as rounding makes them. Here the product only bounds distances, and what these bounds leave
open is decided by differences, coordinate by coordinate, whose relative error is that of a sum.

A bound holds for any orthonormal directions Q, with the length of what they miss as one more
coordinate: :math:`|a - b|^2 \ge |Q^T(a - b)|^2 + (|r_a| - |r_b|)^2`. Of images a few directions
nearly suffice, so that the product is of them alone.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["Pool", "apart"]

DIRECTIONS = 144  # of points of many more dimensions
LEARNED_FROM = 5000  # points at most
CANDIDATES = 14  # looked at beside every neighbor that is wanted
MORE = 8  # times as many where these leave it open
GATHERED = 2**24  # numbers at a time
CONVERTED = 4096  # points at a time to float64


def apart(x: Tensor, y: Tensor) -> Tensor:
    """Distances of pairs (P, D) and (P, D), by differences, shape (P,): of copies always 0."""
    return (x - y).square().sum(dim=1).sqrt()


class Pool:
    """Points to which distances are wanted.

    Arguments:
        points: Shape (M, D).
        few: Whether to bound distances by a few directions where points have many dimensions,
            which is faster and leaves more to be decided by differences.
    """

    def __init__(self, points: Tensor, few: bool = False) -> None:
        self.points = points
        self.mean = points.mean(dim=0)
        self.directions = self._directions() if few else None
        self.rounding = 4 * points.shape[1] * torch.finfo(points.dtype).eps
        coordinates = self._coordinates(points)
        self.lengths = coordinates.square().sum(dim=1)  # squared, (M,)
        self._factors = torch.cat([-2 * coordinates, self.lengths[:, None]], dim=1).T.contiguous()

    def bounds(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distances of points (N, D) to the pool, no more than they are, and how far off.

        Returns:
            Shape (N, M), and of each row the most by which rounding may have moved them, (N, 1).
            With all directions they are off by no more than that to either side.
        """
        coordinates = self._coordinates(x)
        lengths = coordinates.square().sum(dim=1, keepdim=True)
        squared = torch.cat([coordinates, torch.ones_like(lengths)], dim=1) @ self._factors
        return squared.add_(lengths), self.rounding * (lengths + self.lengths.amax())

    def nearest(self, x: Tensor, k: int, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Distances (N, k) of points (N, D) to the k nearest of the pool, and which these are.

        Where `own`, shape (N,), says which of the pool a point is itself, it is no neighbor.
        """
        distances = x.new_empty(len(x), k)
        indices = torch.empty(len(x), k, dtype=torch.long, device=x.device)
        rows, few = torch.arange(len(x), device=x.device), k + CANDIDATES
        for sharp, count in (
            (False, few),
            (False, MORE * few),
            (True, few),
            (True, MORE * few),
            (True, len(self.points)),
        ):
            if len(rows):
                itself = None if own is None else own[rows]
                found, which, decided = self._nearest(x[rows], k, itself, count, sharp)
                distances[rows], indices[rows] = found, which
                rows = rows[~decided]
        return distances, indices

    def _nearest(
        self, x: Tensor, k: int, own: Tensor | None, count: int, sharp: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`nearest` among `count` that the bounds leave, and whether none else can be (N,)."""
        squared, rounding = self._sharp_bounds(x) if sharp else self.bounds(x)
        if own is not None:
            squared.scatter_(1, own[:, None], torch.inf)
        least = squared.topk(min(count, len(self.points)), largest=False)
        which = least.indices.sort(dim=1).values  # of equal ones the first is nearest
        found = torch.cat([self._differences(*part) for part in self._parts(x, which)])
        if own is not None:
            found.masked_fill_(which == own[:, None], torch.inf)
        found, order = found.sort(dim=1, stable=True)
        squares = found[:, k - 1].square()
        decided = least.values.amax(dim=1) - rounding[:, 0] > squares
        decided |= (squares == 0) | (count >= len(self.points))
        return found[:, :k], which.gather(1, order)[:, :k], decided

    def _parts(self, x: Tensor, which: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        at_once = max(1, GATHERED // (which.shape[1] * x.shape[1]))
        return zip(x.split(at_once), which.split(at_once), strict=True)

    def _differences(self, x: Tensor, which: Tensor) -> Tensor:
        """Distances of points (N, D) to some of the pool (N, C), shape (N, C)."""
        return apart(x.repeat_interleave(which.shape[1], dim=0), self.points[which.flatten()]).view(
            which.shape
        )

    def _sharp_bounds(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`bounds` by all directions, in float64 where there is such a thing."""
        if x.device.type == "mps":
            return Pool(self.points).bounds(x)
        a, mean = x.double() - self.mean, self.mean.double()
        parts, longest = [], 0.0
        for points in self.points.split(CONVERTED):
            b = points.double() - mean
            lengths = b.square().sum(dim=1)
            parts.append(torch.addmm(lengths[None], a, b.T, alpha=-2))
            longest = max(longest, lengths.amax().item())
        lengths = a.square().sum(dim=1, keepdim=True)
        rounding = 4 * x.shape[1] * torch.finfo(torch.float64).eps
        return torch.cat(parts, dim=1).add_(lengths), rounding * (lengths + longest)

    def _coordinates(self, x: Tensor) -> Tensor:
        """In which points lie no farther from each other than they are, (N, D) or (N, Q + 1)."""
        x = x - self.mean  # for less is lost near 0
        if self.directions is None:
            return x
        seen = x @ self.directions
        missed = (x.square().sum(dim=1) - seen.square().sum(dim=1)).clamp_min(0).sqrt()
        return torch.cat([seen, missed[:, None]], dim=1)

    def _directions(self) -> Tensor | None:
        """Along which the points vary most, orthonormal, shape (D, Q); None for all as they are."""
        if self.points.shape[1] <= DIRECTIONS + 1:
            return None
        some = self.points[:: max(1, len(self.points) // LEARNED_FROM)] - self.mean
        some = some.cpu().double()
        return torch.linalg.eigh(some.T @ some).eigenvectors[:, -DIRECTIONS:].to(self.points)
