"""p(z): what a model's codes are drawn from, and what its posteriors are pulled towards.

vae = models.VAE(encoder, decoder, latent_dim=16, prior=priors.VampPrior(50))
"""

from twofold.priors.base import Prior
from twofold.priors.coded import Coded
from twofold.priors.standard_normal import StandardNormal

__all__ = ["Coded", "Prior", "StandardNormal"]
