"""The papers of the package agree with each other."""

import json
import tomllib
from pathlib import Path

import yaml

from twofold import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(name: str) -> set[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def test_the_oldest_versions_are_the_bounds_of_pyproject():
    extras = PROJECT["optional-dependencies"]
    bounds = [*PROJECT["dependencies"], *extras["flows"], *extras["export"], *extras["hub"]]
    assert pins("constraints-min.txt") == {bound.replace(">=", "==") for bound in bounds}


def test_the_newest_versions_pin_every_package_that_docs_and_dev_need():
    known = {pin.partition("==")[0].lower() for pin in pins("constraints.txt")}
    for extra in ("dev", "docs", "flows", "export"):
        for bound in PROJECT["optional-dependencies"][extra]:
            name = bound.partition(">=")[0].partition("[")[0].lower()
            assert name in known, bound


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]


def test_the_workflow_tests_every_system_and_the_oldest_python():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    matrix = jobs["test"]["strategy"]["matrix"]
    assert {one.partition("-")[0] for one in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert f">={matrix['python'][0]}" == PROJECT["requires-python"]
    json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))


def test_the_image_does_not_run_as_root():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert lines.index("USER user") < lines.index('ENTRYPOINT ["twofold"]')
