"""Every kind of interval, drawn again and again: it holds the truth as often as it states.

The program that makes docs/intervals.md has the laws; here there are fewer repetitions. Of these
the share alone could not tell an interval that is too wide, so the error that it states is compared
with the spread of the figures as well.
"""

import importlib.util
import math
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPETITIONS = 150


def load_program():
    """benchmarks/coverage_of_intervals.py, which is a script and no package."""
    folder = ROOT / "benchmarks"
    sys.path.insert(0, str(folder))
    try:
        path = folder / "coverage_of_intervals.py"
        spec = importlib.util.spec_from_file_location("coverage_of_intervals", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(folder))


program = load_program()
SITUATIONS = list(program.situations())


@pytest.mark.parametrize("one", SITUATIONS, ids=lambda one: f"{one.interval}: {one.law}")
def test_an_interval_holds_the_truth_as_often_as_it_states(one):
    found = program.repeat(one, REPETITIONS // min(one.cost, 4))
    binomial = math.sqrt(program.STATED * (1 - program.STATED) / found.repetitions)
    assert found.coverage > program.STATED - 0.03 - 3 * binomial
    if found.spread > 0.5 or one.interval != "modes reached":
        uncertain = 3 / math.sqrt(2 * found.repetitions)
        assert abs(math.log(found.stated / found.spread)) < 0.15 + uncertain
