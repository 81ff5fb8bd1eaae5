"""What an auto-encoder minimizes: (model, batch) -> Terms, one idea a file.

vae = models.VAE(encoder, decoder, latent_dim=16, objective=objectives.ELBO(beta=4))
"""

from twofold.objectives.base import Inference, LatentObjective, Objective
from twofold.objectives.beta_tc import BetaTCVAE
from twofold.objectives.bound import Bound
from twofold.objectives.elbo import ELBO
from twofold.objectives.info import InfoVAE
from twofold.objectives.iwae import IWAE, DReG
from twofold.objectives.m2 import ExactSum, RelaxedSum

__all__ = [
    "ELBO",
    "IWAE",
    "BetaTCVAE",
    "Bound",
    "DReG",
    "ExactSum",
    "Inference",
    "InfoVAE",
    "LatentObjective",
    "Objective",
    "RelaxedSum",
]
