"""Maps of the latent space."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from twofold.cli.app import app
from twofold.cli.options import LOOK, Device, Images, Label, Resize, RunPath, Seed, hand_over

__all__ = ["latents"]


@app.command(rich_help_panel=LOOK)
def latents(
    run: RunPath,
    images: Images = None,
    n: Annotated[int, typer.Option("--n", "-n", help="How many images.", min=3)] = 2000,
    layout: Annotated[
        Literal["direct", "pca", "tsne"] | None,
        typer.Option(help="By default direct for two latents, else pca."),
    ] = None,
    withheld: Annotated[
        bool, typer.Option("--withheld", help="Keep the true class from an encoder that is told.")
    ] = False,
    label: Label = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .png or .svg map, .csv of its points, or .npz of the codes; by default "
            "RUN/latents.png."
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Draw the latent codes of images on the plane, colored by class."""
    from twofold.apply.latents import latents as latents_

    result = latents_(
        run,
        images,
        n=n,
        layout=layout,
        withheld=withheld,
        label=label,
        resize=resize,
        seed=seed,
        device=device,
    )
    hand_over(result, out or run / "latents.png")
