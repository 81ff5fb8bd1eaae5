r"""How many modes a generator reaches, on images of three digits whose 1000 classes are known.

With p the shares of the modes among N images, of which each mode has `counts` (K,),

.. math:: \mathrm{KL}(p \| u) = \sum_k p_k \ln (K p_k), \qquad K = 1000.

Both figures depend on N. Real images too miss a mode with probability :math:`(1 - 1/K)^N`, and
their KL is about :math:`(K - 1) / 2N`, not 0. An image whose digits are not clear falls into some
mode none the less, so a classifier's errors make modes that are not there; counting only images
that it is sure of removes them, and some true ones.

References:
    Unrolled Generative Adversarial Networks (Metz et al., 2017),
    https://arxiv.org/abs/1611.02163
    VEEGAN (Srivastava et al., 2017), https://arxiv.org/abs/1705.07761
"""

import math

import torch
from torch import Tensor

__all__ = [
    "count_modes",
    "expected_modes",
    "kl_error",
    "kl_to_uniform",
    "modes_of",
    "present_error",
    "sure_of",
]


def modes_of(log_probs: Tensor) -> Tensor:
    """The mode of each image, from 0 to K^C - 1: its channels' most probable digits as one number.

    Shapes are (N, C, K) to (N,); the first channel counts most.

    Example:
        >>> digits = torch.tensor([[3, 0, 5], [0, 0, 7]])
        >>> modes_of(torch.eye(10)[digits].log())
        tensor([305,   7])
    """
    _, C, K = log_probs.shape
    places = K ** torch.arange(C - 1, -1, -1, device=log_probs.device)
    return (log_probs.argmax(dim=2) * places).sum(dim=1)


def sure_of(log_probs: Tensor, confidence: float = 0.9) -> Tensor:
    """Whether the digit of every channel has at least this probability: (N, C, K) -> bool (N,)."""
    return (log_probs.amax(dim=2) >= math.log(confidence)).all(dim=1)


def count_modes(modes: Tensor, num_modes: int = 1000) -> Tensor:
    """Images of each mode: (N,) -> (K,)."""
    return torch.bincount(modes, minlength=num_modes)


def kl_to_uniform(counts: Tensor) -> float:
    """KL from the shares of the modes to equal shares, in nats; 0 to ln K."""
    p = counts.double() / counts.sum()
    return (torch.xlogy(p, p).sum() + math.log(len(p))).item()


def kl_error(counts: Tensor) -> float:
    """Standard error of `kl_to_uniform` over the images, to first order."""
    p = counts.double() / counts.sum()
    surprise = torch.where(p > 0, p, 1.0).log()
    variance = (p * surprise**2).sum() - (p * surprise).sum() ** 2
    return math.sqrt(max(0.0, variance.item()) / counts.sum().item())


def expected_modes(shares: Tensor, count: int) -> float:
    """Modes expected among so many independent images, of modes with these shares (K,).

    Example:
        >>> round(expected_modes(torch.full((1000,), 0.001), 1000))
        632
    """
    return (1 - (1 - shares.double()) ** count).sum().item()


def present_error(counts: Tensor) -> float:
    """Standard error of the number of modes present, over draws of as many images.

    The multinomial's, with its covariances to first order, of the shares found.
    """
    num_images = counts.sum().item()
    p = counts.double() / num_images
    absent = (1 - p) ** num_images
    variance = (absent * (1 - absent)).sum() - num_images * (p * absent).sum() ** 2
    return math.sqrt(max(0.0, variance.item()))
