"""A GAN whose discriminator names the class as well.

References:
    Conditional Image Synthesis with Auxiliary Classifier GANs (Odena, Olah and Shlens, 2017),
    equations 2 and 3, https://arxiv.org/abs/1610.09585
"""

from twofold.models.gan import GAN
from twofold.registry import register

__all__ = ["ACGAN"]


@register(
    "model",
    "acgan",
    title="GAN whose discriminator names the class",
    paper="Odena, Olah and Shlens, 2017, arXiv 1610.09585",
    defaults={"condition": "class", "adversary": {"head": "class"}},
)
class ACGAN(GAN):
    """A GAN with an auxiliary classifier on the discriminator's trunk.

    It is a GAN whose adversary has `head="class"`: the generator sees the condition, the
    discriminator does not and gives (B, 1 + K), a score and the class.

    Example:
        >>> import torch
        >>> acgan = ACGAN("fc-32", "fc-32", latent_dim=4, image_shape=(1, 8, 8), num_classes=3)
        >>> acgan.adversary.classify(torch.rand(5, 1, 8, 8)).exp().sum(dim=1).shape
        torch.Size([5])
    """

    def _head(self) -> str:
        return "class"

    @property
    def title(self) -> str:
        return "ACGAN"
