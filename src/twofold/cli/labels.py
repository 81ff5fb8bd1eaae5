"""Using a model that knows classes: their labels, their images, and images of one in another."""

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.app import app
from twofold.cli.options import (
    USE,
    Device,
    Images,
    Label,
    Quiet,
    Resize,
    RunPath,
    Seed,
    hand_over,
    progress,
)

__all__ = ["augment", "classify", "restyle"]


@app.command(rich_help_panel=USE)
def restyle(
    run: RunPath,
    images: Images = None,
    n: Annotated[int, typer.Option("--n", "-n", help="How many images are shown.", min=1)] = 10,
    label: Label = None,
    resize: Resize = False,
    fresh_noise: Annotated[
        bool,
        typer.Option("--fresh-noise", help="Draw another code for each class of a row."),
    ] = False,
    measure: Annotated[
        int | None,
        typer.Option(
            help="Test images on which recognition is measured, 0 for none; by default 1000, or "
            "none with --images.",
            min=0,
        ),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="A .png or .npz; by default RUN/restyle.png.")
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Draw every class in the style of each image."""
    from twofold.apply.restyle import restyle as restyle_

    result = restyle_(
        run,
        images,
        n=n,
        label=label,
        resize=resize,
        fresh_noise=fresh_noise,
        measure=measure,
        seed=seed,
        device=device,
        progress=progress(quiet),
    )
    hand_over(result, out or run / "restyle.png")


@app.command(rich_help_panel=USE)
def classify(
    run: RunPath,
    images: Images = None,
    n: Annotated[
        int, typer.Option("--n", "-n", help="How many of the least certain are shown.", min=1)
    ] = 30,
    label: Label = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .png of the least certain images, a .csv or .npz of all; by default "
            "RUN/classify.csv and .png."
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Label images, with probabilities."""
    from twofold.apply.classify import classify as classify_

    result = classify_(run, images, n=n, label=label, resize=resize, seed=seed, device=device)
    if out is None:
        typer.echo(result.save(run / "classify.csv"))
    hand_over(result, out or run / "classify.png")


@app.command(rich_help_panel=USE)
def augment(
    run: RunPath,
    per_class: Annotated[int, typer.Option(help="Images of each class.", min=1)] = 100,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="Keep only images that a classifier of real ones takes for the class with this "
            "probability or more, such as 0.9."
        ),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="A new folder, .npz, or .png of a few; by default RUN/augment."),
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Write a training set of generated images, as many of each class."""
    from twofold.apply.augment import augment as augment_

    result = augment_(
        run,
        per_class=per_class,
        min_confidence=min_confidence,
        seed=seed,
        device=device,
        progress=progress(quiet),
    )
    left_out = result.provenance.get("filter", {}).get("left_out")
    if left_out is not None:
        typer.echo(f"{left_out} images left out that were not recognized", err=True)
    hand_over(result, out or run / "augment")
