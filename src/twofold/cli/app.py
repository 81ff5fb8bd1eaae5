"""The application itself: its entry point, and what a user is told when something goes wrong."""

import sys
from typing import Annotated, NoReturn

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
