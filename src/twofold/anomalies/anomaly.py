"""Images that are unlike those a model was trained on, by a threshold set on held-out images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.anomalies.scores import choose_score, component_scores, score_images
from twofold.anomalies.verdict import Detector, Verdict
from twofold.data.dataset import UNLABELED
from twofold.data.preprocess import to_unit
from twofold.errors import NotMeasured, UsageError
from twofold.experiments.context import Context, Subject, open_run
from twofold.models.capabilities import HasLikelihood
from twofold.pictures.charts import draw_detection
from twofold.pictures.sheets import grid, stack
from twofold.pictures.style import raster
from twofold.verbs.inputs import Images, Inputs, binarize_once, load_inputs
from twofold.verbs.result import Result, pixels

__all__ = ["Anomalies", "anomaly"]

SHOWN = 10  # images at either end of the picture
STRANGEST = 5  # of which the command line has a line


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
        held_out: Scores of the normal images that set it, shape (M,); None where there are none.
        detectors: The model and the baselines, where it is known which images are anomalies.
        left_out: The classes that the model was not trained on.
        files: Where each image lay; empty where they come from no files.
        fingerprint: Of the images.
    """

    saved = ("scores", "flagged", "threshold", "anomalous")

    scores: Tensor
    flagged: Tensor | None
    anomalous: Tensor | None
    labels: Sequence[str]
    shown: Tensor
    shown_index: Tensor
    threshold: float | None
    held_out: NDArray[np.float64] | None
    detectors: Sequence[Detector]
    left_out: tuple[str, ...]
    files: Sequence[str]
    fingerprint: str

    def picture(self) -> NDArray[np.uint8]:
        """The strangest images and the most normal with their scores, below curves if any."""
        names = ("strangest", "least strange")
        rows = [
            grid(pixels(images[None]), [name], [f"{self.scores[i]:.3g}" for i in index])
            for name, images, index in zip(names, self.shown, self.shown_index, strict=True)
        ]
        if not self.detectors:
            return stack(rows)
        assert self.anomalous is not None
        drawn = draw_detection(
            [(one.name, one.lines.false_alarms, one.lines.hits) for one in self.detectors],
            [(one.name, one.lines.recall, one.lines.precision) for one in self.detectors],
            (self.anomalous[self.anomalous >= 0] == 1).double().mean().item(),
            "anomaly",
            f"ROC and precision-recall curves: {self.caption}",
        )
        return stack([raster(drawn, 2), *rows])

    def by_heading(self) -> Mapping[str, Sequence[Any]]:
        columns = self._named(range(len(self.scores))) | {"score": self.scores.tolist()}
        if self.flagged is not None:
            columns["flagged"] = self.flagged.int().tolist()
        if self.anomalous is not None:
            columns["anomalous"] = ["" if a < 0 else a for a in self.anomalous.tolist()]
        return columns

    def highlights(self) -> Mapping[str, Sequence[str]]:
        """The strangest images, and how many of the others and of normal ones they exceed."""
        strangest, scores = self.shown_index[0, :STRANGEST].tolist(), self.scores.numpy()
        columns = {name: list(map(str, column)) for name, column in self._named(strangest).items()}
        columns["score"] = [f"{scores[i]:.4g}" for i in strangest]
        sets = {"the others": (scores, len(scores) - 1)}
        if self.held_out is not None:
            sets["held-out images"] = (self.held_out, len(self.held_out))
        for name, (among, rest) in sets.items():
            below = [100 * (among < scores[i]).sum() / max(rest, 1) for i in strangest]
            columns[f"above % of {name}"] = [f"{share:.1f}" if rest else "" for share in below]
        return columns

    def _named(self, index: Sequence[int]) -> dict[str, Sequence[Any]]:
        """Which images these are: numbers, files and classes, as far as they are known."""
        columns: dict[str, Sequence[Any]] = {"index": index}
        if self.files:
            columns["file"] = [self.files[i] for i in index]
        if any(self.labels):
            columns["true"] = [self.labels[i] for i in index]
        return columns


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
    (`without`) or those given as such, the scores are measured too, beside principal components.

    Arguments:
        run: A run or its folder, such as runs/cvae.
        images: What to look at: a folder, archive or image file, or a data set's name (in Python
            also arrays); by default the run's test images.
        anomalies: Images that are known to be anomalies, beside the others, which then are not.
        score: `relative`, `reconstruction`, `bound`, `iwae`, `ratio`, `complexity` or
            `discriminator`; by default `relative`, for a model without encoder `discriminator`,
            with a background `ratio`.
        background: A run whose likelihood `ratio` divides by.
        false_alarms: The share of normal images to flag, or the nearest that there are enough
            validation images for.
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
            f"false_alarms={false_alarms}, num_draws={num_draws}: a share in (0, 1), and at least 1"
        )
    context = open_run(run, device)
    other = None if background is None else open_run(background, device)
    chosen = choose_score(context, score, other)
    _check_background(context, other)

    def scored(inputs: Inputs) -> NDArray[np.float64]:
        found = score_images(inputs, chosen, num_draws, seed)
        if other is not None:
            found -= score_images(replace(inputs, context=other), chosen, num_draws, seed)
        return found

    draw: dict[str, Any] = {"n": n, "resize": resize, "seed": seed}
    looked_at = load_inputs(context, images, label=label, **draw)
    strange = None if anomalies is None else load_inputs(context, anomalies, **draw)
    parts, truth = _known(looked_at, strange, images is not None)
    scores = np.concatenate([scored(part) for part in parts])
    of = ", ".join(part.source for part in parts)
    provenance = {"score": chosen.name, "images": len(scores), "of": of, "seed": seed}
    provenance |= {"num_samples": num_draws} if chosen.draws else {}
    provenance |= {"background": other.run.name} if other else {}
    found = Verdict(scores, truth, provenance)
    found.flag(lambda: scored(_validation(context)), false_alarms)
    if truth is not None and (truth == 1).any():
        found.areas(lambda: component_scores(context, parts, seed), chosen.name)
    order = np.argsort(scores, kind="stable")
    ends = np.stack([order[::-1][:SHOWN], order[:SHOWN]])
    every = np.concatenate([part.dataset.images for part in parts])
    files = [file for part in parts for file in part.dataset.files or ("",) * len(part)]
    return Anomalies(
        torch.as_tensor(scores),
        found.flagged,
        None if truth is None else torch.as_tensor(truth),
        [name for part in parts for name in part.names],
        to_unit(torch.as_tensor(every[ends.ravel()])).unflatten(0, ends.shape),
        torch.as_tensor(ends),
        found.threshold,
        found.held_out,
        found.detectors,
        context.run.experiment.data.without,
        files if any(files) else [],
        " ".join(part.dataset.fingerprint for part in parts),
        caption=f"{context.title}, {chosen.title}, of {of}{found.how}",
        measures=found.measures,
        not_measured=found.missing,
    )


