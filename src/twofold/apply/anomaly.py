"""Images that are unlike those a model was trained on, by a threshold set on held-out images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.apply.common.components import component_scores
from twofold.apply.common.inputs import Images, Inputs, binarize_once, load_inputs
from twofold.apply.common.result import Result, pixels
from twofold.apply.common.scores import Score, choose_score, score_images
from twofold.apply.common.verdict import Verdict
from twofold.apply.context import Context, Subject, open_run
from twofold.data.dataset import UNLABELED
from twofold.data.preprocess import to_unit
from twofold.errors import UsageError
from twofold.metrics.detection import Curves, threshold_at
from twofold.metrics.measure import Measure, NotMeasured
from twofold.models.capabilities import HasLikelihood
from twofold.pictures.detection import draw_detection
from twofold.pictures.sheets import grid, stack
from twofold.pictures.style import raster

__all__ = ["Anomalies", "anomaly"]

SHOWN = 10  # images at either end of the picture


@dataclass(frozen=True, eq=False, repr=False)
class Anomalies(Result):
    """N images with how strange each is.

    Attributes:
        scores: Shape (N,), float64; the higher, the stranger.
        flagged: Whether the score is above the threshold, shape (N,); None where there is none.
        anomalous: 1 for an anomaly, 0 for a normal image, -1 where the class is not known, shape
            (N,); None where nothing is known of any.
        labels: Classes by name, length N; empty where they are not known.
        shown: The strangest images and the most normal, in [0, 1], shape (2, S, C, H, W).
        shown_index: Which they are, shape (2, S).
        threshold: The score above which an image is flagged; None where it could not be set.
        lines: Curves of the model and of the baseline, by what they are of.
        left_out: The classes that the model was not trained on.
        caption: Model, score and run in words.
        files: Where each image lay; empty where they come from no files.
        judged: The fingerprint of the images.
        influences: How far each image moves an area under the ROC curve, shape (N,), by the name
            of its measure.
        measures: False alarms, and what the scores are worth where anomalies are known.
        not_measured: What could not be measured, and why.
    """

    scores: Tensor
    flagged: Tensor | None
    anomalous: Tensor | None
    labels: Sequence[str]
    shown: Tensor
    shown_index: Tensor
    threshold: float | None
    lines: Mapping[str, Curves]
    left_out: tuple[str, ...]
    caption: str
    files: Sequence[str] = ()
    judged: str = ""
    influences: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    measures: Sequence[Measure] = ()
    not_measured: Mapping[str, str] = field(default_factory=dict)

    def picture(self) -> NDArray[np.uint8]:
        """The strangest images and the most normal with their scores, below curves if any."""
        names = ("strangest", "least strange")
        rows = [
            grid(pixels(images[None]), [name], [f"{self.scores[i]:.3g}" for i in index])
            for name, images, index in zip(names, self.shown, self.shown_index, strict=True)
        ]
        return stack([self._curves(), *rows]) if self.lines else stack(rows)

    def _curves(self) -> NDArray[np.uint8]:
        assert self.anomalous is not None
        drawn = draw_detection(
            [(name, line.false_alarms, line.hits) for name, line in self.lines.items()],
            [(name, line.recall, line.precision) for name, line in self.lines.items()],
            (self.anomalous[self.anomalous >= 0] == 1).double().mean().item(),
            "anomaly",
            f"ROC and precision-recall curves: {self.caption}",
        )
        return raster(drawn, 2)

    def arrays(self) -> Mapping[str, Any]:
        parts = {
            "scores": self.scores,
            "flagged": self.flagged,
            "threshold": self.threshold,
            "anomalous": self.anomalous,
        }
        return {name: value for name, value in parts.items() if value is not None}

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        columns: dict[str, Sequence[Any]] = {"index": range(len(self.scores))}
        if self.files:
            columns["file"] = self.files
        if any(self.labels):
            columns["true"] = self.labels
        columns["score"] = self.scores.tolist()
        if self.flagged is not None:
            columns["flagged"] = self.flagged.int().tolist()
        if self.anomalous is not None:
            columns["anomalous"] = ["" if a < 0 else a for a in self.anomalous.tolist()]
        return list(columns), list(zip(*columns.values(), strict=True))


def anomaly(
    run: Subject,
    images: Images | None = None,
    *,
    anomalies: Images | None = None,
    score: str | None = None,
    background: Subject | None = None,
    false_alarms: float = 0.05,
    num_draws: int = 10,
    n: int | None = None,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Anomalies:
    """Finds images that are unlike the training images.

    The threshold is set on the validation images of the run, of the classes it was trained on.
    Where it is known which images are anomalies, those of the classes left out of training
    (`without`) or those given as such, the scores are judged too, beside principal components.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: What to look at: a folder, archive or image file, or a data set's name (in Python
            also arrays); by default the run's test images.
        anomalies: Images that are known to be anomalies, beside the others, which then are not.
        score: `relative`, `reconstruction`, `bound`, `iwae`, `ratio`, `complexity` or
            `discriminator`; by default `relative`, for a model without encoder `discriminator`,
            with a background `ratio`.
        background: A run whose likelihood `ratio` divides by.
        false_alarms: The share of normal images to flag.
        num_draws: Draws of z for each image, where z is drawn.
        n: How many images, the classes in balance; all by default.
        label: The class of all images, by number or name, where they have no labels.
        resize: Bring images of another size or color to the model's.
        seed: Seed of all draws.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The scores: a .png of the strangest images, a .csv or an .npz of all.

    Raises:
        UsageError: If the model cannot give the score, images do not fit it, or the background's
            likelihood is not that of the same pixels.

    Example:
        $ twofold anomaly runs/cvae --images path/to/images
    """
    if not 0 < false_alarms < 1 or num_draws < 1:
        raise UsageError(
            f"false_alarms={false_alarms}, num_draws={num_draws}: the first is a share between "
            "0 and 1, the second at least 1"
        )
    context = open_run(run, device)
    other = None if background is None else open_run(background, device)
    chosen = choose_score(context, score, other)
    if other is not None:
        _check_background(context, other)
    judge = _Judge(other, chosen, num_draws, seed)
    looked_at = load_inputs(context, images, n=n, label=label, resize=resize, seed=seed)
    parts, truth = [looked_at], _left_out(looked_at)
    if anomalies is not None:
        strange = load_inputs(context, anomalies, n=n, resize=resize, seed=seed)
        parts = [part for part in (_normal(looked_at), strange) if len(part)]
        truth = np.repeat([0, 1], [len(parts[0]) if parts[1:] else 0, len(strange)])
    elif not (truth == 1).any() and (images is not None or not (truth == 0).any()):
        truth = None  # of the classes it knows or of none, and yet perhaps unlike them
    scores = np.concatenate([judge(part) for part in parts])
    depends = {
        "score": chosen.name,
        "images": len(scores),
        "of": ", ".join(part.source for part in parts),
        "seed": seed,
        **({"num_samples": num_draws} if chosen.draws else {}),
        **({"background": other.run.name} if other else {}),
    }
    found = Verdict(scores, truth, depends)
    threshold = _threshold(context, judge, false_alarms, found)
    if truth is not None and (truth == 1).any():
        found.areas(lambda: component_scores(context, parts, seed), chosen.name)
    order = np.argsort(scores, kind="stable")
    ends = np.stack([order[::-1][:SHOWN], order[:SHOWN]])
    every = np.concatenate([part.dataset.images for part in parts])
    return Anomalies(
        torch.as_tensor(scores),
        None if threshold is None else torch.as_tensor(scores > threshold),
        None if truth is None else torch.as_tensor(truth),
        [name for part in parts for name in _names(part)],
        to_unit(torch.as_tensor(every[ends.ravel()])).unflatten(0, ends.shape),
        torch.as_tensor(ends),
        threshold,
        found.lines,
        context.run.experiment.data.without,
        f"{context.title}, {chosen.title}, of {depends['of']}{_flagging(threshold)}",
        _files(parts),
        " ".join(part.dataset.fingerprint for part in parts),
        found.influences,
        found.measures,
        found.missing,
    )


@dataclass(frozen=True)
class _Judge:
    """Scores images, less those of a background where there is one."""

    background: Context | None
    score: Score
    num_samples: int
    seed: int

    def __call__(self, inputs: Inputs) -> NDArray[np.float64]:
        found = score_images(inputs, self.score, self.num_samples, self.seed)
        if self.background is None:
            return found
        same = Inputs(inputs.dataset, self.background, inputs.source)
        return found - score_images(same, self.score, self.num_samples, self.seed)


def _check_background(context: Context, background: Context) -> None:
    """A ratio is of two likelihoods of the same pixels."""
    for what, of in _COMPARED.items():
        ours, theirs = of(context), of(background)
        if ours != theirs:
            raise UsageError(
                f"{context.run.name} has {what} {ours} and the background {background.run.name} "
                f"{theirs}, and their likelihoods have no ratio; train both the same way"
            )


def _likelihood(context: Context) -> str:
    return context.model.capability(HasLikelihood, "take a ratio of likelihoods").likelihood.name


def _binarization(context: Context) -> str:
    data = context.run.experiment.data
    return f"static, seed {data.binarize_seed}" if data.binarize == "static" else data.binarize


_COMPARED: dict[str, Callable[[Context], Any]] = {
    "images of shape": lambda context: context.model.image_shape,
    "likelihood": _likelihood,
    "binarization": _binarization,
}


def _threshold(
    context: Context, judge: _Judge, false_alarms: float, found: Verdict
) -> float | None:
    """The score above which images are flagged; None, with the reason, where it cannot be set."""
    try:
        normal = judge(_validation(context))
        threshold = threshold_at(normal, false_alarms)
    except NotMeasured as reason:
        found.missing["a threshold"] = str(reason)
        return None
    found.flagged(threshold, false_alarms, len(normal))
    return threshold.value


def _flagging(threshold: float | None) -> str:
    return "" if threshold is None else f"; flagged above {threshold:.4g}"


def _validation(context: Context) -> Inputs:
    """The validation images of the classes that the model was trained on.

    Raises:
        NotMeasured: If there are none.
    """
    whole = context.run.dataset()
    if "validation" not in whole.splits:
        raise NotMeasured(
            f"{whole.name} has no validation images to set one on; train with validation=0.1"
        )
    split = binarize_once(whole.split("validation"), context)
    kept = split.without(context.run.experiment.data.without)
    return Inputs(kept, context, f"validation images of {whole.name}")


def _left_out(inputs: Inputs) -> NDArray[np.int64]:
    """1 for images of a class left out of training, 0 for others, -1 where it is not known: (N,).

    Where no class was left out or there are no classes, all are 0.
    """
    names = inputs.context.class_names
    classes = [names.index(name) for name in inputs.context.run.experiment.data.without]
    if inputs.labels is None or not classes:
        return np.zeros(len(inputs), np.int64)
    return np.where(inputs.labels == UNLABELED, -1, np.isin(inputs.labels, classes))


def _normal(inputs: Inputs) -> Inputs:
    kept = inputs.dataset.subset(np.flatnonzero(_left_out(inputs) != 1))
    return Inputs(kept, inputs.context, inputs.source)


def _files(parts: Sequence[Inputs]) -> list[str]:
    """Where each image lay, "" where one has no name; empty where none has."""
    files = [part.dataset.files or ("",) * len(part) for part in parts]
    return [file for part in files for file in part] if any(map(any, files)) else []


def _names(inputs: Inputs) -> list[str]:
    names = inputs.dataset.class_names
    if inputs.labels is None:
        return [""] * len(inputs)
    return [names[k] if k >= 0 else "" for k in inputs.labels]
