"""Training that starts from the weights of another run."""

import shutil
from pathlib import Path

import pytest
import torch

from twofold import models
from twofold.errors import UsageError
from twofold.experiments.build import build_model
from twofold.experiments.fit import fit
from twofold.experiments.resolve import parse_experiment, resolve
from twofold.experiments.run import Run
from twofold.experiments.seed_runs import train_seeds
from twofold.experiments.train import resume, train
from twofold.training.checkpoint import load_checkpoint
from twofold.training.initial import start_from


def first_weights(run: Run) -> dict[str, torch.Tensor]:
    """Those at step 0; a run of so few steps keeps its first checkpoint."""
    tensors, _ = load_checkpoint(run.path / "checkpoints" / "step-00000000.json")
    return {name: value for name, value in tensors.items() if name.startswith("model/")}


@pytest.fixture
def source(tmp_path: Path, toy_data, toy_experiment, silent) -> Run:
    return train(toy_experiment("cgan"), out=tmp_path / "a", dataset=toy_data, progress=silent)


@pytest.fixture
def train_from(tmp_path: Path, toy_data, toy_experiment, silent):
    def make(place: object, name: str = "b", family: str = "cgan", **fields) -> Run:
        asked = toy_experiment(family, {k: fields.pop(k) for k in ("latent_dim",) if k in fields})
        changes = {"init_from": str(place), "epochs": 1, **fields}
        return train(asked, changes, out=tmp_path / name, dataset=toy_data, progress=silent)

    return make


def test_a_run_starts_where_another_ended(source, train_from, toy_data, toy_experiment):
    """Weights, batch norm's statistics and the EMA, by the folder or by either file."""
    expected = {f"model/{k}": v for k, v in source.model().state_dict().items()}
    places = [source.path, source.checkpoint, source.checkpoint.with_suffix(".safetensors")]
    for number, place in enumerate(places):
        found = first_weights(train_from(place, f"b{number}"))
        assert found.keys() == expected.keys()
        assert all(torch.equal(value, expected[name]) for name, value in found.items())
    fresh = build_model(toy_experiment("cgan"), toy_data.image_shape, 3).state_dict()
    assert any(not torch.equal(v, expected[f"model/{k}"]) for k, v in fresh.items())


def test_the_recipe_knows_the_weights_and_not_where_they_lie(
    source, train_from, tmp_path, toy_experiment
):
    run = train_from(source.path)
    digest = load_checkpoint(source.checkpoint)[1]["sha256"][:16]
    assert run.experiment.training.init_from == str(source.path.resolve())
    assert run.experiment.training.init_hash == digest
    moved = shutil.copytree(source.path, tmp_path / "moved")
    plain = toy_experiment("cgan")
    recipes = [
        resolve(plain, fields).recipe()
        for fields in (
            {"init_from": str(source.path)},
            {"init_from": str(moved)},
            {"init_from": str(source.path / "checkpoints" / "step-00000000.json")},
            {},
        )
    ]
    assert recipes[0] == recipes[1]
    assert len(set(recipes)) == 3
    assert recipes[-1] == plain.recipe()


def test_a_run_that_has_begun_needs_its_source_no_more(
    source, train_from, tmp_path, toy_data, silent
):
    run = train_from(source.path)
    shutil.rmtree(source.path)
    assert resume(run.path, silent, dataset=toy_data, epochs=2).finished
    assert resolve(run.experiment, {"log_every": 3}).training.init_hash is not None
    with pytest.raises(UsageError, match=r"init_from=.*/a: there is no run with a checkpoint"):
        train(run.experiment, out=tmp_path / "c", dataset=toy_data, progress=silent)
    assert not (tmp_path / "c").exists()


def test_weights_that_have_changed_are_refused_until_they_are_named_anew(
    source, train_from, toy_data, silent, tmp_path
):
    run = train_from(source.path)
    resume(source, silent, epochs=5)
    with pytest.raises(UsageError, match=r"weights there are now [0-9a-f]{16} and were [0-9a-f]"):
        train(run.experiment, out=tmp_path / "c", dataset=toy_data, progress=silent)
    anew = {"init_from": str(source.path)}
    again = train(run.experiment, anew, out=tmp_path / "c", dataset=toy_data, progress=silent)
    assert again.experiment.recipe() != run.experiment.recipe()


def test_seeds_start_from_one_point_and_part(source, tmp_path, toy_data, toy_experiment, silent):
    asked = {"init_from": str(source.path), "epochs": 1}
    runs = train_seeds(
        toy_experiment("cgan"),
        asked,
        seeds=[0, 1],
        out=tmp_path / "b",
        dataset=toy_data,
        progress=silent,
    )
    first, second = (first_weights(run) for run in runs)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    ends = [run.model().state_dict() for run in runs]
    assert any(not torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    assert runs[0].experiment.recipe() == runs[1].experiment.recipe()


def test_what_does_not_fit_is_named_with_both_shapes(source, train_from, tmp_path):
    words = r"of another shape: generator\.\S+ \(\d+, \d+\) there and \(\d+, \d+\) here"
    with pytest.raises(UsageError, match=words):
        train_from(source.path, latent_dim=6)
    words = r"missing there: encoder\..*, …; .*unknown here: adversary\."
    with pytest.raises(UsageError, match=words):
        train_from(source.path, family="cvae")
    assert not (tmp_path / "b").exists()


def test_a_place_without_weights_is_refused(tmp_path, train_from, toy_experiment):
    with pytest.raises(UsageError, match=r"init_from=nowhere: there is no run.*runs/cvae"):
        train_from("nowhere")
    content = toy_experiment().model_dump(mode="json")
    content["training"]["init_hash"] = "0" * 16
    with pytest.raises(UsageError, match=r"init_hash=0+ has no effect without init_from"):
        parse_experiment(content, "toy")
    model, settings = torch.nn.Linear(1, 1), toy_experiment().training
    start_from(model, settings)  # says nothing of other weights, so nothing is done


def test_a_model_made_in_python_starts_from_a_run(tmp_path, toy_data, silent):
    def vae(latent_dim: int = 4) -> models.VAE:
        return models.VAE("fc-8", "fc-8", latent_dim=latent_dim, image_shape=(1, 8, 8))

    a = fit(vae(), toy_data, epochs=1, batch_size=20, out=tmp_path / "a", progress=silent)
    fields = {"epochs": 1, "batch_size": 20, "init_from": str(a.path), "progress": silent}
    b = fit(vae(), toy_data, out=tmp_path / "b", **fields)
    expected = a.model().state_dict()
    assert all(torch.equal(v, expected[k[6:]]) for k, v in first_weights(b).items())
    with pytest.raises(UsageError, match="of another shape"):
        fit(vae(5), toy_data, out=tmp_path / "c", **fields)
