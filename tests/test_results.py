"""The committed results: tables that say what their JSON says, of experiments that still exist."""

import importlib.util
import json
from pathlib import Path

import pytest

from twofold.experiments.resolve import experiment_names

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "docs" / "results").glob("*.json"))


@pytest.fixture(scope="module")
def results():
    """benchmarks/results.py, which is a script and no package."""
    spec = importlib.util.spec_from_file_location("results", ROOT / "benchmarks" / "results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_table_is_that_of_the_json(path: Path, results):
    content = json.loads(path.read_text())
    if "experiments" not in content:
        pytest.skip("not a set of runs")
    assert path.with_suffix(".md").read_text().endswith(results.table(content))
    for name, entry in content["experiments"].items():
        assert name in experiment_names()
        seeds = [(run["seed"], run.get("label_seed", 0)) for run in entry["runs"]]
        assert len(set(seeds)) == len(seeds)


def test_a_measure_missing_for_a_seed_is_blank(results):
    def run(seed: int, **values: float) -> dict:
        measures = {
            name: {
                "title": name,
                "unit": "%",
                "value": value,
                "reference": 7.0 if name == "a" else None,
            }
            for name, value in values.items()
        }
        environment = dict.fromkeys(("processor", "device", "threads", "cores", "torch"), "x")
        return {"seed": seed, "measures": measures, "environment": environment}

    entry = {"reported": [], "runs": [run(0, a=1.0, b=5.0), run(1, a=3.0)]}
    lines = results.table({"experiments": {"e": entry}}).splitlines()
    assert "| a | % | 2.0\u00a0±\u00a01.4 | 7 |" in lines
    assert "| b | % |  |  |" in lines
