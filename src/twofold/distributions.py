r"""p(x|z) and q(z|x): what a decoder says of an image, what an encoder says of a code.

Notation: x image (B, C, H, W) in [0, 1], z latent code (B, D). A sample axis, where there is one,
comes first: (S, B, ...). Every log-probability and divergence is summed over pixels or latents and
left per image, in nats: shape (B,) or (S, B). Nothing here averages over a batch.
"""

import math
from abc import ABC, abstractmethod
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "Bernoulli",
    "ContinuousBernoulli",
    "Density",
    "DiagonalGaussian",
    "DiscretizedLogistic",
    "Gaussian",
    "ImageDistribution",
    "Masked",
    "bits_per_dim",
    "gaussian_kl",
    "gaussian_kl_per_dim",
    "log_mean_exp",
    "standard_normal_log_prob",
]

LOG_2PI = math.log(2 * math.pi)


def single(x: Tensor) -> Tensor:
    """Half-precision networks hand over half-precision numbers; sums of nats deserve better."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


# --- q(z|x) and p(z) ------------------------------------------------------------------------------


def gaussian_kl_per_dim(mu: Tensor, logvar: Tensor) -> Tensor:
    """The summands of `gaussian_kl`, one per latent dimension: nats, shape (..., D).

    Example:
        >>> gaussian_kl_per_dim(torch.tensor([0.0, 2.0]), torch.zeros(2))
        tensor([0., 2.])
    """
    return 0.5 * (mu.square() + logvar.exp() - 1.0 - logvar)


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""KL divergence of a diagonal Gaussian posterior from the standard normal prior.

    .. math:: D_{KL}(q(z|x) \| p(z))
              = \tfrac{1}{2} \sum_d (\mu_d^2 + \sigma_d^2 - 1 - \ln \sigma_d^2)

    References:
        Auto-Encoding Variational Bayes (Kingma and Welling, 2014), appendix B,
        https://arxiv.org/abs/1312.6114

    Arguments:
        mu: Posterior means, shape (B, D).
        logvar: Posterior log-variances, shape (B, D).

    Returns:
        KL in nats per image, shape (B,).

    Example:
        >>> gaussian_kl(torch.ones(2, 8), torch.zeros(2, 8))
        tensor([4., 4.])
    """
    return gaussian_kl_per_dim(mu, logvar).sum(dim=-1)


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """ln N(z; 0, I) in nats, shape (..., D) -> (...).

    Example:
        >>> standard_normal_log_prob(torch.zeros(3, 2))  # -ln 2π
        tensor([-1.8379, -1.8379, -1.8379])
    """
    return -0.5 * (z.square() + LOG_2PI).sum(dim=-1)


class DiagonalGaussian:
    r"""q(z|x) = N(mu, diag(exp(logvar))).

    Arguments:
        mu: Means, shape (B, D).
        logvar: Log-variances ln σ², shape (B, D).

    Example:
        >>> q = DiagonalGaussian(torch.ones(5, 3), torch.zeros(5, 3))
        >>> q.rsample(num_samples=2).shape, q.kl()[0].item()
        (torch.Size([2, 5, 3]), 1.5)
    """

    def __init__(self, mu: Tensor, logvar: Tensor) -> None:
        self.mu = single(mu)
        self.logvar = logvar.to(self.mu.dtype)

    @property
    def mean(self) -> Tensor:
        return self.mu

    def rsample(
        self, num_samples: int | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """z = mu + sigma * eps with eps ~ N(0, I), the noise entering once: (B, D) or (S, B, D)."""
        shape = self.mu.shape if num_samples is None else (num_samples, *self.mu.shape)
        eps = torch.randn(shape, dtype=self.mu.dtype, device=self.mu.device, generator=generator)
        return self.mu + (0.5 * self.logvar).exp() * eps

    def log_prob(self, z: Tensor) -> Tensor:
        """ln q(z|x) in nats: (..., B, D) -> (..., B)."""
        squared = (z - self.mu).square() * (-self.logvar).exp()
        return -0.5 * (squared + self.logvar + LOG_2PI).sum(dim=-1)

    def kl(self) -> Tensor:
        """KL from the standard normal prior in nats per image, shape (B,)."""
        return gaussian_kl(self.mu, self.logvar)

    def detach(self) -> "DiagonalGaussian":
        """The same numbers, through which no gradient flows."""
        return DiagonalGaussian(self.mu.detach(), self.logvar.detach())


class Density(Protocol):
    """What a decoder says, of an image or of another model's code.

    Example:
        >>> DiagonalGaussian(torch.zeros(1, 2), torch.zeros(1, 2)).mean
        tensor([[0., 0.]])
    """

    @property
    def mean(self) -> Tensor: ...

    def log_prob(self, x: Tensor, /) -> Tensor: ...


# --- p(x|z) ---------------------------------------------------------------------------------------


class ImageDistribution(ABC):
    """A distribution over images with independent pixels given z.

    Example:
        >>> p: ImageDistribution = Gaussian(torch.zeros(2, 1, 4, 4), torch.zeros(()))
        >>> p.log_prob(torch.zeros(2, 1, 4, 4)).shape
        torch.Size([2])
    """

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """The expected image, shape (..., C, H, W)."""

    @abstractmethod
    def pixel_log_prob(self, x: Tensor) -> Tensor:
        """ln p of every pixel, shape (..., C, H, W)."""

    @abstractmethod
    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Images drawn from the distribution, shape (..., C, H, W)."""

    def log_prob(self, x: Tensor) -> Tensor:
        """ln p(x|z) summed over channels and pixels: nats per image, shape (..., B)."""
        return self.pixel_log_prob(x).sum(dim=(-3, -2, -1))


class Bernoulli(ImageDistribution):
    """Pixels are 1 with probability sigmoid(logits).

    On binary images this is a probability. On gray images in (0, 1) the same formula is the usual
    binary cross-entropy, which is *not* a likelihood: compare it only with itself.

    Example:
        >>> round(Bernoulli(torch.zeros(1, 1, 2, 2)).log_prob(torch.ones(1, 1, 2, 2)).item(), 4)
        -2.7726
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = single(logits)

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logits)

    def pixel_log_prob(self, x: Tensor) -> Tensor:
        logits, x = torch.broadcast_tensors(self.logits, x)
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="none")

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        return torch.bernoulli(self.mean, generator=generator)


