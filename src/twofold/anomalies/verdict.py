"""What the scores of images are worth, where it is known which are anomalies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.recognition import accuracy_error

__all__ = ["AREA", "Detector", "Verdict"]

AREA = Quantity("anomaly/auroc", "area under the ROC curve", "", "higher", least=0.0, most=1.0)
PRECISION = Quantity("anomaly/average_precision", "average precision", "", "higher")
FALSE_ALARMS = Quantity("anomaly/false_alarms", "false alarms", "%", "lower")
DETECTED = Quantity("anomaly/detected", "anomalies flagged", "%", "higher")
FLAGGED = Quantity("anomaly/flagged", "images flagged", "%")
Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Detector:
    """How well the scores of a model, or of a baseline, separate anomalies from normal images.

    Attributes:
        name: `model`, or that of a baseline.
        by: The same in the names of figures: nothing for the model.
        area: Under its ROC curve.
        influences: How far each image moves that area, shape (N,).
        lines: Its curves.
        by_count: The area by the number of components, where the baseline has some.
    """

    name: str
    by: str
    area: Figure
    influences: Scores
    lines: Curves
    by_count: Mapping[int, float] = field(default_factory=dict)


@dataclass(eq=False)
class Verdict:
    """Figures of the scores of N images, which its methods add.

    Attributes:
        scores: Shape (N,).
        truth: 1 for an anomaly, 0 for a normal image, -1 where it is not known, shape (N,); None
            where nothing is known of any.
        provenance: What all figures depend on.
        measures: The figures.
        missing: What could not be measured, and why.
        detectors: The model and the baselines, where there are areas.
        notes: What a reader must know of all figures.
        held_out: Scores of normal images, which set the threshold, shape (M,).
        threshold: The score above which images are flagged; None where it could not be set.
    """

    scores: Scores
    truth: NDArray[np.int64] | None
    provenance: Mapping[str, Any]
    measures: list[Figure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    detectors: list[Detector] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    held_out: Scores | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.truth is None:
            return
        anomalies, unknown = (int((self.truth == kind).sum()) for kind in (1, -1))
        if anomalies:
            self.provenance = {**self.provenance, "anomalies": anomalies}
        if unknown:
            self.provenance = {**self.provenance, "unknown_class": unknown}
            self.notes = (f"{unknown} images of unknown class are left out of the figures",)

    @property
    def flagged(self) -> Tensor | None:
        """Whether each score is above the threshold, shape (N,); None where there is none."""
        return None if self.threshold is None else torch.as_tensor(self.scores > self.threshold)

    @property
    def how(self) -> str:
        """The threshold in words that follow others."""
        return "" if self.threshold is None else f"; flagged above {self.threshold:.4g}"

    def flag(self, held_out: Callable[[], Scores], asked: float) -> None:
        """The false alarms and the anomalies found; of images not known how many are flagged.

        Scores of held-out normal images set the threshold, at the share of false alarms asked for.
        """
        try:
            self.held_out = held_out()
            limit, n = threshold_at(self.held_out, asked), len(self.held_out)
        except NotMeasured as reason:
            self.missing["a threshold"] = str(reason)
            return
        self.threshold = limit.value
        provenance = {"threshold": limit.value, "validation_images": n}
        notes: tuple[str, ...] = ()
        if limit.expected > asked:
            notes = (
                f"{n} normal images cannot set a threshold of {100 * asked:.3g} % false alarms: "
                f"{100 * limit.expected:.3g} % is the nearest; more validation images allow less",
            )
        share = f"{100 * limit.expected:.2f} ± {100 * limit.error:.2f} % expected of normal images"
        of = f"what is expected has its ± from the {n} images that the threshold was set on"
        of_normal = {
            "variant": share,
            "provenance": {**provenance, "false_alarms_asked": asked},
            "notes": (of, *notes),
        }
        if self.truth is None:
            self._share(FLAGGED, self.scores, **of_normal)
            return
        normal, strange = self._apart(self.scores)
        if len(normal):
            self._share(FALSE_ALARMS, normal, **of_normal)
        else:
            self.missing["false alarms"] = "no image is known to be normal; give some that are"
        if len(strange):
            self._share(DETECTED, strange, provenance=provenance, notes=notes)

    def areas(self, baseline: Callable[[], ComponentScores], score: str) -> None:
        """Areas under the curves, those of principal components beside them."""
        try:
            self._detector("model", self.scores)
        except NotMeasured as reason:
            self.missing["curves and the areas under them"] = str(reason)
            return
        normal, strange = self._apart(self.scores)
        chance = len(strange) / (len(normal) + len(strange))
        self._add(PRECISION, average_precision(normal, strange), provenance={"chance": chance})
        components = baseline()
        self._components("squared", components.squared, components)
        if score == "relative":
            self._components("relative", components.relative, components)

    def _share(
        self, quantity: Quantity, scores: Scores, *, provenance: Mapping[str, Any], **others: Any
    ) -> None:
        """Of some scores those above the threshold."""
        share = float((scores > provenance["threshold"]).mean())
        error = 100 * accuracy_error(share, len(scores))
        self._add(quantity, 100 * share, error=error, provenance=provenance, **others)

    def _components(self, kind: str, errors: Scores, components: ComponentScores) -> None:
        """Of errors (N, K), those of as many components as the model has latents."""
        by_count = {
            count: area_under_roc(*self._apart(column))[0]
            for count, column in zip(components.counts, errors.T, strict=True)
        }
        best = max(by_count, key=lambda count: by_count[count])
        self._detector(
            f"principal components, {kind} error",
            errors[:, components.counts.index(components.own)],
            by_count,
            by=f"components-{kind}",
            variant=f"{components.own} principal components, {kind} error",
            provenance={"score": f"{kind} error", "components": components.own},
            notes=(
                f"{best} components have {by_count[best]:.3f} by {kind} error, the best here of "
                "several, chosen on these very images",
            ),
            details={"by_components": {str(count): area for count, area in by_count.items()}},
        )

    def _detector(
        self,
        name: str,
        scores: Scores,
        by_count: Mapping[int, float] | None = None,
        by: str = "",
        **others: Any,
    ) -> None:
        """Scores and the area under their ROC curve; arguments by name are as of `Quantity`."""
        value, error = area_under_roc(*self._apart(scores))
        influences = np.zeros(len(scores))
        for kind, part in enumerate(area_influences(*self._apart(scores))):
            influences[self.truth == kind] = part
        area = self._add(AREA, value, by=by, error=error, **others)
        lines = curves(*self._apart(scores))
        self.detectors.append(Detector(name, by, area, influences, lines, by_count or {}))

    def _add(
        self,
        quantity: Quantity,
        value: float,
        *,
        provenance: Mapping[str, Any] | None = None,
        notes: tuple[str, ...] = (),
        **others: Any,
    ) -> Figure:
        """A figure with what all depend on; arguments by name are as of `Quantity`."""
        figure = quantity.figure(
            value,
            provenance={**self.provenance, **(provenance or {})},
            notes=notes + self.notes,
            **others,
        )
        self.measures.append(figure)
        return figure

    def _apart(self, scores: Scores) -> tuple[Scores, Scores]:
        """Those of normal images, and those of anomalies."""
        return scores[self.truth == 0], scores[self.truth == 1]
