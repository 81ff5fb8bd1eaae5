"""What every model is, and what a model may be able to do.

A model holds its networks and declares who minimizes what. `Terms` are the named scalars of one
phase, each a batch mean in nats per image; `Phase` says whose parameters follow them. The one loop
in `twofold.training` needs nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from twofold.conditions import ClassCondition, Condition
from twofold.data.batches import Batch
from twofold.distributions import (
    Density,
    DiagonalGaussian,
    Likelihood,
    log_mean_exp,
)
from twofold.errors import UsageError

__all__ = [
    "AutoEncoder",
    "Bound",
    "Classifies",
    "Decodes",
    "Discriminates",
    "Encodes",
    "Generative",
    "HasCodes",
    "HasLikelihood",
    "Model",
    "Paints",
    "Phase",
    "Reconstructs",
    "Terms",
    "evaluating",
    "require",
]


T = TypeVar("T")


@dataclass(frozen=True)
class Terms:
    """The named scalars of one phase.

    Attributes:
        terms: Batch means in nats per image, shape (), unweighted: what the log shows.
        weights: Factors other than 1 with which a term enters the total.
        watch: Scalars to log that nobody minimizes.
    """

    terms: Mapping[str, Tensor]
    weights: Mapping[str, float] = field(default_factory=dict)
    watch: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """The weighted sum, shape (): what the phase minimizes."""
        weighted = [
            value * self.weights[name] if name in self.weights else value
            for name, value in self.terms.items()
        ]
        return weighted[0] if len(weighted) == 1 else torch.stack(weighted).sum()


@dataclass(frozen=True)
class Phase:
    """Who minimizes what.

    Attributes:
        name: Names the optimizer's settings and the log.
        parameters: The parameters that follow this loss; no others receive its gradient.
        loss: From a batch to the terms.
        after_step: Called after each step of this phase's optimizer.
        keeps_graph: Whether the next phase of the same step goes back through the same forward
            pass; the two then take their steps together.
    """

    name: str
    parameters: list[nn.Parameter]
    loss: Callable[[Batch], Terms]
    after_step: Callable[[], None] | None = None
    keeps_graph: bool = False


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
    """

    x: Tensor
    p: Density
    rest: Terms
    rows: Tensor | None = None
    weight: Tensor | None = None
    y: Tensor | None = None

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


class Model(nn.Module, ABC):
    """A generative model or a classifier of small images.

    Attributes:
        image_shape: (C, H, W).
        condition: What the model is told beside the image.
        latent_dim: Dimensions of z; 0 for models without a latent code.
        labels: Of the training images: `none` are read, `all` must be there, or `some` may be.
    """

    image_shape: tuple[int, int, int]
    condition: Condition
    latent_dim: int = 0

    @property
    def labels(self) -> str:
        return "all" if self.condition.about == "class" else "none"

    @property
    def title(self) -> str:
        """The field's acronym, with a C in front when conditioned."""
        return type(self).__name__ if self.condition.dim == 0 else f"C{type(self).__name__}"

    @property
    @abstractmethod
    def phases(self) -> list[Phase]:
        """Who minimizes what, in order."""

    def networks(self) -> Iterator[nn.Module]:
        """The networks, which is where the time goes: what `compile` compiles."""
        for child in self.children():
            if not isinstance(child, Condition) and any(True for _ in child.parameters()):
                yield child

    def diagnose(self, batches: Iterable[Batch]) -> dict[str, Any]:  # noqa: ARG002
        """Numbers that tell early what is going wrong, from held-out images."""
        return {}

    def offers(self, capability: type[T]) -> T | None:
        """Who answers for a capability: the model, a part of it, or nobody."""
        return self if isinstance(self, capability) else None

    @property
    def is_convolutional(self) -> bool:
        """Whether its images and weights are best laid out channels-last."""
        return any(parameter.dim() == 4 for parameter in self.parameters())

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


