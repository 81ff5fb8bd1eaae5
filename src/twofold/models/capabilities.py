"""What a model may be able to do: small protocols that tools ask for.

`model.capability(Encodes)` gives who answers for it, the model or a part of it, or None; with the
name of a verb, `model.capability(Encodes, "interpolate")`, what is missing is said in an error.

    >>> from twofold.models import GAN, VAE
    >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4))
    >>> vae.capability(Encodes) is vae, vae.capability(Discriminates) is None
    (True, True)
    >>> GAN("fc-8", "fc-8", image_shape=(1, 4, 4)).capability(Encodes, "interpolate")
    Traceback (most recent call last):
    ...
    twofold.errors.UsageError: cannot interpolate: GAN has no encoder ...
"""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from twofold.conditions import Condition
from twofold.distributions import Density
from twofold.likelihoods import Likelihood
from twofold.posteriors import LatentDistribution
from twofold.priors import Prior

__all__ = [
    "MISSING",
    "Classifies",
    "Decodes",
    "Discriminates",
    "Encodes",
    "HasCodes",
    "HasLikelihood",
    "Holds",
    "Paints",
    "Part",
    "Reconstructs",
]


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
    """Has a decoder p(x|z) of codes z ~ p(z)."""

    latent_dim: int

    @property
    def prior(self) -> Prior: ...

    def decode(self, z: Tensor, c: Tensor | None = None) -> Density: ...


@runtime_checkable
class Encodes(Decodes, Protocol):
    """Has an encoder q(z|x) and a decoder p(x|z)."""

    def posterior(self, x: Tensor, c: Tensor | None = None) -> LatentDistribution: ...


@runtime_checkable
class HasCodes(Part, Protocol):
    """Finds one code for an image, the mean of its posterior, which `generate` takes back."""

    def codes(self, x: Tensor, c: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class Paints(HasCodes, Protocol):
    """Makes an image in several steps, each with a part of the code; so do `DRAW`'s methods."""

    num_steps: int
    step_dim: int

    def canvases(self, z: Tensor, c: Tensor | None = None) -> Tensor: ...

    def start(self, count: int) -> Any: ...

    def look(
        self, x: Tensor, encoded: Tensor | None, canvas: Tensor, enc: Any, h_dec: Tensor
    ) -> Any: ...

    def paint(self, z_t: Tensor, encoded: Tensor | None, canvas: Tensor, dec: Any) -> Any: ...


@runtime_checkable
class Reconstructs(Part, Protocol):
    """Makes an image again."""

    def reconstruct(self, x: Tensor, c: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class Holds(Part, Protocol):
    """Is a set of images that were made elsewhere."""

    def held(self) -> tuple[Tensor, Tensor | None]: ...


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


MISSING: dict[type, str] = {
    Decodes: "has no decoder p(x|z); use a VAE, CVAE, M2, DRAW or a hybrid of these",
    Encodes: "has no encoder with one q(z|x); use a VAE, CVAE, M2 or a hybrid of these",
    HasCodes: "has no encoder; use a VAE, CVAE, M2, DRAW or a hybrid of these",
    Paints: "makes its images at one go; use DRAW or a DRAW-GAN",
    Reconstructs: "has no encoder; use a VAE, CVAE, M2, DRAW or a hybrid, or search with `invert`",
    HasLikelihood: "has no likelihood; use a VAE, CVAE, M2 or DRAW",
    Discriminates: "has no discriminator; use a GAN, CGAN, ACGAN or VAE-GAN",
    Classifies: "gives no labels; use a classifier, M2 or ACGAN",
}
