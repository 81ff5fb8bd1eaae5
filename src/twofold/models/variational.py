"""Auto-encoders with a continuous code of every image: their measures, from codes drawn of q(z|x).

Notation: x image (B, C, H, W), c condition, z codes (S, B, D) with S Monte Carlo samples first.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from twofold.data.batches import Batch
from twofold.distributions import DiagonalGaussian, gaussian_kl_per_dim
from twofold.models.base import AutoEncoder, evaluating
from twofold.objectives import Inference
from twofold.objectives.base import check_needs
from twofold.posteriors import LatentDistribution

__all__ = ["Variational", "count_active", "kl_per_dim"]

ACTIVE_VARIANCE = 0.01  # Burda et al. (2016), section 5.2: a unit is active if Var_x(mu) > 0.01


class Variational(AutoEncoder):
    """An auto-encoder that infers z and decodes it; whatever objective goes with it, so do these.

    Attributes:
        offers: What objectives may ask of it, keys of `twofold.objectives.base.NEEDS`.

    Example:
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4))
        >>> isinstance(vae, Variational), sorted(vae.offers)
        (True, ['closed KL', 'one Gaussian'])
    """

    @property
    @abstractmethod
    def offers(self) -> frozenset[str]: ...

    @abstractmethod
    def infer(self, x: Tensor, c: Tensor | None, num_samples: int = 1) -> Inference:
        """S codes of each image and what they decode to.

        Arguments:
            x: Images, shape (B, C, H, W).
            c: The condition of each.
            num_samples: S.
        """

    def check_objective(self) -> None:
        """Refuses an objective that needs what the model has not.

        Raises:
            UsageError: Saying what, and which have it.
        """
        check_needs(self.title, self.offers, self.objective)

    def kl_per_dim(self, q: LatentDistribution) -> Tensor:
        """KL(q || p(z)) of each dimension by formula, which `offers` says there is: (..., B, D)."""
        return kl_per_dim(q)

    def elbo_terms(
        self, x: Tensor, c: Tensor | None = None, num_samples: int = 1
    ) -> tuple[Tensor, Tensor]:
        """E_q[-ln p(x|z)] by S draws and the KL, nats per image, shapes (B,) and (B,).

        The KL is by formula where there is one, else by the same draws.
        """
        closed = "closed KL" in self.offers
        drawn = self.infer(x, c, num_samples)
        if closed:
            kl = self.kl_per_dim(drawn.q).sum(dim=-1)  # (B,) or (S, B)
        else:
            kl = drawn.log_q - self.prior.log_prob(drawn.z)  # (S, B)
        return -drawn.log_p.mean(dim=0), kl if kl.dim() == 1 else kl.mean(dim=0)

    def log_weights(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        """Importance weights ln p(x, z) - ln q(z|x) at S fresh draws, shape (S, B)."""
        drawn = self.infer(x, c, num_samples)
        return drawn.log_p + self.prior.log_prob(drawn.z) - drawn.log_q

    @torch.no_grad()
    def diagnose(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """Active units and, where there is a formula, the KL of each dimension, held out."""
        kls, means = [], []
        with evaluating(self):
            for batch in batches:
                c = self.condition.pick(batch.x, batch.y)
                drawn = self.infer(batch.x, c)
                if "closed KL" in self.offers:
                    kls.append(self.kl_per_dim(drawn.q).flatten(0, -2))
                means.append(drawn.q.mean.flatten(0, -2))
        return {**count_active(torch.cat(means)), **self._kl_summary(kls)}

    def _kl_summary(self, kls: list[Tensor]) -> dict[str, Any]:
        """KLs of shape (B, D) as what the log keeps of them."""
        if not kls:
            return {}
        return {"kl_per_dim": [round(value, 4) for value in torch.cat(kls).mean(dim=0).tolist()]}


def count_active(means: Tensor) -> dict[str, Any]:
    """How many dimensions of posterior means (N, D) are active; nothing where N < 2.

    Example:
        >>> count_active(torch.tensor([[0.0, 1.0], [0.0, 2.0]])), count_active(torch.zeros(1, 2))
        ({'active_units': 1}, {})
    """
    if len(means) < 2:
        return {}
    return {"active_units": int((means.var(dim=0) > ACTIVE_VARIANCE).sum())}


def kl_per_dim(q: LatentDistribution) -> Tensor:
    """KL(q || N(0, I)) of each dimension of a Gaussian q, shape (..., B, D).

    Example:
        >>> kl_per_dim(DiagonalGaussian(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2)))
        tensor([[0., 2.]])
    """
    assert isinstance(q, DiagonalGaussian), "asked only where posterior and prior have a formula"
    return gaussian_kl_per_dim(q.mu, q.logvar)
