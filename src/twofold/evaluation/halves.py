r"""How precision, recall, density and coverage vary from one draw of images to another.

These figures are neither means of independent images nor smooth: drawing images again with
repetition puts copies into one another's balls, and leaving out one image at a time (the
jackknife) overstates the variance, as it does for any count of what is met at least once. Two
halves of the images, though, are two independent draws of half as many: over random halves

.. math:: \mathrm{Var}[T_{n/2}] = \tfrac{1}{2} E (T_A - T_B)^2,
          \qquad \mathrm{Var}[T_n] \approx \mathrm{Var}[T_{n/2}]^2 / \mathrm{Var}[T_{n/4}],

as far as the variance falls from halves to the whole as it does from quarters to halves: to one
half where each image concerns those near it alone, to less than that where a few outliers decide.
Both sets are divided together. Where the real ones are the same part, what is left is the variance
from the generated images.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from twofold.evaluation.distances import Pool, apart
from twofold.evaluation.intervals import Estimate
from twofold.evaluation.neighbors import ROWS, Neighborhood, nearest, neighborhood

__all__ = ["estimate_neighborhood"]

LISTED = 9  # times k neighbors are known of each image; a half has k of them but once in 10 000
SPLITS = 20
MOST_PAIRS = 20_000_000  # of near images, for the memory


@dataclass(frozen=True)
class _Near:
    """Pairs of a real and a generated image, either of which may have the other in its ball."""

    real: Tensor
    fake: Tensor
    distance: Tensor


def estimate_neighborhood(
    real: Tensor,
    fake: Tensor,
    k: int = 5,
    splits: int = SPLITS,
    seed: int = 0,
    found: Neighborhood | None = None,
) -> dict[str, Estimate | None]:
    """The means of `neighborhood` with their intervals, by the name of the figure.

    An interval is of what as many images of both kinds have on average, not of infinitely many.
    None stands for a figure whose interval cannot be had: where there are fewer than 4 k images of
    a kind, or generated images lie so far from all others that nearly all are near neighbors.

    Arguments:
        real: Features, shape (N, D).
        fake: Features, shape (M, D).
        k: Which neighbor a ball reaches to.
        splits: How many random halves to compare.
        seed: Of the halves.
        found: What `neighborhood` gives of these, where that is known.

    Raises:
        NotMeasured: If there are no k neighbors.
    """
    found = found or neighborhood(real, fake, k)
    values = _means(found)
    if min(len(real), len(fake)) < 4 * (k + 1):
        return dict.fromkeys(values)
    lists = _Lists(real, k), _Lists(fake, k)
    near = _near(real, fake, *lists)
    if near is None:
        return dict.fromkeys(values)
    both, generated = _variances(near, *lists, k, splits, seed).sqrt().tolist()
    # Of balls that stay what they are, generated images are independent.
    generated[:2] = [x.std().item() / len(fake) ** 0.5 for x in (found.precision, found.density)]
    estimates = {}
    for (name, value), error, of_generated in zip(values.items(), both, generated, strict=True):
        if name == "density":
            estimates[name] = Estimate.squared(value, error, of_generated)
        else:
            count = len(fake) if name == "precision" else len(real)
            estimates[name] = Estimate.share(value, error, count, of_generated)
    return estimates


def _means(found: Neighborhood) -> dict[str, float]:
    names = ("precision", "density", "recall", "coverage")
    return {name: getattr(found, name).mean().item() for name in names}


class _Lists:
    """The nearest others of each of a set (N, D), from which the reach within a part follows."""

    def __init__(self, x: Tensor, k: int) -> None:
        self.k = k
        self.distances, self.indices = nearest(x, x, min(len(x) - 1, LISTED * k), itself=True)

    def parts(self, generator: torch.Generator) -> "_Parts":
        """A random division into quarters; up to three are left out, as the fifth."""
        count = len(self.indices)
        quarter = torch.arange(count) // (count // 4)
        order = torch.randperm(count, generator=generator)
        return _Parts(self, quarter[order].to(self.indices.device))

    def reach(self, inside: Tensor) -> Tensor:
        """Distance of each to its k-th nearest inside a part (N,), as far as the list goes."""
        enough = inside[self.indices].cumsum(dim=1) >= self.k
        enough[:, -1] = True
        return self.distances.gather(1, enough.long().argmax(dim=1, keepdim=True))[:, 0]


def _near(real: Tensor, fake: Tensor, of_real: _Lists, of_fake: _Lists) -> _Near | None:
    """Pairs as near as the end of the list of either, or None if they are too many."""
    reach, reach_fake = of_real.distances[:, -1:], of_fake.distances[None, :, -1]
    pool, pairs, count = Pool(fake), [], 0
    for start in range(0, len(real), ROWS):
        part = real[start : start + ROWS]
        squared, rounding = pool.bounds(part)
        limit = torch.maximum(reach[start : start + ROWS], reach_fake).square()
        i, j = (squared - rounding <= limit).nonzero(as_tuple=True)
        count += len(i)
        if count > MOST_PAIRS:
            return None
        pairs.append((start + i, j, _distances(part, fake, i, j)))
    return _Near(*(torch.cat(parts) for parts in zip(*pairs, strict=True)))


def _distances(x: Tensor, y: Tensor, i: Tensor, j: Tensor) -> Tensor:
    parts = zip(i.split(100_000), j.split(100_000), strict=True)
    return torch.cat([apart(x[some], y[others]) for some, others in parts])


def _variances(near: _Near, real: _Lists, fake: _Lists, k: int, splits: int, seed: int) -> Tensor:
    """Of the four figures over draws of both sets, and of the generated one alone: (2, 4)."""
    generator = torch.Generator().manual_seed(seed)
    parts = [[lists.parts(generator) for lists in (real, fake)] for _ in range(splits)]
    halves, quarters = (
        torch.stack([_spread(near, pieces, k, *both) for both in parts]).mean(dim=0)
        for pieces in (2, 4)
    )
    return halves / (quarters / halves.clamp_min(1e-300)).clamp(1.0, 4.0)


def _spread(near: _Near, pieces: int, k: int, real: "_Parts", fake: "_Parts") -> Tensor:
    """Variance of the figures of halves or quarters: of both sets, and of the generated, (2, 4).

    Of each two pieces of the generated set, one goes with its own piece of the real set, and both
    with the same.
    """
    ours, theirs = real.pieces(pieces), fake.pieces(pieces)
    own = torch.stack([_figures(near, r, f, k) for r, f in zip(ours, theirs, strict=True)])
    others = theirs[1:] + theirs[:1]
    shifted = torch.stack([_figures(near, r, f, k) for r, f in zip(ours, others, strict=True)])
    both = (own.var(dim=0) + shifted.var(dim=0)) / 2
    return torch.stack([both, (own - shifted).square().mean(dim=0) / 2])


@dataclass(frozen=True)
class _Parts:
    """A random division of a set into quarters, by number (N,)."""

    lists: _Lists
    quarter: Tensor

    def pieces(self, count: int) -> list[tuple[Tensor, Tensor]]:
        """Which belong to each half or quarter, bool (N,), with their reach in it."""
        masks = [(self.quarter % count == i) & (self.quarter < 4) for i in range(count)]
        return [(mask, self.lists.reach(mask)) for mask in masks]


def _figures(
    near: _Near, real: tuple[Tensor, Tensor], fake: tuple[Tensor, Tensor], k: int
) -> Tensor:
    """Precision, density, recall and coverage of a part of either set, given with its reach."""
    (some, reach), (others, reach_fake) = real, fake
    inside = some[near.real] & others[near.fake]
    in_real = inside & (near.distance < reach[near.real])
    in_fake = inside & (near.distance < reach_fake[near.fake])
    right, covered, met = (
        torch.zeros(len(x), dtype=torch.bool, device=x.device) for x in (others, some, some)
    )
    right[near.fake[in_real]] = True
    covered[near.real[in_real]] = True
    met[near.real[in_fake]] = True
    n, m = some.sum(), others.sum()
    figures = [right.sum() / m, in_real.sum() / (k * m), met.sum() / n, covered.sum() / n]
    return torch.stack(figures).cpu().double()