class ContinuousBernoulli(ImageDistribution):
    r"""The Bernoulli formula on [0, 1] made a density by its normalizing constant.

    .. math:: p(x) = C(\lambda) \lambda^x (1-\lambda)^{1-x}, \quad
              C(\lambda) = \frac{2 \tanh^{-1}(1-2\lambda)}{1-2\lambda}

    With l the logit of λ the log constant is ln(l) - ln(tanh(l/2)), and 2·atanh(1-2λ) = -l.

    References:
        The continuous Bernoulli (Loaiza-Ganem and Cunningham, 2019), equations 5 and 7,
        https://arxiv.org/abs/1907.06845

    Example:
        >>> p = ContinuousBernoulli(torch.zeros(1, 1, 1, 1))  # uniform
        >>> p.log_prob(torch.full((1, 1, 1, 1), 0.3)).abs().item() < 1e-6
        True
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = single(logits)

    @property
    def log_norm(self) -> Tensor:
        """ln C(λ), shape of the logits; a Taylor series where the closed form is 0/0."""
        small = self.logits.abs() < 0.05
        safe = torch.where(small, torch.ones_like(self.logits), self.logits)
        closed = torch.log(safe.abs()) - torch.log(torch.tanh(safe.abs() / 2))
        squared = self.logits.square()
        series = math.log(2.0) + squared / 12 - 7 * squared.square() / 1440
        return torch.where(small, series, closed)

    @property
    def mean(self) -> Tensor:
        small = self.logits.abs() < 0.05
        safe = torch.where(small, torch.ones_like(self.logits), self.logits)
        probs = torch.sigmoid(safe)
        closed = probs / torch.tanh(safe / 2) - 1 / safe
        return torch.where(small, 0.5 + self.logits / 12, closed)

    def pixel_log_prob(self, x: Tensor) -> Tensor:
        logits, x = torch.broadcast_tensors(self.logits, x)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
        return self.log_norm - cross_entropy

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        uniform = torch.rand(
            self.logits.shape,
            dtype=self.logits.dtype,
            device=self.logits.device,
            generator=generator,
        )
        small = self.logits.abs() < 1e-6  # only 0/0 has to be avoided here
        safe = torch.where(small, torch.ones_like(self.logits), self.logits)
        # The inverse CDF, ln(1 + u(e^l - 1)) / l, for either sign so that nothing overflows.
        magnitude = safe.abs()
        flipped = torch.where(safe > 0, 1 - uniform, uniform)
        inverse = -torch.log1p(flipped * torch.expm1(-magnitude)) / magnitude
        x = torch.where(safe > 0, 1 - inverse, inverse)
        return torch.where(small, uniform, x).clamp(0, 1)


class Gaussian(ImageDistribution):
    """Pixels are normal with a given mean and one log-variance (a number, or a map).

    This is a density on real-valued pixels. With 8-bit images it is comparable across models only
    after dequantization; add 8·ln 2 nats per pixel for a bound on the discrete likelihood.

    Example:
        >>> x = torch.zeros(1, 1, 1, 1)
        >>> round(Gaussian(x, torch.zeros(())).log_prob(x).item(), 4)  # -½ ln 2π
        -0.9189
    """

    def __init__(self, mean: Tensor, logvar: Tensor) -> None:
        self.mu = single(mean)
        self.logvar = logvar.to(self.mu.dtype)

    @property
    def mean(self) -> Tensor:
        return self.mu

    def pixel_log_prob(self, x: Tensor) -> Tensor:
        return -0.5 * ((x - self.mu).square() * (-self.logvar).exp() + self.logvar + LOG_2PI)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        eps = torch.randn(
            self.mu.shape, dtype=self.mu.dtype, device=self.mu.device, generator=generator
        )
        return self.mu + (0.5 * self.logvar).exp() * eps


class DiscretizedLogistic(ImageDistribution):
    """A logistic density integrated over each of the 256 gray levels: a probability.

    The two outermost levels take the tails, so the 256 probabilities sum to one.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016),
        appendix C.2, https://arxiv.org/abs/1606.04934

    Example:
        >>> levels = torch.arange(256).view(256, 1, 1, 1) / 255
        >>> p = DiscretizedLogistic(torch.full((1, 1, 1, 1), 0.4), torch.tensor(-2.0))
        >>> round(p.log_prob(levels).exp().sum().item(), 4)
        1.0
    """

    def __init__(self, mean: Tensor, log_scale: Tensor) -> None:
        self.mu = single(mean)
        self.log_scale = log_scale.to(self.mu.dtype)

    @property
    def mean(self) -> Tensor:
        """E[min(max(X, 0), 1)] of a logistic X: the tails count as the outermost levels.

        That is the integral of P(X > x) over [0, 1], s softplus(mu/s) - s softplus((mu - 1)/s).
        """
        scale = self.log_scale.exp()
        return scale * (F.softplus(self.mu / scale) - F.softplus((self.mu - 1) / scale))

    def pixel_log_prob(self, x: Tensor) -> Tensor:
        level = torch.round(x * 255)
        inverse_scale = (-self.log_scale).exp()
        upper = ((level + 0.5) / 255 - self.mu) * inverse_scale
        lower = ((level - 0.5) / 255 - self.mu) * inverse_scale
        # ln(σ(u) - σ(l)) = ln σ(u) + ln σ(-l) + ln(1 - e^(l-u)): no difference of near-equals.
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
        tail = torch.where(level <= 0, F.logsigmoid(upper), F.logsigmoid(-lower))
        return torch.where((level <= 0) | (level >= 255), tail, inside)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        uniform = torch.rand(
            self.mu.shape, dtype=self.mu.dtype, device=self.mu.device, generator=generator
        ).clamp(1e-6, 1 - 1e-6)
        x = self.mu + self.log_scale.exp() * torch.logit(uniform)
        return torch.round(x.clamp(0, 1) * 255) / 255


class Masked(ImageDistribution):
    """The marginal of some of an image's pixels: the others cost nothing.

    Arguments:
        p: Of the whole image.
        mask: Which pixels, boolean, shape (H, W).
        known: Images (B, C, H, W) that show the others, in the mean and in what is drawn; None to
            show those of p.

    Example:
        >>> p = Bernoulli(torch.zeros(1, 1, 2, 2))
        >>> right = torch.tensor([[False, True], [False, True]])
        >>> round(Masked(p, right).log_prob(torch.ones(1, 1, 2, 2)).item(), 4)  # 2 ln ½
        -1.3863
    """

    def __init__(self, p: ImageDistribution, mask: Tensor, known: Tensor | None = None) -> None:
        self.p = p
        self.mask = mask
        self.known = known

    @property
    def mean(self) -> Tensor:
        return self._shown(self.p.mean)

    def pixel_log_prob(self, x: Tensor) -> Tensor:
        """ln p of every pixel of the mask and 0 elsewhere, shape (..., C, H, W)."""
        return self.p.pixel_log_prob(x) * self.mask

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        return self._shown(self.p.sample(generator))

    def _shown(self, x: Tensor) -> Tensor:
        return x if self.known is None else torch.where(self.mask, x, self.known.to(x.dtype))


# --- units ----------------------------------------------------------------------------------------


def log_mean_exp(log_values: Tensor, dim: int = 0) -> Tensor:
    """ln of the mean of exp, stable: (S, B) -> (B,) for dim 0.

    Example:
        >>> log_mean_exp(torch.full((5, 2), 1000.0))
        tensor([1000., 1000.])
    """
    return torch.logsumexp(log_values, dim=dim) - math.log(log_values.shape[dim])


def bits_per_dim(nats: float, image_shape: tuple[int, int, int], density: bool = False) -> float:
    """Bits per pixel and channel from nats per image.

    Arguments:
        nats: Negative log-likelihood, nats per image.
        image_shape: (C, H, W).
        density: Whether the nats are of a density on [0, 1]; then the 8 bits of the gray level
            that it does not resolve are added.

    Example:
        >>> round(bits_per_dim(784 * math.log(2), (1, 28, 28)), 6)
        1.0
    """
    return nats / (math.prod(image_shape) * math.log(2)) + (8.0 if density else 0.0)
