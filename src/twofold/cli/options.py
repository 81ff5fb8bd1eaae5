"""From a function to a command: its arguments become options, and their texts its values."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from twofold.cli.results import carry_out
from twofold.signatures import REQUIRED, Argument, Function

__all__ = ["as_command"]

LARGEST_SEED = (1 << 63) - 1  # that torch takes
PLUGIN = "Python with models, data or measures of your own; may be repeated."

Option = tuple[str, Any, Any, Any]  # name, type, typer's words, default


def as_command(function: Function) -> Callable[..., None]:
    """A function as typer reads one, with the options and the help of another."""
    options = [option for argument in function.arguments if (option := _option(argument))]
    options = _runs_with_changes(options)
    if function.returns and "out" not in [name for name, *_ in options]:
        words = f"{function.returns} By default in the run's folder."
        options.append(("out", str | None, typer.Option(metavar="PATH", help=words), None))
    options.append(("plugin", list[Path], typer.Option(metavar="FILE.py", help=PLUGIN), []))

    def command(**values: Any) -> None:
        carry_out(function, values)

    command.__doc__ = function.summary
    command.__annotations__ = {name: Annotated[type_, words] for name, type_, words, _ in options}
    parameters = [_parameter(*option) for option in options]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _runs_with_changes(options: list[Option]) -> list[Option]:
    """Runs and changes are told apart by what they say: a command line has one list at its end."""
    named = {option[0]: option for option in options}
    if not {"run", "changes"} <= named.keys():
        return options
    both = f"{named['run'][2].help} {named['changes'][2].help}"
    words = typer.Argument(metavar="RUN [KEY=VALUE]", help=both)
    merged = ("run", list[Path], words, REQUIRED)
    return [merged if one[0] == "run" else one for one in options if one[0] != "changes"]


def _parameter(name: str, type_: Any, words: Any, default: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if default is REQUIRED else default
    kind, annotation = inspect.Parameter.KEYWORD_ONLY, Annotated[type_, words]
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _option(argument: Argument) -> Option | None:
    """What an argument is on the command line; None where no text can stand for it."""
    name, default, types = argument.name, argument.default, argument.types - {"None"}
    if name == "progress":
        return "quiet", bool, typer.Option("--quiet", "-q", help="Show no progress."), False
    if argument.positional:
        return name, *_positional(argument)
    type_ = next((one for one in (bool, int, float) if types == {one.__name__}), None)
    if type_ is None and any(one in ("str", "Path") or "Literal" in one for one in types):
        type_ = str
    if type_ is None:
        return None
    words = typer.Option(
        f"--{name.replace('_', '-')}",
        *(["-n"] if name == "n" else []),
        metavar="PATH" if "Path" in types else None,
        help=argument.help,
        callback=_number_or_all if "Literal['all']" in types else _CHECKS.get(name),
    )
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    return name, type_ if default is not None else type_ | None, words, default


def _positional(argument: Argument) -> tuple[Any, Any, Any]:
    """What stands on the command line without a name: runs, changes, or a single text."""
    name, words = argument.name, argument.help
    if name in ("run", "runs"):
        return list[Path], typer.Argument(metavar="RUN", help=words), REQUIRED
    if "Iterable[str]" in argument.types:
        return list[str] | None, typer.Argument(metavar="KEY=VALUE", help=words), None
    complete = _experiments if name == "experiment" else None
    return str, typer.Argument(help=words, autocompletion=complete), argument.default


def _seed(value: int) -> int:
    if not 0 <= value <= LARGEST_SEED:
        raise typer.BadParameter(f"{value} is no seed; give a number from 0 to {LARGEST_SEED}")
    return value


def _number_or_all(value: str | None) -> int | str | None:
    if value is None or value == "all":
        return value
    if not value.isdecimal():
        raise typer.BadParameter(f"{value}: give a number of images, or all")
    return int(value)


_CHECKS: dict[str, Callable[[int], int]] = {"seed": _seed}


def _experiments(incomplete: str) -> list[str]:
    from twofold.experiments.resolve import experiment_names

    return [name for name in experiment_names() if name.startswith(incomplete)]
