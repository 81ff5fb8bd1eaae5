r"""What a discriminator answers, and what it and the generator minimize by it.

Notation: output of the discriminator, (B, 1) or (B, K + 1); every loss is per image, shape (B,).
No sigmoid or softmax comes before these functions.

References:
    When Variational Auto-encoders meet Generative Adversarial Networks (Chen, Fang and Ju, 2016),
    section 3, and Improved Techniques for Training GANs (Salimans et al., 2016), section 5, for the
    K + 1 classes
"""

import torch.nn.functional as F
from torch import Tensor

__all__ = ["Binary", "PlusOne"]


class Binary:
    """Real or fake, from one logit: `real`, `fake` and `fool` are losses of shape (B,).

    Arguments:
        fool: What the generator minimizes, -ln D (`non-saturating`) or ln(1 - D) (`minimax`).

    Example:
        >>> import torch
        >>> Binary("non-saturating").fool(torch.zeros(1, 1), None)  # ln 2
        tensor([0.6931])
    """

    outputs = 1

    def __init__(self, fool: str) -> None:
        self.minimax = fool == "minimax"

    def real(self, output: Tensor, target: Tensor | None) -> Tensor:  # noqa: ARG002
        """-ln D(x)."""
        return F.softplus(-output[:, 0])

    def fake(self, output: Tensor) -> Tensor:
        """-ln(1 - D(x))."""
        return F.softplus(output[:, 0])

    def fool(self, output: Tensor, y: Tensor | None) -> Tensor:  # noqa: ARG002
        return -F.softplus(output[:, 0]) if self.minimax else F.softplus(-output[:, 0])

    def caught(self, output: Tensor) -> Tensor:
        """Whether each is taken for a fake, shape (B,)."""
        return output[:, 0] < 0

    def realness(self, output: Tensor) -> Tensor:
        """ln D(x) / (1 - D(x)), shape (B,)."""
        return output[:, 0]


class PlusOne:
    """One of K classes, or fake, from K + 1 logits; the fake class is the last.

    Arguments:
        num_classes: K.
        fool: What the generator minimizes, -ln D_y (`non-saturating`) or ln D_fake (`minimax`).

    Example:
        >>> import torch
        >>> PlusOne(3, "minimax").fake(torch.zeros(1, 4))  # ln 4
        tensor([1.3863])
    """

    def __init__(self, num_classes: int, fool: str) -> None:
        self.outputs = num_classes + 1
        self.minimax = fool == "minimax"

    def real(self, output: Tensor, target: Tensor | None) -> Tensor:
        """-Σ_y t_y ln D_y(x) for a target distribution t (B, K); -ln(1 - D_fake(x)) without one."""
        log_probs = output.log_softmax(dim=1)
        if target is None:
            return -log_probs[:, :-1].logsumexp(dim=1)
        return -(target * log_probs[:, :-1]).sum(dim=1)

    def fake(self, output: Tensor) -> Tensor:
        """-ln D_fake(x)."""
        return -output.log_softmax(dim=1)[:, -1]

    def fool(self, output: Tensor, y: Tensor | None) -> Tensor:
        log_probs = output.log_softmax(dim=1)
        if self.minimax:
            return log_probs[:, -1]
        assert y is not None
        return -log_probs.gather(1, y[:, None])[:, 0]

    def caught(self, output: Tensor) -> Tensor:
        """Whether each is taken for a fake, shape (B,)."""
        return output.argmax(dim=1) == output.shape[1] - 1

    def realness(self, output: Tensor) -> Tensor:
        """ln of the odds of any class against fake, shape (B,)."""
        return output[:, :-1].logsumexp(dim=1) - output[:, -1]
