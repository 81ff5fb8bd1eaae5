"""What the plan of the house promises: imports run downward, nothing heavy at import, no pickle."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "twofold"

# From the ground up. A room may import from the floors below its own.
FLOORS = [
    {"_version", "errors"},
    {"locks"},
    {"files", "ranges", "streams", "words", "docstrings", "settings", "packages"},
    {"signatures", "registry"},
    {"data", "pictures"},
    {"distributions", "conditions", "networks"},
    {"likelihoods", "phases", "priors", "posteriors"},
    {"objectives"},
    {"models"},
    {"training"},
    {"experiments"},
    {"evaluation"},
    {"verbs"},
    {"anomalies", "inpainting"},
    {"report", "sharing"},
    {"reproduction", "serving", "sweeps"},
    {"terminal"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """The rooms of twofold that a file imports, anywhere in it."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            names = [node.module or ""]
            if node.module == "twofold":
                names = [f"twofold.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("twofold.")}
    return rooms


FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_downward(path: Path):
    room = room_of(path)
    assert room in FLOOR, f"{room} has no floor: add it to FLOORS and to docs/architecture.md"
    for other in imports_of(path) - {room}:
        assert FLOOR[other] < FLOOR[room], f"{room} imports {other}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_what_goes_to_the_cpu_becomes_double_there(path: Path):
    assert ".double().cpu()" not in path.read_text(), "Apple's GPU has no doubles"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_pickle_and_nothing_that_unpickles(path: Path):
    text = path.read_text()
    for word in ("import pickle", "allow_pickle=True", "torch.load(", "torch.save(", "joblib"):
        assert word not in text, f"{path.name} uses {word}"


def loaded_by(code: str) -> set[str]:
    script = f"import sys; {code}; print(' '.join(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(output.stdout.split())


def test_importing_twofold_imports_nothing_heavy():
    loaded = loaded_by("import twofold")
    assert not loaded & {"torch", "numpy", "pydantic", "matplotlib", "typer", "scipy", "sklearn"}


def test_help_imports_nothing_heavy():
    loaded = loaded_by(
        "from typer.testing import CliRunner; from twofold.cli import app; "
        "assert 'Commands' in CliRunner().invoke(app, ['--help']).output"
    )
    assert not loaded & {"torch", "numpy", "pydantic", "matplotlib", "scipy", "sklearn"}


def test_the_public_names_are_there():
    import twofold

    for name in twofold.__all__:
        assert getattr(twofold, name) is not None
    assert set(dir(twofold)) == set(twofold.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = twofold.trian  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_has_one_idea_and_a_function_fits_a_screen(path: Path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert body_lines(node) <= 50, f"{node.name} in line {node.lineno}"


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring; what declares arguments has no other place."""
    first = function.body[0]
    is_doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = first.end_lineno if is_doc else first.lineno - 1
    assert start is not None
    assert function.end_lineno is not None
    return function.end_lineno - start


def test_one_place_starts_interpreters_and_none_reads_the_working_folder():
    """`-m` puts the working folder, which may hold someone's `yaml.py`, before the library."""
    found = {path.name: path.read_text() for path in FILES if "sys.executable" in path.read_text()}
    assert list(found) == ["processes.py"]
    assert found["processes.py"].count("sys.executable") == 1
    assert 'INTERPRETER = (sys.executable, "-P")' in found["processes.py"]
