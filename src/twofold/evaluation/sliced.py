r"""The sliced Wasserstein distance of two sets of features, which assumes no shape of either.

.. math:: \mathrm{MIND} = 3 D \; E_u \frac{1}{n} \sum_{i=1}^n
          \bigl( (u^T x)_{(i)} - (u^T y)_{(i)} \bigr)^2

where u is a random direction and (i) the i-th smallest. Where all features are shifted by one
vector v, it is 3 |v|². As the Fréchet distance, it is above 0 for two samples of one distribution.

References:
    MIND: Monge Inception Distance for Generative Models Evaluation (Berthet, Wu, Crepy, Elie,
    Greff and Sander, 2026), https://arxiv.org/abs/2605.06797
"""

import torch
from torch import Tensor

from twofold.errors import NotMeasured

__all__ = ["sliced_distance"]

DIRECTIONS = 1000
AT_ONCE = 100


def sliced_distance(x: Tensor, y: Tensor, directions: int = DIRECTIONS, seed: int = 0) -> float:
    """MIND of features x (N, D) of real images and y (M, D) of generated ones.

    Of the larger set as many are drawn as the smaller one has. The seed is that of draws and
    directions.

    Raises:
        NotMeasured: If there is none of either.

    Example:
        >>> x = torch.randn(50, 1)
        >>> round(sliced_distance(x, x + 2), 4)
        12.0
    """
    count = min(len(x), len(y))
    if not count:
        raise NotMeasured(f"a distance needs images of both kinds; there are {len(x)}, {len(y)}")
    generator = torch.Generator().manual_seed(seed)
    x, y = (
        part[torch.randperm(len(part), generator=generator)[:count].to(part.device)].double()
        for part in (x, y)
    )
    u = torch.randn(directions, x.shape[1], generator=generator, dtype=torch.float64)
    u = torch.nn.functional.normalize(u, dim=1).to(x.device)
    total = 0.0
    for some in u.split(AT_ONCE):
        sorted_x, sorted_y = ((part @ some.T).T.sort(dim=1).values for part in (x, y))
        total += (sorted_x - sorted_y).square().mean(dim=1).sum().item()
    return 3.0 * x.shape[1] * total / directions
