"""Looking at a trained model: what it makes, and what lies between."""

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.app import app
from twofold.cli.options import LOOK, Device, RunPath, Seed

__all__ = ["sample"]


@app.command(rich_help_panel=LOOK)
def sample(
    run: RunPath,
    n: Annotated[int, typer.Option("--n", "-n", help="How many images.", min=1)] = 100,
    label: Annotated[
        list[str] | None,
        typer.Option("--class", "-c", help="A class by number or name; may be repeated."),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="A .png sheet, an .npz, or a new folder; by default RUN/sample.png."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Draw images from a trained model."""
    from twofold.apply.sample import sample as sample_

    images = sample_(run, n, label or None, seed, device)
    typer.echo(images.save(out or run / "sample.png"))
