r"""The VampPrior: a mixture of the model's own posteriors at images that it makes up.

.. math:: p(z) = \frac{1}{K} \sum_{k=1}^K q(z|u_k)

The pseudo-inputs u_k are learned with the rest. The prior that makes the bound highest is the
aggregate of the posteriors of all training images; this is that of K invented ones.

References:
    VAE with a VampPrior (Tomczak and Welling, 2018), equation 9, https://arxiv.org/abs/1705.07120
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from twofold.distributions import DiagonalGaussian
from twofold.errors import UsageError
from twofold.priors.base import Prior
from twofold.priors.mixture import Components
from twofold.registry import register
from twofold.settings import Count

__all__ = ["VampPrior"]


@register(
    "prior",
    "vamp",
    title="VampPrior, a mixture of the model's posteriors",
    paper="Tomczak and Welling, 2018, arXiv 1705.07120",
)
class VampPrior(Prior):
    """Equal parts of q(z|u_k) at learned pseudo-inputs u_k.

    Pseudo-inputs are u = sigmoid(a), which keeps pixels in [0, 1], with a ~ N(0, 1) to start with.
    The authors' code starts nearer to a constant image, or from training images, of which a prior
    that is made before them knows nothing.

    Note:
        The encoder sees the K pseudo-inputs once in every `log_prob` and `sample`, for its weights
        are others after each step. It sees them in evaluation mode, so p(z) is one density, the
        same in training and after it: no dropout, and batch norm by its running statistics, which
        the pseudo-inputs leave as they are.

    Arguments:
        components: K, 500 in the paper.

    Example:
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), prior=VampPrior(3))
        >>> vae.elbo(torch.rand(5, 1, 4, 4)).shape, vae.prior.pseudo_inputs.shape
        (torch.Size([5]), torch.Size([3, 1, 4, 4]))
    """

    _model: Any

    def __init__(self, components: Count = 500) -> None:
        super().__init__()
        self.components = components

    def join(self, model: Any) -> None:
        family = getattr(model, "posterior_family", None)
        if family is None or not family.is_gaussian:
            raise UsageError(
                "prior=vamp is made of one Gaussian q(z|x) for an image; use it in a VAE with "
                f"posterior=gaussian, or prior=mixture in this {type(model).__name__}"
            )
        if model.condition.dim:
            raise UsageError(
                f"prior=vamp is made of q(z|u), and this encoder needs the {model.condition.about} "
                "of u too; use condition=none, or prior=mixture"
            )
        if model.image_shape is None:
            raise UsageError(
                "prior=vamp invents images: give the model image_shape=(channels, height, width)"
            )
        super().join(model)
        self.logits = nn.Parameter(torch.randn(self.components, *model.image_shape))
        # No part of the prior, or each would hold the other; a copy of the model finds the copy.
        object.__setattr__(self, "_model", model)

    @property
    def pseudo_inputs(self) -> Tensor:
        """u, images in [0, 1], shape (K, C, H, W)."""
        return self.logits.sigmoid()

    @property
    def mixed(self) -> Components:
        """q(z|u_k), each counting 1/K."""
        encoder = self._model.encoder
        was_training = encoder.training
        encoder.eval()
        try:
            q = self._model.posterior(self.pseudo_inputs)
        finally:
            encoder.train(was_training)
        assert isinstance(q, DiagonalGaussian)
        return Components(torch.full_like(q.mu[:, 0], -math.log(self.components)), q)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.mixed.log_prob(z)

    def sample(
        self, n: int, generator: torch.Generator | None = None, scale: float = 1.0
    ) -> Tensor:
        return self.mixed.sample(self.noise(n, generator, scale), generator)
