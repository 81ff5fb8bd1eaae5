"""The command line: turns text into keyword arguments, and errors into messages and exit codes.

Exit codes: 0 done, 1 a run failed, 2 something given does not fit, 130 interrupted (resumable).
Everything heavy is imported inside the command that needs it, so that `--help` is quick.
"""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from twofold._version import __version__
from twofold.errors import RunError, TwofoldError

__all__ = ["app", "main"]

app = typer.Typer(
    name="twofold",
    help="Train, measure and compare VAEs and GANs on small images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LESS = "a smaller batch_size, latent_dim, size or layers to train, a smaller --n to sample"

RunPath = Annotated[Path, typer.Argument(help="A run folder, such as runs/lam2023-cvae.")]
Seed = Annotated[int, typer.Option(help="Seed of the latent codes.", min=0, max=(1 << 63) - 1)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def main() -> NoReturn:
    """The entry point of the `twofold` command."""
    try:
        app(prog_name="twofold")
    except TwofoldError as error:
        _complain(str(error))
        sys.exit(1 if isinstance(error, RunError) else 2)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        _complain(f"out of memory ({reason}); try less at a time: {_LESS}")
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
    sys.exit(0)


def _complain(message: str) -> None:
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    # Names of files and classes are shown as text: an escape code in one must not reach a terminal.
    typer.echo(
        "".join(c if c == "\n" or c.isprintable() else repr(c)[1:-1] for c in message), err=True
    )


def _is_out_of_memory(error: Exception) -> bool:
    """Whether an allocation failed: numpy has a class for it, torch one on a GPU and words else."""
    words = ("out of memory", "allocate memory", "Storage size calculation overflowed")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def _complete_experiment(incomplete: str) -> list[str]:
    from twofold.experiments.resolve import experiment_names

    return [name for name in experiment_names() if name.startswith(incomplete)]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"twofold {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


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

    run = train_(resolved, out=out, progress=_progress(quiet))
    _report_runs([run], f"twofold resume {shlex.quote(str(run.path))}")


@app.command()
def resume(run: RunPath, quiet: Quiet = False) -> None:
    """Continue an interrupted run, to the same weights as if it had never stopped."""
    from twofold.experiments.train import resume as resume_

    resumed = resume_(run, progress=_progress(quiet))
    _report_runs([resumed], f"twofold resume {shlex.quote(str(run))}")


@app.command()
def sample(
    run: RunPath,
    n: Annotated[int, typer.Option("--n", "-n", help="How many images.", min=1)] = 100,
    label: Annotated[
        list[str] | None,
        typer.Option("--class", "-c", help="A class by number or name; may be repeated."),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="A .png sheet, an .npz, or a new folder; by default RUN/sample.png."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Draw images from a trained model."""
    from twofold.apply.sample import sample as sample_

    images = sample_(run, n, label or None, seed, device)
    typer.echo(images.save(out or run / "sample.png"))


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
                progress=_progress(quiet),
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
    grey: Annotated[bool, typer.Option("--grey", help="Convert to one channel.")] = False,
    limit: Annotated[int | None, typer.Option(help="Use so many training images.", min=1)] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write a sheet with images of every class, as PNG.")
    ] = None,
) -> None:
    """Show what a data set or a path holds."""
    from twofold.data import load_dataset, summarise
    from twofold.terminal import save_preview, show_preview

    dataset = load_dataset(source, size=size, grey=grey, limit=limit)
    typer.echo(str(summarise(dataset)))
    if picture is not None:
        typer.echo(save_preview(dataset, picture))
    else:
        show_preview(dataset)


def _is_of_seeds(change: str) -> bool:
    return change.partition("=")[0].strip() in ("seeds", "label_seeds")


def _train_seeds(
    experiment: str, changes: list[str], out: Path | None, dry_run: bool, quiet: bool
) -> None:
    """Trains a run for each seed, or says what would be trained."""
    from twofold.experiments.resolve import to_yaml
    from twofold.experiments.siblings import plan_seeds, train_seeds

    pairs = (text.partition("=") for text in changes if _is_of_seeds(text))
    seeds: dict[str, Any] = {key.strip(): value for key, _, value in pairs}
    others = [text for text in changes if not _is_of_seeds(text)]
    if dry_run:
        siblings = plan_seeds(experiment, others, out=out, **seeds)
        for one in siblings:
            typer.echo(f"# {one.draw} in {one.folder}: {one.state}")
        typer.echo(to_yaml(siblings[0].experiment), nl=False)
        return
    runs = train_seeds(experiment, others, out=out, progress=_progress(quiet), **seeds)
    _report_runs(runs, "the same command")


def _in_one(failures: list[tuple[Path, RunError]], count: int) -> RunError:
    """What went wrong with some of several runs; of a single run, its own error."""
    if count == 1:
        return failures[0][1]
    lines = [f"{len(failures)} of {count} runs were not measured:"]
    return RunError("\n".join([*lines, *(f"{run}: {error}" for run, error in failures)]))


def _progress(quiet: bool):  # noqa: ANN202
    from twofold.training.progress import Console, Silent

    return Silent() if quiet else Console()


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
