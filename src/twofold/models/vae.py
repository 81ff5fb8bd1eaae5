r"""Variational auto-encoders, conditional or not: networks, likelihood, prior, posterior.

Notation: x image (B, C, H, W), c condition, z latent code (S, B, D) with S Monte Carlo samples
first, q = q(z|x, c) the encoder's posterior, p = p(x|z, c) the decoder's likelihood, p(z) the
prior. What training minimizes is of `twofold.objectives`.

.. math:: \ln p(x|c) \ge \mathrm{ELBO} = E_q[\ln p(x|z,c)] - D_{KL}(q(z|x,c) \| p(z))

References:
    Auto-Encoding Variational Bayes (Kingma and Welling, 2014), https://arxiv.org/abs/1312.6114
    Learning Structured Output Representation using Deep Conditional Generative Models (Sohn, Lee
    and Yan, 2015), for the condition
"""

from typing import Literal

import torch
from torch import Tensor, nn

from twofold.conditions import Condition, ImagePart, ImageShape
from twofold.distributions import ImageDistribution, Masked
from twofold.errors import UsageError
from twofold.likelihoods import Likelihood
from twofold.models.parts import call, make_condition, make_likelihood, make_network
from twofold.models.variational import Variational
from twofold.objectives import Inference, LatentObjective
from twofold.objectives.base import rows_of
from twofold.phases import Phase
from twofold.posteriors import LatentDistribution, Posterior
from twofold.priors import Prior
from twofold.registry import make, register
from twofold.settings import Count, Positive

__all__ = ["VAE"]

AEVB = "Kingma and Welling, 2014, arXiv 1312.6114"


@register("model", "vae", title="variational auto-encoder", paper=AEVB)
@register(
    "model",
    "cvae",
    title="VAE conditioned on the class",
    paper="Sohn, Lee and Yan, 2015",
    defaults={"condition": "class"},
)
class VAE(Variational):
    """A variational auto-encoder.

    Arguments:
        encoder: From x (B, C, H, W) and the encoded condition to what the posterior reads: for the
            Gaussian one (B, 2 D), means, then log-variances.
        decoder: From z (B, D) and the encoded condition to the likelihood's parameters.
        latent_dim: D, dimensions of z.
        condition: What the model is given beside the image: none, class, or a part of the image.
        likelihood: p(x|z) from the decoder's output.
        objective: What training minimizes.
        prior: p(z).
        posterior: q(z|x) from the encoder's output.
        predicts: What p(x|z, c) is of where the condition is a part of the image: the whole `image`
            or, as Sohn et al. have it, its `hidden` pixels alone.
        sampling_scale: Standard deviation of the noise of samples' codes; 1 is the prior.
        image_shape: (C, H, W); by default that of the images it is trained on.
        num_classes: K of the images, for a condition on the class.

    Raises:
        UsageError: If objective, prior, posterior and condition do not go together.

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
        objective: LatentObjective | str = "elbo",
        prior: Prior | str = "standard-normal",
        posterior: Posterior | str = "gaussian",
        predicts: Literal["image", "hidden"] = "image",
        sampling_scale: Positive = 1.0,
        image_shape: ImageShape | None = None,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.image_shape = image_shape  # type: ignore[assignment] # until there are images
        given = make_condition(condition, image_shape, num_classes)
        if predicts == "hidden" and not isinstance(given, ImagePart):
            raise UsageError(
                "predicts=hidden: nothing of the image is shown, so nothing is hidden; use "
                "condition=left-half or another part, or leave predicts out"
            )
        p = make_likelihood(likelihood, image_shape)
        q: Posterior = make("posterior", posterior)
        q.join(self)
        output = image_shape and (p.decoder_channels, *image_shape[1:])
        self.encoder = make_network(encoder, image_shape, (q.outputs,), given)
        self.decoder = make_network(decoder, (latent_dim,), output or (None,), given)
        self.likelihood = p
        self.condition = given
        self.posterior_family = q
        self.objective = make("objective", objective)
        self.take_prior(prior)
        self.predicts = predicts
        self.sampling_scale = sampling_scale
        self.check_objective()

    @property
    def phases(self) -> list[Phase]:
        return [Phase("vae", list(self.parameters()), self.loss, unit=self.objective.unit)]

    @property
    def offers(self) -> frozenset[str]:
        gaussian = self.posterior_family.is_gaussian
        closed = gaussian and self.prior.closed_kl
        return frozenset(["one Gaussian"] * gaussian + ["closed KL"] * closed)

    @property
    def encoder_parameters(self) -> list[nn.Parameter]:
        """Those of q(z|x); all others are the decoder's and the prior's."""
        return [*self.encoder.parameters(), *self.posterior_family.parameters()]

    def posterior(self, x: Tensor, c: Tensor | None = None) -> LatentDistribution:
        """q(z|x, c) for x (B, C, H, W), of codes (B, D)."""
        output = call(self.encoder, x, self.condition(c))
        if isinstance(output, tuple):  # one beside the other
            output = torch.cat(output, dim=-1)
        expected = (x.shape[0], self.posterior_family.outputs)  # `len` would fix it when traced
        if output.shape != expected:
            raise UsageError(
                f"the encoder gives a shape of {tuple(output.shape)}, expected {expected} for "
                f"latent_dim={self.latent_dim}: let it return (B, {expected[1]}), for a Gaussian "
                "means and then log-variances, one beside the other or as a pair"
            )
        return self.posterior_family(output)

    def codes(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The mean of q(z|x, c), shape (B, D)."""
        return self.posterior(x, c).mean

    def infer(self, x: Tensor, c: Tensor | None, num_samples: int = 1) -> Inference:
        q = self.posterior(x, c)
        z = q.rsample(num_samples)  # (S, B, D)
        rows = rows_of(num_samples, len(x), x.device)
        p = self.decode(z.flatten(0, 1), c if c is None or rows is None else c[rows])
        return Inference(x, q, z, p, rows)

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
