"""A data set: stripes of four orientations, drawn when it is asked for."""

import numpy as np
from numpy.typing import NDArray

from twofold.registry import register
from twofold.settings import Count, Seed

ORIENTATIONS = ("horizontal", "diagonal", "vertical", "antidiagonal")


@register("dataset", "gratings", title="stripes of four orientations")
def gratings(
    count: Count = 1000, side: Count = 16, seed: Seed = 0
) -> tuple[NDArray[np.uint8], list[str]]:
    """Images (N, side, side) of gratings with a random phase and period, and their orientation.

    Arguments:
        count: How many images.
        side: Height and width in pixels.
        seed: Of phases and periods.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    images, names = [], []
    for i in range(count):
        angle = np.pi / 4 * (i % 4)
        phase, waves = rng.uniform(0, 2 * np.pi), rng.uniform(2, 4)
        wave = np.sin(2 * np.pi * waves * (x * np.sin(angle) + y * np.cos(angle)) + phase)
        images.append(np.rint(255 * (0.5 + 0.5 * wave)).astype(np.uint8))
        names.append(ORIENTATIONS[i % 4])
    return np.stack(images), names
