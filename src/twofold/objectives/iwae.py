r"""The importance-weighted bound, and an estimator of its gradient that does not fade.

.. math:: \mathcal L_S = E_{z_1 \dots z_S \sim q}
          \Big[ \ln \tfrac{1}{S} \sum_s w_s \Big], \quad
          w_s = \frac{p(x|z_s, c)\, p(z_s)}{q(z_s|x, c)}

References:
    Importance Weighted Autoencoders (Burda, Grosse and Salakhutdinov, 2016), equation 8,
    https://arxiv.org/abs/1509.00519
    Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives (Tucker et al., 2019),
    equation 6, https://arxiv.org/abs/1810.04152
"""

from torch import Tensor

from twofold.data.batches import Batch
from twofold.distributions import DiagonalGaussian, log_mean_exp
from twofold.errors import UsageError
from twofold.objectives.base import Infers, LatentObjective
from twofold.objectives.bound import Bound
from twofold.phases import Terms
from twofold.registry import name_of, register
from twofold.settings import Count

__all__ = ["IWAE", "DReG"]


@register("objective", "iwae", title="importance-weighted bound", paper="Burda et al., 2016")
class IWAE(LatentObjective):
    """−L_S: tighter the more samples, and the ELBO with a sampled KL for S = 1.

    Arguments:
        num_samples: S, draws of z per image.

    Example:
        >>> import torch
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), objective=IWAE(5))
        >>> list(vae.loss(Batch(torch.rand(3, 1, 4, 4))).terms)
        ['nll_bound']
    """

    has_reconstruction = False

    def __init__(self, num_samples: Count = 5) -> None:
        self.num_samples = num_samples

    def bound(self, model: Infers, batch: Batch) -> Bound:  # noqa: ARG002
        raise UsageError(
            f"objective={name_of(self)} has no reconstruction term; use objective=elbo"
        )

    def __call__(self, model: Infers, batch: Batch) -> Terms:
        drawn = self.infer(model, batch, self.num_samples)
        log_w = drawn.log_p + model.prior.log_prob(drawn.z) - drawn.log_q  # (S, B)
        return Terms({"nll_bound": -log_mean_exp(log_w).mean()})


@register("objective", "dreg", title="IWAE's bound, its gradient twice reparameterized")
class DReG(IWAE):
    """−L_S with the encoder's gradient of Tucker et al., whose signal does not fade with S.

    The path through z alone reaches the encoder, and its gradient is weighted once more.

    Arguments:
        num_samples: S, draws of z per image.

    Example:
        >>> import torch
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), objective=DReG(5))
        >>> list(vae.loss(Batch(torch.rand(3, 1, 4, 4))).terms)
        ['nll_bound']
    """

    needs = frozenset({"one Gaussian"})

    def __call__(self, model: Infers, batch: Batch) -> Terms:
        drawn = self.infer(model, batch, self.num_samples)
        assert isinstance(drawn.q, DiagonalGaussian)
        log_q = drawn.q.detach().log_prob(drawn.z)
        log_w = drawn.log_p + model.prior.log_prob(drawn.z) - log_q  # (S, B)
        normalized = log_w.detach().softmax(dim=0)  # (S, B)
        if drawn.z.requires_grad:
            drawn.z.register_hook(lambda gradient: normalized[..., None] * gradient)
        value = log_mean_exp(log_w.detach())
        surrogate: Tensor = (normalized * log_w).sum(dim=0)
        return Terms({"nll_bound": -(value + surrogate - surrogate.detach()).mean()})
