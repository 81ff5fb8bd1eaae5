"""Commands are made from functions: what holds of every one of them."""

import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer

import twofold as package
from twofold import signatures
from twofold.cli import app
from twofold.cli.app import OTHERS, verbs
from twofold.cli.options import as_command
from twofold.signatures import Function

COMMANDS = [*OTHERS, *verbs()]
ROOT = typer.main.get_command(app)


def command_of(name: str):
    return ROOT.get_command(ROOT.make_context("twofold", [name, "--help"]), name)  # type: ignore[attr-defined]


def function_of(name: str) -> Function:
    return Function(OTHERS.get(name) or f"{package.PUBLIC[name]}.{name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does_and_not_of_which_type(name, twofold):
    code, output, _ = twofold(name, "--help")
    assert code == 0
    for noise in ("<bool>", "range>", "<=", "list[", "None", "`"):
        assert noise not in output
    if name != "resume":
        assert all(argument.help for argument in function_of(name).arguments if argument.types)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_function_is_understood(name):
    for line in function_of(name).example.splitlines():
        _, verb, *options = shlex.split(line)
        assert verb == name
        assert command_of(name).make_context(name, options).params


def test_an_option_is_the_same_in_every_verb():
    types: dict[str, set[str]] = {}
    for name in verbs():
        for option in command_of(name).params:
            types.setdefault(option.name, set()).add(str(option.opts))
    assert {name for name, several in types.items() if len(several) > 1} == set()


def test_the_defaults_are_those_of_the_function():
    import inspect

    for name in verbs():
        signature = inspect.signature(function_of(name).load())
        for argument in function_of(name).arguments:
            default = signature.parameters[argument.name].default
            assert argument.default is ... or argument.default == default


def test_a_file_and_a_public_name_make_a_command(monkeypatch, tmp_path: Path):
    (tmp_path / "twofold" / "verbs").mkdir(parents=True)
    (tmp_path / "twofold" / "verbs" / "shout.py").write_text(
        "def shout(run: str, *, loud: bool = False, num_times: int = 2) -> None:\n"
        '    """Shouts.\n\n    Arguments:\n        loud: Very.\n    """\n'
    )
    monkeypatch.setattr(signatures, "SOURCE", tmp_path)
    monkeypatch.setattr(package, "PUBLIC", {"shout": "twofold.verbs.shout"})
    heard = []
    module = ModuleType("twofold.verbs.shout")
    module.shout = lambda run, **options: heard.append((run, options))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert "shout" in verbs()
    alone = typer.Typer()
    alone.command()(as_command(Function("twofold.verbs.shout.shout")))
    typer.main.get_command(alone)(["a", "b", "--num-times", "3"], standalone_mode=False)
    assert heard == [(Path(run), {"loud": False, "num_times": 3}) for run in "ab"]


def test_plugins_are_loaded_before_anything_else(twofold, tmp_path: Path):
    plugins = [tmp_path / name for name in ("first.py", "second.py")]
    for path in plugins:
        path.write_text("from pathlib import Path\nPath(__file__).with_suffix('.seen').touch()\n")
    options = [text for path in plugins for text in ("--plugin", path)]
    code, _, errors = twofold("sample", "no-run", *options)
    assert (code, "no-run is not a run" in errors) == (1, True)
    assert all(path.with_suffix(".seen").exists() for path in plugins)
    code, _, errors = twofold("list", "models", "--plugin", tmp_path / "gone.py")
    assert (code, "gone.py: expected a Python file" in errors) == (2, True)


def test_one_place_does_not_hold_two_results(twofold):
    code, _, errors = twofold("sample", "a", "b", "--out", "c.png")
    assert (code, "--out c.png names one result, and there are 2 runs" in errors) == (2, True)


def test_the_help_of_a_verb_imports_nothing_heavy():
    script = (
        "import sys; from twofold.cli import app; from typer.testing import CliRunner; "
        "assert '--seeds' in CliRunner().invoke(app, ['sample', '--help']).output; "
        "print(*sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert not set(shown.stdout.split()) & {"torch", "numpy", "pydantic", "matplotlib", "scipy"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_behind_the_output_is_a_sentence():
    command = [sys.executable, "-c", "from twofold.cli import main; main()", "list", "experiments"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == "error: cannot read or write the output: No space left on device"


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (PermissionError(13, "Permission denied", "runs/a"), 1, "runs/a: Permission denied"),
        (type("PanicException", (BaseException,), {})("no memory"), 1, "gave up (no memory)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_no_function_foresees_is_a_sentence(twofold, monkeypatch, raised, code, said):
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("twofold.cli.training.resume", fail)
    found, _, errors = twofold("resume", "a-run")
    assert (found, said in errors, "Traceback" in errors) == (code, True, False)


@pytest.mark.parametrize("name", ["x.exe", "-", "x"])
def test_a_picture_has_the_ending_of_one(twofold, tmp_path, name: str):
    code, _, errors = twofold("data", "digits", "--picture", tmp_path / name)
    assert (code, "name it with .png" in errors) == (2, True)
    assert list(tmp_path.iterdir()) == []
