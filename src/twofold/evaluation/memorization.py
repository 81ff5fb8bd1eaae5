"""Whether generated images repeat the training images, or each other.

References:
    Diffusion Probabilistic Models Generalize when They Fail to Memorize (Yoon et al., 2023),
    section 3: an image is a copy if its nearest training image is less than a third as far as the
    second nearest.
    A Three Sample Hypothesis Test for Evaluating Generative Models (Meehan, Chaudhuri and Dasgupta,
    2020), section 3, https://arxiv.org/abs/2004.05675
"""

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["COPY", "copying_score", "is_copy", "threshold_of_duplicates"]

COPY = 1.0 / 3.0


def is_copy(distances: Tensor) -> Tensor:
    """Whether each image is a copy, shape (N,), by distances (N, 2) to the two nearest others.

    Example:
        >>> is_copy(torch.tensor([[0.1, 3.0], [2.0, 3.0], [0.0, 0.0]]))
        tensor([ True, False,  True])
    """
    return distances[:, 0] <= COPY * distances[:, 1]


def copying_score(generated: Tensor, held_out: Tensor) -> float:
    """How much nearer to the training images generated images lie than held-out ones do.

    The Mann-Whitney statistic in standard deviations, Z_U of Meehan et al., taken over the whole
    space and not cell by cell as their C_T: near 0 where both lie equally near, below -3 for
    copying, above 3 for underfitting. It grows with the square root of the number of images.
    Given are distances to the nearest training image, shapes (N,) and (M,).
    """
    from scipy.stats import rankdata

    n, m = len(generated), len(held_out)
    ranks = rankdata(torch.cat([generated, held_out]).cpu().double().numpy())
    wins = ranks[:n].sum() - n * (n + 1) / 2  # pairs in which the generated one is farther
    return float((wins - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12))


def threshold_of_duplicates(distances: Tensor) -> float:
    """The distance below which two images count as one: of real images only 1 % have such a twin.

    These have the given distances to their nearest other, shape (N,).
    """
    return float(np.quantile(distances.cpu().double().numpy(), 0.01))
