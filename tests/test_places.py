"""How many files one more family, network, likelihood, measure … touches: by adding them.

The table in docs/architecture.md is held against it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "plugins" / "src" / "twofold_examples"
MOST = {
    "a family of models": 2,
    "a network": 1,
    "a likelihood": 1,
    "a data set": 1,
    "a measure": 1,
    "a verb": 2,
}
VERB = '''
"""How bright the samples of a model are."""

from twofold.experiments.context import Subject, open_run
from twofold.verbs.sample import Samples, sample


def brightness(run: Subject, n: int = 10) -> Samples:
    """Draws images and prints how bright they are.

    Arguments:
        run: A run or its folder.
        n: How many images.
    """
    open_run(run)
    return sample(run, n)
'''


def example(name: str) -> str:
    return (EXAMPLES / f"{name}.py").read_text()


# What is written, by file: a new file, or a text that is added to one.
ADDED: dict[str, dict[str, str]] = {
    "a family of models": {"models/gmmn.py": example("gmmn")},
    "a network": {"networks/resmlp.py": example("resmlp")},
    "a likelihood": {"likelihoods.py": example("laplace").partition('"""\n\n')[2]},
    "a data set": {"data/gratings.py": example("gratings")},
    "a measure": {"evaluation/sharpness.py": example("sharpness")},
    "a verb": {
        "verbs/brightness.py": VERB,
        "__init__.py": "    from twofold.verbs.brightness import brightness as brightness\n",
    },
}


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the package with one more of each; it runs the command line."""
    folder = tmp_path_factory.mktemp("copy")
    package = shutil.copytree(ROOT / "src" / "twofold", folder / "src" / "twofold")
    for files in ADDED.values():
        for name, text in files.items():
            path, before = package / name, ""
            if name == "__init__.py":
                before = path.read_text()
                text = before.replace("if TYPE_CHECKING:\n", f"if TYPE_CHECKING:\n{text}")
                path.write_text(text)
            else:
                path.write_text((path.read_text() if path.exists() else "") + text)

    def run(*arguments: object) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from twofold.cli import main; main()", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def test_one_more_of_each_works_with_these_files_alone(extended):
    yaml = ROOT / "examples" / "plugins" / "gratings-vae.yaml"
    extended("train", yaml, "epochs=1", "count=200", "--out", "vae")
    moments = ROOT / "examples" / "plugins" / "gratings-gmmn.yaml"
    extended("train", moments, "epochs=1", "count=200", "--out", "gmmn")
    assert "sharpness" in extended("evaluate", "gmmn", "--measures", "sharpness")
    assert "brightness.png" in extended("brightness", "gmmn", "-n", "4")


@pytest.mark.parametrize("what", MOST)
def test_the_table_says_how_many_places_that_are(what):
    page = (ROOT / "docs" / "architecture.md").read_text()
    row = re.search(rf"^\| {what} \| (\d) \|", page, flags=re.MULTILINE)
    assert row is not None
    assert int(row[1]) == len(ADDED[what]) <= MOST[what]
