r"""What discriminator and generator minimize against each other, and the gradient penalties.

Notation: real = D(x), fake = D(G(z)), logits or critic scores of shape (B,). Every loss returns one
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
from twofold.registry import register

__all__ = [
    "Adversarial",
    "check_smoothing",
    "gradient_penalty",
    "squared_gradient_norm",
]


@dataclass(frozen=True)
class Adversarial:
    """A pair of losses.

    Attributes:
        name: As it is registered.
        discriminator: (real, fake, smoothing) -> (B,).
        generator: (real, fake) -> (B,).
        threshold: The score that separates "real" from "fake"; None for a critic, which has none.
        smooths: Whether it has a target of 1 to smooth.
        paired: Whether the generator's loss reads the scores of real images.

    Example:
        >>> from twofold.registry import make
        >>> hinge = make("loss", "hinge")
        >>> hinge.discriminator(torch.tensor([2.0]), torch.tensor([0.5]), 0.0)
        tensor([1.5000])
    """

    registry_kind: ClassVar[str] = "loss"

    name: str
    discriminator: Callable[[Tensor, Tensor, float], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    threshold: float | None = 0.0
    smooths: bool = False
    paired: bool = False


def _cross_entropy(real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
    """-(1-s) ln σ(real) - s ln(1 - σ(real)) - ln(1 - σ(fake)): one-sided smoothing s."""
    return F.softplus(-real) + smoothing * real + F.softplus(fake)


def _least_squares(real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
    return 0.5 * ((real - (1.0 - smoothing)).square() + fake.square())


def _hinge(real: Tensor, fake: Tensor, _: float) -> Tensor:
    return F.relu(1.0 - real) + F.relu(1.0 + fake)


# Minimax and non-saturating: Generative Adversarial Nets (Goodfellow et al., 2014), section 3.
# Least squares: Mao et al. (2017), equation 9. Hinge: Geometric GAN (Lim and Ye, 2017).
# Swapped: no adversary at all, the defect of Gaikwad's published code, to see what it does.
# Wasserstein: Arjovsky et al. (2017). Relativistic pairing: Jolicoeur-Martineau (2019), equation 3,
# in the form of R3GAN (Huang et al., 2025), equation 2.
_PAIRS = (
    Adversarial("minimax", _cross_entropy, lambda _, fake: -F.softplus(fake), smooths=True),
    Adversarial("non-saturating", _cross_entropy, lambda _, fake: F.softplus(-fake), smooths=True),
    Adversarial(
        "least-squares",
        _least_squares,
        lambda _, fake: 0.5 * (fake - 1.0).square(),
        threshold=0.5,
        smooths=True,
    ),
    Adversarial(
        "swapped",
        lambda real, fake, _: F.softplus(real) + F.softplus(-fake),
        lambda _, fake: F.softplus(-fake),
    ),
    Adversarial("hinge", _hinge, lambda _, fake: -fake),
    Adversarial(
        "wasserstein", lambda real, fake, _: fake - real, lambda _, fake: -fake, threshold=None
    ),
    Adversarial(
        "relativistic",
        lambda real, fake, _: F.softplus(fake - real),
        lambda real, fake: F.softplus(real - fake),
        threshold=None,
        paired=True,
    ),
)


def _register_pair(pair: Adversarial) -> None:
    @register("loss", pair.name, title=f"{pair.name} GAN losses")
    def losses() -> Adversarial:
        return pair


for _pair in _PAIRS:
    _register_pair(_pair)


def check_smoothing(adversarial: Adversarial, label_smoothing: float) -> None:
    """Refuses smoothing for a pair of losses without targets.

    Raises:
        UsageError: Naming those that have some.

    Example:
        >>> from twofold.registry import make
        >>> check_smoothing(make("loss", "least-squares"), 0.1)
    """
    if label_smoothing and not adversarial.smooths:
        smoothing = ", ".join(pair.name for pair in _PAIRS if pair.smooths)
        raise UsageError(
            f"{adversarial.name} has no labels to smooth; use label_smoothing=0 or one of "
            f"{smoothing}"
        )


def squared_gradient_norm(score: Tensor, x: Tensor) -> Tensor:
    r"""‖∇ₓ D(x)‖² per image, shape (B,), differentiable again.

    R1 is γ/2 times this at real images (Mescheder et al., 2018, equation 9), R2 at fake ones.

    Arguments:
        score: D(x), shape (B,), computed from x.
        x: Images that require a gradient, shape (B, C, H, W).

    Example:
        >>> x = torch.ones(2, 1, 2, 2, requires_grad=True)
        >>> squared_gradient_norm((3 * x).sum(dim=(1, 2, 3)), x).tolist()
        [36.0, 36.0]
    """
    (gradient,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3))


def gradient_penalty(critic: Callable[[Tensor], Tensor], x: Tensor, x_fake: Tensor) -> Tensor:
    r"""(‖∇ D(x̂)‖ - 1)² at random points between real and fake images, shape (B,).

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), algorithm 1

    Example:
        >>> images = torch.zeros(2, 1, 2, 2)
        >>> gradient_penalty(lambda x: 0.5 * x.sum(dim=(1, 2, 3)), images, images).tolist()
        [0.0, 0.0]
    """
    mix = torch.rand(len(x), 1, 1, 1, device=x.device)
    between = (mix * x + (1 - mix) * x_fake).detach().requires_grad_()
    squared = squared_gradient_norm(critic(between), between)
    return ((squared + 1e-12).sqrt() - 1.0).square()
