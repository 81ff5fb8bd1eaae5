"""The page of experiments and the library say the same."""

import re
from pathlib import Path

from twofold.experiments.resolve import experiment_names

PAGE = Path(__file__).parents[2] / "docs" / "experiments.md"
REPORTS = ("lam2023", "gaikwad2020", "belani2020", "lin-yu2018", "chen-fang-ju2016")


def _named() -> set[str]:
    """Every name of the table, short forms such as `-cdraw` completed by their report."""
    found, report = set(), ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            continue
        each = "each with `-as-run`" in line
        stems = []
        for word in re.findall(r"`([a-z0-9-]+)`", line.replace("each with `-as-run`", "")):
            report = next((r for r in REPORTS if word.startswith(r)), report)
            stems.append((word if not word.startswith("-") else report + word, line.index(word)))
        cut = line.index("each with") if each else 0
        found |= {name for name, _ in stems}
        found |= {f"{name}-as-run" for name, place in stems if place < cut}
    return found


def test_the_page_names_every_experiment_of_a_report():
    library = {name for name in experiment_names() if name.startswith(REPORTS)}
    named = {name for name in _named() if name.startswith(REPORTS)}
    assert named == library
