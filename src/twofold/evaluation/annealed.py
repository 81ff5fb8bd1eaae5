r"""ln p(x|c) of any decoder, by annealed importance sampling.

Chains start at the prior and pass through distributions that let the image in little by little,

.. math:: f_t(z) = p(z) \, p(x|z)^{\beta_t}, \quad 0 = \beta_0 < \dots < \beta_T = 1, \quad
          \ln w = \sum_{t=1}^T (\beta_t - \beta_{t-1}) \ln p(x|z_{t-1}),

with z_t moved from z_{t-1} by Hamiltonian Monte Carlo, which leaves f_t as it is. The mean of w
over chains is an unbiased estimate of p(x), so its logarithm is below ln p(x) in expectation, and
the less so the more chains and temperatures there are.

That holds only for transitions chosen without looking at the chains that count. The step sizes are
adapted in a pilot pass with chains of its own, for every image and temperature, and stay as they
are in the pass that counts.

References:
    Annealed importance sampling (Neal, 2001), equations 3 to 11,
    https://arxiv.org/abs/physics/9803008
    On the Quantitative Analysis of Decoder-Based Generative Models (Wu, Burda, Salakhutdinov and
    Grosse, 2017), section 3, https://arxiv.org/abs/1611.04273
    Sandwiching the marginal likelihood using bidirectional Monte Carlo (Grosse, Ghahramani and
    Adams, 2015), section 6, for the schedule, https://arxiv.org/abs/1511.02543
    MCMC using Hamiltonian dynamics (Neal, 2011), sections 3 and 4, for the transitions,
    https://arxiv.org/abs/1206.1901
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from twofold.distributions import log_mean_exp
from twofold.models.base import evaluating
from twofold.models.capabilities import Decodes

__all__ = ["Annealed", "Weighted", "annealed_likelihood", "sigmoid_schedule"]

ROWS = 2_000  # decoded images at a time, with what their gradient needs: what bounds the memory
STEEPNESS = 4.0  # of the schedule, as in Grosse et al.
ACCEPTANCE = 0.8  # what step sizes aim at
FIRST_STEP, LONGEST_STEP, RATE = 0.5, 1.0, 0.2  # of step sizes, and how fast the pilot moves them


@dataclass(frozen=True)
class Weighted:
    """S draws from p(z|x) for each of N images.

    Attributes:
        z: Codes, shape (S, N, D).
        log_weights: ln w in nats, float64, shape (S, N); the mean of w estimates the likelihood.
    """

    z: Tensor
    log_weights: Tensor

    @property
    def log_likelihood(self) -> Tensor:
        """The estimate of every image, nats, shape (N,)."""
        return log_mean_exp(self.log_weights)

    @property
    def weights(self) -> Tensor:
        """Of the draws of an image, adding up to 1: shape (S, N)."""
        return self.log_weights.softmax(dim=0)

    @property
    def effective(self) -> Tensor:
        """Effective sample size (Σw)² / Σw², between 1 and S: shape (N,)."""
        return 1.0 / self.weights.square().sum(dim=0)


@dataclass(frozen=True)
class Annealed(Weighted):
    """S chains for each of N images, at the end of their annealing.

    Attributes:
        acceptance: Share of transitions that were accepted, shape (N,).
    """

    acceptance: Tensor

    @property
    def error(self) -> Tensor:
        """Standard error over chains of each estimate, by the delta method: nats, shape (N,).

        It is sd(w) / (√S mean(w)), which cannot exceed 1: too small where one chain has all the
        weight.
        """
        chains = len(self.log_weights)
        return ((chains / self.effective - 1) / (chains - 1)).clamp(min=0).sqrt()


def sigmoid_schedule(temperatures: int) -> list[float]:
    """β from 0 to 1, slow at both ends: T + 1 numbers.

    Example:
        >>> [round(beta, 3) for beta in sigmoid_schedule(4)]
        [0.0, 0.105, 0.5, 0.895, 1.0]
    """
    t = torch.linspace(-STEEPNESS, STEEPNESS, temperatures + 1, dtype=torch.float64).sigmoid()
    return ((t - t[0]) / (t[-1] - t[0])).tolist()


def annealed_likelihood(
    model: Decodes,
    x: Tensor,
    c: Tensor | None = None,
    chains: int = 16,
    temperatures: int = 300,
    leapfrogs: int = 3,
    rows: int = ROWS,
) -> Annealed:
    """Estimates ln p(x|c) of every image, in bounded memory.

    The model is in evaluation mode meanwhile, and no gradient reaches its parameters.

    Arguments:
        model: One that decodes z ~ p(z).
        x: Images, shape (N, C, H, W).
        c: The condition of each image, first axis N.
        chains: S, for each image.
        temperatures: T.
        leapfrogs: Steps of each transition, a gradient each.
        rows: How many images may be decoded at once, or as many as there are chains.

    Raises:
        ValueError: If there are fewer than two chains, which have no standard error.
    """
    if chains < 2:
        raise ValueError(f"a standard error needs at least two chains, got {chains}")
    betas, at_once = sigmoid_schedule(temperatures), max(1, rows // chains)
    cs = [None] * len(x) if c is None else c.split(at_once)
    parts = []
    with evaluating(model):
        for x_part, c_part in zip(x.split(at_once), cs, strict=False):
            target = _Target(model, x_part, c_part)
            steps = torch.full((temperatures, len(x_part)), FIRST_STEP, device=x.device)
            _anneal(target, max(2, chains // 4), betas, steps, leapfrogs, adapt=True)
            parts.append(_anneal(target, chains, betas, steps, leapfrogs))
    return Annealed(
        torch.cat([part.z for part in parts], dim=1),
        torch.cat([part.log_weights for part in parts], dim=1),
        torch.cat([part.acceptance for part in parts]),
    )


@dataclass(frozen=True)
class _Target:
    """ln p(x|z) as a function of the codes of several chains for each of B images."""

    model: Decodes
    x: Tensor
    c: Tensor | None

    def at(self, z: Tensor) -> "_State":
        """The state at codes (S, B, D)."""
        chains, flat = len(z), z.detach().flatten(0, 1).requires_grad_()  # (S B, D)
        c = None if self.c is None else torch.cat([self.c] * chains)
        with torch.enable_grad():
            log_prob = self.model.decode(flat, c).log_prob(torch.cat([self.x] * chains))  # (S B,)
            log_prior = self.model.prior.log_prob(flat)  # (S B,)
            (slope,) = torch.autograd.grad(log_prob.sum(), flat, materialize_grads=True)
            (pull,) = torch.autograd.grad(log_prior.sum(), flat)
        sums = torch.stack([log_prob, log_prior]).detach().double()  # (2, S B)
        log_prob, log_prior = sums.unflatten(1, z.shape[:2])
        return _State(z, log_prob, log_prior, slope.view(z.shape), pull.view(z.shape))


@dataclass(frozen=True)
class _State:
    """Codes z (S, B, D), ln p(x|z) and ln p(z) (S, B) in float64, their gradients (S, B, D)."""

    z: Tensor
    log_prob: Tensor
    log_prior: Tensor
    slope: Tensor
    pull: Tensor

    def force(self, beta: float) -> Tensor:
        """The gradient of ln f at temperature beta."""
        return beta * self.slope + self.pull

    def log_density(self, beta: float) -> Tensor:
        """ln f at temperature beta."""
        return self.log_prior + beta * self.log_prob

    def where(self, accepted: Tensor, other: "_State") -> "_State":
        """The other's rows where accepted (S, B), its own elsewhere."""
        wide = accepted[..., None]
        return _State(
            torch.where(wide, other.z, self.z),
            torch.where(accepted, other.log_prob, self.log_prob),
            torch.where(accepted, other.log_prior, self.log_prior),
            torch.where(wide, other.slope, self.slope),
            torch.where(wide, other.pull, self.pull),
        )


