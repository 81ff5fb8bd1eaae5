"""What a command does: it loads plug-ins, calls its function, and hands the result over."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import typer

from twofold.errors import RunError, UsageError
from twofold.sharing.contract import is_onnx_folder
from twofold.signatures import Function

__all__ = ["carry_out"]

TOGETHER = {"anomaly": Function("twofold.anomalies.side_by_side.side_by_side")}  # of several runs


def carry_out(function: Function, values: dict[str, Any]) -> None:
    """Does what a command asks for, and says how to go on where it is interrupted."""
    try:
        for path in values.pop("plugin"):
            from twofold.registry.plugins import load_plugin

            load_plugin(path)
        if "quiet" in values:
            from twofold.training.progress import Console, Silent

            values["progress"] = Silent() if values.pop("quiet") else Console()
        if "run" in values:
            _use_runs(function, values.pop("run"), values)
            return
        given = [values.pop(one.name) or () for one in function.arguments if one.positional]
        _hand_over(function.load()(*given, **values), function.name)
    except KeyboardInterrupt:
        typer.echo("interrupted: what was done is kept, and the same command continues", err=True)
        raise typer.Exit(130) from None


def _apart(given: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Runs, and the `key=value` among them: what has an equals sign and is no folder.

    Raises:
        UsageError: If there is no run.
    """
    changes = [str(one) for one in given if "=" in str(one) and not one.exists()]
    runs = [one for one in given if str(one) not in changes]
    if not runs:
        raise UsageError(
            f"{' '.join(changes)} of which run? Name its folder first, as in runs/cvae"
        )
    return runs, changes


def _call(function: Function, run: Path, /, *given: Any, **values: Any) -> Any:
    """A function of a run, or what does the same with an export of one, for which torch stays out.

    Raises:
        UsageError: If an export cannot do it.
    """
    if is_onnx_folder(run):
        from twofold.sharing.without_torch import verb

        return verb(function.name)(run, *given, **values)
    return function.load()(run, *given, **values)


def _with_changes(call: Callable[..., Any], changes: list[str], run: Path, **values: Any) -> Any:
    return call(run, changes, **values)


def _use_runs(function: Function, runs: Sequence[Path], values: dict[str, Any]) -> None:
    """Calls a function for each run; one that fails does not lose the results of the others."""
    from twofold.terminal import show_next

    call, out = partial(_call, function), values.pop("out", None)
    if "changes" in [argument.name for argument in function.arguments]:
        runs, changes = _apart(runs)
        call = partial(_with_changes, call, changes)
    several = len(runs) > 1
    if several and function.name in TOGETHER:
        found = TOGETHER[function.name].load()([call(run, **values) for run in runs])
        _hand_over(found, function.name, runs[0], out)
        return
    if several and out is not None:
        raise UsageError(f"--out {out} names one result, and there are {len(runs)} runs")
    failures: dict[Path, RunError] = {}
    measured: list[Path] = []
    for run in runs:
        try:
            found = call(run, **values)
            _hand_over(found, function.name, run, out)
            if function.name == "evaluate" and found.path is not None:
                measured.append(found.path.parent)
        except RunError as error:
            if not several:
                raise
            failures[run] = error
    show_next("compare", measured)
    if failures:
        head = f"{function.name} failed for {len(failures)} of {len(runs)} runs:"
        raise RunError("\n".join([head, *(f"{run}: {error}" for run, error in failures.items())]))


def _hand_over(result: Any, verb: str, run: Path = Path(), out: str | None = None) -> None:
    """Shows what a function gave back, saves what is to be saved, and says where it is."""
    from twofold.terminal import show_columns, show_evaluation, show_measures, show_runs

    if hasattr(result, "save"):
        paths = [Path(out)] if out else _places(result, _home(run) / verb)
        saved = [result.save(path) for path in paths]
        if result.measures or result.not_measured:
            show_measures(result.caption, result.measures, result.not_measured)
        else:
            typer.echo(result.caption, err=True)
        show_columns(result.highlights())
        typer.echo("\n".join(map(str, saved)))
    elif hasattr(result, "measures"):
        show_evaluation(str(run), result)
    elif isinstance(result, list) or hasattr(result, "progress"):
        if not show_runs(result):
            raise typer.Exit(130)
    elif result is not None:
        typer.echo(result)


def _home(run: Path) -> Path:
    """Where results of a run go: into it, or for one on the hub into a folder of its name here."""
    return Path(run.name.partition("@")[0]) if run.as_posix().startswith("hf:") else run


def _places(result: Any, stem: Path) -> list[Path]:
    """Where a result goes by default: in its first form, with its table, if any, beside it."""
    endings = [".csv"] if result.table() is not None else []
    return [stem.with_suffix(ending) for ending in [*endings, next(iter(result.writers()))]]
