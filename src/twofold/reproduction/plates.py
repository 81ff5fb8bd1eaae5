"""The pictures of a report, drawn of our runs by the verbs that the command line has."""

from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from twofold.apply.common.result import Result
from twofold.experiments.run import Run
from twofold.files import write_bytes
from twofold.reproduction.book import Chapter

__all__ = ["SAMPLES", "VERBS", "draw_plates", "picture_name", "shown"]

SAMPLES = "samples"  # the sheet that a run draws itself while it trains

_Verb = Callable[..., Result]
VERBS: Mapping[str, str] = MappingProxyType(
    {
        verb: f"twofold.apply.{verb}"
        for verb in (
            "canvases",
            "complete",
            "interpolate",
            "latents",
            "manifold",
            "reconstruct",
            "restyle",
            "sample",
        )
    }
)


def picture_name(experiment: str, seed: int, picture: str = SAMPLES) -> str:
    """Under which a picture of a run lies beside the figures: its samples, or a plate."""
    mark = "" if picture == SAMPLES else f"-{picture}"
    return f"{experiment}-seed{seed}{mark}.png"


def draw_plates(chapter: Chapter, run: Run, folder: Path) -> None:
    """Draws the pictures of one run into a folder: its last samples, and plates older than it."""
    name, seed = run.experiment.name, run.experiment.seed
    for last in run.samples[-1:]:  # a classifier draws none
        write_bytes(folder / picture_name(name, seed), last.read_bytes())
    for plate in chapter.plates:
        path = folder / picture_name(name, seed, plate.name or plate.verb)
        if not path.exists() or path.stat().st_mtime < run.checkpoint.stat().st_mtime:
            verb: _Verb = getattr(import_module(VERBS[plate.verb]), plate.verb)
            write_bytes(path, verb(run, **plate.options).png())


def shown(
    chapter: Chapter, experiment: str, seed: int, there: Collection[str]
) -> Iterator[tuple[str, str]]:
    """What there is of a run's pictures: words, and the name of the file."""
    words = {SAMPLES: SAMPLES}
    words |= {plate.name or plate.verb: f"{plate.verb}, {plate.place}" for plate in chapter.plates}
    for picture, text in words.items():
        name = picture_name(experiment, seed, picture)
        if name in there:
            yield text, name