@torch.no_grad()
def _anneal(
    target: _Target,
    chains: int,
    betas: list[float],
    steps: Tensor,
    leapfrogs: int,
    adapt: bool = False,
) -> Annealed:
    """One pass from the prior to the posterior, with the step sizes (T, B) given.

    The pilot pass adapts them: each follows how often the one before it was accepted.
    """
    B = len(target.x)
    state = target.at(target.model.prior.sample(chains * B).unflatten(0, (chains, B)))
    log_weights = torch.zeros(chains, B, dtype=torch.float64, device=target.x.device)
    acceptance = torch.zeros(B, device=target.x.device)
    for t, (last, beta) in enumerate(pairwise(betas)):
        log_weights += (beta - last) * state.log_prob
        state, probability = _transition(target, state, beta, steps[t], leapfrogs)
        acceptance += probability / (len(betas) - 1)
        if adapt:
            changed = steps[t] * (RATE * (probability - ACCEPTANCE)).exp()
            steps[t + 1 :] = changed.clamp(max=LONGEST_STEP)
    return Annealed(state.z, log_weights, acceptance)


def _transition(
    target: _Target, state: _State, beta: float, step: Tensor, leapfrogs: int
) -> tuple[_State, Tensor]:
    """Hamiltonian Monte Carlo with step sizes (B,).

    Each chain takes a random share of them, between a half and all, lest its trajectory come round
    to where it began.

    Returns:
        The next state, and the mean over chains of the probability of acceptance, (B,).
    """
    share = 0.5 + 0.5 * torch.rand(state.z.shape[:2], device=step.device)  # (S, B)
    step = (share * step)[..., None]
    start = torch.randn_like(state.z)
    momentum, proposal = start + 0.5 * step * state.force(beta), state
    for i in range(leapfrogs):
        proposal = target.at(proposal.z + step * momentum)
        momentum = momentum + (1.0 if i < leapfrogs - 1 else 0.5) * step * proposal.force(beta)
    gain = proposal.log_density(beta) - state.log_density(beta)
    gain += 0.5 * (start.double().square() - momentum.double().square()).sum(dim=-1)  # (S, B)
    probability = gain.nan_to_num(nan=-math.inf).clamp(max=0).exp()
    accepted = torch.rand_like(probability) < probability
    return state.where(accepted, proposal), probability.float().mean(dim=0)
