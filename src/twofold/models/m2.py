r"""The semi-supervised VAE in which the class is a latent variable that is sometimes observed.

Notation: x image (B, C, H, W), y class 0..K-1, z latent code (B, D); p(y) = 1/K, p(z) the
prior; q(y|x) the classifier, q(z|x, y) the encoder, p(x|y, z) the decoder.

What it minimizes is of `twofold.objectives.m2`.

References:
    Semi-supervised Learning with Deep Generative Models (Kingma, Rezende, Mohamed and Welling,
    2014), section 2.2, https://arxiv.org/abs/1406.5298
"""

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from twofold.conditions import ClassCondition
from twofold.data.batches import Batch
from twofold.distributions import Density, DiagonalGaussian, log_mean_exp
from twofold.likelihoods import Likelihood
from twofold.models.base import AutoEncoder, ReadsLabels, evaluating
from twofold.models.parts import make_likelihood, make_network
from twofold.models.variational import count_active, kl_per_dim
from twofold.objectives.m2 import LabelObjective
from twofold.phases import Phase
from twofold.priors import Prior
from twofold.registry import make, register
from twofold.settings import Count

__all__ = ["M2"]

KINGMA = "Kingma, Rezende, Mohamed and Welling, 2014, arXiv 1406.5298"


@register("model", "m2", title="semi-supervised VAE, the class a latent variable", paper=KINGMA)
class M2(ReadsLabels, AutoEncoder):
    """A VAE that learns from labeled and unlabeled images together.

    Arguments:
        trunk: From x (B, C, H, W) to features h (B, F), shared by the three heads.
        classifier: From h to the logits of q(y|x), (B, K).
        encoder: From h and a one-hot y to (R, 2 D), means and log-variances of q(z|x, y); or to the
            means (R, D) alone where the variance is that `of-x`.
        decoder: From z (R, D) and a one-hot y to the likelihood's parameters.
        latent_dim: D, dimensions of z.
        variance: What the variance of q(z|x, y) depends on: `of-x`, as in the paper's eq. 4, or
            `of-x-and-y`.
        likelihood: p(x|y, z) from the decoder's output.
        objective: What training minimizes: `exact-sum` or `relaxed-sum` over unknown classes.
        prior: p(z).
        image_shape: (C, H, W).
        num_classes: K.

    Raises:
        DataError: If there are fewer than two classes.

    Example:
        >>> m2 = M2(
        ...     classifier="fc-8", encoder="fc-8", decoder="fc-8", latent_dim=2,
        ...     image_shape=(1, 8, 8), num_classes=3,
        ... )
        >>> m2.classify(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        classifier: nn.Module | str,
        encoder: nn.Module | str,
        decoder: nn.Module | str,
        latent_dim: Count = 50,
        trunk: nn.Module | str = "",
        variance: Literal["of-x", "of-x-and-y"] = "of-x-and-y",
        likelihood: Likelihood | str = "bernoulli",
        objective: LabelObjective | str = "exact-sum",
        prior: Prior | str = "standard-normal",
        *,
        image_shape: tuple[int, ...],
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        condition = ClassCondition(num_classes)
        p = make_likelihood(likelihood, image_shape)
        output = (p.decoder_channels, *image_shape[1:])
        self.trunk = make_network(trunk, image_shape, None)
        features = getattr(self.trunk, "output_shape", None)  # of a module that was made outside
        apart = variance == "of-x"
        heads = (latent_dim if apart else 2 * latent_dim,)
        self.classifier = make_network(classifier, features, (num_classes,))
        self.encoder = make_network(encoder, features, heads, condition)
        decoder = make_network(decoder, (latent_dim,), output, condition)
        self.variance = make_network("fc-out", features, (latent_dim,)) if apart else None
        self.decoder = decoder
        self.likelihood = p
        self.image_shape = image_shape  # type: ignore[assignment] # of M1+M2, a code
        self.latent_dim = latent_dim
        self.condition = condition
        self.num_classes = num_classes
        self.objective = make("objective", objective)
        self.take_prior(prior)

    @property
    def labels(self) -> str:
        return "some"

    @property
    def title(self) -> str:
        return "M2"

    @property
    def phases(self) -> list[Phase]:
        return [Phase("m2", list(self.parameters()), self.loss, unit=self.objective.unit)]

    @property
    def encoder_parameters(self) -> list[nn.Parameter]:
        """Those of q(y|x) and q(z|x, y); all others are the decoder's."""
        heads = (self.trunk, self.classifier, self.encoder, self.variance)
        return [p for head in heads if head is not None for p in head.parameters()]

    # --- q and p ----------------------------------------------------------------------------------

    def label_log_probs(self, h: Tensor) -> Tensor:
        """ln q(y|x) from the trunk's features, shape (B, K)."""
        return self.classifier(h).float().log_softmax(dim=1)

    def posterior_given(
        self, h: Tensor, y_onehot: Tensor, rows: Tensor | None = None
    ) -> DiagonalGaussian:
        """q(z|x, y) of R rows: features (B, F), classes (R, K), and which image each row is of."""
        expanded = h if rows is None else h[rows]
        if self.variance is None:
            mu, logvar = self.encoder(expanded, y_onehot).chunk(2, dim=-1)
        else:
            mu, logvar = self.encoder(expanded, y_onehot), self.variance(h)
            logvar = logvar if rows is None else logvar[rows]
        return DiagonalGaussian(mu, logvar)

    def posterior(self, x: Tensor, c: Tensor | None = None) -> DiagonalGaussian:
        """q(z|x, y), parameters (B, D), for the class c (B,), or for the likeliest."""
        h = self.trunk(x)
        y = self.label_log_probs(h).argmax(dim=1) if c is None else c
        return self.posterior_given(h, self.condition(y))

    def codes(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The mean of q(z|x, y), shape (B, D), for the class c (B,), or for the likeliest."""
        return self.posterior(x, c).mean

    def decode_given(self, z: Tensor, y_onehot: Tensor) -> Density:
        """p(x|y, z) for codes (R, D) and classes (R, K)."""
        return self.likelihood(self.decoder(z, y_onehot))

    def decode(self, z: Tensor, c: Tensor | None = None) -> Density:
        """p(x|y, z) for codes (R, D) and classes (R,)."""
        return self.decode_given(z, self.condition(c))

    def pick_condition(self, batch: Batch) -> Tensor:
        """Classes drawn of p(y), for the class is no condition of this model but a latent code."""
        return torch.randint(self.num_classes, (len(batch),), device=batch.x.device)

    def kl(self, q: DiagonalGaussian, z: Tensor) -> Tensor:
        """KL(q(z|x, y) || p(z)), (R,): by formula where the prior has one, else at the codes z."""
        if self.prior.closed_kl:
            return kl_per_dim(q).sum(dim=-1)
        return q.log_prob(z) - self.prior.log_prob(z)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The decoder's mean at the posterior's mean, by default of the likeliest class."""
        with evaluating(self):
            y = self.classify(x).argmax(dim=1) if c is None else c
            return self.generate(self.codes(x, y), y)

    def class_log_probs(self, x: Tensor) -> Tensor:
        """ln q(y|x), shape (B, K)."""
        return self.label_log_probs(self.trunk(x))

    # --- measures ---------------------------------------------------------------------------------

    def elbo_terms(
        self, x: Tensor, c: Tensor | None = None, num_samples: int = 1
    ) -> tuple[Tensor, Tensor]:
        """E[-ln p(x|y, z)] and the KLs, nats per image, shapes (B,) and (B,).

        For a class c they bound ln p(x|y); without one, ln p(x), and the second holds
        KL(q(y|x) || p(y)) too.
        """
        h = self.trunk(x)
        if c is not None:
            return self._class_terms(x, h, c, num_samples)
        log_q = self.label_log_probs(h)
        each = [
            self._class_terms(x, h, torch.full((len(x),), y, device=x.device), num_samples)
            for y in range(self.num_classes)
        ]
        recon, kl = (torch.stack(part, dim=1) for part in zip(*each, strict=True))  # (B, K)
        q = log_q.exp()
        label_kl = math.log(self.num_classes) + (q * log_q).sum(dim=1)
        return (q * recon).sum(dim=1), (q * kl).sum(dim=1) + label_kl

    def _class_terms(
        self, x: Tensor, h: Tensor, y: Tensor, num_samples: int
    ) -> tuple[Tensor, Tensor]:
        q = self.posterior_given(h, self.condition(y))
        recon, kl = [], []
        for _ in range(num_samples):
            z = q.rsample()
            recon.append(-self.decode(z, y).log_prob(x))
            kl.append(self.kl(q, z))
        return torch.stack(recon).mean(dim=0), torch.stack(kl).mean(dim=0)

    def log_weights(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        """ln of unbiased estimates of p(x|y), or of p(x) = Σ_y p(y) p(x|y): shape (S, B)."""
        h = self.trunk(x)
        if c is not None:
            return self._class_weights(x, h, c, num_samples)
        each = [
            self._class_weights(x, h, torch.full((len(x),), y, device=x.device), num_samples)
            for y in range(self.num_classes)
        ]
        return log_mean_exp(torch.stack(each))

    def _class_weights(self, x: Tensor, h: Tensor, y: Tensor, num_samples: int) -> Tensor:
        q = self.posterior_given(h, self.condition(y))
        drawn = []
        for _ in range(num_samples):
            z = q.rsample()
            p = self.decode(z, y).log_prob(x)
            drawn.append(p + self.prior.log_prob(z) - q.log_prob(z))
        return torch.stack(drawn)

    @torch.no_grad()
    def diagnose(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """KL per latent dimension, active units and the mean entropy of q(y|x)."""
        kls, means, log_qs = [], [], []
        with evaluating(self):
            for batch in batches:
                h = self.trunk(batch.x)
                log_qs.append(self.label_log_probs(h))
                q = self.posterior_given(h, self.condition(log_qs[-1].argmax(dim=1)))
                kls.append(kl_per_dim(q))
                means.append(q.mu)
        log_q = torch.cat(log_qs)
        found: dict[str, Any] = {
            **count_active(torch.cat(means)),
            "label_entropy": round(-(log_q.exp() * log_q).sum(dim=1).mean().item(), 4),
        }
        if self.prior.closed_kl:
            found["kl_per_dim"] = [round(v, 4) for v in torch.cat(kls).mean(dim=0).tolist()]
        return found
