"""q(z|x): what an encoder's output says of the code.

vae = models.VAE(encoder, decoder, latent_dim=16, posterior="gaussian")
"""

from twofold.posteriors.base import LatentDistribution, Posterior
from twofold.posteriors.gaussian import GaussianPosterior
from twofold.posteriors.iaf import IAFPosterior
from twofold.posteriors.two_layer import TwoLayerPosterior

__all__ = [
    "GaussianPosterior",
    "IAFPosterior",
    "LatentDistribution",
    "Posterior",
    "TwoLayerPosterior",
]
