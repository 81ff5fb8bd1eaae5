"""What distances, coverage and copies say of generated images, each only where numbers do."""

from collections.abc import Sequence

from twofold.metrics.measure import Measure
from twofold.report.facts import Facts, Reading
from twofold.report.noise import THRESHOLD
from twofold.report.words import listing, number, with_unit

__all__ = ["beside_the_floor", "misses", "repeats"]

FAR = 0.8  # of the floor: below it a share is far from that of real images
SHOWN = {
    "coverage": "its images come near {value} of the test images (coverage; real ones {real})",
    "recall": "{value} of the test images lie among its own (recall; among real ones {real})",
}


def beside_the_floor(runs: Sequence[Facts], name: str) -> list[Reading]:
    """What real training images have in the place of generated ones."""
    measures = [run.measures[name] for run in runs if name in run.measures]
    floors = list(dict.fromkeys(m.floor for m in measures if m.floor is not None))
    if not floors:
        return []
    figures = listing([with_unit(number(floor, 3), measures[0].unit) for floor in floors], "or")
    text = f"Real training images in the place of the generated ones have {figures}."
    return [Reading(measures[0].title, text)]


def misses(runs: Sequence[Facts], extractor: str = "classifier") -> list[Reading]:
    """Who shows less of the real images than real ones do, and whether because they are wrong."""
    found = []
    for run in runs:
        low = [kind for kind in SHOWN if _far_below(run.measures.get(f"{kind}/{extractor}"))]
        if not low:
            continue
        parts = [_part(run.measures[f"{kind}/{extractor}"], kind) for kind in low]
        wrong = [
            f"{kind} {_share(measure)}"
            for kind in ("precision", "density")
            if (measure := run.measures.get(f"{kind}/{extractor}")) and _far_below(measure)
        ]
        if wrong:
            verdict = (
                f"Its images are often off the real ones ({listing(wrong)}), so whether kinds of "
                "images are missing or badly made is not known."
            )
        elif "coverage" in low:
            verdict = "It misses kinds of images."
        else:
            verdict = "Its images vary less than real ones do."
        found.append(Reading("diversity", f"{run.mention}: {listing(parts)}. {verdict}"))
    return found


def repeats(runs: Sequence[Facts]) -> list[Reading]:
    """Who repeats training images more often than real test images do."""
    found = []
    for run in runs:
        copies = run.measures.get("copies")
        if copies is None or copies.floor is None or copies.error is None:
            continue
        if copies.value > copies.floor + THRESHOLD * copies.error:
            text = (
                f"{run.mention} repeats its training images: {_share(copies)} of its images are "
                f"copies, against {with_unit(number(copies.floor, 3), copies.unit)} of real test "
                "images."
            )
            found.append(Reading("memorization", text))
    return found


def _far_below(measure: Measure | None) -> bool:
    if measure is None or measure.floor is None or measure.error is None:
        return False
    noise = THRESHOLD * measure.error
    return measure.value < min(FAR * measure.floor, measure.floor - noise)


def _part(measure: Measure, kind: str) -> str:
    real = with_unit(number(measure.floor or 0.0, 3), measure.unit)
    return SHOWN[kind].format(value=_share(measure), real=real)


def _share(measure: Measure) -> str:
    return with_unit(number(measure.value, 3), measure.unit)
