"""Several models side by side, each of which left other classes out of its training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.anomalies.anomaly import Anomalies
from twofold.anomalies.verdict import AREA
from twofold.errors import UsageError
from twofold.evaluation.figure import Figure
from twofold.pictures.charts import draw_areas
from twofold.pictures.style import raster
from twofold.verbs.result import Result

__all__ = ["Detections", "side_by_side"]

OF_SAME = "the error is over images, for these models, and says nothing of another seed"
OF_OTHERS = "; the models judged different images, and their errors count as independent"


@dataclass(frozen=True, eq=False, repr=False)
class Detections(Result):
    """The area under the ROC curve of T models and of the baselines.

    Attributes:
        left_out: The classes that each model was not trained on.
        areas: Shape (T,) for the model and each baseline, by the titles of their measures.
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
    figures = [{m.name: m for m in one.measures if m.name.startswith(AREA)} for one in found]
    for one, measures in zip(found, figures, strict=True):
        if AREA not in measures:
            raise UsageError(
                f"it is not known which images are anomalies ({one.caption}); give --anomalies, or "
                "train with without=CLASS"
            )
        if measures.keys() != figures[0].keys():
            raise UsageError("these models take different scores by default; choose one by --score")
    titles = {
        name: measure.title.removeprefix("the same, ").replace("principal components", "components")
        for name, measure in figures[0].items()
    } | {AREA: "model"}
    areas = {t: np.array([f[name].value for f in figures]) for name, t in titles.items()}
    errors = {t: np.array([f[name].error or 0.0 for f in figures]) for name, t in titles.items()}
    left_out = [" ".join(one.left_out) or "none" for one in found]
    caution = OF_SAME if _same_images(found) else OF_SAME + OF_OTHERS
    means = []
    for name, title in titles.items():
        each = [measures[name] for measures in figures]
        means.append(_mean(each, _error(found, name), left_out, title, caution))
        if "by_components" in each[0].details:
            means.append(_best(each, title))
    caption = f"{len(found)} models, each without a class: {means[0].provenance['score']}"
    return Detections(left_out, areas, errors, caption=caption, measures=means)


def _same_images(found: Sequence[Anomalies]) -> bool:
    return len({one.judged for one in found}) == 1


def _error(found: Sequence[Anomalies], name: str) -> float:
    """Of the mean area, over images, each of which moves the areas of all models at once."""
    influences = [one.influences[name] for one in found]
    if _same_images(found):
        return float(np.linalg.norm(np.mean(influences, axis=0)))
    return float(np.linalg.norm(np.concatenate(influences)) / len(found))


def _mean(
    each: Sequence[Figure], error: float, left_out: Sequence[str], title: str, caution: str
) -> Figure:
    """The mean over models, and over those of each class."""
    values = np.array([measure.value for measure in each])
    names = np.array(left_out)
    return Figure(
        name=each[0].name,
        title=f"mean area under the ROC curve, {title}",
        value=float(values.mean()),
        unit="",
        better="higher",
        error=error,
        provenance=_depends(each),
        per_class={name: float(values[names == name].mean()) for name in left_out},
        notes=caution,
    )


def _best(each: Sequence[Figure], title: str) -> Figure:
    """The mean of that number of components for which it is highest."""
    by_count = [measure.details["by_components"] for measure in each]
    means = {count: float(np.mean([one[count] for one in by_count])) for count in by_count[0]}
    best = max(means, key=lambda count: means[count])
    _, _, kind = title.partition(", ")
    return Figure(
        name=f"{each[0].name}-best",
        title=f"the best of several numbers of components: {best}, {kind}",
        value=means[best],
        unit="",
        better="higher",
        provenance={**_depends(each), "components": int(best)},
        notes="the number of components was chosen on these very images",
        details={"by_components": means},
    )


def _depends(each: Sequence[Figure]) -> dict[str, Any]:
    kept = ("score", "components", "num_samples", "background", "seed")
    found = {key: each[0].provenance[key] for key in kept if key in each[0].provenance}
    return {**found, "models": len(each)}
