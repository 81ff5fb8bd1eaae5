"""What the README asks people to type."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from twofold.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text()
COMMANDS = re.findall(r"^    (twofold .+?)(?:\s+#.*)?$", README, re.MULTILINE)
TRAINING = [line for line in COMMANDS if line.startswith("twofold train")]


def test_there_is_something_to_test():
    assert len(COMMANDS) >= 8
    assert len(TRAINING) == 7


@pytest.mark.parametrize("command", TRAINING)
def test_every_training_command_resolves(command: str, monkeypatch, capsys, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [*shlex.split(command), "--dry-run"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert "training:" in capsys.readouterr().out


def test_the_python_examples_run(tmp_path: Path, monkeypatch, capsys):
    verbs, own = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(verbs.replace("epochs=20", "epochs=1"), "README.md", "exec"), {})
    assert float(capsys.readouterr().out.strip()) < 1000
    exec(compile(own.replace("epochs=5", "epochs=1"), "README.md", "exec"), {})
    for name in ("threes.png", "report.html", "own.png"):
        assert (tmp_path / name).exists()


def test_every_file_it_points_to_is_there():
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (root / target).exists(), target


GALLERY = Path(__file__).parents[1] / "docs" / "gallery" / "README.md"
SHOWN = re.findall(r"^    (twofold .+?)(?:\s+#.*)?$", GALLERY.read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", SHOWN)
def test_every_command_of_the_gallery_is_understood(command: str):
    """Read as the command line would read it, and not run."""
    import typer

    from twofold.cli import app

    _, verb, *options = shlex.split(command)
    root = typer.main.get_command(app)
    found = root.get_command(root.make_context("twofold", [verb, "--help"]), verb)  # type: ignore[attr-defined]
    assert found is not None
    context = found.make_context(verb, options)
    assert context.params


def test_the_gallery_shows_every_verb_and_pictures_that_are_there():
    from twofold.cli.app import verbs

    text = GALLERY.read_text()
    assert set(verbs()) == set(re.findall(r"^\*\*(\w+)\*\*: ", text, re.MULTILINE))
    pictures = re.findall(r"\]\(([\w-]+\.png)\)|src=\"([\w-]+\.png)\"", text)
    assert len(pictures) >= len(verbs())
    for one, other in pictures:
        assert (GALLERY.parent / (one or other)).exists()
