"""Using a model on images: filling in what is hidden, taking noise away, finding codes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from twofold.cli.app import app
from twofold.cli.options import USE, Device, Images, Label, Resize, RunPath, Seed, hand_over
from twofold.errors import UsageError

__all__ = ["complete"]

Shown = Annotated[int, typer.Option("--n", "-n", help="How many images to show.", min=1)]
Measured = Annotated[
    str | None,
    typer.Option("--measure", help="How many images to measure, or all; by default those shown."),
]


def _count(measure: str | None) -> int | Literal["all"] | None:
    if measure is None or measure == "all":
        return measure
    if measure.isdecimal() and int(measure) > 0:
        return int(measure)
    raise UsageError(f"--measure {measure}: give a number of images, or all")


@app.command(rich_help_panel=USE)
def complete(
    run: RunPath,
    images: Images = None,
    part: Annotated[
        str | None,
        typer.Option(
            help="The visible part: left-half, right-half, top-half, bottom-half, middle-column, "
            "bottom-left or not-bottom-right; left-half by default."
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="An image, white where visible and black where hidden; or a picture of which the "
            "hidden region is painted in magenta (255, 0, 255)."
        ),
    ] = None,
    completions: Annotated[int, typer.Option(help="Of each image.", min=1)] = 8,
    n: Shown = 10,
    measure: Measured = None,
    samples: Annotated[
        int, typer.Option(help="k of a conditional model's log-likelihood.", min=1)
    ] = 100,
    label: Label = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="A .png or .npz; by default RUN/complete.png.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Fill in the missing part of images, in several plausible ways."""
    from twofold.apply.complete import complete as complete_

    result = complete_(
        run,
        images,
        part=part,
        mask=mask,
        completions=completions,
        n=n,
        measure=_count(measure),
        samples=samples,
        label=label,
        resize=resize,
        seed=seed,
        device=device,
    )
    hand_over(result, out or run / "complete.png")
