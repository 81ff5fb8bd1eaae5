"""Looking at a trained model: what it makes, and what lies between."""

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.app import app
from twofold.cli.options import LOOK, Device, RunPath, Seed, hand_over, numbers

__all__ = ["sample"]

Asked = Annotated[
    list[str] | None,
    typer.Option("--class", "-c", help="A class by number or name; may be repeated."),
]


@app.command(rich_help_panel=LOOK)
def sample(
    run: RunPath,
    n: Annotated[
        int | None, typer.Option("--n", "-n", help="How many images, by default 100.", min=1)
    ] = None,
    label: Asked = None,
    seed: Seed = 0,
    seeds: Annotated[
        str | None,
        typer.Option(help="Several, as in 0,1,2: a row each, every class with the same code."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A .png sheet, an .npz, or a new folder; by default RUN/sample.png."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Draw images from a trained model."""
    from twofold.apply.sample import sample as sample_

    images = sample_(run, n, label or None, seed, device, seeds=numbers(seeds, "--seeds"))
    hand_over(images, out or run / "sample.png")
