"""What several commands share: their options, their progress, and how a result is handed over."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from twofold.apply.common.result import Result
    from twofold.training.progress import Progress

__all__ = [
    "LOOK",
    "USE",
    "Device",
    "Images",
    "Label",
    "Quiet",
    "Resize",
    "RunPath",
    "Seed",
    "hand_over",
    "numbers",
    "progress",
]

LOOK, USE = "Look at a trained model", "Use a trained model"  # headings of the help

RunPath = Annotated[Path, typer.Argument(help="A run folder, such as runs/lam2023-cvae.")]
Seed = Annotated[int, typer.Option(help="Seed of whatever is drawn.", min=0, max=(1 << 63) - 1)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Images = Annotated[
    str | None,
    typer.Option(
        help="A folder, archive or image file, or a data set's name; by default the run's test "
        "images."
    ),
]
Label = Annotated[
    str | None,
    typer.Option("--class", "-c", help="The class of all images, where they have no labels."),
]
Resize = Annotated[
    bool, typer.Option("--resize", help="Bring images of another size or color to the model's.")
]


def progress(quiet: bool) -> "Progress":
    from twofold.training.progress import Console, Silent

    return Silent() if quiet else Console()


def numbers(text: str | None, option: str) -> list[int] | None:
    """Whole numbers of an option that may be left out.

    Raises:
        UsageError: If it is anything else.
    """
    from twofold.ranges import whole_numbers

    return None if text is None else whole_numbers(text, f"{option} ")


def hand_over(result: "Result", out: Path) -> None:
    """Saves a result, shows its figures, and says where it is."""
    from twofold.terminal import show_measures

    path = result.save(out)
    if result.measures or result.not_measured:
        show_measures(result.caption, result.measures, result.not_measured)
    else:
        typer.echo(result.caption, err=True)
    typer.echo(path)
