"""The pictures of a report, drawn of our runs by the verbs that the command line has."""

from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from twofold.apply.common.result import Result
from twofold.experiments.run import Run
from twofold.files import write_bytes
from twofold.reproduction.book import Chapter, Plate

__all__ = ["SAMPLES", "VERBS", "draw_plates", "picture_name", "shown", "verb_of"]

SAMPLES = "samples"  # the sheet that a run draws itself while it trains

VERBS: Mapping[str, str] = MappingProxyType(
    {
        "canvases": "canvases step by step",
        "complete": "completions",
        "interpolate": "interpolations",
        "latents": "latent codes",
        "manifold": "manifold",
        "reconstruct": "reconstructions",
        "restyle": "digits in the style of others",
        "sample": "samples",
    }
)  # and what each draws


def picture_name(experiment: str, seed: int, picture: str = SAMPLES) -> str:
    """Under which a picture of a run lies beside the figures: its samples, or a plate."""
    mark = "" if picture == SAMPLES else f"-{picture}"
    return f"{experiment}-seed{seed}{mark}.png"


def verb_of(plate: Plate) -> Callable[..., Result]:
    """The function that draws a plate."""
    return getattr(import_module(f"twofold.apply.{plate.verb}"), plate.verb)


def draw_plates(chapter: Chapter, run: Run, folder: Path) -> None:
    """Draws the pictures of one run into a folder: its last samples, and plates older than it."""
    name, seed = run.experiment.name, run.experiment.seed
    for last in run.samples[-1:]:  # a classifier draws none
        write_bytes(folder / picture_name(name, seed), last.read_bytes())
    for plate in chapter.plates:
        path = folder / picture_name(name, seed, plate.name or plate.verb)
        if not path.exists() or path.stat().st_mtime < run.checkpoint.stat().st_mtime:
            write_bytes(path, verb_of(plate)(run, **plate.options).png())


def shown(
    chapter: Chapter, experiment: str, seed: int, there: Collection[str]
) -> Iterator[tuple[str, str]]:
    """What there is of a run's pictures: words, and the name of the file."""
    words = {SAMPLES: SAMPLES}
    for plate in chapter.plates:
        words[plate.name or plate.verb] = f"{VERBS[plate.verb]}, {plate.place}"
    for picture, text in words.items():
        name = picture_name(experiment, seed, picture)
        if name in there:
            yield text, name
