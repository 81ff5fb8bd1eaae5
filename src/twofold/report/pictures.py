"""Every picture of the page, drawn once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from twofold.pictures.style import Picture
from twofold.report.confusions import draw_confusions
from twofold.report.curves import Panel, diagnosis_panels, panels
from twofold.report.facts import Facts
from twofold.report.figures import draw_measure, draw_panel, draw_per_class
from twofold.report.maps import draw_maps
from twofold.report.memorization import draw_pairs
from twofold.report.pixels import Pixels
from twofold.report.scatter import draw_quality_and_cost, draw_tradeoffs
from twofold.report.settled import draw_bounds, draw_limits
from twofold.report.tables import class_tables
from twofold.report.words import common_title

__all__ = ["Pictures", "draw_pictures"]

# Those with a figure of their own; of the others the table has to do
HEADLINES = ("elbo", "gan_test/classifier-cnn", "accuracy", "fid/classifier")


@dataclass(frozen=True)
class Pictures:
    """The pictures with what is written above or below them; empty where nothing was measured."""

    curves: list[tuple[Panel, Picture]]
    measures: list[tuple[str, Picture]]
    tradeoffs: list[tuple[str, Picture]]
    confusions: list[tuple[str, Facts, Picture]]
    classes: dict[str, Picture]
    bounds: list[tuple[Facts, Picture]]
    limits: list[tuple[Facts, Picture]]
    pairs: list[tuple[Facts, list[tuple[str, Pixels]]]]
    maps: list[tuple[Facts, list[tuple[str, Picture]]]]
    cost: tuple[str, Picture] | None

    def __iter__(self) -> Iterator[Picture]:
        for pictures in (self.curves, self.measures, self.tradeoffs, self.confusions):
            yield from (one[-1] for one in pictures)
        yield from (picture for _, picture in (*self.bounds, *self.limits))
        yield from self.classes.values()
        yield from (picture for _, maps in self.maps for _, picture in maps)
        yield from (pixels.draw() for _, strips in self.pairs for _, pixels in strips)
        if self.cost is not None:
            yield self.cost[1]


def draw_pictures(runs: Sequence[Facts]) -> Pictures:
    """What there is to draw of these runs."""
    return Pictures(
        curves=[(p, draw_panel(p, runs)) for p in [*panels(runs), *diagnosis_panels(runs)]],
        measures=[
            (_heading([run.measures[name].title for run in having]), draw_measure(name, runs))
            for name in HEADLINES
            if len(having := [run for run in runs if name in run.measures]) > 1
        ],
        tradeoffs=draw_tradeoffs(runs),
        confusions=draw_confusions(runs),
        classes={name: draw_per_class(name, runs) for name, *_ in class_tables(runs)},
        bounds=draw_bounds(runs),
        limits=draw_limits(runs),
        pairs=draw_pairs(runs),
        maps=draw_maps(runs),
        cost=draw_quality_and_cost(runs),
    )


def _heading(titles: Sequence[str]) -> str:
    return common_title(titles).partition(":")[0]
