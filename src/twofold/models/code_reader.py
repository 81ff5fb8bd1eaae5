r"""A head that reads off an image the code that it was made of: InfoGAN's.

Notation: z ~ p(z) of `twofold.priors.coded`, with a one-hot category k and continuous codes c;
Q(c|x) what is read, from the trunk of D. Both players minimize, beside the score's losses,

.. math:: -\lambda \, E_{z, x = G(z)} [\ln Q(k|x) + \ln Q(c|x)]

which, less the entropy of the code, is at least -λ times the mutual information of code and image.
Q of the continuous codes is a Gaussian of unit variance, as in the authors' MNIST experiment, where
both parts have λ = 1 too.

References:
    InfoGAN (Chen, Duan, Houthooft, Schulman, Sutskever and Abbeel, 2016), equations 5 and 6,
    https://arxiv.org/abs/1606.03657
"""

from typing import Any

from torch import Tensor

from twofold.distributions import LOG_2PI
from twofold.errors import UsageError
from twofold.models.heads import Head, Judged, Player, Shown
from twofold.priors.coded import Coded
from twofold.registry import register
from twofold.settings import Positive

__all__ = ["CodeReader"]


@register("head", "code", title="real or fake, and the code", paper="Chen et al., 2016")
class CodeReader(Head):
    """Real or fake from the first output, the code from the others.

    Arguments:
        weight: λ.

    Raises:
        UsageError: If the model's prior has no code to read.

    Example:
        >>> from twofold.models import InfoGAN
        >>> gan = InfoGAN("fc-8", "fc-8", latent_dim=16, image_shape=(1, 4, 4))
        >>> gan.adversary.head.outputs  # a score, 10 categories, 2 continuous codes
        13
    """

    reads_code = True

    def __init__(self, weight: Positive = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def join(self, model: Any, num_classes: int) -> None:
        if not isinstance(model.prior, Coded):
            raise UsageError("head=code reads a code, and this prior has none; use prior=coded")
        super().join(model, num_classes)
        self.categories, self.continuous = model.prior.categories, model.prior.continuous

    @property
    def outputs(self) -> int:
        return 1 + self.categories + self.continuous

    def forward(self, output: Tensor, targets: Tensor | None) -> Judged:  # noqa: ARG002
        return Judged(output[:, 0], code=output[:, 1:])

    def terms(self, judged: Judged, shown: Shown, player: Player, real: bool) -> dict[str, Tensor]:  # noqa: ARG002
        if real or shown.z is None:
            return {}
        assert judged.code is not None
        read, code = judged.code, shown.z[:, : self.categories + self.continuous]
        K, terms = self.categories, {}
        if K:
            log_q = (code[:, :K] * read[:, :K].log_softmax(dim=1)).sum(dim=1)
            terms["category"] = shown.mean(-log_q)
        if self.continuous:
            squared = (code[:, K:] - read[:, K:]).square() + LOG_2PI
            terms["continuous"] = shown.mean(0.5 * squared.sum(dim=1))
        return terms
