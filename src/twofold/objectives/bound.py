"""A negative bound on ln p(x) as far as it does not depend on how images are compared."""

from dataclasses import dataclass

from torch import Tensor

from twofold.distributions import Density
from twofold.phases import Terms

__all__ = ["Bound"]


@dataclass(frozen=True)
class Bound:
    """A negative bound whose reconstruction term is still to be chosen.

    A row is one decoded code. A VAE with one draw per image has B rows; M2 has one for each
    labeled image and K for each other. What the rows' images are compared by, -ln p(x|z) or the
    features of a discriminator, is the business of who asks.

    Attributes:
        x: Images, shape (B, C, H, W).
        p: p(x|z) of every row, shape (R, C, H, W).
        rest: The other terms, such as the KL.
        rows: Which image each row is of, shape (R,); None for one row per image, in order.
        weight: What each row counts, shape (R,), adding up to 1; None for all the same.
        y: The class that each row was decoded with, shape (R,), where there is one.
        guesses: q(y|x) of every image, shape (B, K), through which no gradient flows; None where
            the class is not inferred.

    Example:
        >>> import torch
        >>> from twofold.distributions import Bernoulli
        >>> x = torch.ones(2, 1, 1, 1)
        >>> bound = Bound(x, Bernoulli(torch.zeros(2, 1, 1, 1)), Terms({"kl": torch.tensor(1.0)}))
        >>> round(bound.with_reconstruction().total.item(), 4)  # ln 2 + 1
        1.6931
    """

    x: Tensor
    p: Density
    rest: Terms
    rows: Tensor | None = None
    weight: Tensor | None = None
    y: Tensor | None = None
    guesses: Tensor | None = None

    def expand(self, values: Tensor) -> Tensor:
        """A value per image, (B, ...), as a value per row, (R, ...)."""
        return values if self.rows is None else values[self.rows]

    def mean(self, values: Tensor) -> Tensor:
        """The mean over images of a value per row: (R,) -> ()."""
        return values.mean() if self.weight is None else (self.weight * values).sum()

    def recon_nll(self) -> Tensor:
        """-ln p(x|z), in nats per image, shape ()."""
        return -self.mean(self.p.log_prob(self.expand(self.x)))

    def with_reconstruction(self) -> Terms:
        """The whole negative bound, by the likelihood."""
        terms = {"recon_nll": self.recon_nll(), **self.rest.terms}
        return Terms(terms, self.rest.weights, self.rest.watch)
