"""Training: a run, some runs of one recipe, and their continuation."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from twofold.cli.app import app
from twofold.cli.options import Quiet, RunPath, progress

__all__ = ["resume", "train"]


def _complete_experiment(incomplete: str) -> list[str]:
    from twofold.experiments.resolve import experiment_names

    return [name for name in experiment_names() if name.startswith(incomplete)]


@app.command()
def train(
    experiment: Annotated[
        str,
        typer.Argument(
            help="An experiment's name (see `twofold list experiments`) or a YAML file.",
            autocompletion=_complete_experiment,
        ),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Fields to change: epochs=10, data=path/to/images, latent_dim=32, lr=2e-4. "
            "seeds=0,1,2 or seeds=0..4 trains one run for each seed, label_seeds=0..4 one for each "
            "draw of labels; the same command again continues them.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder; by default runs/EXPERIMENT. With seeds: OUT-seed0 …"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved experiment and stop.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train an experiment in a new run folder."""
    from twofold.experiments.resolve import resolve, to_yaml

    if any(_is_of_seeds(text) for text in changes or ()):
        _train_seeds(experiment, changes or [], out, dry_run, quiet)
        return
    resolved = resolve(experiment, changes or ())
    if dry_run:
        typer.echo(to_yaml(resolved), nl=False)
        return
    from twofold.experiments.train import train as train_

    run = train_(resolved, out=out, progress=progress(quiet))
    _report_runs([run], f"twofold resume {shlex.quote(str(run.path))}")


@app.command()
def resume(run: RunPath, quiet: Quiet = False) -> None:
    """Continue an interrupted run, to the same weights as if it had never stopped."""
    from twofold.experiments.train import resume as resume_

    resumed = resume_(run, progress=progress(quiet))
    _report_runs([resumed], f"twofold resume {shlex.quote(str(run))}")


def _is_of_seeds(change: str) -> bool:
    return change.partition("=")[0].strip() in ("seeds", "label_seeds")


def _train_seeds(
    experiment: str, changes: list[str], out: Path | None, dry_run: bool, quiet: bool
) -> None:
    """Trains a run for each seed, or says what would be trained."""
    from twofold.experiments.resolve import to_yaml
    from twofold.experiments.seed_runs import plan_seeds, train_seeds

    pairs = (text.partition("=") for text in changes if _is_of_seeds(text))
    seeds: dict[str, Any] = {key.strip(): value for key, _, value in pairs}
    others = [text for text in changes if not _is_of_seeds(text)]
    if dry_run:
        seed_runs = plan_seeds(experiment, others, out=out, **seeds)
        for one in seed_runs:
            typer.echo(f"# {one.draw} in {one.folder}: {one.state}")
        typer.echo(to_yaml(seed_runs[0].experiment), nl=False)
        return
    runs = train_seeds(experiment, others, out=out, progress=progress(quiet), **seeds)
    _report_runs(runs, "the same command")


def _report_runs(runs, again: str) -> None:  # noqa: ANN001
    """Says where the runs are and what to do next."""
    for run in runs:
        done, total = run.progress
        if done < total:
            typer.echo(f"{run.path} stopped at step {done} of {total}; continue with: {again}")
            raise typer.Exit(130)
        typer.echo(f"{run.path}")
    names = shlex.join(str(run.path) for run in runs)
    typer.echo(f"next: twofold evaluate {names} && twofold compare {names}", err=True)
