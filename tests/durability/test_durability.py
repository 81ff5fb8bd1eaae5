"""Kills at file operations leave what is valid; of a damaged run folder a sentence is said."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
COMMANDS = {"train": 3, "resume": 2, "extend": 2, "evaluate": 2, "augment": 2, "sample": 1}
COMMANDS["compare"] = 1

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks"),
    pytest.mark.timeout(3600),
]


def run(script: str, *arguments: object) -> None:
    """Runs a script of this folder, which prints how much it tried and what went wrong."""
    paths = [str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["tried"] > 0
    assert not found["faults"], "\n".join(found["faults"])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_killed_at_a_file_operation_leaves_what_can_be_gone_on_from(command: str):
    run("kills.py", command, COMMANDS[command])


@pytest.mark.every_place
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_killed_at_any_file_operation(command: str):
    run("kills.py", command, 10_000)


def test_a_damaged_run_is_read_right_or_refused():
    run("damage.py", 12, 0)


@pytest.mark.every_place
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_run_damaged_in_many_ways(seed: int):
    run("damage.py", 200, seed)
