r"""What latent codes say about classes: how far these lie apart, and how well they are read.

Every figure of an encoder that is given the class comes as `latents/label-conditioned/…` and as
`latents/label-free/…`, and its reference is the same figure of as many principal components of the
pixels as the code has dimensions; which codes are read is in `codes.py`. They are posterior means,
as is usual. A unit that the decoder ignores has a mean that hardly varies, drowned in the noise of
z, and is read all the same; so the figure for drawn codes stands beside it.

Notation: codes (N, D) with labels y (N,), and test_codes (M, D) with labels test_y (M,). Silhouette
and neighbors go by Euclidean distances between codes as they are, so a dimension counts by its
variance; the two classifiers see every dimension at mean 0 and variance 1, so one that hardly
varies counts as much as any other.

References:
    Silhouettes: a graphical aid to the interpretation and validation of cluster analysis
    (Rousseeuw, 1987), https://doi.org/10.1016/0377-0427(87)90125-7
    Understanding intermediate layers using linear classifier probes (Alain and Bengio, 2016),
    https://arxiv.org/abs/1610.01644
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from twofold.errors import NotMeasured
from twofold.evaluation.cache import digest_of, remember
from twofold.evaluation.codes import Codes, Posterior, pixel_codes, posterior_codes, read_index
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.measure import Measure
from twofold.evaluation.pictures import Panel
from twofold.evaluation.planes import principal_axes, tsne
from twofold.evaluation.questions import LATENTS
from twofold.evaluation.recognition import accuracy_error
from twofold.evaluation.summary import RunSummary
from twofold.experiments.context import Context, draw_index
from twofold.pictures.charts import draw_scatter
from twofold.registry import register
from twofold.words import number, slug

__all__ = [
    "Latents",
    "LatentsMLP",
    "draw",
    "knn_accuracy",
    "linear_accuracy",
    "mlp_accuracy",
    "silhouette",
]

Array = NDArray[Any]
HIDDEN, STEPS, BATCH, RATE = 512, 1_000, 500, 8e-3  # of the classifier with a hidden layer


def draw(count: int, most: int) -> Array:
    """Which of `count` points to look at when at most `most` can be: the same for the same count.

    Example:
        >>> draw(3, 5).tolist(), len(draw(10, 5))
        ([0, 1, 2], 5)
    """
    return np.sort(draw_index(count, most))


def silhouette(codes: Array, y: Array) -> Array:
    """(b - a) / max(a, b) of every code, Rousseeuw's equation for s(i), in [-1, 1].

    a is the mean distance to the others of its class, b that to the nearest other class; 0 for a
    class of one.

    Returns:
        Shape (N,), float64.

    Raises:
        NotMeasured: If there are not between 2 and N - 1 classes.
    """
    from sklearn.metrics import silhouette_samples

    classes = len(np.unique(y))
    if not 2 <= classes < len(y):
        raise NotMeasured(
            f"{len(y)} images of {classes} classes have no silhouette: that takes at least two "
            "classes, and more images than classes"
        )
    return np.asarray(silhouette_samples(codes.astype(np.float64), y))


def knn_accuracy(codes: Array, y: Array, test_codes: Array, test_y: Array, k: int = 5) -> float:
    """Share of test codes whose label most of the k nearest codes have.

    A tie goes to the smallest label.

    Raises:
        NotMeasured: If there are fewer than k codes.
    """
    from sklearn.neighbors import KNeighborsClassifier

    if len(codes) < k:
        raise NotMeasured(f"{len(codes)} labeled training images have no {k} nearest neighbors")
    neighbors = KNeighborsClassifier(k, algorithm="brute").fit(codes, y)
    return float(neighbors.score(test_codes, test_y))


def linear_accuracy(
    codes: Array, y: Array, test_codes: Array, test_y: Array, steps: int = 100
) -> float:
    """Share of test codes whose label a logistic regression gives, `steps` of L-BFGS at most."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():  # stopping early is part of the recipe
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=steps))
        return float(classifier.fit(codes, y).score(test_codes, test_y))


