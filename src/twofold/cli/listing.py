"""What there is: experiments, data sets, models, measures, and the images of a source."""

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.app import app

__all__ = ["data", "list_"]


@app.command("list")
def list_(
    what: Annotated[
        str, typer.Argument(help="experiments, datasets, models or measures.")
    ] = "experiments",
) -> None:
    """List experiments, data sets, models or measures."""
    from twofold.errors import unknown_name
    from twofold.terminal import LISTS

    if what not in LISTS:
        raise unknown_name("list", what, LISTS)
    LISTS[what]()


@app.command()
def data(
    source: Annotated[str, typer.Argument(help="A data set's name, or a path to images.")],
    size: Annotated[int | None, typer.Option(help="Resize to this side.", min=1)] = None,
    gray: Annotated[bool, typer.Option("--gray", help="Convert to one channel.")] = False,
    limit: Annotated[int | None, typer.Option(help="Use so many training images.", min=1)] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write a sheet with images of every class, as PNG.")
    ] = None,
) -> None:
    """Show what a data set or a path holds."""
    from twofold.data import load_dataset, summarize
    from twofold.terminal import save_preview, show_preview

    dataset = load_dataset(source, size=size, gray=gray, limit=limit)
    typer.echo(str(summarize(dataset)))
    if picture is not None:
        typer.echo(save_preview(dataset, picture))
    else:
        show_preview(dataset)
