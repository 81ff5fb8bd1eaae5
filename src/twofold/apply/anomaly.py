"""Images that are unlike those a model was trained on, by a threshold set on held-out images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.apply.common.components import component_scores
from twofold.apply.common.inputs import Images, Inputs, load_inputs
from twofold.apply.common.result import Result, pixels
from twofold.apply.common.scores import Score, choose_score, score_images
from twofold.apply.common.trained import Trained, open_run
from twofold.data.preprocess import to_unit
from twofold.errors import RunError, UsageError
from twofold.experiments.run import Run
from twofold.metrics.accuracy import accuracy_error
from twofold.metrics.detection import (
    Curves,
    Threshold,
    area_under_roc,
    average_precision,
    curves,
    threshold_at,
)
from twofold.metrics.measure import Measure, NotMeasured, joined
from twofold.pictures.detection import draw_detection
from twofold.pictures.sheets import grid, stacked
from twofold.pictures.style import raster

__all__ = ["Anomalies", "anomaly"]

SHOWN = 10  # images at either end of the picture


@dataclass(frozen=True, eq=False)
class Anomalies(Result):
    """N images with how strange each is.

    Attributes:
        scores: Shape (N,), float64; the higher, the stranger.
        flagged: Whether the score is above the threshold, shape (N,).
        anomalous: Whether it is known to be an anomaly, shape (N,), or None.
        labels: Classes by name, length N; empty where they are not known.
        shown: The strangest images and the most normal, in [0, 1], shape (2, S, C, H, W).
        shown_index: Which they are, shape (2, S).
        threshold: The score above which an image is flagged.
        lines: Curves of the model and of the baseline, by what they are of.
        left_out: The classes that the model was not trained on.
        caption: Model, score and run in words.
        measures: False alarms, and what the scores are worth where anomalies are known.
    """

    scores: Tensor
    flagged: Tensor
    anomalous: Tensor | None
    labels: Sequence[str]
    shown: Tensor
    shown_index: Tensor
    threshold: float
    lines: Mapping[str, Curves]
    left_out: tuple[str, ...]
    caption: str
    measures: Sequence[Measure] = field(default=())

    def picture(self) -> NDArray[np.uint8]:
        """The strangest images and the most normal with their scores, below curves if any."""
        names = ("strangest", "least strange")
        rows = [
            grid(pixels(images[None]), [name], [f"{self.scores[i]:.3g}" for i in index])
            for name, images, index in zip(names, self.shown, self.shown_index, strict=True)
        ]
        return stacked([self._curves(), *rows]) if self.lines else stacked(rows)

    def _curves(self) -> NDArray[np.uint8]:
        assert self.anomalous is not None
        drawn = draw_detection(
            [(name, line.false_alarms, line.hits) for name, line in self.lines.items()],
            [(name, line.recall, line.precision) for name, line in self.lines.items()],
            self.anomalous.double().mean().item(),
            "anomaly",
            f"ROC and precision-recall curves: {self.caption}",
        )
        return raster(drawn, 2)

    def arrays(self) -> Mapping[str, Any]:
        known = {} if self.anomalous is None else {"anomalous": self.anomalous}
        return {
            "scores": self.scores,
            "flagged": self.flagged,
            "threshold": self.threshold,
            **known,
        }

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        columns: dict[str, Sequence[Any]] = {"index": range(len(self.scores))}
        if self.labels:
            columns["class"] = self.labels
        columns |= {"score": self.scores.tolist(), "flagged": self.flagged.int().tolist()}
        if self.anomalous is not None:
            columns["anomalous"] = self.anomalous.int().tolist()
        return list(columns), list(zip(*columns.values(), strict=True))


def anomaly(
    run: str | Path | Run,
    images: Images | None = None,
    *,
    anomalies: Images | None = None,
    score: str | None = None,
    background: str | Path | Run | None = None,
    false_alarms: float = 0.05,
    num_samples: int = 10,
    n: int | None = None,
    label: int | str | None = None,
    resize: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Anomalies:
    """Finds images that are unlike those a model was trained on.

    The threshold is set on the validation images of the run, of the classes it was trained on.
    Where it is known which images are anomalies, those of the classes left out of training
    (`without`) or those given as such, the scores are judged too, beside principal components.

    Arguments:
        run: A run or its folder.
        images: What to look at; by default the test images of the run.
        anomalies: Images known to be anomalies, beside the others, which then are not.
        score: A name of `SCORES`; by default `relative`, for a model without encoder
            `discriminator`, with a background `ratio`.
        background: A run whose likelihood `ratio` divides by.
        false_alarms: The share of normal images to flag.
        num_samples: Draws of z for each image, where z is drawn.
        n: Draw so many images, the classes in balance; all by default.
        label: The class of all images, by number or name.
        resize: Bring images of another size to the model's.
        seed: Of all draws.
        device: Where to compute.

    Raises:
        UsageError: If the model cannot give the score, or images do not fit it.
        RunError: If the run has no validation images.
    """
    trained = open_run(run, device)
    other = None if background is None else open_run(background, device)
    chosen = choose_score(trained, score, other)
    judge = _Judge(trained, other, chosen, num_samples, seed)
    calibration = judge(_validation(trained))
    threshold = threshold_at(calibration, false_alarms)
    looked_at = load_inputs(trained, images, n=n, label=label, resize=resize, seed=seed)
    parts = [looked_at]
    truth = _left_out(looked_at) if images is None or looked_at.labels is not None else None
    if anomalies is not None:
        parts = [_normal(looked_at), load_inputs(trained, anomalies, n=n, resize=resize, seed=seed)]
        truth = np.repeat([False, True], [len(part) for part in parts])
    elif truth is not None and not truth.any() and images is not None:
        truth = None  # of the classes it knows, and yet perhaps unlike them
    scores = np.concatenate([judge(part) for part in parts])
    depends = {
        "score": chosen.name,
        "images": len(scores),
        "of": ", ".join(part.source for part in parts),
        "validation_images": len(calibration),
        "seed": seed,
        **({"num_samples": num_samples} if chosen.draws else {}),
        **({"background": other.run.name} if other else {}),
    }
    measures = [_share_flagged(scores, truth, threshold, false_alarms, depends)]
    lines: dict[str, Curves] = {}
    if truth is not None and truth.any():
        judged, lines = _judged(trained, parts, chosen, scores, truth, threshold, depends, seed)
        measures += judged
    order = np.argsort(scores, kind="stable")
    ends = np.stack([order[::-1][:SHOWN], order[:SHOWN]])
    every = np.concatenate([part.dataset.images for part in parts])
    return Anomalies(
        torch.as_tensor(scores),
        torch.as_tensor(scores > threshold.value),
        None if truth is None else torch.as_tensor(truth),
        [name for part in parts for name in _names(part)],
        to_unit(torch.as_tensor(every[ends.ravel()])).unflatten(0, ends.shape),
        torch.as_tensor(ends),
        threshold.value,
        lines,
        trained.run.experiment.data.without,
        f"{trained.title}, {chosen.title}, of {depends['of']}; flagged above {threshold.value:.4g}",
        measures,
    )


@dataclass(frozen=True)
class _Judge:
    """Scores images, less those of a background where there is one."""

    trained: Trained
    background: Trained | None
    score: Score
    num_samples: int
    seed: int

    def __call__(self, inputs: Inputs) -> NDArray[np.float64]:
        found = score_images(inputs, self.score, self.num_samples, self.seed)
        if self.background is None:
            return found
        ours, theirs = self.trained.model.image_shape, self.background.model.image_shape
        if ours != theirs:
            raise UsageError(
                f"the background {self.background.run.name} has images of {theirs} and "
                f"{self.trained.run.name} of {ours}; train it on the same images"
            )
        same = Inputs(inputs.dataset, self.background, inputs.source)
        return found - score_images(same, self.score, self.num_samples, self.seed)


def _validation(trained: Trained) -> Inputs:
    """The validation images of the classes that the model was trained on."""
    whole = trained.run.dataset()
    if "validation" not in whole.splits:
        raise RunError(
            f"{whole.name} has no validation images to set a threshold on; train with "
            "validation=0.1"
        )
    kept = whole.split("validation").without(trained.run.experiment.data.without)
    return Inputs(kept, trained, f"validation images of {whole.name}")


def _left_out(inputs: Inputs) -> NDArray[np.bool_]:
    """Which images are of a class left out of training, shape (N,)."""
    names = inputs.trained.class_names
    classes = [names.index(name) for name in inputs.trained.run.experiment.data.without]
    labels = np.full(len(inputs), -1) if inputs.labels is None else inputs.labels
    return np.isin(labels, classes)


def _normal(inputs: Inputs) -> Inputs:
    kept = inputs.dataset.subset(np.flatnonzero(~_left_out(inputs)))
    return Inputs(kept, inputs.trained, inputs.source)


def _names(inputs: Inputs) -> list[str]:
    names = inputs.dataset.class_names
    if inputs.labels is None:
        return [""] * len(inputs)
    return [names[k] if k >= 0 else "" for k in inputs.labels]


def _share_flagged(
    scores: NDArray[np.float64],
    truth: NDArray[np.bool_] | None,
    threshold: Threshold,
    asked: float,
    depends: Mapping[str, Any],
) -> Measure:
    """Of normal images the false alarms, of others how many are flagged."""
    known = truth is not None
    looked_at = scores if truth is None else scores[~truth]
    if not len(looked_at):
        raise NotMeasured("all images are of classes left out of training; give some normal ones")
    share = float((looked_at > threshold.value).mean())
    what = "false alarms" if known else "images flagged"
    expected = f"{100 * threshold.expected:.2f} ± {100 * threshold.error:.2f}"
    return Measure(
        name="anomaly/false_alarms" if known else "anomaly/flagged",
        title=f"{what}, {expected} % expected of normal images",
        value=100 * share,
        unit="%",
        better="lower" if known else None,
        error=100 * accuracy_error(share, len(looked_at)),
        depends={**depends, "false_alarms_asked": asked, "threshold": threshold.value},
        caution=f"what is expected has its ± from the {depends['validation_images']} images that "
        "the threshold was set on",
    )


def _judged(
    trained: Trained,
    parts: list[Inputs],
    score: Score,
    scores: NDArray[np.float64],
    truth: NDArray[np.bool_],
    threshold: Threshold,
    depends: Mapping[str, Any],
    seed: int,
) -> tuple[list[Measure], dict[str, Curves]]:
    """What the scores are worth, those of principal components beside them, and their curves."""
    normal, strange = scores[~truth], scores[truth]
    share = float((strange > threshold.value).mean())
    anomalies = int(truth.sum())
    depends = {**depends, "anomalies": anomalies}
    area, error = area_under_roc(normal, strange)
    found = [
        Measure(
            name="anomaly/detected",
            title="anomalies flagged",
            value=100 * share,
            unit="%",
            better="higher",
            error=100 * accuracy_error(share, anomalies),
            depends={**depends, "threshold": threshold.value},
        ),
        Measure("anomaly/auroc", "area under the ROC curve", area, "", "higher", error=error,
                depends=depends),
        Measure("anomaly/average_precision", "average precision",
                average_precision(normal, strange), "", "higher",
                depends={**depends, "chance": float(truth.mean())}),
    ]  # fmt: skip
    lines = {"model": curves(normal, strange)}
    components = component_scores(trained, parts, seed)
    kinds = {"squared": components.squared}
    if score.name == "relative":
        kinds["relative"] = components.relative
    column = components.counts.index(components.own)
    for kind, errors in kinds.items():
        areas = [area_under_roc(e[~truth], e[truth]) for e in errors.T]
        by_count = {str(c): a for c, (a, _) in zip(components.counts, areas, strict=True)}
        title = f"{components.own} principal components, {kind} error"
        best = max(by_count, key=lambda count: by_count[count])
        found.append(
            Measure(
                name=f"anomaly/auroc/components-{kind}",
                title=f"the same, {title}",
                value=areas[column][0],
                unit="",
                better="higher",
                error=areas[column][1],
                depends={**depends, "score": f"{kind} error", "components": components.own},
                caution=joined(
                    f"{by_count[best]:.3f} with {best} components, the best here of several, "
                    "chosen on these very images"
                ),
                details={"by_components": by_count},
            )
        )
        lines[title] = curves(errors[~truth, column], errors[truth, column])
    return found, lines
