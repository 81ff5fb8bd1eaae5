"""What every model is, and what a model may be able to do.

A model holds its networks and declares who minimises what. `Terms` are the named scalars of one
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
from twofold.distributions import DiagonalGaussian, ImageDistribution
from twofold.errors import UsageError

__all__ = [
    "Classifies",
    "Encodes",
    "Generative",
    "HasLikelihood",
    "Model",
    "Phase",
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
        watch: Scalars to log that nobody minimises.
    """

    terms: Mapping[str, Tensor]
    weights: Mapping[str, float] = field(default_factory=dict)
    watch: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """The weighted sum, shape (): what the phase minimises."""
        weighted = [
            value * self.weights[name] if name in self.weights else value
            for name, value in self.terms.items()
        ]
        return weighted[0] if len(weighted) == 1 else torch.stack(weighted).sum()


@dataclass(frozen=True)
class Phase:
    """Who minimises what.

    Attributes:
        name: Names the optimiser's settings and the log.
        parameters: The parameters that follow this loss; no others receive its gradient.
        loss: From a batch to the terms.
        after_step: Called after each step of this phase's optimiser.
    """

    name: str
    parameters: list[nn.Parameter]
    loss: Callable[[Batch], Terms]
    after_step: Callable[[], None] | None = None


class Model(nn.Module, ABC):
    """A generative model or a classifier of small images.

    Attributes:
        image_shape: (C, H, W).
        condition: What the model is told beside the image.
        latent_dim: Dimensions of z; 0 for models without a latent code.
    """

    image_shape: tuple[int, int, int]
    condition: Condition
    latent_dim: int = 0

    @property
    def title(self) -> str:
        """The field's acronym, with a C in front when conditioned."""
        return type(self).__name__ if self.condition.dim == 0 else f"C{type(self).__name__}"

    @property
    @abstractmethod
    def phases(self) -> list[Phase]:
        """Who minimises what, in order."""

    def networks(self) -> Iterator[nn.Module]:
        """The networks, which is where the time goes: what `compile` compiles."""
        for child in self.children():
            if not isinstance(child, Condition) and any(True for _ in child.parameters()):
                yield child

    def diagnose(self, batches: Iterable[Batch]) -> dict[str, Any]:  # noqa: ARG002
        """Numbers that tell early what is going wrong, from held-out images."""
        return {}

    @property
    def is_convolutional(self) -> bool:
        """Whether its images and weights are best laid out channels-last."""
        return any(parameter.dim() == 4 for parameter in self.parameters())

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


class Generative(Model):
    """A model that makes an image from a latent code."""

    @abstractmethod
    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [0, 1] from codes (B, D)."""

    def sample_latent(self, n: int, seed: int = 0) -> Tensor:
        """z ~ N(0, I), shape (n, D): the same on every device, for a seed."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(n, self.latent_dim, generator=generator).to(self.device)

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
        if c is not None and isinstance(self.condition, ClassCondition):
            self.condition.check(c)
        z = self.sample_latent(n, seed)
        cs = [None] * len(z) if c is None else c.to(z.device).split(batch_size)
        with evaluating(self):
            images = [
                self.generate(z_part, c_part)
                for z_part, c_part in zip(z.split(batch_size), cs, strict=False)
            ]
        return torch.cat(images).float()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for the block (batch norm by its running statistics, no dropout)."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


# --- capabilities ---------------------------------------------------------------------------------


@runtime_checkable
class Encodes(Protocol):
    """Has an encoder q(z|x) and a decoder p(x|z)."""

    def posterior(self, x: Tensor, c: Tensor | None = None) -> DiagonalGaussian: ...

    def decode(self, z: Tensor, c: Tensor | None = None) -> ImageDistribution: ...


@runtime_checkable
class HasLikelihood(Protocol):
    """Can bound or estimate ln p(x)."""

    def elbo(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor: ...

    def log_likelihood(
        self, x: Tensor, c: Tensor | None = None, num_samples: int = 1
    ) -> Tensor: ...


@runtime_checkable
class Classifies(Protocol):
    """Knows labels."""

    def classify(self, x: Tensor) -> Tensor: ...


_MISSING: dict[type, str] = {
    Encodes: "has no encoder; use a VAE or CVAE",
    HasLikelihood: "has no likelihood; use a VAE or CVAE",
    Classifies: "gives no labels; use a classifier",
    Generative: "makes no images; use a VAE, CVAE, GAN or CGAN",
}


def require(model: Model, capability: type[T], verb: str) -> T:
    """The model, known to have a capability.

    Raises:
        UsageError: Saying what the model lacks and which models have it.
    """
    if not isinstance(model, capability):
        raise UsageError(f"cannot {verb}: {model.title} {_MISSING[capability]}")
    return model
