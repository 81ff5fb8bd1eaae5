"""Maps of latent codes: what lies where, and what the encoder was given."""

import csv
import dataclasses

import numpy as np
import pytest
import torch

from twofold.data import ImageDataset
from twofold.data.preprocess import to_unit
from twofold.errors import UsageError
from twofold.experiments.context import open_run
from twofold.experiments.run import Run
from twofold.experiments.train import train
from twofold.files import read_arrays
from twofold.verbs.latents import latents


@pytest.fixture(scope="module")
def run_of(tmp_path_factory, toy_data, toy_experiment, silent):
    """A run of a family on the toy data, each trained once."""
    runs: dict[str, Run] = {}

    def make(family: str, **model: object) -> Run:
        name = f"{family}-{model.get('latent_dim', 0)}"
        if name not in runs:
            out = tmp_path_factory.mktemp("runs") / name
            experiment = toy_experiment(family, model=model, epochs=1)
            runs[name] = train(experiment, out=out, dataset=toy_data, progress=silent)
            runs[name].dataset = lambda: toy_data
        return runs[name]

    return make


def test_two_latents_are_shown_as_they_are(run_of, toy_data):
    run = run_of("cvae", latent_dim=2)
    found = latents(run, device="cpu")
    test = toy_data.split("test")
    order = np.argsort(test.labels, kind="stable")
    x, y = to_unit(torch.as_tensor(test.images)), torch.as_tensor(test.labels)
    expected = open_run(run, "cpu").model.codes(x, y)
    assert torch.equal(found.points, found.codes)
    found_sorted, expected_sorted = (c[c[:, 0].argsort()] for c in (found.codes, expected))
    assert torch.allclose(found_sorted, expected_sorted, atol=1e-6)
    assert sorted(found.labels) == sorted(test.labels[order])
    assert found.caption.endswith("codes of 15 test images of toy, the true class given to the "
                                  "encoder")  # fmt: skip


def test_components_keep_as_much_variance_as_they_say(run_of):
    found = latents(run_of("cvae"), device="cpu")
    centered = found.codes.double() - found.codes.double().mean(dim=0)
    values = torch.linalg.eigvalsh(centered.T @ centered / len(centered)).flip(0)
    assert found.points.double().var(dim=0, correction=0).numpy() == pytest.approx(
        values[:2].numpy(), rel=1e-4
    )
    share = round(100 * (values[0] / values.sum()).item())
    assert found.axes_names is not None
    assert found.axes_names[0] == f"component 1, {share}% of the variance"


def test_the_class_may_be_kept_from_the_encoder(run_of, toy_data):
    run, images = run_of("cvae"), toy_data.images[:30]
    by_class = [latents(run, images, label=k, device="cpu") for k in ("a", "b")]
    assert not torch.allclose(by_class[0].codes, by_class[1].codes)
    kept = [latents(run, images, label=k, label_free=True, device="cpu") for k in ("a", "b")]
    assert torch.equal(kept[0].codes, kept[1].codes)
    assert "a random class given to the encoder" in kept[0].caption
    inferred = latents(run_of("m2"), images, label_free=True, device="cpu")
    assert "the class it infers given to the encoder" in inferred.caption


def test_a_class_that_m2_found_out_is_not_called_the_true_one(run_of, toy_data):
    some = ImageDataset(toy_data.images[:5], np.array([0, -1, 2, -1, -1]), toy_data.class_names)
    for images, what in (
        (toy_data.images[:5], "images, the class it infers given to the encoder"),
        (some, "the true class of 2 and for the others the class it infers given to the encoder"),
        (toy_data.subset(range(5)), "the true class given to the encoder"),
    ):
        assert latents(run_of("m2"), images, device="cpu").caption.endswith(what)


def test_codes_of_draw_have_a_map_too(run_of):
    found = latents(run_of("draw"), layout="tsne", device="cpu")
    assert found.points.shape == (15, 2)
    assert found.axes_names is None
    assert "given to the encoder" not in found.caption


def test_rows_lead_to_images(run_of, toy_data, tmp_path, monkeypatch):
    """Those that are drawn stay in order, with their number in the set and their file."""
    run, names = run_of("cvae"), tuple(f"{i}.png" for i in range(len(toy_data)))
    named = dataclasses.replace(toy_data, files=names)
    monkeypatch.setattr(run, "dataset", lambda: named)
    for split in ("test", "train"):
        images = named.split(split)
        whole = latents(run, split=split, device="cpu")
        some = latents(run, split=split, n=9, device="cpu")
        x, y = to_unit(torch.as_tensor(images.images)), torch.as_tensor(images.labels)
        expected = open_run(run, "cpu").model.codes(x, y)
        assert torch.allclose(whole.codes, expected, atol=1e-6)
        assert whole.files == images.files
        assert (np.diff(some.index) > 0).all()
        assert torch.allclose(some.codes, expected[some.index], atol=1e-6)
        assert some.files == tuple(images.files[i] for i in some.index)
    rows = list(csv.reader(some.save(tmp_path / "x.csv").read_text().splitlines()))
    assert rows[0] == ["index", "file", "true", "x", "y"]
    assert rows[1][:2] == [str(some.index[0]), some.files[0]]
    assert tuple(read_arrays(some.save(tmp_path / "x.npz"))["files"]) == some.files
    with pytest.raises(UsageError, match="expected train, validation, test"):
        latents(run, split="all", device="cpu")


def test_files_say_the_same(run_of, tmp_path):
    found = latents(run_of("cvae"), n=9, device="cpu")
    rows = list(csv.reader(found.save(tmp_path / "map.csv").read_text().splitlines()))
    assert rows[0] == ["index", "true", "x", "y"]
    assert sorted(row[1] for row in rows[1:]) == [*"aaabbbccc"]
    assert [float(row[2]) for row in rows[1:]] == pytest.approx(found.points[:, 0].tolist())
    arrays = read_arrays(found.save(tmp_path / "map.npz"))
    assert np.array_equal(arrays["codes"], found.codes.numpy())
    assert "<svg" in found.save(tmp_path / "map.svg").read_text()
    assert found.picture().ndim == 3


def test_what_has_no_map_says_what_has(run_of):
    with pytest.raises(UsageError, match="CGAN has no encoder; use a VAE"):
        latents(run_of("cgan"), device="cpu")
    with pytest.raises(UsageError, match="codes of 4 dimensions do not lie on a plane; use pca"):
        latents(run_of("cvae"), layout="direct", device="cpu")
    with pytest.raises(UsageError, match="unknown layout 'umap'"):
        latents(run_of("cvae"), layout="umap", device="cpu")  # type: ignore[arg-type]
