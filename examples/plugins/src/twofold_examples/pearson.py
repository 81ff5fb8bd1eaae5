r"""A loss: the f-GAN of Pearson's χ², no softplus in it.

.. math::
    L_D &= -E_x[D(x)] + E_z[D(G(z)) + D(G(z))^2 / 4] \\
    L_G &= -E_z[D(G(z))]

At the best D, which is 2 (p(x) / p_G(x) - 1), -L_D is χ²(p ‖ p_G).

References: f-GAN (Nowozin, Cseke and Tomioka, 2016), tables 1 and 2 and section 3.2, 1606.00709
"""

from torch import Tensor

from twofold.models.adversarial import AdversarialLoss
from twofold.registry import register


@register("loss", "pearson", title="f-GAN losses of Pearson's χ²", paper="Nowozin et al., 2016")
def pearson() -> AdversarialLoss:
    """What either player minimizes, per image; D = 0 where real and fake are equally likely."""

    def real(score: Tensor, _smoothing: float) -> Tensor:
        return -score

    def fake(score: Tensor) -> Tensor:
        return score + score.square() / 4

    return AdversarialLoss("pearson", real, fake, generator=lambda score: -score)
