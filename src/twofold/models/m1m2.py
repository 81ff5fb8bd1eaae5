r"""M1+M2: the semi-supervised VAE M2 on the codes that a VAE, M1, has learnt without labels.

Notation: x image (B, C, H, W), z1 code of M1 (B, D1), y class, z2 code of M2 (B, D2);
p(x|z1) and q(z1|x) are M1's; p(z1|y, z2), q(y|z1) and q(z2|z1, y) are M2's.

References:
    Semi-supervised Learning with Deep Generative Models (Kingma, Rezende, Mohamed and Welling,
    2014), section 2.1 and table 1, https://arxiv.org/abs/1406.5298
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from twofold.conditions import ImageShape
from twofold.data.batches import Batch
from twofold.distributions import DiagonalGaussian
from twofold.errors import UsageError
from twofold.models.base import Generative, ReadsLabels, evaluating
from twofold.models.m2 import KINGMA, M2
from twofold.models.vae import VAE
from twofold.objectives.m2 import LabelObjective
from twofold.phases import Phase, Terms
from twofold.priors import Prior
from twofold.registry import make, register
from twofold.settings import Count

__all__ = ["M1M2", "CodeLikelihood"]


class CodeLikelihood(nn.Module):
    """p(z1|y, z2): a diagonal Gaussian with mean and log-variance from the decoder.

    Arguments:
        dim: D1, dimensions of z1.

    Example:
        >>> CodeLikelihood(4)(torch.zeros(2, 8)).mean.shape
        torch.Size([2, 4])
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.decoder_channels = 2 * dim

    def forward(self, output: Tensor) -> DiagonalGaussian:
        """Arguments: output, shape (R, 2 D1)."""
        mu, logvar = output.chunk(2, dim=-1)
        return DiagonalGaussian(mu, logvar.clamp(-10, 10))


@register("model", "m1m2", title="M2 on the codes of a VAE", paper=f"{KINGMA}, section 2.1")
class M1M2(ReadsLabels, Generative):
    """Two models trained side by side, the second on what the first makes of the images.

    No gradient of M2 reaches M1, as in the paper, where M1 is trained first; the settings `stop` of
    m1's optimizer and `start` of m2's give that order.

    Arguments:
        m1: A VAE without a condition.
        classifier: From M1's code to the logits of q(y|z1).
        encoder: From M1's code and y to q(z2|z1, y).
        decoder: From z2 and y to p(z1|y, z2).
        latent_dim: D2, dimensions of M2's z.
        objective: What M2's training minimizes.
        image_shape: (C, H, W).
        num_classes: K.

    Raises:
        UsageError: If `m1` is conditioned, or has a sampling scale of its own.

    Example:
        >>> m1 = VAE("fc-8", "fc-8", latent_dim=4, image_shape=(1, 8, 8))
        >>> both = M1M2(m1, "fc-8", "fc-8", "fc-8", 2, image_shape=(1, 8, 8), num_classes=3)
        >>> both.codes(torch.rand(5, 1, 8, 8), torch.zeros(5, dtype=torch.long)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        m1: VAE,
        classifier: nn.Module | str,
        encoder: nn.Module | str,
        decoder: nn.Module | str,
        latent_dim: Count = 50,
        objective: LabelObjective | str = "exact-sum",
        *,
        image_shape: ImageShape,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        m2 = M2(
            classifier,
            encoder,
            decoder,
            latent_dim,
            likelihood=CodeLikelihood(m1.latent_dim),  # type: ignore[arg-type]
            objective=objective,
            image_shape=(m1.latent_dim,),
            num_classes=num_classes,
        )
        m1 = make("model", m1, image_shape=image_shape, num_classes=num_classes)
        if m1.condition.dim:
            raise UsageError(
                f"M1 of M1+M2 has no condition, but this one has the {m1.condition.about}; "
                "use family=vae and condition=none for m1"
            )
        if m1.sampling_scale != 1:
            raise UsageError(
                f"sampling_scale={m1.sampling_scale:g} of m1 has no effect: samples of M1+M2 are "
                "made of M2's codes; leave it out"
            )
        self.m1 = m1
        self.m2 = m2
        self.image_shape = image_shape
        self.latent_dim = latent_dim
        self.condition = m2.condition

    @property
    def prior(self) -> Prior:
        """M2's, of the codes that images are made of."""
        return self.m2.prior

    @property
    def labels(self) -> str:
        return "some"

    @property
    def title(self) -> str:
        return "M1+M2"

    @property
    def phases(self) -> list[Phase]:
        return [
            Phase("m1", list(self.m1.parameters()), self.m1.loss, unit=self.m1.objective.unit),
            Phase("m2", list(self.m2.parameters()), self.m2_loss, unit=self.m2.objective.unit),
        ]

    def networks(self) -> Iterator[nn.Module]:
        yield from self.m1.networks()
        yield from self.m2.networks()

    def m2_loss(self, batch: Batch) -> Terms:
        """M2's objective on fresh draws of q(z1|x), nats per image.

        M1 gives them as it will when it classifies: in evaluation mode, its statistics untouched.
        """
        with torch.no_grad(), evaluating(self.m1):
            z1 = self.m1.posterior(batch.x).rsample()
        return self.m2.loss(batch.afresh(z1))

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """The image at the mean of p(z1|y, z2), shape (B, C, H, W)."""
        return self.m1.generate(self.m2.decode(z, c).mean)

    def codes(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The mean of q(z2|z1, y) at the mean of q(z1|x), shape (B, D)."""
        return self.m2.codes(self.m1.codes(x), c)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Through both codes' means, by default of the likeliest class."""
        with evaluating(self):
            z1 = self.m1.codes(x)
            y = self.m2.classify(z1).argmax(dim=1) if c is None else c
            return self.generate(self.m2.codes(z1, y), y)

    def class_log_probs(self, x: Tensor) -> Tensor:
        """ln q(y|z1) at the mean of q(z1|x), shape (B, K)."""
        return self.m2.class_log_probs(self.m1.codes(x))
