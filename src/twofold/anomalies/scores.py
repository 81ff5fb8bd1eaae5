r"""How strange a model finds images. The higher a score, the stranger the image.

The likelihood of an image, and the error of its reconstruction, follow how much ink is in it: a
model that never saw a 1 finds it more probable than the digits it knows. Two scores correct for
that. `relative` divides the squared error by the squared differences of neighboring pixels:
an image displaced by d pixels differs from itself by d² |∇x|², so the ratio is, to first order, by
how many pixels squared the reconstruction misplaces what it draws. `complexity` takes from the
bound the length of the image as a lossless file, `ratio` the bound of another model.

References:
    Input complexity and out-of-distribution detection with likelihood-based generative models
    (Serrà et al., 2020), equation 2, https://arxiv.org/abs/1909.11480
    Likelihood Ratios for Out-of-Distribution Detection (Ren et al., 2019), equation 3,
    https://arxiv.org/abs/1906.02845
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import UsageError, unknown_name
from twofold.evaluation.latents import draw
from twofold.evaluation.planes import principal_axes
from twofold.experiments.context import Context, seeded
from twofold.experiments.train import training_images
from twofold.models.capabilities import Discriminates, HasLikelihood, Reconstructs
from twofold.pictures.formats import png_bytes
from twofold.pictures.sheets import to_uint8
from twofold.verbs.inputs import BATCH, Inputs, binarize_once

__all__ = ["ComponentScores", "choose_score", "component_scores", "contrast", "score_images"]

Each = Callable[[Any, Tensor, Tensor | None, int], Tensor]  # (model, x, c, draws) to (B,)
ROWS = 20_000  # decoded images at a time, as many as there are draws for each
AXES_FROM = 10_000  # training images whose principal components are taken
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)  # of components that are tried beside the model's latents
BLANK = 1e-6  # added to the contrast of an image, which may have none


@dataclass(frozen=True)
class Score:
    """One way to find an image strange.

    Attributes:
        name: As the command line has it.
        title: For people.
        capability: What the model needs.
        of: Scores of images x (B, C, H, W) given c, with so many draws of z: shape (B,).
        correction: What is taken away for the image alone, shape (B,); None for nothing.
    """

    name: str
    title: str
    capability: type
    of: Each
    correction: Callable[[Tensor], Tensor] | None = None

    @property
    def draws(self) -> bool:
        """Whether z is drawn."""
        return self.capability is HasLikelihood


def contrast(x: Tensor) -> Tensor:
    """Sum of squared differences of neighboring pixels, shape (B,), of x (B, C, H, W)."""
    return sum(x.diff(dim=axis).square().flatten(1).sum(dim=1) for axis in (-1, -2))  # type: ignore[return-value]


def choose_score(context: Context, name: str | None, background: Any = None) -> Score:
    """The score asked for, or one that suits the model.

    Raises:
        UsageError: If there is no such score, the model cannot give it, or a ratio has no
            background.
    """
    model = context.model
    if name is None and background is not None:
        name = "ratio"
    elif name is None and model.capability(Reconstructs) is not None:
        name = "relative"
    elif name is None and model.capability(Discriminates) is not None:
        name = "discriminator"
    elif name is None:
        raise UsageError(
            f"cannot find anomalies: a {model.title} neither makes images again nor separates "
            "real from generated ones; use a VAE, CVAE, M2, DRAW, GAN or a hybrid"
        )
    if name not in SCORES:
        raise unknown_name("score", name, SCORES)
    if (name == "ratio") != (background is not None):
        raise UsageError(
            "a likelihood ratio is to another model: give it with --background RUN"
            if background is None
            else f"score={name} has no use for a background; use score=ratio, or leave it out"
        )
    model.capability(SCORES[name].capability, f"score images by {SCORES[name].title}")
    return SCORES[name]


def score_images(inputs: Inputs, score: Score, num_samples: int, seed: int) -> NDArray[np.float64]:
    """The score of every image, shape (N,).

    A class-conditional model is not given the class of these images, for an anomaly has none: it
    scores each under every class it was trained on, and the lowest counts. One that infers the
    class does so.

    Raises:
        UsageError: If scores are not finite.
    """
    context = inputs.context
    model = context.model.capability(score.capability, "score images")
    size = min(BATCH, max(1, ROWS // num_samples)) if score.draws else BATCH

    def lowest(batch: Batch) -> tuple[Tensor]:
        each = [score.of(model, batch.x, c, num_samples) for c in _conditions(context, batch)]
        found = torch.stack(each).amin(dim=0)
        return (found if score.correction is None else found - score.correction(batch.x),)

    scores = inputs.each(lowest, seed, size)[0].double().numpy()
    if not np.isfinite(scores).all():
        broken = int((~np.isfinite(scores)).sum())
        raise UsageError(
            f"{context.run.name} gives {broken} of {len(scores)} images no finite score: training "
            "has diverged; train again with a smaller lr"
        )
    return scores


@dataclass(frozen=True, eq=False)
class ComponentScores:
    """Errors of rebuilding N images from the first components, for each of several counts.

    Attributes:
        counts: How many components, rising, length K.
        own: As many as the model has latents, one of the counts.
        squared: Squared error, shape (N, K).
        relative: The same relative to the contrast of the image, shape (N, K).
    """

    counts: tuple[int, ...]
    own: int
    squared: NDArray[np.float64]
    relative: NDArray[np.float64]


@torch.no_grad()
def component_scores(context: Context, inputs: list[Inputs], seed: int) -> ComponentScores:
    """How badly principal components of the training images rebuild images: the baseline."""
    normal = training_images(context.run.dataset(), context.run.experiment, context.model)
    normal = binarize_once(normal, context)
    normal = normal.subset(draw(len(normal), AXES_FROM))
    most = min(normal.images[0].size, len(normal))  # so many images have no more components
    own = min(context.model.latent_dim, most)
    counts = sorted({min(count, most) for count in (*COUNTS, own)})
    with seeded(seed, context.device):
        training = Inputs(normal, context, "training images").batches()
        pixels = torch.cat([batch.x.flatten(1).cpu() for batch in training])
        axes = principal_axes(pixels.numpy(), counts[-1])
        squared, edges = [], []
        for batch in (batch for part in inputs for batch in part.batches()):
            squared.append(axes.residuals(batch.x.flatten(1).cpu().numpy())[:, counts])
            edges.append(contrast(batch.x).cpu().double().numpy())
    errors = np.concatenate(squared)
    relative = errors / (np.concatenate(edges)[:, None] + BLANK)
    return ComponentScores(tuple(counts), own, errors, relative)


def _conditions(context: Context, batch: Batch) -> Iterator[Tensor | None]:
    """What the model is given in turn: each class it was trained on, or what needs no label."""
    condition = context.model.condition
    if condition.about != "class":
        yield condition.pick(batch.x, None)
    elif context.model.labels == "some":
        yield None
    else:
        for k in context.known_classes:
            yield torch.full((len(batch),), k, device=batch.x.device)


def _squared_error(model: Reconstructs, x: Tensor, c: Tensor | None, _: int) -> Tensor:
    return (x - model.reconstruct(x, c)).square().flatten(1).sum(dim=1)


def _relative(model: Reconstructs, x: Tensor, c: Tensor | None, draws: int) -> Tensor:
    return _squared_error(model, x, c, draws) / (contrast(x) + BLANK)


def _bound(model: HasLikelihood, x: Tensor, c: Tensor | None, draws: int) -> Tensor:
    return -model.elbo(x, c, draws)


def _file_length(x: Tensor) -> Tensor:
    """Nats that each image takes as a PNG, shape (B,)."""
    images = to_uint8(x.movedim(1, -1).squeeze(-1).cpu().numpy())
    lengths = [len(png_bytes(image)) * 8 * math.log(2) for image in images]
    return torch.tensor(lengths, device=x.device)


SCORES = {
    score.name: score
    for score in (
        Score("relative", "reconstruction error relative to edges", Reconstructs, _relative),
        Score("reconstruction", "squared reconstruction error", Reconstructs, _squared_error),
        Score("bound", "−ELBO", HasLikelihood, _bound),
        Score("iwae", "−IWAE bound", HasLikelihood, lambda m, *given: -m.log_likelihood(*given)),
        Score("ratio", "−ELBO less the background's", HasLikelihood, _bound),
        Score("complexity", "−ELBO less the length as a PNG", HasLikelihood, _bound, _file_length),
        Score(
            "discriminator",
            "how unreal the discriminator finds it",
            Discriminates,
            lambda model, x, c, _: -model.realness(x, c),
        ),
    )
}
