"""The application itself: its commands, and what is said when something goes wrong."""

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import typer.core

import twofold
from twofold.cli.options import as_command
from twofold.errors import RunError, TwofoldError, printable
from twofold.signatures import Function

__all__ = ["app", "main", "verbs"]

OTHERS = {
    "train": "twofold.cli.training.train",
    "resume": "twofold.cli.training.resume",
    "evaluate": "twofold.verbs.evaluate.evaluate",
    "track": "twofold.verbs.track.track",
    "compare": "twofold.report.compare.compare",
    "export": "twofold.sharing.export.export",
    "sweep": "twofold.sweeps.sweep.sweep",
    "serve": "twofold.serving.serve.serve",
    "reproduce": "twofold.reproduction.reproduce.reproduce",
    "list": "twofold.terminal.show_list",
    "data": "twofold.terminal.show_data",
    "doctor": "twofold.experiments.doctor.doctor",
}
HOMES = ("verbs", "anomalies", "inpainting")  # packages whose functions are commands
LOOKING = ("sample", "reconstruct", "interpolate", "manifold", "traverse", "canvases", "latents")
LOOK, USE = "Look at a trained model", "Use a trained model"  # headings of the help

_LESS = "a smaller batch_size, latent_dim, size or layers to train, a smaller --n to sample"


class _PlainHelp:
    """A help that says what a flag or an argument is, and not of which Python type."""

    def get_params(self, ctx: Any) -> list[Any]:
        params = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
                param.default = bool(param.default)  # of None, typer asks pydantic what it is
            elif param.param_type_name == "argument":
                param.display_type_rich = lambda ctx: None  # noqa: ARG005
        return params


class _Command(_PlainHelp, typer.core.TyperCommand):
    pass


class _Group(_PlainHelp, typer.core.TyperGroup):
    pass


app = typer.Typer(
    cls=_Group,
    name="twofold",
    help="Train, measure and compare VAEs and GANs on small images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def verbs() -> list[str]:
    """The public functions that use a model, each in the file of its name, in the help's order."""
    found = [
        name
        for name, module in twofold.PUBLIC.items()
        if module.split(".")[1] in HOMES and module.endswith(f".{name}")
    ]
    rest = [name for name in found if name not in LOOKING and name not in OTHERS]
    return [*LOOKING, *rest]


def _add(name: str, function: Function, panel: str | None = None) -> None:
    example = f"Example: {function.example}" if function.example else None
    app.command(name, cls=_Command, rich_help_panel=panel, epilog=example)(as_command(function))


for name, path in OTHERS.items():
    _add(name, Function(path))
for name in verbs():
    _add(name, Function(f"{twofold.PUBLIC[name]}.{name}"), LOOK if name in LOOKING else USE)


def main() -> NoReturn:
    """The entry point of the `twofold` command."""
    warnings.showwarning = _warn
    try:
        _start()
    except TwofoldError as error:
        _fail(str(error), 1 if isinstance(error, RunError) else 2)
    except OSError as error:  # of a folder that nobody may look into, or a full disk
        what = "the output" if error.filename is None else error.filename
        _fail(f"cannot read or write {what}: {error.strerror or error}", 1)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        _fail(f"out of memory ({reason}); try less at a time: {_LESS}", 1)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of a library in Rust, and no Exception
            raise
        _fail(f"a library gave up ({error}); is there enough memory? Try {_LESS}", 1)
    sys.exit(0)


def _start() -> None:
    """Does what was asked for; what it printed is written before it counts as done."""
    try:
        app(prog_name="twofold")
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            with Path(os.devnull).open("w") as nowhere:  # lest the interpreter try again
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            raise


def _fail(message: str, code: int) -> NoReturn:
    _complain(message)
    sys.exit(code)


def _complain(message: str) -> None:
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    # Names of files and classes are shown as text: an escape code in one must not reach a terminal.
    typer.echo("\n".join(map(printable, message.split("\n"))), err=True)


def _warn(message: Warning | str, *_: Any) -> None:
    """Warnings of libraries in a line, without the place in their code that gave them."""
    first = str(message).strip().partition("\n")[0]
    typer.echo(f"warning: {printable(first)}", err=True)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether an allocation failed: numpy has a class for it, torch one on a GPU and words else."""
    words = ("out of memory", "allocate memory", "Storage size calculation overflowed")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"twofold {twofold.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass
