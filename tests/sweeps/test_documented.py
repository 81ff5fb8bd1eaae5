"""What the page on sweeps asks people to type."""

import re
import shlex
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "sweeping.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("twofold ")
]


def test_the_commands_and_the_python_run_as_they_stand(tmp_path, monkeypatch, twofold):
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) >= 2
    for command in COMMANDS:
        code, said, error = twofold(*shlex.split(command)[1:])
        assert code == 0, (command, error)
        assert "next: twofold evaluate runs/" in said
    made: dict = {}
    for python in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(python, "sweeping.md", "exec"), made)
    assert made["study"].best_params == made["found"].best.settings
    assert made["study"].best_value == made["found"].best.value
