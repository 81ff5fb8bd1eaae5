"""p(z): what a model's codes are drawn from, and what its posteriors are pulled towards.

vae = models.VAE(encoder, decoder, latent_dim=16, prior=priors.VampPrior(50))
"""

from twofold.priors.base import Prior
from twofold.priors.coded import Coded
from twofold.priors.flow import FlowPrior
from twofold.priors.mixture import Mixture
from twofold.priors.standard_normal import StandardNormal
from twofold.priors.two_layer import TwoLayerPrior
from twofold.priors.vamp import VampPrior

__all__ = [
    "Coded",
    "FlowPrior",
    "Mixture",
    "Prior",
    "StandardNormal",
    "TwoLayerPrior",
    "VampPrior",
]
