r"""Variational auto-encoders, conditional or not, and their importance-weighted relatives.

Notation: x image (B, C, H, W), c condition, z latent code (S, B, D) with S Monte Carlo samples
first, q = q(z|x, c) the encoder's posterior, p = p(x|z, c) the decoder's likelihood, N(0, I) the
prior.

.. math:: \ln p(x|c) \ge \mathrm{ELBO} = E_q[\ln p(x|z,c)] - D_{KL}(q(z|x,c) \| p(z))

References:
    Auto-Encoding Variational Bayes (Kingma and Welling, 2014), https://arxiv.org/abs/1312.6114
    Learning Structured Output Representation using Deep Conditional Generative Models (Sohn, Lee
    and Yan, 2015), for the condition
    beta-VAE (Higgins et al., 2017), for beta
    Importance Weighted Autoencoders (Burda, Grosse and Salakhutdinov, 2016),
    https://arxiv.org/abs/1509.00519, for the bound with S samples
    Doubly Reparameterized Gradient Estimators (Tucker et al., 2019),
    https://arxiv.org/abs/1810.04152, for `dreg`
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from twofold.conditions import Condition, ImagePart, NoCondition
from twofold.data.batches import Batch
from twofold.distributions import (
    DiagonalGaussian,
    ImageDistribution,
    Likelihood,
    Masked,
    gaussian_kl_per_dim,
    log_mean_exp,
    standard_normal_log_prob,
)
from twofold.errors import UsageError, unknown_name
from twofold.models.base import AutoEncoder, Bound, Phase, Terms, evaluating

__all__ = ["KLS", "OBJECTIVES", "PREDICTED", "VAE"]

OBJECTIVES = ("elbo", "iwae", "dreg")
KLS = ("closed", "sampled")
PREDICTED = ("image", "hidden")
ACTIVE_VARIANCE = 0.01  # Burda et al. (2016), section 5.2: a unit is active if Var_x(mu) > 0.01


class VAE(AutoEncoder):
    """A variational auto-encoder.

    Arguments:
        encoder: From x (B, C, H, W) and the encoded condition to (B, 2 D): means, then
            log-variances.
        decoder: From z (B, D) and the encoded condition to the likelihood's parameters.
        likelihood: Makes p(x|z) of the decoder's output.
        image_shape: (C, H, W).
        latent_dim: D.
        condition: What the model is told beside the image.
        objective: `elbo`, `iwae` (Burda et al., equation 8) or `dreg` (same value, the encoder's
            gradient of Tucker et al., equation 6).
        beta: Weight of the KL; only 1 gives a bound on ln p(x).
        kl: `closed` (by formula) or `sampled` (at the drawn z).
        num_samples: S, draws of z per image in training.
        kl_warmup: Epochs over which beta rises linearly from 0.
        free_bits: Nats per latent dimension, averaged over the batch, below which the KL is not
            pushed (Kingma et al., 2016, appendix C.8).
        predicts: What p(x|z, c) is of where the condition is a part of the image: the whole `image`
            or, as Sohn et al. have it, its `hidden` pixels alone.
        sampling_scale: Standard deviation of the codes of samples; 1 is the prior.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        condition: Condition | None = None,
        objective: str = "elbo",
        beta: float = 1.0,
        kl: str = "closed",
        num_samples: int = 1,
        kl_warmup: float = 0.0,
        free_bits: float = 0.0,
        predicts: str = "image",
        sampling_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if objective not in OBJECTIVES:
            raise unknown_name("objective", objective, OBJECTIVES)
        if kl not in KLS:
            raise unknown_name("kl", kl, KLS)
        if objective != "elbo" and (beta != 1.0 or kl_warmup or free_bits or kl != "closed"):
            raise UsageError(
                f"objective={objective} has no separate KL: leave beta, kl, kl_warmup and "
                "free_bits at their defaults, or use objective=elbo"
            )
        if free_bits and kl == "sampled":
            raise UsageError("free_bits needs the KL of each dimension: use kl=closed")
        if predicts not in PREDICTED:
            raise unknown_name("predicted part", predicts, PREDICTED)
        if predicts == "hidden" and not isinstance(condition, ImagePart):
            raise UsageError(
                "predicts=hidden: nothing of the image is shown, so nothing is hidden; use "
                "condition=left-half or another part, or leave predicts out"
            )
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.image_shape = image_shape
        self.latent_dim = latent_dim
        self.condition = condition or NoCondition()
        self.objective = objective
        self.beta = beta
        self.kl = kl
        self.num_samples = num_samples
        self.kl_warmup = kl_warmup
        self.free_bits = free_bits
        self.predicts = predicts
        self.sampling_scale = sampling_scale

    @property
    def phases(self) -> list[Phase]:
        return [Phase("vae", list(self.parameters()), self.loss)]

    @property
    def encoder_parameters(self) -> list[nn.Parameter]:
        """Those of q(z|x); all others are the decoder's."""
        return list(self.encoder.parameters())

    # --- q and p ----------------------------------------------------------------------------------

    def posterior(self, x: Tensor, c: Tensor | None = None) -> DiagonalGaussian:
        """q(z|x, c) for x (B, C, H, W): parameters of shape (B, D)."""
        mu, logvar = self.encoder(x, self.condition(c)).chunk(2, dim=-1)
        return DiagonalGaussian(mu, logvar)

    def codes(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The mean of q(z|x, c), shape (B, D)."""
        return self.posterior(x, c).mean

    def decode(self, z: Tensor, c: Tensor | None = None) -> ImageDistribution:
        """p(x|z, c) for z (B, D) or (S, B, D); c has the B rows of the images."""
        told = self.condition(c)
        if z.dim() == 2:
            return self._of_pixels(self.decoder(z, told), c)
        S, B, _ = z.shape
        if told is not None:
            told = told.repeat(S, 1)  # (S B, dim)
        output = self.decoder(z.flatten(0, 1), told)
        return self._of_pixels(output.unflatten(0, (S, B)), c)

    def _of_pixels(self, output: Tensor, c: Tensor | None) -> ImageDistribution:
        """p(x|z, c); where only the hidden pixels are predicted, the others are those of c."""
        p = self.likelihood(output)
        if self.predicts == "hidden" and isinstance(self.condition, ImagePart):
            return Masked(p, ~self.condition.visible, c)
        return p

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """The mean of p(x|z, c), shape (B, C, H, W)."""
        return self.decode(z, c).mean.clamp(0, 1)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The decoder's mean at the posterior's mean: (B, C, H, W) in and out."""
        with evaluating(self):
            return self.generate(self.codes(x, c), c)

    # --- objectives -------------------------------------------------------------------------------

    def loss(self, batch: Batch) -> Terms:
        """What training minimizes, as terms in nats per image."""
        if self.objective != "elbo":
            x, c = batch.x, self.condition.pick(batch.x, batch.y)
            q = self.posterior(x, c)
            return self._importance_weighted(x, c, q, q.rsample(self.num_samples))
        return self.bound(batch).with_reconstruction()

    def bound(self, batch: Batch) -> Bound:
        """The negative ELBO with its reconstruction term open; S rows for each image.

        Raises:
            UsageError: If the objective is not the ELBO, which alone has such a term.
        """
        if self.objective != "elbo":
            raise UsageError(f"objective={self.objective} has no reconstruction term; use elbo")
        x, c = batch.x, self.condition.pick(batch.x, batch.y)
        q = self.posterior(x, c)
        S, B = self.num_samples, len(x)
        rows = None if S == 1 else torch.arange(B, device=x.device).repeat(S)  # (S B,)
        z = q.rsample(S)  # (S, B, D)
        p = self.decode(z.flatten(0, 1), c if c is None or rows is None else c[rows])
        weight = self.beta * self._warmup(batch.epoch)
        if self.kl == "sampled":
            kl = (q.log_prob(z) - standard_normal_log_prob(z)).mean(dim=0).mean()
        elif self.free_bits:
            kl_per_dim = gaussian_kl_per_dim(q.mu, q.logvar).mean(dim=0)  # (D,)
            kl = kl_per_dim.clamp(min=self.free_bits).sum()
        else:
            kl = q.kl().mean()
        rest = Terms({"kl": kl}, {} if weight == 1.0 else {"kl": weight})
        told = batch.y if self.condition.about == "class" else None
        y = told if told is None or rows is None else told[rows]
        return Bound(x, p, rest, rows, y=y)

    def _warmup(self, epoch: float) -> float:
        return min(1.0, epoch / self.kl_warmup) if self.kl_warmup else 1.0

    def _importance_weighted(
        self, x: Tensor, c: Tensor | None, q: DiagonalGaussian, z: Tensor
    ) -> Terms:
        """−L_S of Burda et al.; `dreg` changes the encoder's gradient and not the value."""
        if self.objective == "iwae":
            bound = log_mean_exp(self._log_weights(x, c, q, z))  # (B,)
            return Terms({"nll_bound": -bound.mean()})
        # The path through z alone reaches the encoder, and its gradient is weighted once more.
        log_w = self._log_weights(x, c, q.detach(), z)  # (S, B)
        normalized = log_w.detach().softmax(dim=0)  # (S, B)
        if z.requires_grad:
            z.register_hook(lambda gradient: normalized[..., None] * gradient)
        value = log_mean_exp(log_w.detach())
        surrogate = (normalized * log_w).sum(dim=0)
        return Terms({"nll_bound": -(value + surrogate - surrogate.detach()).mean()})

    def _log_weights(self, x: Tensor, c: Tensor | None, q: DiagonalGaussian, z: Tensor) -> Tensor:
        """ln p(x, z) - ln q(z|x), shape (S, B)."""
        return self.decode(z, c).log_prob(x) + standard_normal_log_prob(z) - q.log_prob(z)

    # --- measures ---------------------------------------------------------------------------------

    def elbo_terms(
        self, x: Tensor, c: Tensor | None = None, num_samples: int = 1
    ) -> tuple[Tensor, Tensor]:
        """E_q[-ln p(x|z)] by S draws and the closed KL, nats per image, shapes (B,) and (B,)."""
        q = self.posterior(x, c)
        z = q.rsample(num_samples)
        return -self.decode(z, c).log_prob(x).mean(dim=0), q.kl()

    def log_weights(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        """Importance weights ln p(x, z) - ln q(z|x) at S fresh draws, shape (S, B)."""
        q = self.posterior(x, c)
        return self._log_weights(x, c, q, q.rsample(num_samples))

    @torch.no_grad()
    def diagnose(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """KL per latent dimension and active units, from held-out images."""
        kls, means = [], []
        with evaluating(self):
            for batch in batches:
                q = self.posterior(batch.x, self.condition.pick(batch.x, batch.y))
                kls.append(gaussian_kl_per_dim(q.mu, q.logvar))
                means.append(q.mu)
        kl_per_dim = torch.cat(kls).mean(dim=0)  # (D,)
        active = torch.cat(means).var(dim=0) > ACTIVE_VARIANCE  # (D,)
        return {
            "active_units": int(active.sum()),
            "kl_per_dim": [round(value, 4) for value in kl_per_dim.tolist()],
        }
