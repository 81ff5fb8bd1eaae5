"""`twofold train`: one run, or one for each of several seeds; `twofold resume`: on from there."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from twofold.experiments.run import Run
    from twofold.training.progress import Progress

__all__ = ["resume", "train"]


def train(
    experiment: str,
    changes: Iterable[str] = (),
    /,
    *,
    out: str | Path | None = None,
    dry_run: bool = False,
    progress: "Progress | None" = None,
) -> "Run | list[Run] | None":
    """Trains an experiment in a new run folder.

    Arguments:
        experiment: An experiment's name (see twofold list experiments) or a YAML file.
        changes: Fields to change: epochs=10, data=path/to/images, latent_dim=32, lr=2e-4.
            seeds=0,1,2 or seeds=0..4 trains one run for each seed, label_seeds=0..4 one for each
            draw of labels; the same command again continues them.
        out: The run folder; by default runs/EXPERIMENT. With seeds: OUT-seed0 …
        dry_run: Print the resolved experiment and stop.
        progress: Who hears how it goes.

    Example:
        $ twofold train lam2023-cvae epochs=5 --out runs/cvae
    """
    pairs = [text.partition("=") for text in changes]
    seeds = {k.strip(): v for k, _, v in pairs if k.strip() in ("seeds", "label_seeds")}
    others = ["".join(pair) for pair in pairs if pair[0].strip() not in seeds]
    if dry_run:
        _show(experiment, others, seeds, out)
        return None
    if not seeds:
        from twofold.experiments.train import train as train_one

        return train_one(experiment, others, out=out, progress=progress)
    from twofold.experiments.seed_runs import train_seeds

    return train_seeds(experiment, others, out=out, progress=progress, **seeds)


def resume(
    run: str | Path,
    changes: Iterable[str] = (),
    /,
    *,
    progress: "Progress | None" = None,
) -> "Run":
    """Continues a run, to the same weights as if never interrupted; or trains it for longer.

    Arguments:
        run: A run's folder, such as runs/cvae.
        changes: Another duration, epochs=100 or images=1000000, counted from the run's first step.
        progress: Who hears how it goes.

    Example:
        $ twofold resume runs/cvae
        $ twofold resume runs/cvae epochs=100
    """
    from twofold.experiments.resolve import parse_changes
    from twofold.experiments.train import resume as resume_one

    return resume_one(run, progress, **parse_changes(changes))


def _show(
    experiment: str, changes: list[str], seeds: dict[str, str], out: str | Path | None
) -> None:
    """Prints what would be trained."""
    from twofold.experiments.resolve import resolve, to_yaml
    from twofold.experiments.seed_runs import plan_seeds

    if not seeds:
        typer.echo(to_yaml(resolve(experiment, changes)), nl=False)
        return
    planned = plan_seeds(experiment, changes, out=out, **seeds)
    for one in planned:
        typer.echo(f"# {one.draw} in {one.folder}: {one.state}")
    typer.echo(to_yaml(planned[0].experiment), nl=False)
