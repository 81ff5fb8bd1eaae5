"""How often intervals that state 95 % hold the truth: python benchmarks/coverage_of_intervals.py.

Each is made again and again of images drawn from a law that is known. The truth is known in closed
form, or else it is the mean over all repetitions. Writes docs/intervals.md.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from hardware import hardware
from torch import Tensor

from twofold.evaluation.counts import (
    estimate_class_kl,
    estimate_jensen_shannon,
    estimate_modes,
    estimate_modes_kl,
)
from twofold.evaluation.halves import estimate_neighborhood
from twofold.evaluation.intervals import Estimate, estimate_mean, estimate_share
from twofold.evaluation.recognition import estimate_inception_score
from twofold.evaluation.spread import estimate_frechet, estimate_frechet_limit, estimate_kernel
from twofold.files import write_text

PAGE = Path(__file__).parents[1] / "docs" / "intervals.md"
STATED = 0.95


@dataclass(frozen=True)
class Situation:
    """Intervals of one kind, of one law.

    Attributes:
        interval: Of what.
        law: What images are drawn from.
        number: Of images: real, generated, or just one kind.
        draw: From a seed to an estimate.
        truth: The figure, or None for the mean over repetitions.
        cost: Repetitions are divided by this.
    """

    interval: str
    law: str
    number: str
    draw: Callable[[int], Estimate | None]
    truth: float | None = None
    cost: int = 1


@dataclass(frozen=True)
class Found:
    """What repetitions gave: the share of intervals that hold the truth, and errors beside it."""

    repetitions: int
    coverage: float
    error: float
    stated: float
    spread: float


def repeat(situation: Situation, repetitions: int) -> Found:
    """Draws intervals with seeds 0, 1, … and compares them with the truth."""
    drawn = [situation.draw(seed) for seed in range(repetitions)]
    estimates = [one for one in drawn if one is not None]
    values = np.array([one.value for one in estimates])
    truth = values.mean() if situation.truth is None else situation.truth
    share = float(np.mean([one.low <= truth <= one.high for one in estimates]))
    smooth = (share * len(estimates) + 1) / (len(estimates) + 2)
    return Found(
        len(estimates),
        share,
        math.sqrt(smooth * (1 - smooth) / len(estimates)),
        math.sqrt(np.mean([one.error**2 for one in estimates])),
        float(values.std(ddof=1)),
    )


def gaussians(seed: int, n: int, m: int, dim: int, shift: float, scale: float = 1.0):
    """Features of n real images from N(0, I), and of m generated ones from N(shift, scale² I)."""
    generator = torch.Generator().manual_seed(10_000 + seed)
    x, y = (torch.randn(count, dim, generator=generator) for count in (n, m))
    return x, scale * y + shift


def of_features(
    estimate: Callable[[Tensor, Tensor], Estimate | None], law: tuple, seed: int
) -> Estimate | None:
    return estimate(*gaussians(seed, *law))


@cache
def neighborhoods(law: tuple, seed: int) -> dict[str, Estimate | None]:
    return estimate_neighborhood(*gaussians(seed, *law), splits=10)


def neighbors(name: str, law: tuple, seed: int) -> Estimate | None:
    return neighborhoods(law, seed)[name]


def counted(estimate: Callable[..., Estimate], laws: list, seed: int) -> Estimate:
    """Of counts drawn from (number, shares) each."""
    rng = np.random.default_rng(seed)
    return estimate(*(torch.as_tensor(rng.multinomial(n, p)) for n, p in laws))


def means(draw: Callable[[np.random.Generator], np.ndarray], seed: int) -> Estimate | None:
    return estimate_mean(torch.as_tensor(draw(np.random.default_rng(seed))))


def share(p: float, n: int, seed: int) -> Estimate:
    return estimate_share(int(np.random.default_rng(seed).binomial(n, p)), n)


def scores(seed: int) -> Estimate:
    logits = 3 * torch.randn(500, 10, generator=torch.Generator().manual_seed(seed))
    return estimate_inception_score(logits.log_softmax(dim=1))


def divergence(p: Tensor, q: Tensor) -> Estimate:
    return estimate_jensen_shannon(p.numpy(), q.numpy())


def situations() -> Iterator[Situation]:
    """All of them, one kind after another."""
    normal, skewed = "N(0, 1)", "exponential"
    yield Situation("mean", normal, "20", partial(means, lambda r: r.standard_normal(20)), 0.0)
    yield Situation("mean", skewed, "200", partial(means, lambda r: r.exponential(size=200)), 1.0)
    for p, n in ((0.5, 30), (0.9, 100), (0.99, 1000), (0.995, 10_000)):
        yield Situation("share", f"{p:g} right", f"{n}", partial(share, p, n), p)
    yield Situation("Inception score", "random logits", "500", scores)
    yield from of_counts()
    yield from of_distances()
    yield from of_neighbors()


def of_counts() -> Iterator[Situation]:
    rng = np.random.default_rng(0)
    uniform, uneven = np.full(1000, 0.001), rng.dirichlet(np.full(1000, 0.3))
    laws = (("1000 equal", uniform), ("1000 of Dirichlet(0.3)", uneven))
    for law, p in laws:
        for n in (1000, 3000, 10_000):
            draw = partial(counted, estimate_modes, [(n, p)])
            yield Situation("modes reached", law, f"{n}", draw)
    for law, p in laws:
        for n in (1000, 10_000):
            draw = partial(counted, estimate_modes_kl, [(n, p)])
            yield Situation("modes, KL", law, f"{n}", draw, cost=5)
    equal, tilted = np.full(10, 0.1), np.linspace(0.6, 1.4, 10) / 10
    for law, p in (("equal", equal), ("tilted", tilted)):
        draw = partial(counted, estimate_class_kl, [(500, p), (1000, equal)])
        yield Situation("class KL", law, "1000, 500", draw)
    bins = rng.dirichlet(np.full(100, 5.0))
    for law, p in (("the same", bins), ("others", rng.permutation(bins))):
        draw = partial(counted, divergence, [(2000, p), (3000, bins)])
        yield Situation("JS over 100 bins", law, "3000, 2000", draw, cost=5)


def of_distances() -> Iterator[Situation]:
    laws = ((300, 300, 8, 0.0), (300, 300, 8, 0.1), (200, 1000, 8, 0.7), (700, 700, 32, 0.1))
    for n, m, dim, shift in laws:
        law = f"{dim}-D Gaussians" + (f" {shift:g} apart in each" if shift else ", the same")
        for name, estimate, truth in (
            ("KID", estimate_kernel, None),
            ("FID at N", estimate_frechet, None),
            ("FID, N → ∞", estimate_frechet_limit, dim * shift**2),
        ):
            draw = partial(of_features, estimate, (n, m, dim, shift))
            yield Situation(name, law, f"{n}, {m}", draw, truth, cost=5)


def of_neighbors() -> Iterator[Situation]:
    for n, m, dim, shift, scale in (
        (500, 500, 8, 0.0, 1.0),
        (500, 500, 8, 0.3, 1.0),
        (500, 500, 16, 0.0, 0.8),
        (300, 900, 16, 0.2, 1.0),
    ):
        law = f"{dim}-D Gaussians, {shift:g} apart in each, scale {scale:g}"
        for name in ("precision", "density", "recall", "coverage"):
            draw = partial(neighbors, name, (n, m, dim, shift, scale))
            yield Situation(name, law, f"{n}, {m}", draw, cost=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    arguments, started = parser.parse_args(), time.perf_counter()
    rows = []
    for one in situations():
        found = repeat(one, arguments.repetitions // one.cost)
        ratio = found.stated / found.spread if found.spread else math.nan
        rows.append(
            f"| {one.interval} | {one.law} | {one.number} | 95 % | {100 * found.coverage:.1f} ± "
            f"{100 * found.error:.1f} % | {ratio:.2f} | {found.repetitions} |"
        )
        print(rows[-1], flush=True)
    machine = hardware()
    minutes = (time.perf_counter() - started) / 60
    write_text(PAGE, PAGE_TEXT.format(rows="\n".join(rows), minutes=minutes, **machine))


PAGE_TEXT = """# How often intervals hold the truth

An interval that states 95 % is made again and again of images drawn from a known law; the table
says how often it held the truth, with the Monte Carlo error of that share, and how large the stated
standard error (root mean square) is beside the spread of the figures. The truth is known in closed
form for means, shares and the FID of infinitely many images, and else the mean over repetitions:
what as many images have on average. Of two numbers of images the first is of real ones.

A count that is nearly always the same, such as modes where all are reached, has an interval that
holds it nearly always.

| interval | situation | images | stated | found | error / spread | repetitions |
|---|---|---:|---:|---:|---:|---:|
{rows}

Made by `python benchmarks/coverage_of_intervals.py`, seeds 0, 1, …, in {minutes:.0f} minutes on
{processor}, {threads} of {cores} cores, torch {torch}.
"""


if __name__ == "__main__":
    main()
