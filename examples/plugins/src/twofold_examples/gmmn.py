r"""A family: a generator that matches moments instead of fooling a discriminator.

Notation: x images (B, F), x̃ = G(z), z ~ N(0, I); k a sum of Gaussian kernels.

.. math:: L = \frac{1}{B^2} \sum_{ij} k(x_i, x_j) - 2 k(x_i, \tilde x_j) + k(\tilde x_i, \tilde x_j)

References: Generative Moment Matching Networks (Li et al., 2015), equation 3, arXiv 1502.02761
"""

import torch
from torch import Tensor, nn

from twofold.conditions import ImageShape, NoCondition
from twofold.data.batches import Batch
from twofold.models import Generative, Phase, Terms
from twofold.models.parts import make_network
from twofold.registry import register
from twofold.settings import Count


@register("model", "gmmn", title="generative moment matching network", paper="Li et al., 2015")
class GMMN(Generative):
    """A generator trained by the maximum mean discrepancy.

    Arguments:
        generator: From z (B, D) to an image (B, C, H, W) before the sigmoid.
        latent_dim: D, dimensions of z.
        bandwidths: σ of the kernels, per pixel.
    """

    def __init__(
        self,
        generator: nn.Module | str,
        latent_dim: Count = 16,
        bandwidths: tuple[float, ...] = (0.1, 0.2, 0.4),
        *,
        image_shape: ImageShape,
    ) -> None:
        super().__init__()
        self.generator = make_network(generator, (latent_dim,), image_shape)
        self.image_shape, self.condition = image_shape, NoCondition()
        self.latent_dim, self.bandwidths = latent_dim, bandwidths

    @property
    def phases(self) -> list[Phase]:
        return [Phase("generator", list(self.generator.parameters()), self.loss)]

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.generator(z))

    def loss(self, batch: Batch) -> Terms:
        x = batch.x.flatten(1)
        x_fake = self.generate(self.prior.sample(len(x))).flatten(1)
        pairs = (x, x), (x, x_fake), (x_fake, x_fake)
        xx, xy, yy = (self.kernel(a, b).mean() for a, b in pairs)
        return Terms({"mmd": xx - 2 * xy + yy})

    def kernel(self, a: Tensor, b: Tensor) -> Tensor:
        squared = torch.cdist(a, b).square() / a.shape[1]  # (B, B), per pixel
        return sum(torch.exp(-squared / (2 * s**2)) for s in self.bandwidths)