def _check_background(context: Context, background: Context | None) -> None:
    """A ratio is of two likelihoods of the same pixels."""
    if background is None:
        return
    for what, of in _COMPARED.items():
        ours, theirs = of(context), of(background)
        if ours != theirs:
            raise UsageError(
                f"{context.run.name} has {what} {ours} and the background {background.run.name} "
                f"{theirs}, and their likelihoods have no ratio; train both the same way"
            )


def _binarization(context: Context) -> str:
    data = context.run.experiment.data
    return f"static, seed {data.binarize_seed}" if data.binarize == "static" else data.binarize


_COMPARED: dict[str, Callable[[Context], Any]] = {
    "images of shape": lambda context: context.model.image_shape,
    "likelihood": lambda context: (
        context.model.capability(HasLikelihood, "take a ratio of likelihoods").likelihood.name
    ),
    "binarization": _binarization,
}


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


def _known(
    inputs: Inputs, strange: Inputs | None, given: bool
) -> tuple[list[Inputs], NDArray[np.int64] | None]:
    """The images to look at, and what is known of them: 1 for an anomaly, 0 for none, -1 unknown.

    Arguments:
        inputs: Anomalies are those of a class left out of training.
        strange: More of them, which then are the only ones.
        given: Whether the user gave the images; of the classes that it knows or of none, they may
            yet be unlike them.
    """
    names = inputs.context.class_names
    classes = [names.index(name) for name in inputs.context.run.experiment.data.without]
    truth = np.zeros(len(inputs), np.int64)
    if inputs.labels is not None and classes:
        truth = np.where(inputs.labels == UNLABELED, -1, np.isin(inputs.labels, classes))
    if strange is None:
        sure = (truth == 1).any() or (not given and (truth == 0).any())
        return [inputs], truth if sure else None
    normal = replace(inputs, dataset=inputs.dataset.subset(np.flatnonzero(truth != 1)))
    parts = [normal, strange] if len(normal) else [strange]
    return parts, np.repeat([0, 1], [len(normal), len(strange)])
