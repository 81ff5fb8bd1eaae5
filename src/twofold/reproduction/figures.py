"""The pictures of a report, drawn of our runs by the verbs that the command line has."""

from collections.abc import Callable
from pathlib import Path

import twofold
from twofold.experiments.run import Run
from twofold.files import write_bytes
from twofold.reproduction.reports import Figure, ReportExperiment
from twofold.verbs.result import Result

__all__ = ["SAMPLES", "VERBS", "draw_figures", "picture_name", "verb_of"]

SAMPLES = "samples"  # the sheet that a run draws itself while it trains

VERBS = {  # and what each draws
    "canvases": "canvases step by step",
    "complete": "completions",
    "interpolate": "interpolations",
    "latents": "latent codes",
    "manifold": "manifold",
    "reconstruct": "reconstructions",
    "restyle": "digits in the style of others",
    "sample": "samples",
}


def picture_name(stem: str, seed: int, picture: str = SAMPLES) -> str:
    """Under which a picture of a run lies in the results: its samples, or a figure by its name."""
    mark = "" if picture == SAMPLES else f"-{picture}"
    return f"{stem}-seed{seed}{mark}.png"


def verb_of(figure: Figure) -> Callable[..., Result]:
    """The function that draws a figure."""
    return getattr(twofold, figure.verb)


def draw_figures(experiment: ReportExperiment, run: Run, folder: Path, anew: bool = False) -> None:
    """Draws the pictures of one run: its last samples, and the figures of its experiment.

    Figures that are in the folder and younger than the run are not drawn anew unless asked for.
    """
    is_full = run.experiment.recipe() == experiment.settings("full").recipe()
    stem, seed = experiment.stem("full" if is_full else "laptop"), run.experiment.seed
    for last in run.samples[-1:]:  # a classifier draws none
        write_bytes(folder / picture_name(stem, seed), last.read_bytes())
    for figure in experiment.figures:
        path = folder / picture_name(stem, seed, figure.name or figure.verb)
        if anew or not path.exists() or path.stat().st_mtime < run.checkpoint.stat().st_mtime:
            write_bytes(path, verb_of(figure)(run, **figure.options).png())