def mlp_accuracy(
    codes: Array,
    y: Array,
    test_codes: Array,
    test_y: Array,
    hidden: int = HIDDEN,
    steps: int = STEPS,
    seed: int = 0,
) -> float:
    """Share of test codes whose label a classifier with one hidden layer of ReLUs gives.

    It takes `steps` of Adam, each of 500 codes drawn at random, at a rate that falls to zero; the
    seed is that of its weights and of the draws.
    """
    mean, scale = codes.mean(axis=0), codes.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    x, test_x = (torch.as_tensor((c - mean) / scale).float() for c in (codes, test_codes))
    classes, index = np.unique(y, return_inverse=True)
    labels = torch.as_tensor(index)
    with torch.enable_grad(), torch.random.fork_rng([]):
        torch.manual_seed(seed)
        mlp = nn.Sequential(
            nn.Linear(x.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, len(classes))
        )
        optimizer = torch.optim.Adam(mlp.parameters(), lr=RATE, fused=True)
        falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        for part in torch.randint(len(x), (steps, min(BATCH, len(x)))):
            loss = F.cross_entropy(mlp(x[part]), labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            falling.step()
    with torch.no_grad():
        guess = mlp(test_x).argmax(dim=1).numpy()
    return float((classes[guess] == test_y).mean())


SILHOUETTE_POINTS, MAP_POINTS = 5_000, 2_000
NEIGHBORS, LINEAR_STEPS = 5, 100
MEANS = "posterior means are read, without the noise of z that drawn codes have"
CONDITIONS = {
    "label-free": "the true class kept from the encoder",
    "label-conditioned": "encoder given the true class",
}
LAYOUTS = {"code": "The two latents", "pca": "Principal components", "tsne": "t-SNE"}
READ = Quantity("latents", "labels read from latents")


@dataclass(frozen=True)
class Probe:
    """One way to score codes.

    Attributes:
        suffix: Of the figure's name.
        title: For people.
        score: From codes and a seed to a figure and its standard error.
        unit: Of the figure.
        provenance: The recipe.
    """

    suffix: str
    title: str
    score: Callable[[Codes, int], tuple[float, float]]
    unit: str = "%"
    provenance: Mapping[str, Any] = field(default_factory=dict)


@register("measure", "latents")
class Latents(Measure):
    """Silhouette of the classes in latent codes, labels read from these, and maps of them."""

    question = LATENTS
    quantities = (READ,)
    slow = True

    def take(self, context: Context) -> Iterator[Figure]:
        found = list(posterior_codes(context))
        yield from _compared(context, found, (SILHOUETTE, KNN, LINEAR))
        context.progress.say("maps of the latents")
        context.keep_arrays("latents", _maps(context, found))

    def panels(self, runs: Sequence[RunSummary]) -> Iterator[Panel]:
        for run in runs:
            yield from _draw_maps(run, run.arrays.get("latents") or {})


@register("measure", "latents-mlp")
class LatentsMLP(Measure):
    """Labels read from latent codes by a classifier with one hidden layer."""

    question = LATENTS
    quantities = (READ,)
    slow = True

    def take(self, context: Context) -> Iterator[Figure]:
        yield from _compared(context, list(posterior_codes(context)), (MLP,))


def _compared(
    context: Context, found: Sequence[Posterior], probes: Sequence[Probe]
) -> Iterator[Figure]:
    """Each probe of each kind of codes, and of the pixels."""
    seed, dim = context.settings["seed"], found[0].means.codes.shape[1]
    pixels = pixel_codes(context, dim)
    digests = [digest_of(torch.as_tensor(array)) for array in pixels]
    for probe in probes:
        context.progress.say(probe.title)
        parts = [probe.suffix, dict(probe.provenance), seed, *digests]
        kept = remember("references", parts, lambda r=probe: {"value": r.score(pixels, seed)[0]})
        for condition, means, draws in found:
            value, error = probe.score(means, seed)
            drawn, what = probe.score(draws, seed)[0], condition.what
            quantity = replace(READ, title=probe.title, unit=probe.unit, better=condition.better)
            yield quantity.figure(
                value,
                condition.name + probe.suffix,
                f"{what} given to the encoder" if what else "",
                error=error,
                reference=float(kept["value"]),
                provenance={
                    **context.provenance,
                    "images": len(means.test_y),
                    **probe.provenance,
                    "training_images": len(means.y),
                    "codes": "posterior means",
                    "condition": what or "none",
                },
                notes=(*condition.notes, MEANS),
                details={
                    "reference": f"{pixels.codes.shape[1]} principal components of the pixels",
                    "drawn": drawn,
                },
                aside=f"drawn codes {number(drawn, 3)}",
            )


def _maps(context: Context, found: Sequence[Posterior]) -> dict[str, Any]:
    """Test images on the plane, at most `MAP_POINTS` = M of them, drawn at random.

    Returns:
        `image`, which test images (M,); `label`, their classes (M,); `class_names` (K,); and for
        each NAME of `label-conditioned` and `label-free` that there is: `NAME_pca` (M, 2),
        coordinates along the first principal components, `NAME_pca_share` (2,), the shares of these
        in the variance, `NAME_tsne` (M, 2), and for codes of two dimensions `NAME_code` (M, 2),
        these themselves. A code of one dimension has one principal component.
    """
    first = found[0].means
    read = read_index(len(context.batches), first.codes.shape[1])
    point = draw(len(read), MAP_POINTS)
    arrays: dict[str, Any] = {
        "image": context.test_index[read[point]],
        "label": first.test_y[point],
        "class_names": np.array(context.dataset.class_names),
    }
    for condition, means, _ in found:
        points = means.test_codes[point]
        axes = principal_axes(means.test_codes, 2)
        arrays[f"{condition.name}_pca"] = axes.project(points).astype(np.float32)
        arrays[f"{condition.name}_pca_share"] = axes.shares
        arrays[f"{condition.name}_tsne"] = tsne(points)
        if points.shape[1] == 2:
            arrays[f"{condition.name}_code"] = points
    return arrays


def _draw_maps(run: RunSummary, arrays: Mapping[str, Any]) -> Iterator[Panel]:
    """The maps that were kept of a run, those without the class first."""
    for condition, words in CONDITIONS.items():
        flat = "code" if f"{condition}_code" in arrays else "pca"
        for layout in (flat, "tsne"):
            name = f"{condition}_{layout}"
            points = arrays.get(name)
            if points is None or points.ndim != 2 or points.shape[1] != 2:
                continue
            title = LAYOUTS[layout]
            if f"label-conditioned_{layout}" in arrays:
                title += f", {words}"
            picture = draw_scatter(
                points,
                np.asarray(arrays["label"]),
                [str(one) for one in arrays["class_names"]],
                _axes_names(layout, arrays.get(f"{condition}_pca_share", [])),
                f"latents-{slug(name)}-{run.letter}",
                f"Codes of {len(points)} test images by {run.name}: {title}, colored by class",
            )
            yield Panel(f"{run.mention} {title}", picture)


def _axes_names(layout: str, shares: Sequence[float]) -> tuple[str, str] | None:
    """What the directions mean; in t-SNE they mean nothing."""
    if layout == "tsne":
        return None
    if layout == "pca" and len(shares) == 2:
        first, second = (100 * share for share in shares)
        return f"first, {first:.0f} % of variance", f"second, {second:.0f} % of variance"
    return "first latent", "second latent"


def _silhouette(codes: Codes, _seed: int) -> tuple[float, float]:
    some = draw(len(codes.test_y), SILHOUETTE_POINTS)
    each = silhouette(codes.test_codes[some], codes.test_y[some])
    return float(each.mean()), float(each.std(ddof=1) / len(each) ** 0.5)


def _per_cent(read: Callable[[Codes, int], float]) -> Callable[[Codes, int], tuple[float, float]]:
    """A share of the test codes as a score."""

    def score(codes: Codes, seed: int) -> tuple[float, float]:
        share = read(codes, seed)
        return 100 * share, 100 * accuracy_error(share, len(codes.test_y))

    return score


SILHOUETTE = Probe(
    "/silhouette",
    "silhouette of the classes in latents",
    _silhouette,
    unit="",
    provenance={"points": f"at most {SILHOUETTE_POINTS} test images, drawn at random"},
)
KNN = Probe(
    "/knn",
    f"labels read from latents by {NEIGHBORS} nearest neighbors",
    _per_cent(lambda codes, _: knn_accuracy(*codes, NEIGHBORS)),
    provenance={"neighbors": NEIGHBORS},
)
LINEAR = Probe(
    "/linear",
    "labels read from latents by a linear classifier",
    _per_cent(lambda codes, _: linear_accuracy(*codes, LINEAR_STEPS)),
    provenance={"classifier": f"logistic regression, at most {LINEAR_STEPS} steps"},
)
MLP = Probe(
    "",
    "labels read from latents by an MLP",
    _per_cent(lambda codes, seed: mlp_accuracy(*codes, seed=seed)),
    provenance={"classifier": f"{HIDDEN} hidden units, {STEPS} steps of {BATCH} codes"},
)
