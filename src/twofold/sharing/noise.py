"""N(0, 1) numbers as torch draws them of a seed on a CPU, without torch.

An exported model thereby makes the samples of its run, for the same seed. Torch takes 24 bits of a
Mersenne Twister for each number and turns sixteen at a time into normal ones by Box and Muller's
formulas, eight radii first and then eight angles; fewer than sixteen in all it makes pair by pair,
of 53 bits each.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["standard_normal"]

LANES = 16


def standard_normal(seed: int, *shape: int) -> NDArray[np.float32]:
    """What `torch.randn` gives with a generator of this seed, to the last bits of float32.

    Example:
        >>> [round(x, 4) for x in standard_normal(0, 4).tolist()]
        [1.541, -0.2934, -2.1788, 0.5684]
    """
    count = int(np.prod(shape))
    bits = np.random.MT19937()
    state: Any = np.random.RandomState(seed & 0xFFFFFFFF).get_state(legacy=False)
    bits.state = state
    return (_few(bits, count) if count < LANES else _many(bits, count)).reshape(shape)


def _many(bits: np.random.MT19937, count: int) -> NDArray[np.float32]:
    made = _uniform(bits, count)
    whole = count // LANES * LANES
    made[:whole] = _box_muller(made[:whole])
    if count % LANES:  # the last sixteen are drawn again
        made[-LANES:] = _box_muller(_uniform(bits, LANES))
    return made


def _uniform(bits: np.random.MT19937, count: int) -> NDArray[np.float32]:
    drawn = bits.random_raw(count).astype(np.uint32) & np.uint32((1 << 24) - 1)
    return drawn.astype(np.float32) * np.float32(2.0**-24)


def _box_muller(u: NDArray[np.float32]) -> NDArray[np.float32]:
    first, second = u.reshape(-1, 2, LANES // 2).swapaxes(0, 1)
    radius, angle = np.sqrt(-2 * np.log(1 - first)), np.float32(2 * np.pi) * second
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)


def _few(bits: np.random.MT19937, count: int) -> NDArray[np.float32]:
    high, low = bits.random_raw(4 * -(-count // 2)).astype(np.uint64).reshape(-1, 2).T
    u = ((high << np.uint64(32) | low) & np.uint64((1 << 53) - 1)) * 2.0**-53
    first, second = u.reshape(-1, 2).T
    radius, angle = np.sqrt(-2 * np.log1p(-second)), 2 * np.pi * first
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1)[:count].astype(np.float32)
