"""Every picture of the page, drawn once."""

from collections.abc import Sequence

from twofold.pictures.style import Picture
from twofold.report.curves import diagnosis_panels, draw_panel, panels
from twofold.report.facts import Facts
from twofold.report.figures import (
    draw_bounds,
    draw_limits,
    draw_measures,
    draw_per_class,
    draw_quality_and_cost,
    draw_tradeoffs,
)
from twofold.report.maps import draw_confusions
from twofold.report.tables import class_tables

__all__ = ["draw_pictures"]


def draw_pictures(runs: Sequence[Facts]) -> dict[str, list[tuple[str, Picture]]]:
    """What there is to draw of these runs: pictures with their headings, by section of the page."""
    return {
        "curves": [
            (panel.title, draw_panel(panel, runs))
            for panel in [*panels(runs), *diagnosis_panels(runs)]
        ],
        "measures": draw_measures(runs),
        "tradeoffs": draw_tradeoffs(runs),
        "confusions": draw_confusions(runs),
        "bounds": draw_bounds(runs),
        "limits": draw_limits(runs),
        "classes": [(name, draw_per_class(name, runs)) for name, *_ in class_tables(runs)],
        "cost": draw_quality_and_cost(runs),
    }
