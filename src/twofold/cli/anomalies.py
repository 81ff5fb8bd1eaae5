"""Finding images that are unlike what a model knows."""

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.app import app
from twofold.cli.options import USE, Device, Images, Label, Resize, Seed, hand_over

__all__ = ["anomaly"]


@app.command(rich_help_panel=USE)
def anomaly(
    runs: Annotated[
        list[Path],
        typer.Argument(help="A run folder, or several that each left out a class (without=K)."),
    ],
    images: Images = None,
    anomalies: Annotated[
        str | None, typer.Option(help="Images that are known to be anomalies, beside the others.")
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(
            help="relative, reconstruction, bound, iwae, ratio, complexity or discriminator; by "
            "default what suits the model."
        ),
    ] = None,
    background: Annotated[
        Path | None, typer.Option(help="A run whose likelihood is divided by (score ratio).")
    ] = None,
    false_alarms: Annotated[
        float, typer.Option(help="Share of normal images to flag.", min=0, max=1)
    ] = 0.05,
    num_samples: Annotated[int, typer.Option(help="Draws of z for each image.", min=1)] = 10,
    n: Annotated[int | None, typer.Option("--n", "-n", help="How many images.", min=1)] = None,
    label: Label = None,
    resize: Resize = False,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="A .png, .csv or .npz; by default RUN/anomaly.png, with a table beside."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Find images that are unlike the training images."""
    from twofold.apply.anomaly import anomaly as anomaly_
    from twofold.apply.detections import side_by_side

    found = [
        anomaly_(
            run,
            images,
            anomalies=anomalies,
            score=score,
            background=background,
            false_alarms=false_alarms,
            num_samples=num_samples,
            n=n,
            label=label,
            resize=resize,
            seed=seed,
            device=device,
        )
        for run in runs
    ]
    result = found[0] if len(found) == 1 else side_by_side(found)
    hand_over(result, out or runs[0] / "anomaly.png")
    if out is None:
        typer.echo(result.save(runs[0] / "anomaly.csv"))
