"""The pictures of a report, drawn of our runs by the verbs that the command line has."""

from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from twofold.apply.common.result import Result
from twofold.experiments.run import Run
from twofold.files import write_bytes
from twofold.reproduction.book import Chapter, Plate

__all__ = ["VERBS", "draw_plates", "plate_name", "sheet_name", "shown"]

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


def sheet_name(experiment: str, seed: int) -> str:
    """Under which a run's samples lie beside the figures."""
    return f"{experiment}-seed{seed}.png"


def plate_name(experiment: str, seed: int, plate: Plate) -> str:
    """Under which a plate lies beside them."""
    return f"{experiment}-seed{seed}-{plate.name or plate.verb}.png"


def draw_plates(chapter: Chapter, run: Run, folder: Path) -> None:
    """Draws the pictures of one run into a folder: its last samples, and plates older than it."""
    name, seed = run.experiment.name, run.experiment.seed
    for last in run.samples[-1:]:  # a classifier draws none
        write_bytes(folder / sheet_name(name, seed), last.read_bytes())
    for plate in chapter.plates:
        path = folder / plate_name(name, seed, plate)
        if not path.exists() or path.stat().st_mtime < run.checkpoint.stat().st_mtime:
            verb: _Verb = getattr(import_module(VERBS[plate.verb]), plate.verb)
            write_bytes(path, verb(run, **plate.options).png())


def shown(
    chapter: Chapter, experiment: str, seed: int, there: Collection[str]
) -> Iterator[tuple[str, str]]:
    """What there is of a run's pictures: words, and the name of the file."""
    words = {sheet_name(experiment, seed): "samples"}
    for plate in chapter.plates:
        words[plate_name(experiment, seed, plate)] = f"{plate.verb}, as in {plate.place}"
    yield from ((text, name) for name, text in words.items() if name in there)
