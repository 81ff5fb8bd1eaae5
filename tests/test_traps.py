"""Whether the tests that docs/traps.md relies on are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    line.strip("| ").split(" | ")
    for line in (ROOT / "docs" / "traps.md").read_text().splitlines()
    if "::" in line
]
NAMED = sorted({name for row in ROWS for name in re.findall(r"`(\S+::\S+)`", row[-1])})


def test_every_trap_has_a_place_and_a_test():
    assert len(ROWS) >= 19
    for trap, place, tests in ROWS:
        assert re.search(r"\d{4}", place), trap
        assert tests.count("::") == len(re.findall(r"`tests/\S+\.py::test_\w+`", tests)) > 0, trap


@pytest.mark.parametrize("name", NAMED)
def test_every_test_named_there_exists(name: str):
    path, _, function = name.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
