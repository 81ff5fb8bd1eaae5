"""Samples: the same for a seed, of the class asked for, in every kind of file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from twofold.apply.common.result import pixels
from twofold.apply.sample import sample
from twofold.data.given import class_index
from twofold.errors import TwofoldError, UsageError
from twofold.experiments.train import train
from twofold.files import read_arrays


@pytest.fixture(scope="module")
def run(tmp_path_factory, toy_data, toy_experiment, silent):
    out = tmp_path_factory.mktemp("runs") / "cvae"
    return train(toy_experiment(epochs=60), out=out, dataset=toy_data, progress=silent)


def test_samples_are_the_same_for_a_seed(run):
    first, again, other = (sample(run, 12, seed=seed, device="cpu") for seed in (1, 1, 2))
    assert first.images.dtype == torch.float32
    assert first.images.shape == (12, 1, 8, 8)
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)


def test_classes_are_balanced_by_default_and_obeyed(run, toy_data):
    images = sample(run, 30, device="cpu")
    assert np.bincount(images.labels).tolist() == [10, 10, 10]
    bright = images.images[:, 0].mean(dim=2)  # (30, 8): the toy's class k has row 2k + 1 bright
    assert (bright.argmax(dim=1) == 2 * images.labels + 1).double().mean() >= 0.9, "chance is 1/8"


def test_one_class_by_number_or_name(run):
    for label in (2, "2", "c", ["c"]):
        assert set(sample(run, 5, label, device="cpu").labels.tolist()) == {2}
    assert set(sample(run, 6, ["a", 1], device="cpu").labels.tolist()) == {0, 1}


@pytest.mark.parametrize("label", [11, "11", -1])
def test_a_class_that_is_not_there(run, label):
    with pytest.raises(UsageError, match=r"no class -?1+: this model knows 3 classes, 0 to 2"):
        sample(run, 5, label, device="cpu")


def test_a_label_out_of_range_from_python(run):
    model = run.model()
    with pytest.raises(UsageError, match=r"no class 3: labels are 0\.\.2"):
        model.sample(2, torch.tensor([0, 3]))


def test_images_of_codes_do_not_depend_on_the_batch(run):
    model, y = run.model(), torch.tensor([0, 2, 1, 1, 0])
    z = model.sample_latent(5, 3)
    whole = model.images_of(z, y)
    assert torch.allclose(model.images_of(z, y, batch_size=2), whole, atol=1e-6)
    assert torch.allclose(model.sample(5, y, seed=3), whole, atol=1e-6)
    assert torch.allclose(model.images_of(z, torch.eye(3)[y]), whole, atol=1e-6)
    with pytest.raises(UsageError, match=r"weights of classes have shape \(B, 3\)"):
        model.images_of(z, torch.ones(5, 2))


def test_a_misspelt_class_lists_the_nearest():
    with pytest.raises(UsageError, match="unknown class 'cta'; did you mean 'cat'"):
        class_index("cta", ["cat", "dog"])


def test_a_class_for_a_model_without(tmp_path, toy_data, toy_experiment, silent):
    plain = toy_experiment(model={"family": "vae", "condition": "none"})
    run = train(plain, out=tmp_path / "vae", dataset=toy_data, progress=silent)
    assert sample(run, 4, device="cpu").labels is None
    with pytest.raises(
        UsageError, match=r"VAE is not conditioned on the class.*use a CVAE or CGAN"
    ):
        sample(run, 4, 1, device="cpu")


def test_a_classifier_makes_no_images(tmp_path, toy_data, toy_experiment, silent):
    run = train(toy_experiment("classifier"), out=tmp_path / "c", dataset=toy_data, progress=silent)
    with pytest.raises(UsageError, match="cannot sample: classifier makes no images"):
        sample(run, 4, device="cpu")


def test_files(run, tmp_path: Path):
    images = sample(run, 12, device="cpu")
    with Image.open(images.save(tmp_path / "sheet.png")) as sheet:
        assert sheet.info["Description"] == "CVAE of cvae, seed 0"
        assert sheet.height == 3 * 58 + 2, "8×8 pixels sevenfold, gaps of 2, a row per class"
        assert sheet.width > 4 * 58 + 2, "headings beside four columns"
    arrays = read_arrays(images.save(tmp_path / "s.npz"))
    assert arrays["images"].dtype == np.uint8
    assert np.array_equal(arrays["images"], pixels(images.images))
    assert arrays["labels"].tolist() == images.labels.tolist()
    assert arrays["class_names"].tolist() == ["a", "b", "c"]
    folder = images.save(tmp_path / "folder")
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    assert len(files) == 12
    assert files[0] == "a/00.png"
    with Image.open(folder / "b/01.png") as one:
        assert np.array_equal(np.asarray(one), pixels(images.images)[1, 0])
    with pytest.raises(UsageError, match="is not an empty folder"):
        images.save(folder)
    with pytest.raises(UsageError, match=r"cannot write s\.gif as \.gif; this can be written as"):
        images.save(tmp_path / "s.gif")


def test_a_sheet_has_a_row_per_class_and_blanks_where_images_end(run):
    images = sample(run, 7, device="cpu")  # three of class a, two of b, two of c
    sheet, cells = images.picture(), pixels(images.images)[:, 0].repeat(7, 1).repeat(7, 2)
    left = sheet.shape[1] - (3 * 58 + 2)
    for i in range(7):
        top, side = 2 + 58 * (i % 3), left + 2 + 58 * (i // 3)
        assert np.array_equal(sheet[top : top + 56, side : side + 56], cells[i])
    for row in (1, 2):
        assert (sheet[2 + 58 * row : 58 + 58 * row, -58:-2] == 128).all()


def test_seeds_make_a_row_each_with_one_code_for_every_class(run):
    images = sample(run, seeds=[4, 1], device="cpu")
    assert images.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert images.seeds.tolist() == [4, 4, 4, 1, 1, 1]
    for i, seed in ((1, 4), (4, 1)):
        alone = sample(run, 1, "b", seed, device="cpu")
        assert torch.allclose(images.images[i], alone.images[0], atol=1e-6)
    assert images.caption == "CVAE of cvae, seeds 4, 1"
    assert images.picture().shape[0] == 26 + 2 * 58 + 2, "headings above two rows"
    for wrong in ({"n": 4, "seeds": [1]}, {"seeds": []}):
        with pytest.raises(UsageError, match="a row for each seed: name at least one"):
            sample(run, **wrong)


def test_saved_samples_are_a_data_set(run, tmp_path: Path):
    """What one command writes another can read."""
    from twofold.data import load_dataset

    images = sample(run, 30, device="cpu")
    loaded = load_dataset(images.save(tmp_path / "folder"), validation=0, test=0)
    assert loaded.class_names == ("a", "b", "c")
    assert loaded.class_counts.tolist() == [10, 10, 10]


def test_a_class_name_cannot_leave_the_folder(run, tmp_path: Path):
    from dataclasses import replace

    images = replace(sample(run, 3, device="cpu"), class_names=("../out", "b", "c"))
    with pytest.raises(TwofoldError, match="class name"):
        images.save(tmp_path / "folder")
    assert not (tmp_path / "out").exists()
