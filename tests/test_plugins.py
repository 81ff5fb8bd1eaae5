"""The example plugins and docs/extending.md: used from the command line, in YAML and in Python."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import yaml

import twofold as tf
from twofold.experiments.resolve import parse_experiment, resolve
from twofold.registry import find, load_plugin, make

ROOT = Path(__file__).parents[1]
PLUGINS = ROOT / "examples" / "plugins"
FILES = sorted((PLUGINS / "src" / "twofold_examples").glob("[!_]*.py"))
PAGE = (ROOT / "docs" / "extending.md").read_text()


@pytest.fixture(scope="module", autouse=True)
def plugins():
    for path in FILES:
        load_plugin(path)


@pytest.fixture
def installed(tmp_path):
    """An environment in which the example package is installed: its metadata lie on the path."""
    project = tomllib.loads((PLUGINS / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / "site" / "twofold_examples-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\n")
    points = project["entry-points"]["twofold"].items()
    lines = "".join(f"{name} = {value}\n" for name, value in points)
    (metadata / "entry_points.txt").write_text(f"[twofold]\n{lines}")
    before = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(metadata.parent), str(PLUGINS / "src"), before])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def run_twofold(environment: dict[str, str], folder: Path, *arguments: object):
    script = "from twofold.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def experiment(name: str, **changes: object):
    path = PLUGINS / f"{name}.yaml"
    return resolve(parse_experiment(yaml.safe_load(path.read_text()), path.name), changes)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_is_one_short_file(path):
    assert len(path.read_text().splitlines()) <= 90


def test_an_installed_package_is_found_by_its_entry_point(installed, tmp_path):
    before = os.environ.get("PYTHONPATH", "")
    listed = run_twofold(installed, tmp_path, "list", "models")
    assert "gmmn" in listed.stdout
    trained = run_twofold(
        installed, tmp_path, "train", PLUGINS / "gratings-vae.yaml",
        "epochs=1", "count=200", "width=16", "scale=0.2", "--out", "run",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    content = yaml.safe_load((tmp_path / "run" / "experiment.yaml").read_text())
    assert content["model"]["likelihood"] == {"name": "laplace", "scale": 0.2}
    assert content["model"]["decoder"] == {"name": "resmlp", "width": 16, "depth": 3}
    sampled = run_twofold(installed, tmp_path, "sample", "run")
    assert sampled.returncode == 0, sampled.stderr
    assert (tmp_path / "run" / "sample.png").exists()
    missing = run_twofold({**installed, "PYTHONPATH": before}, tmp_path, "sample", "run")
    assert missing.returncode == 1
    assert "pip install twofold-examples" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_files_are_given_on_the_command_line(twofold, tmp_path):
    given = [word for path in FILES for word in ("--plugin", path)]
    yaml_file = PLUGINS / "gratings-gmmn.yaml"
    code, _, err = twofold(
        "train", yaml_file, "epochs=1", "count=200", "--out", tmp_path / "run", *given, "-q"
    )
    assert code == 0, err
    assert twofold("sample", tmp_path / "run", "-n", "4", *given)[0] == 0


def test_the_family_learns_and_every_verb_that_needs_no_encoder_works(tmp_path, silent):
    few = experiment("gratings-gmmn", epochs=8, batch_size=50)
    run = tf.train(few, out=tmp_path / "gmmn", progress=silent)
    losses = [r["terms"]["generator"]["loss"] for r in run.records if r["kind"] == "validation"]
    assert losses[-1] < losses[0]
    assert tf.sample(run, 6).images.shape == (6, 1, 16, 16)
    assert tf.interpolate(run, n=1, steps=3)
    with pytest.raises(tf.TwofoldError, match="GMMN has no encoder; use a VAE"):
        tf.reconstruct(run)
    found = tf.evaluate(run, "distance,likelihood", num_samples=100, progress=silent)
    assert "likelihood" in found.not_measured


def test_the_likelihood_is_a_density_and_samples_follow_it():
    p = make("likelihood", {"name": "laplace", "scale": 0.2}, channels=1)(torch.zeros(1, 1, 1, 1))
    x = torch.linspace(-6, 7, 200_001, dtype=torch.float64)
    integral = torch.trapezoid(p.log_prob(x.view(-1, 1, 1, 1)).exp(), x).item()
    assert abs(integral - 1) < 1e-6
    wide = make("likelihood", "laplace", channels=1)(torch.zeros(100_000, 1, 1, 1))
    drawn = wide.sample(torch.Generator().manual_seed(0))
    assert abs((drawn - 0.5).abs().mean().item() - 0.1) < 0.002  # E|X - mu| = b


def test_the_network_takes_a_condition_and_the_data_have_four_classes():
    network = make("network", {"name": "resmlp", "width": 8}, input_shape=(1, 4, 4),
                   output_shape=(3, 4), condition_dim=2)  # fmt: skip
    assert network(torch.zeros(5, 1, 4, 4), torch.zeros(5, 2)).shape == (5, 3, 4)
    dataset = tf.load_dataset("gratings", options={"count": 40, "side": 8})
    assert sorted(dataset.class_names) == ["antidiagonal", "diagonal", "horizontal", "vertical"]
    assert dataset.image_shape == (1, 8, 8)
    assert len(dataset) == 40
    rows, columns = (dataset.images[dataset.labels == dataset.class_names.index(name), 0]
                     for name in ("horizontal", "vertical"))  # fmt: skip
    assert rows.std(axis=2).max() == 0
    assert columns.std(axis=1).max() == 0


def test_what_an_option_may_be_is_said():
    with pytest.raises(tf.TwofoldError, match=r"likelihood.scale: got -1; input should be greater"):
        experiment("gratings-vae", scale=-1)
    with pytest.raises(tf.TwofoldError, match=r"count: got 0"):
        tf.load_dataset("gratings", options={"count": 0})
    with pytest.raises(tf.TwofoldError, match="digits takes no options"):
        tf.load_dataset("digits", options={"count": 3})


def test_the_page_runs_as_a_notebook_does(tmp_path, monkeypatch, silent):
    """Twice, as cells are: registering the same definition again is no error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("twofold.experiments.fit.Console", lambda: silent)
    monkeypatch.setattr("twofold.experiments.train.Console", lambda: silent)
    cells = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(cells) == 6
    notebook: dict[str, object] = {"__name__": "notebook"}
    for cell in cells:
        exec(compile(cell, "docs/extending.md", "exec"), notebook)
    assert (tmp_path / "runs" / "mine" / "report.html").exists()
    definition = cells[-1].partition("run = ")[0]
    exec(compile(definition, "docs/extending.md", "exec"), notebook)
    assert find("network", "two-layers").settings.model_fields["width"].description
