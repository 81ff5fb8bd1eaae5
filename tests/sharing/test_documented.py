"""What the page on sharing asks people to type."""

import re
import shlex
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "sharing.md").read_text()
COMMANDS = re.findall(r"^    (twofold .+?)(?:\s+#.*)?$", PAGE, re.MULTILINE)


def test_the_commands_run_as_they_stand(tmp_path, monkeypatch, twofold):
    """All but those on folders of the reader's own."""
    monkeypatch.chdir(tmp_path)
    ran = [command for command in COMMANDS if "path/to" not in command and "USER" not in command]
    assert len(ran) >= 4
    for command in ran:
        code, _, said = twofold(*shlex.split(command)[1:])
        assert code == 0, (command, said)
    (python,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    made: dict = {}
    exec(compile(python.replace('"cvae-onnx"', '"again"'), "sharing.md", "exec"), made)
    assert made["images"].shape == (10, 1, 8, 8)
