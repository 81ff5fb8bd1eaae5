"""The codes of test images on a plane, and what each latent carries."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.evaluation.planes import principal_axes
from twofold.experiments.context import Context
from twofold.models.base import Generative
from twofold.priors import StandardNormal
from twofold.serving.conditions import rows_of
from twofold.serving.in_torch import InTorch
from twofold.verbs.inputs import load_inputs

__all__ = ["IDLE", "CodesMap", "codes_map"]

MOST = 1000  # images on the map
FEWEST = 3  # that make one
IDLE = 0.01  # nats, or of a variance, below which a latent carries nothing


@dataclass(frozen=True, eq=False)
class CodesMap:
    """Codes, where they lie on the map, and how to come back from there.

    Attributes:
        codes: Means of q(z|x), shape (N, D).
        kl: Of each latent from N(0, 1), the mean over images in nats, shape (D,); None where q is
            no Gaussian or the prior another.
        index: Which of the test images they are of, shape (N,).
        labels: Their classes by number, -1 where not known.
        mean, directions: The plane is mean + x directions[0] + y directions[1]: (D,) and (2, D).
        axes: In words.
    """

    codes: NDArray[np.float32]
    kl: NDArray[np.float32] | None
    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    axes: tuple[str, str]

    def described(self) -> dict[str, Any]:
        """As plain data, the points rounded to what a screen shows."""
        points = (self.codes - self.mean) @ self.directions.T  # (N, 2)
        return {
            "points": np.round(points, 4).tolist(),
            "index": self.index.tolist(),
            "labels": self.labels.tolist(),
            "mean": self.mean.tolist(),
            "directions": self.directions.tolist(),
            "axes": list(self.axes),
        }

    def carried(self) -> dict[str, Any]:
        """The latents, those that carry most first, and how much each does."""
        variances = self.codes.var(axis=0)
        found = variances if self.kl is None else self.kl
        return {
            "order": np.argsort(-found, kind="stable").tolist(),
            "carries": found.tolist(),
            "what": "variance of codes" if self.kl is None else "KL in nats",
            "idle": IDLE,
        }


def codes_map(context: Context, model: InTorch) -> CodesMap:
    """The map of at most a thousand test images, the classes in balance.

    Raises:
        UsageError: If there are too few images, or the codes are not finite or of one dimension.
        RunError: If the test images are gone.
    """
    inputs = load_inputs(context, context.test, n=MOST, in_order=True)

    def encode(batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        found = model.posterior(batch.x.cpu().numpy(), rows_of(context, batch))
        mean, *logvar = map(torch.as_tensor, found)
        return mean, logvar[0] if logvar else None

    mean, logvar = inputs.each(encode, seed=0)
    codes = mean.numpy()
    count = len(codes)
    if count < FEWEST:
        raise UsageError(f"{count} test images make no map; at least {FEWEST} do")
    if not np.isfinite(codes).all():
        raise UsageError("codes are not finite: training has diverged; use a smaller lr")
    maker = context.model.capability(Generative)
    normal = maker is not None and isinstance(maker.prior, StandardNormal)
    kl = None
    if logvar is not None and normal:
        kl = (0.5 * (mean**2 + logvar.exp() - 1 - logvar)).mean(dim=0).numpy()
    center, directions, axes = _plane(codes)
    labels = np.full(count, -1) if inputs.labels is None else inputs.labels
    index = np.arange(count) if inputs.index is None else inputs.index
    return CodesMap(codes, kl, index, labels, center, directions, axes)


def _plane(codes: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any], tuple[str, str]]:
    """Where the plane lies, and what its axes are."""
    dim = codes.shape[1]
    if dim == 1:
        raise UsageError("codes of one dimension have no map of two; train with latent_dim=2")
    if dim == 2:
        return np.zeros(2), np.eye(2), ("latent 0", "latent 1")
    found = principal_axes(codes, 2)
    first, second = (
        f"component {i + 1}, {share:.0%} of the variance" for i, share in enumerate(found.shares)
    )
    return found.mean, found.directions.T, (first, second)
