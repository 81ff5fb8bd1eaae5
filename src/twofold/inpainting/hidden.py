r"""What a model knows of the hidden part of an image, given the visible part v.

A model that was trained to complete images has p(hidden|z, v) itself. Of any other decoder the
pixels are independent given z, so that hiding some is leaving their factors out:

.. math:: p(z|v) \propto p(z) \prod_{i \in v} p(x_i|z), \quad
          \ln p(hidden|v) = \ln p(x) - \ln p(v)

Codes are drawn from p(z|v), and both terms estimated, by annealed importance sampling.

References:
    Learning Structured Output Representation using Deep Conditional Generative Models (Sohn, Lee
    and Yan, 2015), section 4.2 and equation 10, for the estimates of a conditional likelihood by
    draws from the prior and from the proposal
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from twofold.conditions import ClassCondition
from twofold.distributions import ImageDistribution, Masked
from twofold.evaluation.annealed import Weighted, annealed_likelihood
from twofold.evaluation.likelihood import running_log_mean_exp
from twofold.models.base import evaluating
from twofold.models.capabilities import Decodes, Encodes

__all__ = ["Chains", "PartOf", "codes_given", "concatenate", "hidden_bound", "hidden_by_prior"]

ROWS = 20_000  # decoded images at a time: what bounds the memory


class PartOf(nn.Module):
    """A decoder of the pixels of a mask (H, W) alone, for these are independent given z."""

    def __init__(self, model: Decodes, mask: Tensor) -> None:
        super().__init__()
        self.model = model
        self.mask = mask
        self.condition = model.condition
        self.latent_dim = model.latent_dim
        self.prior = model.prior
        self.train(model.training)

    @property
    def device(self) -> torch.device:
        return self.model.device

    def decode(self, z: Tensor, c: Tensor | None = None) -> Masked:
        """p(part|z, c) for codes (B, D)."""
        p = self.model.decode(z, c)
        assert isinstance(p, ImageDistribution)
        return Masked(p, self.mask)


# --- models that are conditioned on the visible part ----------------------------------------------


def hidden_bound(
    model: Encodes, x: Tensor, c: Tensor | None, hidden: Tensor, num_samples: int, rows: int = ROWS
) -> Tensor:
    """The importance-weighted lower bound on ln p(hidden|c), by draws from q(z|x, c).

    Arguments:
        model: One whose c holds the visible part.
        x: Whole images, shape (B, C, H, W).
        c: What the model is conditioned on, first axis B.
        hidden: Which pixels are hidden, boolean (H, W).
        num_samples: k.
        rows: How many images may be decoded at once.

    Returns:
        ln 1/k Σ p(hidden|z, c) p(z) / q(z|x, c), nats per image, float64, shape (B,).
    """
    with evaluating(model), torch.no_grad():
        q = model.posterior(x, c)

    def draw(count: int) -> tuple[Tensor, Tensor]:
        z = q.rsample(count)
        return z, model.prior.log_prob(z) - q.log_prob(z)

    return _log_mean(model, draw, x, c, hidden, num_samples, rows)


def hidden_by_prior(
    model: Decodes, x: Tensor, c: Tensor | None, hidden: Tensor, num_samples: int, rows: int = ROWS
) -> Tensor:
    """ln 1/k Σ p(hidden|z, c) with z ~ p(z): plain Monte Carlo, and a looser lower bound.

    Arguments and shapes are those of `hidden_bound`.
    """

    def draw(count: int) -> tuple[Tensor, Tensor]:
        z = model.prior.sample(count * len(x)).unflatten(0, (count, len(x)))
        return z, torch.zeros(count, len(x), device=x.device)

    return _log_mean(model, draw, x, c, hidden, num_samples, rows)


@torch.no_grad()
def _log_mean(
    model: Decodes,
    draw: Callable[[int], tuple[Tensor, Tensor]],
    x: Tensor,
    c: Tensor | None,
    hidden: Tensor,
    num_samples: int,
    rows: int,
) -> Tensor:
    """ln of the mean over k draws of p(hidden|z, c) times a weight; `draw` gives z and its log."""
    part, at_once = PartOf(model, hidden), max(1, rows // len(x))

    def terms() -> Iterator[Tensor]:
        for start in range(0, num_samples, at_once):
            z, log_weight = draw(min(at_once, num_samples - start))  # (S, B, D), (S, B)
            p = part.decode(z.flatten(0, 1), None if c is None else torch.cat([c] * len(z)))
            yield p.log_prob(torch.cat([x] * len(z))).view(log_weight.shape) + log_weight

    with evaluating(model):
        *_, (_, found) = running_log_mean_exp(terms())
    return found


# --- any other decoder ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Chains(Weighted):
    """Draws from p(z|part), S for each of N images, whose weights estimate p(part).

    Attributes:
        c: The condition of each, first axes (S, N); None where the model has no condition.
    """

    c: Tensor | None

    def resampled(self, count: int) -> tuple[Tensor, Tensor | None]:
        """So many draws by weight, in no order; none comes up again before its weight allows.

        Returns:
            Codes (count, N, D), and their conditions, first axes (count, N).
        """
        ends = self.weights.cumsum(dim=0).T.contiguous()  # (N, S)
        combs = (torch.arange(count) + torch.rand(len(ends), 1)).to(ends) / count  # (N, count)
        chosen = torch.searchsorted(ends, combs).clamp(max=ends.shape[1] - 1)
        shuffle = torch.rand(chosen.shape).argsort(dim=1).to(chosen.device)
        chosen = chosen.gather(1, shuffle).T  # (count, N)
        image = torch.arange(len(ends), device=chosen.device)
        return self.z[chosen, image], None if self.c is None else self.c[chosen, image]


def concatenate(parts: Sequence[Chains], order: Tensor) -> Chains:
    """As many chains of each of several sets of images, these then put in an order (N,).

    All parts have a condition, or none has.
    """
    cs = [part.c for part in parts if part.c is not None]
    return Chains(
        torch.cat([part.z for part in parts], dim=1)[:, order],
        torch.cat([part.log_weights for part in parts], dim=1)[:, order],
        torch.cat(cs, dim=1)[:, order] if cs else None,
    )


def codes_given(
    model: Decodes,
    x: Tensor,
    c: Tensor | None,
    part: Tensor,
    chains: int = 32,
    temperatures: int = 200,
    leapfrogs: int = 3,
) -> Chains:
    """Draws from p(z|part of x).

    Where the model is conditioned on the class and none is given, the class is drawn too, a priori
    any: the chains are spread evenly over the classes, and their weights say which.

    Arguments:
        model: One that decodes z ~ p(z).
        x: Images, shape (N, C, H, W), of which only the part is looked at.
        c: The condition of each image, first axis N; None where there is none or it is not known.
        part: Which pixels are known, boolean (H, W).
        chains: S, for each image; at least two for each class that is tried.
        temperatures, leapfrogs: As of `annealed_likelihood`.
    """
    tried, known = model.condition, PartOf(model, part)
    if c is not None or not isinstance(tried, ClassCondition):
        found = annealed_likelihood(known, x, c, chains, temperatures, leapfrogs)
        cs = None if c is None else c.expand(chains, *c.shape)
        return Chains(found.z, found.log_weights, cs)
    N, K = len(x), tried.num_classes
    each = max(2, math.ceil(chains / K))
    y = torch.arange(K, device=x.device).repeat(N)  # (N K,)
    found = annealed_likelihood(
        known, x.repeat_interleave(K, dim=0), y, each, temperatures, leapfrogs
    )

    def by_image(values: Tensor) -> Tensor:
        """(each, N K, ...) as (each K, N, ...)."""
        return values.unflatten(1, (N, K)).transpose(1, 2).flatten(0, 1)

    y = by_image(y.expand(each, N * K))
    return Chains(by_image(found.z), by_image(found.log_weights), y)
