"""What the scores of images are worth, where it is known which are anomalies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twofold.anomalies.detection import (
    Curves,
    area_influences,
    area_under_roc,
    average_precision,
    curves,
    threshold_at,
)
from twofold.anomalies.scores import ComponentScores
from twofold.errors import NotMeasured
from twofold.evaluation.figure import Figure
from twofold.evaluation.recognition import accuracy_error

__all__ = ["AREA", "Verdict"]

AREA = "anomaly/auroc"
Scores = NDArray[np.float64]


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
    provenance: Mapping[str, Any]
    measures: list[Figure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    influences: dict[str, Scores] = field(default_factory=dict)
    lines: dict[str, Curves] = field(default_factory=dict)
    caution: str = ""

    def __post_init__(self) -> None:
        if self.truth is None:
            return
        anomalies, unknown = (int((self.truth == kind).sum()) for kind in (1, -1))
        if anomalies:
            self.provenance = {**self.provenance, "anomalies": anomalies}
        if unknown:
            self.provenance = {**self.provenance, "unknown_class": unknown}
            self.notes = f"{unknown} images of unknown class are not judged"

    def flag(self, held_out: Callable[[], Scores], asked: float) -> float | None:
        """The false alarms and the anomalies found; of images not known how many are flagged.

        Scores of held-out normal images set the threshold, at the share of false alarms asked for.

        Returns:
            The score above which images are flagged; None, with the reason, where it cannot be set.
        """
        try:
            scores = held_out()
            limit = threshold_at(scores, asked)
        except NotMeasured as reason:
            self.missing["a threshold"] = str(reason)
            return None
        provenance = {"threshold": limit.value, "validation_images": len(scores)}
        figure = {
            "provenance": {**provenance, "false_alarms_asked": asked},
            "notes": f"what is expected has its ± from the {len(scores)} images that the "
            "threshold was set on",
        }
        expected = (
            f"{100 * limit.expected:.2f} ± {100 * limit.error:.2f} % expected of normal images"
        )
        if self.truth is None:
            self._share("flagged", f"images flagged, {expected}", None, self.scores, **figure)
            return limit.value
        normal, strange = self._apart(self.scores)
        if len(normal):
            self._share("false_alarms", f"false alarms, {expected}", "lower", normal, **figure)
        else:
            self.missing["false alarms"] = "no image is known to be normal; give some that are"
        if len(strange):
            self._share("detected", "anomalies flagged", "higher", strange, provenance)
        return limit.value

    def areas(self, baseline: Callable[[], ComponentScores], score: str) -> None:
        """Areas under the curves, those of principal components beside them."""
        try:
            self._area(AREA, "area under the ROC curve", self.scores)
        except NotMeasured as reason:
            self.missing["curves and the areas under them"] = str(reason)
            return
        normal, strange = self._apart(self.scores)
        chance = len(strange) / (len(normal) + len(strange))
        precision = average_precision(normal, strange)
        self._add(
            "anomaly/average_precision",
            "average precision",
            precision,
            provenance={"chance": chance},
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
        provenance: Mapping[str, Any],
        caution: str = "",
    ) -> None:
        """Of some scores those above the threshold."""
        share = float((scores > provenance["threshold"]).mean())
        error = 100 * accuracy_error(share, len(scores))
        figure = {"unit": "%", "better": better, "error": error, "notes": caution}
        self._add(f"anomaly/{name}", title, 100 * share, provenance=provenance, **figure)

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
        provenance = {"score": f"{kind} error", "components": components.own}
        own = errors[:, components.counts.index(components.own)]
        figure = {
            "provenance": provenance,
            "notes": caution,
            "details": {"by_components": by_count},
        }
        self._area(f"{AREA}/components-{kind}", f"the same, {title}", own, **figure)
        self.lines[title] = curves(*self._apart(own))

    def _area(self, name: str, title: str, scores: Scores, **figure: Any) -> None:
        value, error = area_under_roc(*self._apart(scores))
        self.influences[name] = np.zeros(len(scores))
        for kind, part in enumerate(area_influences(*self._apart(scores))):
            self.influences[name][self.truth == kind] = part
        self._add(name, title, value, error=error, **figure)

    def _add(self, name: str, title: str, value: float, **figure: Any) -> None:
        """A figure with what all depend on; arguments by name are as of `Figure`."""
        provenance = {**self.provenance, **figure.pop("provenance", {})}
        caution = join(figure.pop("notes", ""), self.notes)
        figure = {
            "unit": "",
            "better": "higher",
            "provenance": provenance,
            "notes": caution,
            **figure,
        }
        self.measures.append(Figure(name, title, value, **figure))

    def _apart(self, scores: Scores) -> tuple[Scores, Scores]:
        """Those of normal images, and those of anomalies."""
        return scores[self.truth == 0], scores[self.truth == 1]
