"""A GAN whose images say of what code they were made.

References:
    InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial
    Nets (Chen, Duan, Houthooft, Schulman, Sutskever and Abbeel, 2016),
    https://arxiv.org/abs/1606.03657
"""

from twofold.models.gan import GAN
from twofold.registry import register

__all__ = ["InfoGAN"]


@register(
    "model",
    "infogan",
    title="GAN whose discriminator reads the code",
    paper="Chen et al., 2016, arXiv 1606.03657",
    defaults={"prior": "coded"},
)
class InfoGAN(GAN):
    """A GAN with categories and continuous codes that are to be found again in its images.

    It is a GAN with `prior="coded"` whose adversary has `head="code"`. Without labels, a category
    comes to stand for what divides the images best: often a class, but nobody says which.

    Its codes are the first coordinates of z: `twofold traverse runs/infogan --latents 10,11
    --span 1` moves the continuous ones.

    Note:
        The noise beside the code is N(0, I); the authors' was uniform.

    Example:
        Images that differ in the category, z[:10], and then in a continuous code.

        >>> import torch
        >>> gan = InfoGAN("fc-32", "fc-32", latent_dim=16, image_shape=(1, 8, 8))
        >>> z = gan.sample_latent(1).repeat(10, 1)
        >>> z[:, :10] = torch.eye(10)
        >>> gan.images_of(z).shape
        torch.Size([10, 1, 8, 8])
        >>> z[:, 10] = torch.linspace(-1, 1, 10)
        >>> gan.images_of(z).shape
        torch.Size([10, 1, 8, 8])
    """

    @property
    def title(self) -> str:
        return "InfoGAN"

    def _head(self) -> str:
        return "code"
