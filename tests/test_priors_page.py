"""The page on priors and posteriors: its Python runs, nothing is missing."""

import re
from pathlib import Path

import pytest

from twofold.registry import entries

PAGE = (Path(__file__).parents[1] / "docs" / "priors.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["prior", "posterior"])
def test_the_table_names_what_there_is(kind: str):
    table = PAGE.split(f"\n| {kind} |")[1].split("\n\n")[0]
    ours = {entry.name for entry in entries(kind) if not entry.origin}
    assert set(re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE)) == ours - {"laplace"}


def test_its_python_runs(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "priors"}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "priors.md", "exec"), names)
    assert (tmp_path / "runs" / "composed" / "traverse.png").exists()
    drawn = names["Laplace"](0.7)
    drawn.join(names["vae"])
    z = drawn.sample(20_000)
    assert abs(z.abs().mean().item() - 0.7) < 0.02  # of a Laplace density, its width
    assert abs(drawn.log_prob(z).mean().item() / 4 + 1 + names["math"].log(1.4)) < 0.02
