r"""The evidence lower bound, with the weights that people put on its KL.

.. math:: -\mathrm{ELBO}_\beta = E_q[-\ln p(x|z, c)] + \beta \, D_{KL}(q(z|x, c) \| p(z))

References:
    Auto-Encoding Variational Bayes (Kingma and Welling, 2014), equations 2 and 3,
    https://arxiv.org/abs/1312.6114
    beta-VAE (Higgins et al., 2017), equation 4, for beta
    Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
    appendix C.8, https://arxiv.org/abs/1606.04934, for the free bits
"""

from typing import Literal

from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.objectives.base import Inference, Infers, LatentObjective
from twofold.objectives.bound import Bound
from twofold.phases import Terms
from twofold.registry import register
from twofold.settings import Count, NonNegative

__all__ = ["ELBO"]


@register("objective", "elbo", title="evidence lower bound", paper="Kingma and Welling, 2014")
class ELBO(LatentObjective):
    """The negative evidence lower bound.

    Arguments:
        beta: Weight of the KL; only 1 gives a bound on ln p(x).
        kl: `closed` (by formula), `sampled` (at the drawn z), or `auto`: by formula where prior and
            posterior have one.
        num_samples: S, draws of z per image in training.
        kl_warmup: Epochs over which beta rises linearly from 0.
        free_bits: Nats per latent dimension, averaged over the batch, below which the KL is not
            pushed.

    Raises:
        UsageError: If free bits are asked for of a sampled KL, which has no dimensions.

    Example:
        >>> import torch
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), objective=ELBO(beta=4))
        >>> vae.loss(Batch(torch.rand(5, 1, 4, 4))).weights
        {'kl': 4.0}
    """

    def __init__(
        self,
        beta: NonNegative = 1.0,
        kl: Literal["auto", "closed", "sampled"] = "auto",
        num_samples: Count = 1,
        kl_warmup: NonNegative = 0.0,
        free_bits: NonNegative = 0.0,
    ) -> None:
        if free_bits and kl == "sampled":
            raise UsageError("free_bits needs the KL of each dimension: leave kl=sampled out")
        self.beta = beta
        self.kl = kl
        self.num_samples = num_samples
        self.kl_warmup = kl_warmup
        self.free_bits = free_bits
        self.needs = frozenset({"closed KL"} if kl == "closed" or free_bits else ())

    def bound(self, model: Infers, batch: Batch) -> Bound:
        """S rows for each image."""
        closed = self.kl != "sampled" and "closed KL" in model.offers
        drawn = self.infer(model, batch, self.num_samples)
        kl = self._closed(model, drawn) if closed else sampled_kl(model, drawn).mean()
        weight = self.beta * (min(1.0, batch.epoch / self.kl_warmup) if self.kl_warmup else 1.0)
        rest = Terms({"kl": kl}, {} if weight == 1.0 else {"kl": weight})
        return self.bound_of(model, batch, drawn, rest)

    def _closed(self, model: Infers, drawn: Inference) -> Tensor:
        """KL(q || p) by formula, shape ()."""
        kl_per_dim = model.kl_per_dim(drawn.q)  # (..., B, D)
        if not self.free_bits:
            return kl_per_dim.sum(dim=-1).mean()
        return kl_per_dim.flatten(0, -2).mean(dim=0).clamp(min=self.free_bits).sum()


def kl_of(model: Infers, drawn: Inference) -> Tensor:
    """KL(q || p(z)), by formula where there is one, else at the codes drawn: nats, shape ()."""
    if "closed KL" in model.offers:
        return model.kl_per_dim(drawn.q).sum(dim=-1).mean()
    return sampled_kl(model, drawn).mean()


def sampled_kl(model: Infers, drawn: Inference) -> Tensor:
    """ln q(z|x) - ln p(z) at every code drawn, nats, shape (S, B)."""
    return drawn.log_q - model.prior.log_prob(drawn.z)
