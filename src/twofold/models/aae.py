r"""An auto-encoder whose codes an adversary holds to the prior, where a VAE has the KL.

Notation: x image (B, C, H, W), z ~ q(z|x) its code and z' ~ p(z) a draw of the prior, (B, D); D a
discriminator of codes, for which the draw is real and the code is fake. A step has three phases,
each with its optimizer, whose learning rates are all that weighs them:

.. math::
    \mathrm{autoencoder:} \quad & E_q[-\ln p(x|z)] \\
    \mathrm{discriminator:} \quad & \mathrm{real}(D(z')) + \mathrm{fake}(D(z)) \\
    \mathrm{encoder:} \quad & \mathrm{generator}(D(z))

References:
    Adversarial Autoencoders (Makhzani, Shlens, Jaitly, Goodfellow and Frey, 2016), section 2,
    https://arxiv.org/abs/1511.05644
"""

from torch import Tensor, nn

from twofold.conditions import ImageShape
from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models.adversary import Adversary
from twofold.models.around import Around
from twofold.models.base import AutoEncoder
from twofold.models.capabilities import Encodes
from twofold.models.heads import Shown
from twofold.objectives import ELBO
from twofold.phases import NATS, Phase, Terms
from twofold.registry import register

__all__ = ["AAE"]


@register("model", "aae", title="adversarial auto-encoder", paper="Makhzani et al., 2016")
class AAE(Around):
    """An adversarial auto-encoder.

    Arguments:
        autoencoder: A VAE or CVAE with `objective=elbo`, of which the reconstruction term counts.
        adversary: The discriminator of codes (B, D); a network alone says real or fake, beside a
            condition for the condition.
        image_shape: (C, H, W); by default the auto-encoder's.
        num_classes: K of the images.

    Raises:
        UsageError: If the auto-encoder's objective, posterior or prior, or the head do not fit.

    Note:
        Its ELBO is a lower bound on ln p(x), as with any q(z|x), but a loose one: only the codes
        of all images together are held to the prior, nothing keeps each q(z|x) wide, and the KL,
        which is logged, has no limit. Compare its images and reconstructions with a VAE's, and of
        likelihoods only `ais`, which does not go by q(z|x).

    Example:
        >>> import torch
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-32", "fc-32", latent_dim=4, image_shape=(1, 8, 8))
        >>> aae = AAE(vae, Adversary("fc-32"))
        >>> [phase.name for phase in aae.phases], aae.sample(3).shape
        (['autoencoder', 'discriminator', 'encoder'], torch.Size([3, 1, 8, 8]))
    """

    def __init__(
        self,
        autoencoder: AutoEncoder,
        adversary: Adversary | nn.Module | str,
        image_shape: ImageShape | None = None,
        num_classes: int = 0,
    ) -> None:
        super().__init__(autoencoder, adversary, image_shape=image_shape, num_classes=num_classes)
        self.autoencoder.capability(Encodes, "make an AAE of it")
        objective = self.autoencoder.objective
        plain = {"beta": 1, "kl": "auto", "kl_warmup": 0, "free_bits": 0}
        if not isinstance(objective, ELBO) or not plain.items() <= vars(objective).items():
            raise UsageError("an AAE has no KL to weigh; leave the auto-encoder's objective out")
        head = "conditional" if self.condition.dim else "binary"
        self.adversary.join(self, (self.latent_dim,), num_classes, head)
        if self.adversary.head.names_classes:
            raise UsageError("codes have no classes; use head=binary, conditional or projection")
        if any(True for _ in self.prior.parameters()):
            raise UsageError("an AAE draws from its prior, which does not learn; leave prior out")

    @property
    def phases(self) -> list[Phase]:
        whole, judge = list(self.autoencoder.parameters()), list(self.adversary.parameters())
        encoder, units = self.autoencoder.encoder_parameters, self.adversary.units
        return [
            Phase("autoencoder", whole, self.autoencoder_loss, unit=NATS),
            Phase("discriminator", judge, self.discriminator_loss, unit=units[0]),
            Phase("encoder", encoder, self.encoder_loss, self.after_step, unit=units[1]),
        ]

    def autoencoder_loss(self, batch: Batch) -> Terms:
        bound = self.autoencoder.bound(batch)
        return Terms({"recon_nll": bound.recon_nll()}, watch=bound.rest.terms)

    def discriminator_loss(self, batch: Batch) -> Terms:
        return self.adversary.discriminator_terms(self._drawn(batch), {"code": self._codes(batch)})

    def encoder_loss(self, batch: Batch) -> Terms:
        codes = self._codes(batch)
        said = self.adversary.judge(codes)
        return self.adversary.generator_terms([(codes, said)], self._drawn(batch))

    def _codes(self, batch: Batch) -> Shown:
        """z, once for both players, by the encoder as the autoencoder's phase left it."""
        q = self.autoencoder.capability(Encodes, "find codes").posterior
        z = batch.once("codes", lambda: q(batch.x, self._given(batch)).rsample())
        return self._shown(batch, z)

    def _drawn(self, batch: Batch) -> Shown:
        return self._shown(batch, batch.once("drawn", lambda: self.prior.sample(len(batch))))

    def _shown(self, batch: Batch, z: Tensor) -> Shown:
        c = self.condition(self._given(batch))
        return Shown(z, c, c if self.condition.about == "class" else None)

    def _given(self, batch: Batch) -> Tensor | None:
        return batch.once("given", lambda: self.pick_condition(batch))
