"""Generated images above the training images nearest to them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twofold.report.facts import Facts
from twofold.report.pixels import Pixels, grid
from twofold.report.words import number

__all__ = ["draw_pairs"]

KINDS = {"first": "Not chosen", "closest": "Those that lie nearest"}
ROWS = ("generated", "training")


def draw_pairs(runs: Sequence[Facts]) -> list[tuple[Facts, list[tuple[str, Pixels]]]]:
    """For every run that kept them, strips of two rows with their captions."""
    found = [(run, _strips(run, run.arrays.get("nearest") or {})) for run in runs]
    return [(run, strips) for run, strips in found if strips]


def _strips(run: Facts, arrays: Any) -> list[tuple[str, Pixels]]:
    return [
        (_caption(words, arrays.get(f"{kind}_distance")), _strip(run, kind, words, arrays[kind]))
        for kind, words in KINDS.items()
        if kind in arrays and arrays[kind].ndim == 5 and len(arrays[kind]) == len(ROWS)
    ]


def _strip(run: Facts, kind: str, words: str, pairs: np.ndarray) -> Pixels:
    """From (2, n, C, H, W), generated and training."""
    alt = f"Images of {run.name} above the nearest training images: {words.lower()}"
    array = grid(pairs.reshape(-1, *pairs.shape[2:]), pairs.shape[1])
    return Pixels(f"nearest-{kind}-{run.letter}", alt, array, ROWS)


def _caption(words: str, distances: np.ndarray | None) -> str:
    if distances is None or not len(distances):
        return f"{words}."
    low, high = (number(float(end), 2) for end in (distances.min(), distances.max()))
    return f"{words}; {low} to {high} apart."
