"""What the scores of images are worth, where it is known which are anomalies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twofold.apply.common.components import ComponentScores
from twofold.metrics.accuracy import accuracy_error
from twofold.metrics.detection import (
    Curves,
    Threshold,
    area_influences,
    area_under_roc,
    average_precision,
    curves,
)
from twofold.metrics.measure import Measure, NotMeasured, join

__all__ = ["AREA", "Verdict"]

AREA = "anomaly/auroc"
Scores = NDArray[np.float64]
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(eq=False)
class Verdict:
    """Figures of the scores of N images, which its methods add.

    Attributes:
        scores: Shape (N,).
        truth: 1 for an anomaly, 0 for a normal image, -1 where it is not known, shape (N,); None
            where nothing is known of any.
        depends: What all figures depend on.
        measures: The figures.
        missing: What could not be measured, and why.
        influences: How far each image moves an area under the ROC curve, shape (N,), by the name
            of its measure.
        lines: Curves of the scores and of the baselines, by what they are of.
    """

    scores: Scores
    truth: NDArray[np.int64] | None
    depends: Mapping[str, Any]
    measures: list[Measure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    influences: dict[str, Scores] = field(default_factory=dict)
    lines: dict[str, Curves] = field(default_factory=dict)
    caution: str = ""

    def __post_init__(self) -> None:
        if self.truth is None:
            return
        anomalies, unknown = (int((self.truth == kind).sum()) for kind in (1, -1))
        if anomalies:
            self.depends = {**self.depends, "anomalies": anomalies}
        if unknown:
            self.depends = {**self.depends, "unknown_class": unknown}
            self.caution = f"{unknown} images of unknown class are not judged"

    def flagged(self, threshold: Threshold, asked: float, count: int) -> None:
        """The false alarms and the anomalies found; of images not known how many are flagged.

        Arguments:
            threshold: Above which an image is flagged.
            asked: The share of false alarms that was asked for.
            count: Normal images that the threshold was set on.
        """
        expected = f"{100 * threshold.expected:.2f} ± {100 * threshold.error:.2f} % expected"
        caution = (
            f"what is expected has its ± from the {count} images that the threshold was set on"
        )
        depends = {"threshold": threshold.value, "validation_images": count}
        all_depends = {**depends, "false_alarms_asked": asked}
        if self.truth is None:
            title = f"images flagged, {expected} of normal images"
            self._share("flagged", title, None, self.scores, all_depends, caution)
            return
        normal, strange = self._apart(self.scores)
        if len(normal):
            title = f"false alarms, {expected} of normal images"
            self._share("false_alarms", title, "lower", normal, all_depends, caution)
        else:
            self.missing["false alarms"] = "no image is known to be normal; give some that are"
        if len(strange):
            self._share("detected", "anomalies flagged", "higher", strange, depends)

    def areas(self, baseline: Callable[[], ComponentScores], score: str) -> None:
        """Areas under the curves, those of principal components beside them."""
        try:
            self._area(AREA, "area under the ROC curve", self.scores)
        except NotMeasured as reason:
            self.missing["curves and the areas under them"] = str(reason)
            return
        normal, strange = self._apart(self.scores)
        chance = len(strange) / (len(normal) + len(strange))
        self.measures.append(
            Measure(
                name="anomaly/average_precision",
                title="average precision",
                value=average_precision(normal, strange),
                unit="",
                better="higher",
                depends={**self.depends, "chance": chance},
                caution=self.caution,
            )
        )
        self.lines["model"] = curves(normal, strange)
        components = baseline()
        self._components("squared", components.squared, components)
        if score == "relative":
            self._components("relative", components.relative, components)

    def _share(
        self,
        name: str,
        title: str,
        better: Literal["higher", "lower"] | None,
        scores: Scores,
        depends: Mapping[str, Any],
        caution: str = "",
    ) -> None:
        """Of some scores those above the threshold."""
        share = float((scores > depends["threshold"]).mean())
        self.measures.append(
            Measure(
                name=f"anomaly/{name}",
                title=title,
                value=100 * share,
                unit="%",
                better=better,
                error=100 * accuracy_error(share, len(scores)),
                depends={**self.depends, **depends},
                caution=join(caution, self.caution),
            )
        )

    def _components(self, kind: str, errors: Scores, components: ComponentScores) -> None:
        """Of errors (N, K), those of as many components as the model has latents."""
        by_count = {
            str(count): area_under_roc(*self._apart(column))[0]
            for count, column in zip(components.counts, errors.T, strict=True)
        }
        title = f"{components.own} principal components, {kind} error"
        best = max(by_count, key=lambda count: by_count[count])
        caution = (
            f"{by_count[best]:.3f} with {best} components, the best here of several, chosen on "
            "these very images"
        )
        depends = {"score": f"{kind} error", "components": components.own}
        own = errors[:, components.counts.index(components.own)]
        name = f"{AREA}/components-{kind}"
        self._area(name, f"the same, {title}", own, depends, caution, {"by_components": by_count})
        self.lines[title] = curves(*self._apart(own))

    def _area(
        self,
        name: str,
        title: str,
        scores: Scores,
        depends: Mapping[str, Any] = NOTHING,
        caution: str = "",
        details: Mapping[str, Any] = NOTHING,
    ) -> None:
        value, error = area_under_roc(*self._apart(scores))
        self.influences[name] = np.zeros(len(scores))
        for kind, part in enumerate(area_influences(*self._apart(scores))):
            self.influences[name][self.truth == kind] = part
        self.measures.append(
            Measure(
                name=name,
                title=title,
                value=value,
                unit="",
                better="higher",
                error=error,
                depends={**self.depends, **depends},
                caution=join(caution, self.caution),
                details=dict(details),
            )
        )

    def _apart(self, scores: Scores) -> tuple[Scores, Scores]:
        """Those of normal images, and those of anomalies."""
        return scores[self.truth == 0], scores[self.truth == 1]
