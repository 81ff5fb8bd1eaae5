"""The families of models, each in a file of its own that reads like its paper.

Networks are plain modules, or written in the layer notation::

    vae = models.VAE(MyEncoder(), MyDecoder(), latent_dim=16)
    gan = models.GAN("fc-512", "fc-512", image_shape=(1, 28, 28))
"""

from twofold.models.aae import AAE
from twofold.models.acgan import ACGAN
from twofold.models.adversary import Adversary
from twofold.models.base import AutoEncoder, Generative, Model
from twofold.models.classifier import Classifier
from twofold.models.draw import DRAW
from twofold.models.gan import GAN
from twofold.models.hvae import HVAE
from twofold.models.hybrid import Hybrid
from twofold.models.infogan import InfoGAN
from twofold.models.m1m2 import M1M2
from twofold.models.m2 import M2
from twofold.models.unregistered import unregistered
from twofold.models.vae import VAE
from twofold.objectives import Bound
from twofold.phases import Phase, Terms

__all__ = [
    "AAE",
    "ACGAN",
    "DRAW",
    "GAN",
    "HVAE",
    "M1M2",
    "M2",
    "VAE",
    "Adversary",
    "AutoEncoder",
    "Bound",
    "Classifier",
    "Generative",
    "Hybrid",
    "InfoGAN",
    "Model",
    "Phase",
    "Terms",
    "unregistered",
]
