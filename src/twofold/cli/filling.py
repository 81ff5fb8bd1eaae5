"""Using a model on images: filling in what is hidden, taking noise away, finding codes."""

from pathlib import Path
from typing import Annotated, Literal

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
from twofold.errors import UsageError

__all__ = ["complete", "denoise", "invert"]

Shown = Annotated[int, typer.Option("--n", "-n", help="How many images to show.", min=1)]
Measured = Annotated[
    str | None,
    typer.Option(
        "--measure", help="How many images to measure, 0 for none, or all; by default those shown."
    ),
]


def _count(measure: str | None) -> int | Literal["all"] | None:
    if measure is None or measure == "all":
        return measure
    if measure.isdecimal():
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
    quiet: Quiet = False,
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
        progress=progress(quiet),
    )
    hand_over(result, out or run / "complete.png")


@app.command(rich_help_panel=USE)
def denoise(
    run: RunPath,
    images: Images = None,
    noise: Annotated[
        float | None,
        typer.Option(
            help="σ of the Gaussian noise to add, 0.3 by default; 0 for images that are noisy "
            "already.",
            min=0,
        ),
    ] = None,
    flip: Annotated[
        float, typer.Option(help="Share of pixels to turn black or white.", min=0, max=1)
    ] = 0.0,
    steps: Annotated[
        int,
        typer.Option(help="Of the search for the code, from the encoder's, which 0 keeps.", min=0),
    ] = 100,
    n: Shown = 10,
    measure: Measured = None,
    label: Label = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="A .png or .npz; by default RUN/denoise.png.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Take noise away, through the codes of a VAE."""
    from twofold.apply.denoise import denoise as denoise_

    result = denoise_(
        run,
        images,
        noise=noise,
        flip=flip,
        steps=steps,
        n=n,
        measure=_count(measure),
        label=label,
        resize=resize,
        seed=seed,
        device=device,
    )
    hand_over(result, out or run / "denoise.png")


@app.command(rich_help_panel=USE)
def invert(
    run: RunPath,
    images: Images = None,
    restarts: Annotated[
        int, typer.Option(help="Draws of the prior to start from, for each image.", min=1)
    ] = 8,
    steps: Annotated[int, typer.Option(help="Of gradient descent.", min=1)] = 300,
    prior: Annotated[
        float,
        typer.Option(help="Weight of ‖z‖² beside the squared error summed over pixels.", min=0),
    ] = 0.0,
    n: Annotated[int, typer.Option("--n", "-n", help="How many images.", min=1)] = 10,
    label: Label = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="A .png or .npz; by default RUN/invert.png.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Find the latent codes of images, for models without an encoder too."""
    from twofold.apply.invert import invert as invert_

    result = invert_(
        run,
        images,
        restarts=restarts,
        steps=steps,
        prior=prior,
        n=n,
        label=label,
        resize=resize,
        seed=seed,
        device=device,
    )
    hand_over(result, out or run / "invert.png")
