"""What every model is: it holds its networks and declares who minimizes what.

The one loop in `twofold.training` needs nothing else; what a model can do beyond that is said by
`twofold.models.capabilities`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, overload

import torch
from torch import Tensor, nn

from twofold.conditions import ClassCondition, Condition, ImageShape
from twofold.data.batches import Batch
from twofold.distributions import Density, log_mean_exp
from twofold.errors import UsageError
from twofold.models.capabilities import MISSING
from twofold.objectives import Bound, Objective
from twofold.phases import Phase, Terms
from twofold.posteriors import Posterior
from twofold.priors import Prior, StandardNormal
from twofold.registry import make
from twofold.streams import CODES_OF_SAMPLES, seed_for

__all__ = ["AutoEncoder", "Generative", "Model", "ReadsLabels", "evaluating"]


T = TypeVar("T")


class Model(nn.Module, ABC):
    """A generative model or a classifier of small images.

    Attributes:
        image_shape: (C, H, W); None until there are images, where the networks were made outside.
        condition: What the model is given beside the image.
        latent_dim: Dimensions of z; 0 for models without a latent code.
        labels: Of the training images: `none` are read, `all` must be there, or `some` may be.

    Example:
        A model of one's own needs a condition, its phases and their losses.

        >>> from twofold.conditions import NoCondition
        >>> class Mean(Model):
        ...     def __init__(self, image_shape: ImageShape) -> None:
        ...         super().__init__()
        ...         self.image_shape, self.condition = image_shape, NoCondition()
        ...         self.mu = nn.Parameter(torch.zeros(image_shape))
        ...
        ...     @property
        ...     def phases(self) -> list[Phase]:
        ...         return [Phase("mean", [self.mu], self.loss)]
        ...
        ...     def loss(self, batch: Batch) -> Terms:
        ...         return Terms({"mse": (batch.x - self.mu).square().sum(dim=(1, 2, 3)).mean()})
        >>> Mean((1, 2, 2)).loss(Batch(torch.ones(5, 1, 2, 2))).total.item()
        4.0
    """

    registry_kind = "model"
    image_shape: ImageShape = None  # type: ignore[assignment] # until there are images
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
            computes = type(child).forward is not nn.Module.forward and not isinstance(
                child, Posterior
            )
            if computes and any(True for _ in child.parameters()):
                yield child

    def diagnose(self, batches: Iterable[Batch]) -> dict[str, Any]:  # noqa: ARG002
        """Numbers that tell early what is going wrong, from held-out images."""
        return {}

    @overload
    def capability(self, kind: type[T]) -> T | None: ...

    @overload
    def capability(self, kind: type[T], verb: str) -> T: ...

    def capability(self, kind: type[T], verb: str = "") -> T | None:
        """Who answers for a capability: the model, a part of it, or nobody.

        Arguments:
            kind: A protocol of `twofold.models.capabilities`, or `Generative`.
            verb: What it is for; with it, nobody is an error.

        Raises:
            UsageError: Saying what the model lacks for the verb and which models have it.
        """
        able = next((part for part in self.answering(kind) if isinstance(part, kind)), None)
        if able is None and verb:
            missing = MISSING.get(kind, "makes no images; use a VAE, GAN, M2, DRAW or a hybrid")
            raise UsageError(f"cannot {verb}: {self.title} {missing}")
        return able

    def answering(self, kind: type) -> tuple[Any, ...]:  # noqa: ARG002
        """Who may answer for a capability, the first to be asked first."""
        return (self,)

    def accept_images(self, image_shape: ImageShape) -> None:
        """Takes the shape of the images, where it was made without one.

        Raises:
            UsageError: If it was made for images of another shape.
        """
        if self.image_shape is None:
            self.image_shape = image_shape
        if tuple(self.image_shape) != tuple(image_shape):
            made, got = (" × ".join(map(str, shape)) for shape in (self.image_shape, image_shape))
            raise UsageError(
                f"this {self.title} was made for images of {made} and the data has {got} "
                "(channels × height × width); resize the images or make the model for them"
            )

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
        sampling_scale: Standard deviation of the noise that the codes of samples are made of. At 1
            they follow the prior, and only then does the model sample what its likelihood speaks
            of; less keeps to the middle of the prior, where a model has learnt most, and trades
            diversity for fidelity. Training and likelihoods know nothing of it. Called temperature
            of VAEs and flows (Kingma and Dhariwal, 2018, section 5) and, of another distribution,
            truncation of GANs (Brock et al., 2019, section 3.1).

    Example:
        >>> from twofold.models import GAN
        >>> gan = GAN("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4))
        >>> torch.equal(gan.sample(3, seed=1), gan.images_of(gan.sample_latent(3, seed=1)))
        True
    """

    sampling_scale: float = 1.0

    @property
    def prior(self) -> Prior:
        """p(z), N(0, I) where the constructor did not `take_prior`."""
        taken = self._modules.get("prior")
        if isinstance(taken, Prior):
            return taken
        standard = StandardNormal()
        standard.join(self)
        return standard.to(self.device)

    def take_prior(self, prior: Prior | str) -> None:
        """Makes a prior, or what a name stands for, part of the model; once `latent_dim` is set.

        Raises:
            UsageError: If the two do not go together.
        """
        made: Prior = make("prior", prior)
        made.join(self)
        super().__setattr__("prior", made)  # a module, whatever the property says

    @abstractmethod
    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in [0, 1] from codes (B, D)."""

    @torch.no_grad()
    def prior_latent(self, n: int, seed: int = 0) -> Tensor:
        """z ~ p(z), shape (n, D): the same on every device, for a seed."""
        return self.prior.sample(n, _stream(seed))

    @torch.no_grad()
    def sample_latent(self, n: int, seed: int = 0) -> Tensor:
        """z ~ p(z), its noise times the sampling scale, shape (n, D): what samples are made of."""
        return self.prior.sample(n, _stream(seed), self.sampling_scale)

    def pick_condition(self, batch: Batch) -> Tensor | None:
        """The conditions of as many samples as a batch has images: those of the images."""
        return self.condition.pick(batch.x, batch.y)

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


def _stream(seed: int) -> torch.Generator:
    """Whence codes of samples are drawn, and nothing else."""
    return torch.Generator().manual_seed(seed_for(CODES_OF_SAMPLES, seed))


class AutoEncoder(Generative):
    """A model that encodes an image, decodes it again, and bounds ln p(x) by the two.

    What it must give is, for measures, the terms of the ELBO and the importance weights; what it is
    trained by is its objective.

    Attributes:
        objective: What training minimizes.

    Example:
        >>> from twofold.models import VAE
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4))
        >>> x = torch.rand(5, 1, 4, 4).round()
        >>> vae.log_likelihood(x, num_samples=3).shape
        torch.Size([5])
    """

    objective: Objective

    @property
    @abstractmethod
    def encoder_parameters(self) -> list[nn.Parameter]:
        """Those of q; all others are the decoder's."""

    @abstractmethod
    def decode(self, z: Tensor, c: Tensor | None = None) -> Density:
        """p(x|z, c) for codes z (B, D)."""

    @abstractmethod
    def codes(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """One code for an image, the mean of its posterior, shape (B, D)."""

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """The mean of p(x|z, c), shape (B, C, H, W)."""
        return self.decode(z, c).mean.clamp(0, 1)

    @torch.no_grad()
    def reconstruct(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """The decoder's mean at the posterior's mean: (B, C, H, W) in and out."""
        with evaluating(self):
            return self.generate(self.codes(x, c), c)

    def loss(self, batch: Batch) -> Terms:
        """What training minimizes, as terms in nats per image."""
        return self.objective(self, batch)

    def bound(self, batch: Batch) -> Bound:
        """The negative bound with its reconstruction term open.

        Raises:
            UsageError: If the objective has no such term.
        """
        return self.objective.bound(self, batch)

    @abstractmethod
    def elbo_terms(
        self, x: Tensor, c: Tensor | None = None, num_samples: int = 1
    ) -> tuple[Tensor, Tensor]:
        """E_q[-ln p(x|z)] by S draws and the KL, nats per image, shapes (B,) and (B,)."""

    @abstractmethod
    def log_weights(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        """Importance weights ln p(x, z) - ln q(z|x) at S fresh draws, shape (S, B)."""

    def elbo(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        """The evidence lower bound on ln p(x|c) with beta = 1, nats per image, shape (B,)."""
        recon_nll, kl = self.elbo_terms(x, c, num_samples)
        return -(recon_nll + kl)

    def log_likelihood(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        """The importance-weighted bound on ln p(x|c) with S samples, nats per image, shape (B,).

        S = 1 is a one-draw ELBO with a sampled KL. For S in the thousands use
        `twofold.evaluation.likelihood`, which bounds the memory.
        """
        return log_mean_exp(self.log_weights(x, c, num_samples).double())


class ReadsLabels(nn.Module, ABC):
    """What knows labels: from ln p(y|x) of one batch it gives that of any number of images.

    Example:
        >>> from twofold.models import Classifier
        >>> classifier = Classifier("fc-8", image_shape=(1, 4, 4), num_classes=3)
        >>> classifier.classify(torch.rand(5, 1, 4, 4), batch_size=2).shape
        torch.Size([5, 3])
    """

    @abstractmethod
    def class_log_probs(self, x: Tensor) -> Tensor:
        """ln p(y|x), shape (B, K), for images in [0, 1], in the mode that the networks are in."""

    @torch.no_grad()
    def classify(self, x: Tensor, batch_size: int = 1000) -> Tensor:
        """ln p(y|x), shape (N, K), for images in [0, 1], so many at a time in evaluation mode."""
        device = next(self.parameters()).device
        with evaluating(self):
            parts = [self.class_log_probs(part.to(device)) for part in x.split(batch_size)]
        return torch.cat(parts)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Evaluation mode for the block (batch norm by its running statistics, no dropout).

    Example:
        >>> dropout = nn.Dropout(0.5)
        >>> with evaluating(dropout):
        ...     dropout(torch.ones(3))
        tensor([1., 1., 1.])
    """
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
