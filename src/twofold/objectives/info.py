r"""The ELBO whose codes are held to the prior together, by the maximum mean discrepancy (MMD).

Notation: q(z) the aggregate posterior, which the codes z_i ~ q(z|x_i) of a batch follow, one for
each image; as many draws of the prior are compared with them.

.. math::
    -\mathcal L = E_q[-\ln p(x|z)] + (1 - \alpha) \, D_{KL}(q(z|x) \| p(z))
        + (\alpha + \lambda - 1) \, \mathrm{MMD}^2(q(z), p(z))

With alpha = 0 and lambda = 1 it is the ELBO, with alpha = 1 the Wasserstein auto-encoder of penalty
lambda MMD². The MMD has no unit, and lambda makes nats of it.

References:
    InfoVAE: Balancing Learning and Inference in Variational Autoencoders (Zhao, Song and Ermon,
    2019), section 3, https://arxiv.org/abs/1706.02262
    Wasserstein Auto-Encoders (Tolstikhin, Bousquet, Gelly and Schölkopf, 2018), algorithm 2,
    https://arxiv.org/abs/1711.01558
"""

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.objectives.base import Infers, LatentObjective
from twofold.objectives.bound import Bound
from twofold.objectives.elbo import kl_of
from twofold.objectives.mmd import Kernel, mmd_squared
from twofold.phases import Terms
from twofold.registry import register
from twofold.settings import NonNegative, Positive

__all__ = ["InfoVAE"]


@register("objective", "info", title="KL, and MMD of all codes", paper="Zhao et al., 2019")
@register(
    "objective",
    "wae-mmd",
    title="MMD of all codes in the KL's place",
    paper="Tolstikhin et al., 2018",
    defaults={"alpha": 1.0, "lambda_": 100.0},
)
class InfoVAE(LatentObjective):
    """The negative ELBO with less of the KL and, in its place, the MMD of all codes.

    Arguments:
        alpha: 1 less the weight of the KL.
        lambda_: Of the MMD's weight, alpha + lambda - 1. The default is ours; that of `wae-mmd`
            is what Tolstikhin et al. weigh ½‖x - x̃‖² with in their code, for each of 7 kernels.
        kernel: `inverse-multiquadratic` or `rbf`, as in `twofold.objectives.mmd`.
        scale: σ of the kernel, in standard deviations of N(0, I).

    Raises:
        UsageError: If a weight would be negative.

    Note:
        At alpha = 1 nothing keeps q(z|x) from shrinking to a point. The code is then all but
        deterministic, as Tolstikhin et al. have it, and the KL, which the log shows, says nothing.
        A prior that learns follows its draws there; the weights of a mixture, of which a component
        is drawn, stay as they are.

    Example:
        >>> import torch
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4), objective="wae-mmd")
        >>> vae.loss(Batch(torch.rand(5, 1, 4, 4))).weights
        {'mmd': 100.0}
    """

    unit = ""  # an MMD is on the scale of its kernel

    def __init__(
        self,
        alpha: float = 0.0,
        lambda_: NonNegative = 1000.0,
        kernel: Kernel = "inverse-multiquadratic",
        scale: Positive = 1.0,
    ) -> None:
        if alpha > 1 or alpha + lambda_ < 1:
            raise UsageError(
                f"alpha={alpha:g}, lambda_={lambda_:g}: the weights 1 - alpha of the KL and "
                "alpha + lambda_ - 1 of the MMD must not be negative"
            )
        self.kl_weight = 1 - alpha
        self.mmd_weight = alpha + lambda_ - 1
        self.kernel: Kernel = kernel
        self.scale = scale

    def bound(self, model: Infers, batch: Batch) -> Bound:
        """A row for each image."""
        drawn = self.infer(model, batch)
        z = drawn.z[0]  # (B, D)
        kl, terms, watch = kl_of(model, drawn), {}, {}
        (terms if self.kl_weight else watch)["kl"] = kl
        if self.mmd_weight:
            terms["mmd"] = mmd_squared(z, model.prior.sample(len(z)), self.kernel, self.scale)
        weights = {"kl": self.kl_weight, "mmd": self.mmd_weight}
        weights = {name: weights[name] for name in terms if weights[name] != 1.0}
        return self.bound_of(model, batch, drawn, Terms(terms, weights, watch))