class Generative(Model):
    """A model that makes an image from a latent code.

    Attributes:
        sampling_scale: Standard deviation of the codes that samples are made of. At 1 these follow
            the prior, and only then does the model sample what its likelihood speaks of; less
            keeps to the middle of the prior, where a model has learnt most, and trades diversity
            for fidelity. Training and likelihoods know nothing of it. Called temperature of VAEs
            and flows (Kingma and Dhariwal, 2018, section 5) and, of another distribution,
            truncation of GANs (Brock et al., 2019, section 3.1).
    """

    sampling_scale: float = 1.0

    @abstractmethod
    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [0, 1] from codes (B, D)."""

    def prior_latent(self, n: int, seed: int = 0) -> Tensor:
        """z ~ N(0, I), shape (n, D): the same on every device, for a seed."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(n, self.latent_dim, generator=generator).to(self.device)

    def sample_latent(self, n: int, seed: int = 0) -> Tensor:
        """z ~ N(0, s² I), s the sampling scale, shape (n, D): what samples are made of."""
        return self.sampling_scale * self.prior_latent(n, seed)

    @torch.no_grad()
    def sample(
        self, n: int, c: Tensor | None = None, seed: int = 0, batch_size: int = 1000
    ) -> Tensor:
        """Images from the prior.

        Arguments:
            n: How many.
            c: The condition of each image, first axis n; labels (n,) for a class.
            seed: Of the latent codes: two models with one `latent_dim` and seed get the same z.
            batch_size: How many at a time.

        Returns:
            Images in [0, 1], shape (n, C, H, W).

        Raises:
            UsageError: If `c` has another length than n.
        """
        if c is not None and len(c) != n:
            raise UsageError(f"c has {len(c)} rows but n={n} images are asked for")
        return self.images_of(self.sample_latent(n, seed), c, batch_size)

    @torch.no_grad()
    def images_of(self, z: Tensor, c: Tensor | None = None, batch_size: int = 1000) -> Tensor:
        """Images of many codes, made so many at a time in evaluation mode.

        Arguments:
            z: Codes, shape (n, D).
            c: The condition of each, first axis n; labels (n,) or weights (n, K) for a class.
            batch_size: How many at a time.

        Returns:
            Images in [0, 1], shape (n, C, H, W).

        Raises:
            UsageError: If there is no such class.
        """
        if c is not None and isinstance(self.condition, ClassCondition):
            self.condition.check(c)
        cs = [None] * len(z) if c is None else c.to(z.device).split(batch_size)
        with evaluating(self):
            images = [
                self.generate(z_part, c_part)
                for z_part, c_part in zip(z.split(batch_size), cs, strict=False)
            ]
        return torch.cat(images).float()


