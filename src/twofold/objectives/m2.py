r"""The semi-supervised bound of M2, its sum over classes exact or by one relaxed draw.

Notation: x image, y class 0..K-1, z code; q(y|x), q(z|x, y), p(x|y, z), p(y) = 1/K.

.. math::
    \mathcal L(x, y) &= E_{q(z|x,y)}[-\ln p(x|y,z)] - \ln p(y) + D_{KL}(q(z|x,y) \| p(z)) \\
    \mathcal U(x) &= \sum_y q(y|x) \mathcal L(x, y) - \mathcal H(q(y|x)) \\
    \mathcal J^\alpha &= \sum_{labeled} \mathcal L + \sum_{unlabeled} \mathcal U
        + \alpha N \cdot E_{labeled}[-\ln q(y|x)]

Everything here is the last line divided by N, the number of training images: nats per image.

References:
    Semi-supervised Learning with Deep Generative Models (Kingma, Rezende, Mohamed and Welling,
    2014), equations 6 to 9, https://arxiv.org/abs/1406.5298
    Categorical Reparameterization with Gumbel-Softmax (Jang, Gu and Poole, 2017), for the draw,
    https://arxiv.org/abs/1611.01144
"""

import math
from abc import abstractmethod
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from twofold.data.batches import Batch
from twofold.objectives.base import Objective
from twofold.objectives.bound import Bound
from twofold.phases import Terms
from twofold.registry import register
from twofold.settings import NonNegative, Positive

__all__ = ["ExactSum", "LabelObjective", "RelaxedSum"]


class Rows(NamedTuple):
    """What is decoded: labeled images with their class, the others with classes that are tried.

    The weights add up to 1: the share of the labeled, and the rest for the unlabeled.
    """

    y: Tensor  # (R,), the class of each row
    y_onehot: Tensor  # (R, K), as the networks read it
    images: Tensor  # (R,), which image each row is of
    weight: Tensor  # (R,), through which the gradient reaches q(y|x)


class LabelObjective(Objective):
    """J / N of a model whose class is a latent variable that is sometimes observed.

    Arguments:
        alpha: Weight of the classifier's own loss, the paper's alpha / N: 0.1 there.
    """

    def __init__(self, alpha: NonNegative = 0.1) -> None:
        self.alpha = alpha

    def bound(self, model: Any, batch: Batch) -> Bound:
        """J / N with its reconstruction term open."""
        x, n = batch.x, batch.num_labeled
        h = model.trunk(x)  # (B, F)
        log_q = model.label_log_probs(h)  # (B, K)
        rows = self.rows(model, log_q, batch)
        q = model.posterior_given(h, rows.y_onehot, rows.images)
        z = q.rsample()
        p = model.decode_given(z, rows.y_onehot)
        kl = model.kl(q, z)
        terms = {"kl": (rows.weight * kl).sum(), "label_kl": _label_kl(log_q[n:], batch.share)}
        weights, watch = {}, {}
        if n:
            assert batch.y is not None
            terms["cross_entropy"] = F.nll_loss(log_q[:n], batch.y[:n])
            weights["cross_entropy"] = self.alpha
            hits = log_q[:n].detach().argmax(dim=1) == batch.y[:n]
            watch["accuracy"] = hits.float().mean()
        rest, guesses = Terms(terms, weights, watch), log_q.detach().exp()
        return Bound(x, p, rest, rows.images, rows.weight, rows.y, guesses)

    @abstractmethod
    def rows(self, model: Any, log_q: Tensor, batch: Batch) -> Rows:
        """What is decoded, for ln q(y|x) of shape (B, K)."""


@register("objective", "exact-sum", title="M2's bound, the sum over all classes")
class ExactSum(LabelObjective):
    """Every unlabeled image is decoded with each of the K classes, weighted by q(y|x).

    Example:
        >>> from twofold.models import M2
        >>> nets = {"classifier": "fc-8", "encoder": "fc-8", "decoder": "fc-8"}
        >>> m2 = M2(**nets, objective=ExactSum(alpha=1.0), image_shape=(1, 4, 4), num_classes=3)
        >>> list(m2.loss(Batch(torch.rand(5, 1, 4, 4))).terms)
        ['recon_nll', 'kl', 'label_kl']
    """

    def rows(self, model: Any, log_q: Tensor, batch: Batch) -> Rows:
        return _all_classes(model, log_q, batch)


@register("objective", "relaxed-sum", title="M2's bound, one relaxed draw of the class")
class RelaxedSum(LabelObjective):
    """Every unlabeled image is decoded once, with a Gumbel-softmax draw of its class.

    In evaluation the sum is exact.

    Arguments:
        alpha: Weight of the classifier's own loss, the paper's alpha / N: 0.1 there.
        temperature: Of the draw; towards 0 it becomes a class.

    Example:
        >>> from twofold.models import M2
        >>> nets = {"classifier": "fc-8", "encoder": "fc-8", "decoder": "fc-8"}
        >>> m2 = M2(**nets, objective=RelaxedSum(), image_shape=(1, 4, 4), num_classes=3)
        >>> list(m2.loss(Batch(torch.rand(5, 1, 4, 4))).terms)
        ['recon_nll', 'kl', 'label_kl']
    """

    def __init__(self, alpha: NonNegative = 0.1, temperature: Positive = 0.5) -> None:
        super().__init__(alpha)
        self.temperature = temperature

    def rows(self, model: Any, log_q: Tensor, batch: Batch) -> Rows:
        if not model.training:
            return _all_classes(model, log_q, batch)
        known, images = _known(log_q, batch)
        drawn = F.gumbel_softmax(log_q[batch.num_labeled :], self.temperature)  # (U, K)
        y = torch.cat([known, drawn.argmax(dim=1)])
        return Rows(y, torch.cat([model.condition(known), drawn]), images, batch.weights())


def _all_classes(model: Any, log_q: Tensor, batch: Batch) -> Rows:
    """Every unlabeled image with each of the K classes."""
    (B, K), n, each = log_q.shape, batch.num_labeled, batch.weights()
    known, images = _known(log_q, batch)
    tried = torch.arange(K, device=log_q.device).repeat_interleave(B - n)  # (K U,)
    y = torch.cat([known, tried])
    weight = torch.cat([each[:n], each[n:].repeat(K) * log_q[n:].exp().T.flatten()])
    rows = torch.cat([images[:n], images[n:].repeat(K)])
    return Rows(y, model.condition(y), rows, weight)


def _known(log_q: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Classes of the labeled images, (n,), and the numbers of all images, (B,)."""
    device = log_q.device
    none = torch.zeros(0, dtype=torch.long, device=device)
    known = none if batch.y is None else batch.y[: batch.num_labeled]
    return known, torch.arange(len(log_q), device=device)


def _label_kl(log_q: Tensor, share: float) -> Tensor:
    """-ln p(y) where y is known, KL(q(y|x) || p(y)) = ln K - H elsewhere: shape ().

    Arguments:
        log_q: ln q(y|x) of the unlabeled images, shape (U, K).
        share: Of the labeled images.
    """
    log_k = torch.full((), math.log(log_q.shape[1]), device=log_q.device)
    if len(log_q) == 0:
        return log_k
    entropy = -(log_q.exp() * log_q).sum(dim=1).mean()
    return log_k - (1.0 - share) * entropy
