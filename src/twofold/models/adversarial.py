r"""What discriminator and generator minimize against each other, and the gradient penalties.

Notation: real = D(x), fake = D(x_fake), logits or critic scores of shape (B,). Every loss gives one
value per image, shape (B,), for its player to *minimize*; no sigmoid is applied anywhere before
these functions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from twofold.errors import UsageError
from twofold.phases import NATS
from twofold.registry import register

__all__ = [
    "AdversarialLoss",
    "check_smoothing",
    "gradient_penalty",
    "squared_gradient_norm",
]


@dataclass(frozen=True)
class AdversarialLoss:
    """What either player minimizes.

    Attributes:
        name: As it is registered.
        real: Of the discriminator at real images, (score, smoothing) -> (B,).
        fake: Of the discriminator at fakes, score -> (B,).
        generator: Of the generator, score of fakes -> (B,).
        threshold: The score that separates "real" from "fake"; None for a critic, which has none.
        smooths: Whether it has a target of 1 to smooth.
        paired: Whether scores are of pairs: `fake` and `generator` get D(x_fake) - D(x), and there
            is no term of real images alone.
        unit: Of both players' losses, where these are cross-entropies.

    Example:
        >>> from twofold.registry import make
        >>> hinge = make("loss", "hinge")
        >>> hinge.real(torch.tensor([2.0, 0.5]), 0.0), hinge.fake(torch.tensor([0.5]))
        (tensor([0.0000, 0.5000]), tensor([1.5000]))
    """

    registry_kind: ClassVar[str] = "loss"

    name: str
    real: Callable[[Tensor, float], Tensor]
    fake: Callable[[Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    threshold: float | None = 0.0
    smooths: bool = False
    paired: bool = False
    unit: str = ""


def _smoothed(score: Tensor, smoothing: float) -> Tensor:
    """-(1-s) ln σ(D) - s ln(1 - σ(D)): one-sided smoothing s."""
    return F.softplus(-score) + smoothing * score


# Minimax and non-saturating: Generative Adversarial Nets (Goodfellow et al., 2014), section 3.
# Least squares: Mao et al. (2017), equation 9. Hinge: Geometric GAN (Lim and Ye, 2017).
# Swapped: no adversary at all, the defect of Gaikwad's published code, to see what it does.
# Wasserstein: Arjovsky et al. (2017). Relativistic pairing: Jolicoeur-Martineau (2019), equation 3,
# in the form of R3GAN (Huang et al., 2025), equation 2.
_LOSSES = (
    AdversarialLoss(
        "minimax", _smoothed, F.softplus, lambda score: -F.softplus(score), smooths=True, unit=NATS
    ),
    AdversarialLoss(
        "non-saturating",
        _smoothed,
        F.softplus,
        lambda score: F.softplus(-score),
        smooths=True,
        unit=NATS,
    ),
    AdversarialLoss(
        "least-squares",
        lambda score, smoothing: 0.5 * (score - (1.0 - smoothing)).square(),
        lambda score: 0.5 * score.square(),
        lambda score: 0.5 * (score - 1.0).square(),
        threshold=0.5,
        smooths=True,
    ),
    AdversarialLoss(
        "swapped",
        lambda score, _: F.softplus(score),
        lambda score: F.softplus(-score),
        lambda score: F.softplus(-score),
        unit=NATS,
    ),
    AdversarialLoss(
        "hinge",
        lambda score, _: F.relu(1.0 - score),
        lambda score: F.relu(1.0 + score),
        lambda score: -score,
    ),
    AdversarialLoss(
        "wasserstein",
        lambda score, _: -score,
        lambda score: score,
        lambda score: -score,
        threshold=None,
    ),
    AdversarialLoss(
        "relativistic",
        lambda score, _: torch.zeros_like(score),
        F.softplus,
        lambda score: F.softplus(-score),
        threshold=None,
        paired=True,
        unit=NATS,
    ),
)


def _register_loss(loss: AdversarialLoss) -> None:
    @register("loss", loss.name, title=f"{loss.name} GAN losses")
    def losses() -> AdversarialLoss:
        return loss


for _loss in _LOSSES:
    _register_loss(_loss)


def check_smoothing(loss: AdversarialLoss, label_smoothing: float) -> None:
    """Refuses smoothing for losses without targets.

    Raises:
        UsageError: Naming those that have some.

    Example:
        >>> from twofold.registry import make
        >>> check_smoothing(make("loss", "least-squares"), 0.1)
    """
    if label_smoothing and not loss.smooths:
        smoothing = ", ".join(one.name for one in _LOSSES if one.smooths)
        raise UsageError(
            f"{loss.name} has no labels to smooth; use label_smoothing=0 or one of {smoothing}"
        )


def squared_gradient_norm(score: Tensor, x: Tensor) -> Tensor:
    r"""‖∇ₓ D(x)‖² per image, shape (B,), differentiable again.

    R1 is γ/2 times this at real images (Mescheder et al., 2018, equation 9), R2 at fake ones.

    Arguments:
        score: D(x), shape (B,), computed from x.
        x: Images that require a gradient, shape (B, C, H, W), or codes, (B, D).

    Example:
        >>> x = torch.ones(2, 1, 2, 2, requires_grad=True)
        >>> squared_gradient_norm((3 * x).sum(dim=(1, 2, 3)), x).tolist()
        [36.0, 36.0]
    """
    (gradient,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    return gradient.float().square().sum(dim=tuple(range(1, x.dim())))


def gradient_penalty(critic: Callable[[Tensor], Tensor], x: Tensor, x_fake: Tensor) -> Tensor:
    r"""(‖∇ D(x̂)‖ - 1)² at random points between real and fake images, shape (B,).

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), algorithm 1

    Example:
        >>> images = torch.zeros(2, 1, 2, 2)
        >>> gradient_penalty(lambda x: 0.5 * x.sum(dim=(1, 2, 3)), images, images).tolist()
        [0.0, 0.0]
    """
    mix = torch.rand(len(x), *[1] * (x.dim() - 1), device=x.device)
    between = (mix * x + (1 - mix) * x_fake).detach().requires_grad_()
    squared = squared_gradient_norm(critic(between), between)
    return ((squared + 1e-12).sqrt() - 1.0).square()
