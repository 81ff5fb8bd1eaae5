"""What the README and the pages of the site ask people to type."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from twofold.cli import app, main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "docs/gallery/README.md"]
GALLERY = PAGES[-1].read_text(encoding="utf-8")


def commands_of(page: Path) -> list[str]:
    """Indented lines and those of shell blocks, comments left out."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = "\n".join(re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL))
    lines = re.findall(r"^ {4,}(twofold .+)$", text, re.MULTILINE)
    lines += re.findall(r"^(twofold .+)$", blocks, re.MULTILINE)
    return [re.sub(r"\s+#.*", "", line) for line in lines]


def python_of(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


COMMANDS = {
    f"{page.relative_to(ROOT)}: {line}": line for page in PAGES for line in commands_of(page)
}
ASSUMED = ("PATH", "init_from=", "extending.md")  # data, a run and plugins that the pages make
TRAINING = {
    name: line
    for name, line in COMMANDS.items()
    if line.startswith("twofold train") and not any(word in name for word in ASSUMED)
}


def test_there_is_something_to_test():
    assert len(COMMANDS) > 90
    assert len(TRAINING) > 25
    for page in ("start", "data", "measuring", "comparing", "training", "sharing", "extending"):
        assert any(name.startswith(f"docs/{page}.md") for name in COMMANDS), page


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_is_understood(command: str):
    """Read as the command line would read it, and not run."""
    _, verb, *options = shlex.split(command)
    root = typer.main.get_command(app)
    found = root.get_command(root.make_context("twofold", [verb, "--help"]), verb)  # type: ignore[attr-defined]
    assert found is not None
    assert found.make_context(verb, options).params


@pytest.mark.parametrize("command", TRAINING.values(), ids=TRAINING)
def test_every_training_command_resolves(command: str, monkeypatch, capsys, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    dry = [] if "--dry-run" in command else ["--dry-run"]
    monkeypatch.setattr(sys, "argv", [*shlex.split(command), *dry])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert "training:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("page", "makes"),
    [
        ("README.md", ["threes.png", "between.webp", "report.html"]),
        ("docs/start.md", ["threes.png", "between.webp", "report.html"]),
        ("docs/data.md", []),
        ("docs/measuring.md", ["runs/measured/evaluation.json"]),
        ("docs/comparing.md", ["two.html"]),
    ],
)
def test_the_python_examples_run(page: str, makes: list[str], tmp_path: Path, monkeypatch):
    """Briefly: training is cut short, and of the figures those of the likelihood are taken."""
    import twofold

    monkeypatch.chdir(tmp_path)
    train, evaluate = twofold.train, twofold.evaluate
    monkeypatch.setattr(twofold, "train", lambda name, **more: train(name, **more | {"epochs": 1}))
    monkeypatch.setattr(twofold, "evaluate", lambda run, *_: evaluate(run, "likelihood"))
    (block,) = python_of(page)
    exec(compile(block, page, "exec"), {})
    for name in makes:
        assert (tmp_path / name).exists(), name


def test_every_file_that_the_readme_points_to_is_there():
    text = PAGES[0].read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
        assert (ROOT / target).exists(), target


def test_the_gallery_shows_every_verb_and_pictures_that_are_there():
    from twofold.cli.app import verbs

    assert set(verbs()) == set(re.findall(r"^\*\*(\w+)\*\*: ", GALLERY, re.MULTILINE))
    pictures = re.findall(r"\]\(([\w-]+\.png)\)|src=\"([\w-]+\.png)\"", GALLERY)
    assert len(pictures) >= len(verbs())
    for one, other in pictures:
        assert (PAGES[-1].parent / (one or other)).exists()


def test_every_page_is_in_the_contents_of_the_site():
    """Known before the build, which refuses a page that is in none."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    named = re.sub(r"[<>]", " ", index).split()
    for page in PAGES[1:]:
        name = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        assert name == "index" or name in named, name
