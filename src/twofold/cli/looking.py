"""Looking at a trained model: what it makes, and what lies between."""

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.app import app
from twofold.cli.options import (
    LOOK,
    Device,
    Images,
    Label,
    Resize,
    RunPath,
    Seed,
    hand_over,
    numbers,
)

__all__ = ["canvases", "interpolate", "manifold", "reconstruct", "sample", "traverse"]

Asked = Annotated[
    list[str] | None,
    typer.Option("--class", "-c", help="A class by number or name; may be repeated."),
]
Shown = Annotated[
    str | None,
    typer.Option("--class", "-c", help="The class to show, of a model that is told one."),
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
        typer.Option(
            help="Several, as in 0,1,2 or 0..9: a row each, every class with the same code."
        ),
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


@app.command(rich_help_panel=LOOK)
def reconstruct(
    run: RunPath,
    images: Images = None,
    n: Annotated[int, typer.Option("--n", "-n", help="How many images.", min=1)] = 10,
    label: Label = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="A .png or .npz; by default RUN/reconstruct.png.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Show images, their reconstructions, and samples of the prior."""
    from twofold.apply.reconstruct import reconstruct as reconstruct_

    result = reconstruct_(run, images, n=n, label=label, resize=resize, seed=seed, device=device)
    hand_over(result, out or run / "reconstruct.png")


@app.command(rich_help_panel=LOOK)
def interpolate(
    run: RunPath,
    images: Images = None,
    between: Annotated[
        str | None,
        typer.Option(
            help="images, seeds or classes; by default images where there is an encoder, seeds "
            "where a part of the image is told."
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="How many pairs, a row each.", min=1)] = 5,
    steps: Annotated[int, typer.Option(help="Images from end to end.", min=2)] = 10,
    path: Annotated[
        str | None,
        typer.Option(help="linear, or spherical, which is the default between seeds."),
    ] = None,
    square: Annotated[
        bool, typer.Option("--square", help="A square between four corners, in place of strips.")
    ] = False,
    label: Asked = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="A .png, an animated .webp or an .npz; by default RUN/interpolate.png."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Go from one image, seed or class to another, and show what lies between."""
    from twofold.apply.interpolate import interpolate as interpolate_

    result = interpolate_(
        run,
        images,
        between=between,
        n=n,
        steps=steps,
        path=path,
        square=square,
        label=label[0] if label and len(label) == 1 else label or None,
        resize=resize,
        seed=seed,
        device=device,
    )
    hand_over(result, out or run / "interpolate.png")


@app.command(rich_help_panel=LOOK)
def manifold(
    run: RunPath,
    images: Images = None,
    steps: Annotated[int, typer.Option(help="Images along each side.", min=2)] = 10,
    span: Annotated[float, typer.Option(help="The grid goes from -span to span.")] = 2.0,
    quantiles: Annotated[
        bool, typer.Option("--quantiles", help="Space the codes by quantiles of the prior instead.")
    ] = False,
    label: Shown = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="A .png or .npz; by default RUN/manifold.png.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Show a plane of the latent space: its two latents, or where codes of images vary most."""
    from twofold.apply.manifold import manifold as manifold_

    result = manifold_(
        run,
        images,
        steps=steps,
        span=span,
        quantiles=quantiles,
        label=label,
        resize=resize,
        seed=seed,
        device=device,
    )
    hand_over(result, out or run / "manifold.png")


@app.command(rich_help_panel=LOOK)
def traverse(
    run: RunPath,
    images: Images = None,
    n: Annotated[int, typer.Option("--n", "-n", help="How many latents.", min=1)] = 10,
    latents: Annotated[
        str | None,
        typer.Option(help="Which, as in 0,3,5 or 0..4; by default the most active ones."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Images in a row.", min=2)] = 11,
    span: Annotated[float, typer.Option(help="Each latent goes from -span to span.")] = 3.0,
    label: Shown = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="A .png, an animated .webp or an .npz; by default RUN/traverse.png."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Move one latent at a time, the most active ones first."""
    from twofold.apply.traverse import traverse as traverse_

    result = traverse_(
        run,
        images,
        n=n,
        latents=numbers(latents, "--latents"),
        steps=steps,
        span=span,
        label=label,
        resize=resize,
        seed=seed,
        device=device,
    )
    hand_over(result, out or run / "traverse.png")


@app.command(rich_help_panel=LOOK)
def canvases(
    run: RunPath,
    images: Images = None,
    n: Annotated[int, typer.Option("--n", "-n", help="How many images.", min=1)] = 5,
    steps: Annotated[int, typer.Option(help="How many steps the picture shows.", min=1)] = 10,
    label: Label = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="A .png, an animated .webp or an .npz; by default RUN/canvases.png."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Show how DRAW draws, step by step."""
    from twofold.apply.canvases import canvases as canvases_

    result = canvases_(
        run, images, n=n, steps=steps, label=label, resize=resize, seed=seed, device=device
    )
    hand_over(result, out or run / "canvases.png")
