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
from typing import Any, Literal

import torch
from torch import Tensor, nn

from twofold.conditions import Condition, ImagePart, ImageShape
from twofold.data.batches import Batch
from twofold.distributions import (
    DiagonalGaussian,
    ImageDistribution,
    Masked,
    gaussian_kl_per_dim,
    log_mean_exp,
    standard_normal_log_prob,
)
from twofold.errors import UsageError
from twofold.likelihoods import Likelihood
from twofold.models.base import AutoEncoder, evaluating
from twofold.models.parts import call, make_condition, make_likelihood, make_network
from twofold.models.phases import Bound, Phase, Terms
from twofold.registry import register
from twofold.settings import Count, NonNegative, Positive

__all__ = ["VAE"]

AEVB = "Kingma and Welling, 2014, arXiv 1312.6114"
ACTIVE_VARIANCE = 0.01  # Burda et al. (2016), section 5.2: a unit is active if Var_x(mu) > 0.01


@register("model", "vae", title="variational auto-encoder", paper=AEVB)
@register(
    "model",
    "cvae",
    title="VAE conditioned on the class",
    paper="Sohn, Lee and Yan, 2015",
    defaults={"condition": "class"},
)
class VAE(AutoEncoder):
    """A variational auto-encoder.

    Arguments:
        encoder: From x (B, C, H, W) and the encoded condition to (B, 2 D): means, then
            log-variances.
        decoder: From z (B, D) and the encoded condition to the likelihood's parameters.
        latent_dim: D, dimensions of z.
        condition: What the model is given beside the image: none, class, or a part of the image.
        likelihood: p(x|z) from the decoder's output.
        objective: What is maximized: `elbo`, `iwae` (Burda et al., equation 8) or `dreg` (same
            value, the encoder's gradient of Tucker et al., equation 6).
        beta: Weight of the KL; only 1 gives a bound on ln p(x).
        kl: `closed` (by formula) or `sampled` (at the drawn z).
        num_samples: S, draws of z per image in training.
        kl_warmup: Epochs over which beta rises linearly from 0.
        free_bits: Nats per latent dimension, averaged over the batch, below which the KL is not
            pushed (Kingma et al., 2016, appendix C.8).
        predicts: What p(x|z, c) is of where the condition is a part of the image: the whole `image`
            or, as Sohn et al. have it, its `hidden` pixels alone.
        sampling_scale: Standard deviation of the codes of samples; 1 is the prior.
        image_shape: (C, H, W); by default that of the images it is trained on.
        num_classes: K of the images, for a condition on the class.

    Example:
        >>> vae = VAE("fc-32", "fc-32", latent_dim=4, image_shape=(1, 8, 8))
        >>> x = torch.rand(5, 1, 8, 8)
        >>> vae.elbo(x).shape, vae.sample(3).shape
        (torch.Size([5]), torch.Size([3, 1, 8, 8]))
    """

    def __init__(
        self,
        encoder: nn.Module | str,
        decoder: nn.Module | str,
        latent_dim: Count = 64,
        condition: Condition | str = "none",
        likelihood: Likelihood | str = "bernoulli",
        objective: Literal["elbo", "iwae", "dreg"] = "elbo",
        beta: NonNegative = 1.0,
        kl: Literal["closed", "sampled"] = "closed",
        num_samples: Count = 1,
        kl_warmup: NonNegative = 0.0,
        free_bits: NonNegative = 0.0,
        predicts: Literal["image", "hidden"] = "image",
        sampling_scale: Positive = 1.0,
        image_shape: ImageShape | None = None,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        if objective != "elbo" and (beta != 1.0 or kl_warmup or free_bits or kl != "closed"):
            raise UsageError(
                f"objective={objective} has no separate KL: leave beta, kl, kl_warmup and "
                "free_bits at their defaults, or use objective=elbo"
            )
        if free_bits and kl == "sampled":
            raise UsageError("free_bits needs the KL of each dimension: use kl=closed")
        self.latent_dim = latent_dim
        self.image_shape = image_shape  # type: ignore[assignment] # until there are images
        given = make_condition(condition, image_shape, num_classes)
        if predicts == "hidden" and not isinstance(given, ImagePart):
            raise UsageError(
                "predicts=hidden: nothing of the image is shown, so nothing is hidden; use "
                "condition=left-half or another part, or leave predicts out"
            )
        p = make_likelihood(likelihood, image_shape)
        output = image_shape and (p.decoder_channels, *image_shape[1:])
        self.encoder = make_network(encoder, image_shape, (2 * latent_dim,), given)
        self.decoder = make_network(decoder, (latent_dim,), output or (None,), given)
        self.likelihood = p
        self.condition = given
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
        output = call(self.encoder, x, self.condition(c))
        mu, logvar = output if isinstance(output, tuple) else output.chunk(2, dim=-1)
        if not mu.shape == logvar.shape == (len(x), self.latent_dim):
            raise UsageError(
                f"the encoder gives means of shape {tuple(mu.shape)} and log-variances of "
                f"{tuple(logvar.shape)}, expected (B, latent_dim) = ({len(x)}, {self.latent_dim}): "
                f"let it return (B, {2 * self.latent_dim}), one beside the other, or them as a pair"
            )
        return DiagonalGaussian(mu, logvar)

    def codes(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The mean of q(z|x, c), shape (B, D)."""
        return self.posterior(x, c).mean

    def decode(self, z: Tensor, c: Tensor | None = None) -> ImageDistribution:
        """p(x|z, c) for z (B, D) or (S, B, D); c has the B rows of the images."""
        encoded = self.condition(c)
        if z.dim() == 2:
            return self._of_pixels(call(self.decoder, z, encoded), c)
        S, B, _ = z.shape
        if encoded is not None:
            encoded = encoded.repeat(S, 1)  # (S B, dim)
        output = call(self.decoder, z.flatten(0, 1), encoded)
        return self._of_pixels(output.unflatten(0, (S, B)), c)

    def _of_pixels(self, output: Tensor, c: Tensor | None) -> ImageDistribution:
        """p(x|z, c); where only the hidden pixels are predicted, the others are those of c."""
        expected = (self.likelihood.decoder_channels, *(self.image_shape or output.shape)[-2:])
        if tuple(output.shape[-3:]) != expected:
            raise UsageError(
                f"the decoder gives {tuple(output.shape[1:])} an image, expected {expected} for "
                f"the likelihood {self.likelihood.name}"
            )
        p = self.likelihood(output)
        if self.predicts == "hidden" and isinstance(self.condition, ImagePart):
            return Masked(p, ~self.condition.visible, c)
        return p

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
        y = batch.y if self.condition.about == "class" else None
        y = y if y is None or rows is None else y[rows]
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
