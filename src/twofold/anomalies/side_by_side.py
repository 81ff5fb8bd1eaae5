"""Several models side by side, each of which left other classes out of its training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.anomalies.anomaly import Anomalies
from twofold.anomalies.verdict import AREA, Detector
from twofold.errors import UsageError
from twofold.evaluation.figure import Figure
from twofold.pictures.charts import draw_areas
from twofold.pictures.style import raster
from twofold.verbs.result import Result

__all__ = ["Detections", "side_by_side"]

MEAN = replace(AREA, title="mean area under the ROC curve")
OF_SAME = "the error is over images, for these models, and says nothing of another seed"
OF_OTHERS = "the models scored different images, and their errors count as independent"
SHARED = ("score", "components", "num_samples", "background", "seed")  # provenance of all models


@dataclass(frozen=True, eq=False, repr=False)
class Detections(Result):
    """The area under the ROC curve of T models and of the baselines.

    Attributes:
        left_out: The classes that each model was not trained on.
        areas: Shape (T,) for the model and each baseline, by their names.
        errors: Their standard errors over images, alike.
    """

    left_out: Sequence[str]
    areas: Mapping[str, NDArray[np.float64]]
    errors: Mapping[str, NDArray[np.float64]]

    def picture(self) -> NDArray[np.uint8]:
        rows = [(name, areas, self.errors[name]) for name, areas in self.areas.items()]
        return raster(draw_areas(self.left_out, rows, "anomaly", self.caption), 2)

    def arrays(self) -> Mapping[str, Any]:
        return {
            "left_out": np.array(self.left_out),
            "detectors": np.array(list(self.areas)),
            "auroc": np.stack(list(self.areas.values())),
            "error": np.stack(list(self.errors.values())),
        }

    def by_heading(self) -> Mapping[str, Sequence[Any]]:
        columns: dict[str, Sequence[Any]] = {"left out": self.left_out}
        for name, areas in self.areas.items():
            columns |= {name: areas.tolist(), f"{name}, s.e.": self.errors[name].tolist()}
        return columns


def side_by_side(found: Sequence[Anomalies]) -> Detections:
    """Compares what several models made of anomalies that are known.

    Raises:
        UsageError: If they are not known for one of them, or the models differ in their baselines.
    """
    for one in found:
        if not one.detectors:
            raise UsageError(
                f"it is not known which images are anomalies ({one.caption}); give --anomalies, or "
                "train with without=CLASS"
            )
        if [d.name for d in one.detectors] != [d.name for d in found[0].detectors]:
            raise UsageError("these models take different scores by default; choose one by --score")
    left_out = [" ".join(one.left_out) or "none" for one in found]
    same = len({one.fingerprint for one in found}) == 1
    areas, errors, means = {}, {}, []
    for each in zip(*(one.detectors for one in found), strict=True):
        name = each[0].name
        areas[name] = np.array([one.area.value for one in each])
        errors[name] = np.array([one.area.error or 0.0 for one in each])
        means.append(_mean(each, left_out, same))
        if each[0].by_count:
            means.append(_best(each))
    caption = f"{len(found)} models, each without a class: {means[0].provenance['score']}"
    return Detections(left_out, areas, errors, caption=caption, measures=means)


def _mean(each: Sequence[Detector], left_out: Sequence[str], same: bool) -> Figure:
    """The mean over models, and over those of each class.

    Its error is over images, each of which moves the areas of all models at once where these
    scored the `same` images.
    """
    influences = [one.influences for one in each]
    moved = np.mean(influences, axis=0) if same else np.concatenate(influences) / len(each)
    values, names = np.array([one.area.value for one in each]), np.array(left_out)
    return MEAN.figure(
        float(values.mean()),
        each[0].by,
        each[0].name,
        error=float(np.linalg.norm(moved)),
        provenance=_provenance(each),
        per_class={name: float(values[names == name].mean()) for name in left_out},
        notes=(OF_SAME,) if same else (OF_SAME, OF_OTHERS),
    )


def _best(each: Sequence[Detector]) -> Figure:
    """The mean of that number of components for which it is highest."""
    means = {
        count: float(np.mean([one.by_count[count] for one in each])) for count in each[0].by_count
    }
    best = max(means, key=lambda count: means[count])
    return MEAN.figure(
        means[best],
        f"{each[0].by}-best",
        f"{each[0].name}, the best of several numbers of components: {best}",
        provenance={**_provenance(each), "components": best},
        notes=("the number of components was chosen on these very images",),
        details={"by_components": {str(count): mean for count, mean in means.items()}},
    )


def _provenance(each: Sequence[Detector]) -> dict[str, Any]:
    first = each[0].area.provenance
    return {**{key: first[key] for key in SHARED if key in first}, "models": len(each)}
