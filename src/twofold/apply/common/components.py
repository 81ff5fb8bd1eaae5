"""The baseline of anomaly detection: how badly principal components of the pixels rebuild an image.

The components are of the run's own training images.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from twofold.apply.common.inputs import Inputs, binarize_once
from twofold.apply.common.scores import BLANK, contrast
from twofold.apply.context import Context, seeded
from twofold.experiments.train import training_images
from twofold.metrics.latents import draw
from twofold.metrics.planes import principal_axes

__all__ = ["ComponentScores", "component_scores"]

AXES_FROM = 10_000  # training images whose principal components are taken
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128)  # of components that are tried beside the model's latents


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
    """Scores of some images, one set after the other.

    Arguments:
        context: The model, whose number of latents is among the counts.
        inputs: The images.
        seed: Of a dynamic binarization.
    """
    normal = training_images(context.run.dataset(), context.run.experiment, context.model)
    normal = binarize_once(normal, context)
    normal = normal.subset(draw(len(normal), AXES_FROM))
    most = normal.images[0].size
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
