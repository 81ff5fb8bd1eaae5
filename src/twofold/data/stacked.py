r"""Three digits in one image, one in each color channel: a set whose 1000 modes can be counted.

Image n is :math:`(x_{a_n}, x_{b_n}, x_{c_n})` for a, b, c drawn independently and uniformly from
the images of one split, so no digit of the test images is ever trained on. Its class is
:math:`100\,y_a + 10\,y_b + y_c`, whose name is the three digits in the order red, green, blue.

References:
    Unrolled Generative Adversarial Networks (Metz et al., 2017),
    https://arxiv.org/abs/1611.02163
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from twofold.data.dataset import SPLITS, ImageDataset
from twofold.data.pixels import Part, Parts

__all__ = ["CHANNELS", "STACKED_NAMES", "draw_stacks", "stack"]

CHANNELS = 3
STACKED_NAMES = tuple(f"{k:03}" for k in range(10**CHANNELS))
SEED = 0  # part of the definition: every `stacked-mnist` is the same


def draw_stacks(num_digits: int, count: int, seed: int | tuple[int, ...]) -> NDArray[np.int64]:
    """Which digits are stacked, with replacement: indices below `num_digits`, (count, 3).

    Example:
        >>> draw_stacks(num_digits=1797, count=2, seed=0).shape
        (2, 3)
    """
    return np.random.default_rng(seed).integers(num_digits, size=(count, CHANNELS))


def stack(digits: ImageDataset, counts: Mapping[str, int]) -> Parts:
    """Stacks the digits of each split among themselves.

    Arguments:
        digits: Gray images (1, H, W) of the classes 0 to 9.
        counts: Split -> how many images to make.

    Returns:
        Images (3, H, W) of 1000 classes.

    Example:
        >>> splits = {"train": np.arange(2)}
        >>> images = np.zeros((2, 1, 8, 8), np.uint8)
        >>> digits = ImageDataset(images, np.array([7, 7]), splits=splits)
        >>> train = stack(digits, {"train": 5}).groups["train"]
        >>> train.images.shape, train.labels
        ((5, 3, 8, 8), array([777, 777, 777, 777, 777]))
    """
    places = 10 ** np.arange(CHANNELS)[::-1]
    groups = {}
    for split, count in counts.items():
        pool = digits.split(split)
        assert pool.labels is not None, "named sets of digits are labeled"
        chosen = draw_stacks(len(pool), count, (SEED, SPLITS.index(split)))
        groups[split] = Part(pool.images[chosen, 0], pool.labels[chosen] @ places)
    return Parts(groups, STACKED_NAMES)
