"""Reproducing reports."""

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.app import app
from twofold.cli.options import Quiet, progress

__all__ = ["reproduce"]


@app.command()
def reproduce(
    report: Annotated[
        str,
        typer.Argument(
            help="lam2023, gaikwad2020, belani2020, lin-yu2018, chen-fang-ju2016, or all."
        ),
    ],
    budget: Annotated[
        str, typer.Option(help="full: as reported; laptop: fewer epochs where these are dear.")
    ] = "laptop",
    seeds: Annotated[str, typer.Option(help="Draws of each experiment: 0,1,2 or 0..4.")] = "0,1,2",
    out: Annotated[Path, typer.Option(help="Folder of runs, figures and the page.")] = Path(
        "runs/reproduce"
    ),
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Runs trained at a time; by default one for each core, or one where there is a "
            "GPU.",
            min=1,
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be run and how long it takes, and stop.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Run a report's experiments again and lay its figures beside ours."""
    from twofold.reproduction.reproduce import plan_reproduction
    from twofold.reproduction.reproduce import reproduce as reproduce_

    if plan:
        for line in plan_reproduction(report, budget=budget, seeds=seeds, out=out, jobs=jobs):
            typer.echo(line)
        return
    try:
        done = reproduce_(
            report, budget=budget, seeds=seeds, out=out, jobs=jobs, progress=progress(quiet)
        )
    except KeyboardInterrupt:
        typer.echo("stopped: every run has saved itself, and the same command continues", err=True)
        raise typer.Exit(130) from None
    typer.echo(done.page)
