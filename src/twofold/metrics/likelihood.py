r"""How probable a model finds held-out images: the ELBO, its terms, and the IWAE bound.

.. math:: L_k = E\left[\ln \tfrac{1}{k} \sum_{i=1}^k \frac{p(x, z_i)}{q(z_i|x)}\right],
          \quad \mathrm{ELBO} = L_1 \le L_k \le L_{k+1} \le \ln p(x)

References:
    Importance Weighted Autoencoders (Burda, Grosse and Salakhutdinov, 2016), theorem 1,
    https://arxiv.org/abs/1509.00519
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from twofold.data.batches import Batch
from twofold.models.base import HasLikelihood, evaluating

__all__ = ["elbo_terms", "iwae_bound", "streaming_log_mean_exp"]

ROWS = 20_000  # decoded images at a time: what bounds the memory


@torch.no_grad()
def elbo_terms(
    model: HasLikelihood, batches: Iterable[Batch], num_samples: int = 1
) -> tuple[Tensor, Tensor]:
    """Reconstruction term and KL of every image.

    Arguments:
        model: One that bounds ln p(x|c).
        batches: Held-out images; a dynamic binarisation draws them afresh.
        num_samples: Draws of z per image.

    Returns:
        E_q[-ln p(x|z)] and KL in nats per image, float64, shapes (N,) and (N,).
    """
    recon, kl = [], []
    with evaluating(model):
        for batch in batches:
            c = model.condition.pick(batch.x, batch.y)
            terms = model.elbo_terms(batch.x, c, num_samples)
            recon.append(terms[0].double().cpu())
            kl.append(terms[1].double().cpu())
    return torch.cat(recon), torch.cat(kl)


def streaming_log_mean_exp(log_values: Iterable[Tensor]) -> Tensor:
    """ln of the mean of exp over the first axis of several stretches, in float64.

    Arguments:
        log_values: Tensors of shapes (S_1, B), (S_2, B), …

    Returns:
        Shape (B,).

    Example:
        >>> streaming_log_mean_exp([torch.zeros(3, 2), torch.zeros(1, 2)]).abs() < 1e-12
        tensor([True, True])
    """
    total, count = None, 0
    for stretch in log_values:
        part = torch.logsumexp(stretch.double(), dim=0)
        total = part if total is None else torch.logaddexp(total, part)
        count += len(stretch)
    if total is None:
        raise ValueError("there is nothing to average: give at least one sample")
    return total - math.log(count)


@torch.no_grad()
def iwae_bound(
    model: HasLikelihood,
    batches: Iterable[Batch],
    num_samples: int,
    rows: int = ROWS,
    advance: Callable[[int], None] | None = None,
) -> Tensor:
    """The IWAE bound L_k on ln p(x|c) of every image, in bounded memory.

    Arguments:
        model: One that bounds ln p(x|c).
        batches: Held-out images.
        num_samples: k.
        rows: How many images may be decoded at once, whatever k is.
        advance: Told the number of images done.

    Returns:
        L_k in nats per image, float64, shape (N,).
    """
    bounds = []
    with evaluating(model):
        for batch in batches:
            c = model.condition.pick(batch.x, batch.y)
            at_once = max(1, rows // len(batch))
            stretches = (
                model.log_weights(batch.x, c, min(at_once, num_samples - done))
                for done in range(0, num_samples, at_once)
            )
            bounds.append(streaming_log_mean_exp(stretches).cpu())
            if advance is not None:
                advance(len(batch))
    return torch.cat(bounds)
