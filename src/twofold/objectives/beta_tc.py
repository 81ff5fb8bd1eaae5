r"""The KL of the ELBO in three parts, each with a weight of its own.

Notation: x_n the N training images, p(n) = 1/N; q(z) = Σ_n q(z|x_n) / N the aggregate posterior,
q(z_d) its marginals; M images in a batch; codes z_i ~ q(z|x_i), one for each.

.. math::
    -\mathcal L = E[-\ln p(x|z)] + \alpha \, I(z; n)
        + \beta \, D_{KL}\big(q(z) \| \textstyle\prod_d q(z_d)\big)
        + \gamma \, D_{KL}\big(\textstyle\prod_d q(z_d) \| p(z)\big)

The first is the mutual information of code and image, the second the total correlation, the third
the KL of each dimension from the prior. All are read off one draw, with minibatch-weighted sampling

.. math:: \ln q(z_i) \approx \ln \tfrac{1}{NM} \sum_{j=1}^{M} q(z_i|x_j)

and the same for every z_d, so that with weights of 1 they add up to ln q(z|x) - ln p(z), whatever
the prior: its density enters as a whole. N moves no gradient, only numbers in the log; these are
biased (a mutual information of ln NM where no codes overlap, of which ln N is true), and compare
with others of one N and M alone.

References:
    Isolating Sources of Disentanglement in Variational Autoencoders (Chen, Li, Grosse and Duvenaud,
    2018), equations 2, 4 and 5, https://arxiv.org/abs/1802.04942
"""

import math

from torch import Tensor

from twofold.data.batches import Batch
from twofold.distributions import LOG_2PI, DiagonalGaussian
from twofold.objectives.base import Infers, LatentObjective
from twofold.objectives.bound import Bound
from twofold.phases import Terms
from twofold.registry import register
from twofold.settings import NonNegative

__all__ = ["BetaTCVAE", "log_aggregate"]


@register("objective", "beta-tc", title="KL in three parts", paper="Chen et al., 2018")
class BetaTCVAE(LatentObjective):
    """The negative ELBO, the total correlation of the codes weighted by beta.

    Arguments:
        beta: Weight of the total correlation.
        alpha: Weight of the mutual information.
        gamma: Weight of the KL of each dimension.

    Example:
        >>> import torch
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), objective=BetaTCVAE(4))
        >>> vae.loss(Batch(torch.rand(5, 1, 4, 4), num_images=1000)).weights
        {'total_correlation': 4.0}
    """

    needs = frozenset({"one Gaussian"})

    def __init__(
        self, beta: NonNegative = 6.0, alpha: NonNegative = 1.0, gamma: NonNegative = 1.0
    ) -> None:
        self.beta = beta
        self.alpha = alpha
        self.gamma = gamma

    def bound(self, model: Infers, batch: Batch) -> Bound:
        """A row for each image."""
        drawn = self.infer(model, batch)
        assert isinstance(drawn.q, DiagonalGaussian)
        z = drawn.z[0]  # (B, D)
        log_q, log_q_dims = log_aggregate(drawn.q, z, batch.num_images)
        terms = {
            "mutual_information": (drawn.log_q[0] - log_q).mean(),
            "total_correlation": (log_q - log_q_dims).mean(),
            "dimension_kl": (log_q_dims - model.prior.log_prob(z)).mean(),
        }
        weights = dict(zip(terms, (self.alpha, self.beta, self.gamma), strict=True))
        rest = Terms(terms, {name: weight for name, weight in weights.items() if weight != 1.0})
        return self.bound_of(model, batch, drawn, rest)


def log_aggregate(q: DiagonalGaussian, z: Tensor, num_images: int) -> tuple[Tensor, Tensor]:
    """ln q(z) and Σ_d ln q(z_d) by minibatch-weighted sampling, nats, shapes (M,) and (M,).

    Arguments:
        q: q(z|x_j) of the M images of a batch.
        z: A code of each, shape (M, D).
        num_images: N.

    Example:
        >>> import torch
        >>> q = DiagonalGaussian(torch.zeros(4, 2), torch.zeros(4, 2))  # the same for all
        >>> z = torch.zeros(4, 2)
        >>> log_q, log_q_dims = log_aggregate(q, z, num_images=1)
        >>> torch.allclose(log_q, q.log_prob(z)), torch.allclose(log_q, log_q_dims)
        (True, True)
    """
    squared = (z[:, None] - q.mu).square() * (-q.logvar).exp()  # (M, M, D): of z_i under q_j
    each = -0.5 * (squared + q.logvar + LOG_2PI)
    log_nm = math.log(num_images * len(z))
    log_q = each.sum(dim=-1).logsumexp(dim=1) - log_nm
    return log_q, (each.logsumexp(dim=1) - log_nm).sum(dim=-1)