class AutoEncoder(Generative):
    """A model that encodes an image, decodes it again, and bounds ln p(x) by the two.

    What it must give is the bound as a training objective, with its reconstruction term open, and
    for measures the terms of the ELBO and the importance weights; the rest follows.
    """

    @property
    @abstractmethod
    def encoder_parameters(self) -> list[nn.Parameter]:
        """Those of q; all others are the decoder's."""

    @abstractmethod
    def bound(self, batch: Batch) -> Bound:
        """The negative bound with its reconstruction term open."""

    @abstractmethod
    def elbo_terms(
        self, x: Tensor, c: Tensor | None = None, num_samples: int = 1
    ) -> tuple[Tensor, Tensor]:
        """E_q[-ln p(x|z)] by S draws and the KL, nats per image, shapes (B,) and (B,)."""

    @abstractmethod
    def log_weights(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        """Importance weights ln p(x, z) - ln q(z|x) at S fresh draws, shape (S, B)."""

    def loss(self, batch: Batch) -> Terms:
        """The negative bound by the likelihood, as terms in nats per image."""
        return self.bound(batch).with_reconstruction()

    def elbo(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        """The evidence lower bound on ln p(x|c) with beta = 1, nats per image, shape (B,)."""
        recon_nll, kl = self.elbo_terms(x, c, num_samples)
        return -(recon_nll + kl)

    def log_likelihood(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        """The importance-weighted bound on ln p(x|c) with S samples, nats per image, shape (B,).

        S = 1 is a one-draw ELBO with a sampled KL. For S in the thousands use
        `twofold.metrics.likelihood`, which bounds the memory.
        """
        return log_mean_exp(self.log_weights(x, c, num_samples).double())


@contextmanager
def evaluating(model: "Part | nn.Module") -> Iterator[None]:
    """Evaluation mode for the block (batch norm by its running statistics, no dropout)."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


# --- capabilities ---------------------------------------------------------------------------------


class Part(Protocol):
    """What a model, or the part of one that answers for it, has in any case."""

    condition: Condition
    training: bool

    @property
    def device(self) -> torch.device: ...

    def train(self, mode: bool = True) -> Any: ...

    def eval(self) -> Any: ...


@runtime_checkable
class Decodes(Part, Protocol):
    """Has a decoder p(x|z) of codes z ~ N(0, I)."""

    latent_dim: int

    def decode(self, z: Tensor, c: Tensor | None = None) -> Density: ...


@runtime_checkable
class Encodes(Decodes, Protocol):
    """Has an encoder q(z|x) and a decoder p(x|z)."""

    def posterior(self, x: Tensor, c: Tensor | None = None) -> DiagonalGaussian: ...


@runtime_checkable
class HasCodes(Part, Protocol):
    """Finds one code for an image, the mean of its posterior, which `generate` takes back."""

    def codes(self, x: Tensor, c: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class Paints(HasCodes, Protocol):
    """Makes an image in several steps."""

    def canvases(self, z: Tensor, c: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class Reconstructs(Part, Protocol):
    """Makes an image again."""

    def reconstruct(self, x: Tensor, c: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class HasLikelihood(Part, Protocol):
    """Can bound or estimate ln p(x)."""

    likelihood: Likelihood

    def elbo_terms(
        self, x: Tensor, c: Tensor | None = None, num_samples: int = 1
    ) -> tuple[Tensor, Tensor]: ...

    def log_weights(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor: ...

    def elbo(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor: ...

    def log_likelihood(
        self, x: Tensor, c: Tensor | None = None, num_samples: int = 1
    ) -> Tensor: ...


@runtime_checkable
class Discriminates(Part, Protocol):
    """Tells real images from made ones."""

    def realness(self, x: Tensor, c: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class Classifies(Protocol):
    """Knows labels."""

    def classify(self, x: Tensor) -> Tensor: ...


_MISSING: dict[type, str] = {
    Decodes: "has no decoder p(x|z); use a VAE, CVAE, M2, DRAW or a hybrid of these",
    Encodes: "has no encoder with one q(z|x); use a VAE, CVAE, M2 or a hybrid of these",
    HasCodes: "has no encoder; use a VAE, CVAE, M2, DRAW or a hybrid of these",
    Paints: "makes its images at one go; use DRAW or a DRAW-GAN",
    Reconstructs: "has no encoder; use a VAE, CVAE, M2, DRAW or a hybrid, or search with `invert`",
    HasLikelihood: "has no likelihood; use a VAE, CVAE, M2 or DRAW",
    Discriminates: "has no discriminator; use a GAN, CGAN, ACGAN or VAE-GAN",
    Classifies: "gives no labels; use a classifier, M2 or ACGAN",
    Generative: "makes no images; use a VAE, GAN, M2, DRAW or a hybrid",
}


def require(model: Model, capability: type[T], verb: str) -> T:
    """The model, known to have a capability.

    Raises:
        UsageError: Saying what the model lacks and which models have it.
    """
    able = model.offers(capability)
    if able is None:
        raise UsageError(f"cannot {verb}: {model.title} {_MISSING[capability]}")
    return able
