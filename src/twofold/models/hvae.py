r"""A VAE with two layers of codes: hierarchical, composed of a prior, a posterior and a decoder.

Notation: x image (B, C, H, W), z = (z1, z2) side by side, (B, D1 + D2).

.. math:: q(z|x) = q(z_1|x) \, q(z_2|z_1), \quad p(x, z) = p(x|z_1) \, p(z_1|z_2) \, p(z_2)

References:
    Importance Weighted Autoencoders (Burda, Grosse and Salakhutdinov, 2016), section 5, for this
    structure, https://arxiv.org/abs/1509.00519
    Stochastic Backpropagation and Approximate Inference in Deep Generative Models (Rezende, Mohamed
    and Wierstra, 2014), for layers of codes, https://arxiv.org/abs/1401.4082
"""

from torch import Tensor, nn

from twofold.conditions import ImageShape
from twofold.likelihoods import Likelihood
from twofold.models.parts import make_likelihood, make_network
from twofold.models.vae import VAE
from twofold.objectives import LatentObjective
from twofold.posteriors import TwoLayerPosterior
from twofold.priors import TwoLayerPrior
from twofold.registry import register
from twofold.settings import Count, Positive

__all__ = ["HVAE", "LowerLayer"]


class LowerLayer(nn.Module):
    """A decoder that reads the first columns of a code.

    Example:
        >>> import torch
        >>> LowerLayer(nn.Identity(), 2)(torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """

    def __init__(self, network: nn.Module, dim: int) -> None:
        super().__init__()
        self.network = network
        self.dim = dim

    def forward(self, z: Tensor) -> Tensor:
        return self.network(z[:, : self.dim])


@register(
    "model",
    "hvae",
    title="VAE with two layers of codes",
    paper="Burda et al., 2016, arXiv 1509.00519",
)
class HVAE(VAE):
    """A hierarchical VAE of two stochastic layers.

    Its KL is sampled, for there is no formula. The image depends on z2 through z1 alone: `traverse`
    finds that moving a dimension of z2 changes nothing.

    Arguments:
        encoder: From x to means and log-variances of q(z1|x), (B, 2 D1).
        decoder: From z1 (B, D1) to the likelihood's parameters.
        latent_dim: D1, dimensions of the lower layer.
        top_dim: D2, of the upper.
        top_encoder: From z1 to means and log-variances of q(z2|z1), (B, 2 D2).
        top_decoder: From z2 to means and log-variances of p(z1|z2), (B, 2 D1).
        likelihood: p(x|z1) from the decoder's output.
        objective: What training minimizes.
        sampling_scale: Standard deviation of the noise of samples' codes; 1 is the prior.
        image_shape: (C, H, W); by default that of the images it is trained on.
        num_classes: K of the images, of which it is not told.

    Example:
        >>> import torch
        >>> hvae = HVAE("fc-8", "fc-8", latent_dim=4, top_dim=2, image_shape=(1, 4, 4))
        >>> hvae.elbo(torch.rand(5, 1, 4, 4)).shape, hvae.sample_latent(3).shape
        (torch.Size([5]), torch.Size([3, 6]))
    """

    def __init__(
        self,
        encoder: nn.Module | str,
        decoder: nn.Module | str,
        latent_dim: Count = 32,
        top_dim: Count = 16,
        top_encoder: nn.Module | str = "fc-64 fc-64",
        top_decoder: nn.Module | str = "fc-64 fc-64",
        likelihood: Likelihood | str = "bernoulli",
        objective: LatentObjective | str = "elbo",
        sampling_scale: Positive = 1.0,
        image_shape: ImageShape | None = None,
        num_classes: int = 0,
    ) -> None:
        p = make_likelihood(likelihood, image_shape)
        output = image_shape and (p.decoder_channels, *image_shape[1:])
        reader = make_network(decoder, (latent_dim,), output or (None,))
        super().__init__(
            encoder,
            LowerLayer(reader, latent_dim),
            latent_dim + top_dim,
            likelihood=p,
            objective=objective,
            prior=TwoLayerPrior(top_decoder, top_dim),
            posterior=TwoLayerPosterior(top_encoder, top_dim),
            sampling_scale=sampling_scale,
            image_shape=image_shape,
            num_classes=num_classes,
        )
