"""Measuring runs, and laying them side by side."""

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.app import app
from twofold.cli.options import Device, Quiet, Seed, progress
from twofold.errors import RunError

__all__ = ["compare", "evaluate"]


@app.command()
def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    measures: Annotated[
        str | None,
        typer.Option(
            help="Which, with commas between: likelihood,gan-test; or all. "
            "`twofold list measures` names them."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="Images to generate.", min=1)] = 10_000,
    iwae_samples: Annotated[
        int, typer.Option(help="k of the IWAE bound; 5000 is the field's.", min=1, max=100_000)
    ] = 100,
    images: Annotated[int | None, typer.Option(help="Use only so many test images.", min=1)] = None,
    seed: Seed = 0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Measure runs on held-out images, into their evaluation.json."""
    from twofold.apply.evaluate import evaluate as evaluate_
    from twofold.terminal import show_measures

    failures: list[tuple[Path, RunError]] = []
    for run in runs:
        try:
            evaluation = evaluate_(
                run,
                measures.split(",") if measures else None,
                samples=samples,
                iwae_samples=iwae_samples,
                images=images,
                seed=seed,
                device=device,
                progress=progress(quiet),
            )
        except RunError as error:
            failures.append((run, error))
            continue
        show_measures(str(run), evaluation.measures, evaluation.not_measured)
    if failures:
        raise _in_one(failures, len(runs))


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    seed: Seed = 0,
) -> None:
    """Write one self-contained HTML report on runs, side by side."""
    from twofold.report.compare import compare as compare_

    typer.echo(compare_(runs, out, samples_seed=seed))


def _in_one(failures: list[tuple[Path, RunError]], count: int) -> RunError:
    """What went wrong with some of several runs; of a single run, its own error."""
    if count == 1:
        return failures[0][1]
    lines = [f"{len(failures)} of {count} runs were not measured:"]
    return RunError("\n".join([*lines, *(f"{run}: {error}" for run, error in failures)]))
