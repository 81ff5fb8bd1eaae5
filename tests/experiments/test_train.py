"""Starting a run: what is refused, and that nothing is lost."""

import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twofold.data import ImageDataset
from twofold.errors import DataError, RunError, TwofoldError, UsageError
from twofold.experiments.environment import pick_device
from twofold.experiments.folders import claimed, locked_for_training
from twofold.experiments.resolve import parse_experiment
from twofold.experiments.run import Run
from twofold.experiments.train import resume, train


def test_a_used_folder_is_refused(tmp_path: Path, toy_data, toy_experiment, silent):
    run = train(toy_experiment(), out=tmp_path / "run", dataset=toy_data, progress=silent)
    with pytest.raises(RunError, match=r"already holds this run; `twofold resume"):
        train(toy_experiment(), out=run.path, dataset=toy_data, progress=silent)
    with pytest.raises(
        RunError, match=r"of another experiment, with model\..* in place of .*, …; choose"
    ):
        train(toy_experiment("cgan"), out=run.path, dataset=toy_data, progress=silent)
    with pytest.raises(RunError, match="already holds this run"):
        train(
            toy_experiment().model_copy(update={"title": "the same in other words"}),
            out=run.path,
            dataset=toy_data,
            progress=silent,
        )
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("dear to someone")
    with pytest.raises(RunError, match="not empty and is no run"):
        train(toy_experiment(), out=other, dataset=toy_data, progress=silent)
    assert (other / "thesis.txt").read_text() == "dear to someone"
    with pytest.raises(UsageError, match="is a file"):
        train(toy_experiment(), out=other / "thesis.txt", dataset=toy_data, progress=silent)


def test_the_default_folder_is_numbered_when_taken(
    tmp_path: Path, toy_data, toy_experiment, silent, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    names = [
        train(toy_experiment(), dataset=toy_data, progress=silent, epochs=1).path.as_posix()
        for _ in range(3)
    ]
    assert names == ["runs/toy-cvae", "runs/toy-cvae-2", "runs/toy-cvae-3"]


def test_labels_are_asked_for_before_anything_is_written(
    tmp_path: Path, toy_data, toy_experiment, silent
):
    unlabeled = ImageDataset(toy_data.images, None, splits=toy_data.splits)
    with pytest.raises(DataError, match=r"needs labels of at least 2 classes.*sub-folders"):
        train(toy_experiment("cgan"), out=tmp_path / "r", dataset=unlabeled, progress=silent)
    assert not (tmp_path / "r").exists()


M2_INSIDE = {
    "family": "m2",
    "classifier": {"layers": ""},
    "encoder": {"layers": "fc-8"},
    "decoder": {"layers": "fc-8"},
}
IWAE = {"family": "vae", "encoder": {"layers": "fc-8"}, "decoder": {"layers": "fc-8"}}
PLUS_ONE = {"discriminator": {"layers": "fc-8"}, "head": "plus-one"}
AUXILIARY = {"discriminator": {"layers": "fc-8"}, "head": "class"}
REFUSED = [
    (
        "hybrid",
        {"feature_layer": "conv3-6", "feature_weight": 1},
        "unknown feature layer 'conv3-6'.*'fc-16'",
    ),
    ("hybrid", {"feature_weight": 1}, "feature_weight=1 and feature_layer=null need each other"),
    ("hybrid", {"recon_weight": 0}, "give recon_weight, feature_weight"),
    ("hybrid", {"autoencoder": {**IWAE, "objective": "iwae"}}, "use objective=elbo"),
    ("hybrid", {"adversary": PLUS_ONE}, "a class that VAE-GAN is not given.*asks_class=false"),
    ("hybrid", {"canvases": True}, "cannot show canvases.*VAE makes its images at one go"),
    ("hybrid", {"label_reader": "discriminator"}, "needs a head that names classes: plus-one"),
    ("draw", {"read_glimpse": 0}, "read_glimpse=0: .*8×8 has a side of 1 to 8; null means"),
    ("draw", {"write_glimpse": 9}, "write_glimpse=9: .*8×8 has a side of 1 to 8; null means"),
    ("acgan", {"condition": "none", "adversary": AUXILIARY}, "class that ACGAN is not given"),
    ("m1m2", {"m1": {**IWAE, "condition": "class"}}, "has the class; use family=vae and"),
]


@pytest.mark.parametrize(("family", "model", "words"), REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    family, model, words, tmp_path: Path, toy_data, toy_experiment, silent
):
    with pytest.raises(TwofoldError, match=words):
        train(toy_experiment(family, model), out=tmp_path / "r", dataset=toy_data, progress=silent)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("family", "changes", "words"),
    [
        ("m2", {"data.labels": 2}, "labels=2: .* 90 labeled images .*3 classes; expected 3 to 90"),
        ("draw", {"num_steps": 0}, "num_steps: got 0; .*greater than or equal to 1"),
        ("m2", {"labeled_batch_size": 5}, "has no effect: every training image has a label"),
        ("cvae", {"labeled_batch_size": 5}, "has no effect: CVAE does not learn from unlabeled"),
        ("m2", {"data.labels": 9, "labeled_batch_size": 10}, "larger than the 9 labeled images"),
        ("m2", {"data.labels": 85}, "batch_size=20 is larger than the 5 unlabeled images"),
        ("m2", {"start": 2, "stop": 1}, "stop=1 is not after start=2.*both count epochs"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    family, changes, words, tmp_path: Path, toy_data, toy_experiment, silent
):
    with pytest.raises(UsageError, match=words):
        train(
            toy_experiment(family), changes, out=tmp_path / "r", dataset=toy_data, progress=silent
        )
    assert not (tmp_path / "r").exists()


def test_labels_must_reach_every_class_of_the_digits(tmp_path: Path, toy_experiment, silent):
    changes = {"data": "digits", "labels": 5}
    with pytest.raises(
        UsageError, match=r"labels=5: .*10 classes; expected 10 to 1437, at least one"
    ):
        train(toy_experiment("m2"), changes, out=tmp_path / "r", progress=silent)


@pytest.mark.parametrize(
    ("family", "model"),
    [
        ("m2", {}),
        ("m1m2", {}),
        ("acgan", {}),
        ("draw", {"family": "cdraw"}),
        ("hybrid", {"autoencoder": M2_INSIDE}),
        ("hybrid", {"adversary": PLUS_ONE}),
    ],
)
def test_families_that_read_labels_ask_for_them(
    family, model, tmp_path: Path, toy_data, toy_experiment, silent
):
    unlabeled = ImageDataset(toy_data.images, None, splits=toy_data.splits)
    with pytest.raises(DataError, match=r"needs labels.*sub-folder"):
        train(toy_experiment(family, model), out=tmp_path / "r", dataset=unlabeled, progress=silent)
    assert not (tmp_path / "r").exists()


def test_an_impossible_size_says_which_would_do(tmp_path: Path, toy_data, toy_experiment, silent):
    conv = {"decoder": {"layers": "base-8 deconv3-8/3 deconv3-out/2"}}
    with pytest.raises(UsageError, match=r"multiples of 6: the images are 8×8; size=6 or size=12"):
        train(toy_experiment(model=conv), out=tmp_path / "r", dataset=toy_data, progress=silent)


def test_what_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match=r"is not a run: it has no experiment\.yaml"):
        Run(tmp_path)
    (tmp_path / "experiment.yaml").write_text("name: [")
    with pytest.raises(RunError, match="is damaged"):
        _ = Run(tmp_path).experiment
    with pytest.raises(RunError, match=r"incomplete: environment\.json is missing"):
        _ = Run(tmp_path).environment


def test_a_missing_device_is_said(tmp_path: Path, toy_data, toy_experiment, silent):
    with pytest.raises(UsageError, match="device=cuda:99 is not usable here"):
        train(
            toy_experiment(device="cuda:99"),
            out=tmp_path / "r",
            dataset=toy_data,
            progress=silent,
        )


def test_a_run_shows_itself_in_a_notebook(tmp_path: Path, toy_data, toy_experiment, silent):
    run = train(toy_experiment(), out=tmp_path / "r", dataset=toy_data, progress=silent)
    picture = run._repr_png_()
    assert picture is not None
    assert picture.startswith(b"\x89PNG")


def test_one_loop_trains_a_completion_condition(tmp_path: Path, toy_data, toy_experiment, silent):
    """A CVAE given the left half of the image; its sheet shows completions of held-out images."""
    experiment = toy_experiment(model={"condition": "left-half"})
    run = train(experiment, out=tmp_path / "r", dataset=toy_data, progress=silent)
    assert run.finished
    assert run.samples


def test_what_stopped_before_its_first_checkpoint_starts_again(
    tmp_path: Path, toy_data, toy_experiment, silent, monkeypatch
):
    def full(*_arguments: object) -> None:
        raise RunError("cannot write: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("twofold.training.loop.save_checkpoint", full)
        with pytest.raises(RunError, match="No space left"):
            train(toy_experiment(), out=tmp_path / "r", dataset=toy_data, progress=silent)
    assert train(toy_experiment(), out=tmp_path / "r", dataset=toy_data, progress=silent).finished


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_logger_is_asked_for_before_anything_is_written(
    name: str,
    tmp_path: Path,
    toy_data,
    toy_experiment,
    silent,
    monkeypatch,
):
    package = "torch.utils.tensorboard" if name == "tensorboard" else name
    monkeypatch.setitem(sys.modules, package, None)
    asked = toy_experiment(loggers=name)
    with pytest.raises(UsageError, match=rf"logger {name} needs .*pip install 'twofold\[{name}\]'"):
        train(asked, out=tmp_path / "r", dataset=toy_data, progress=silent)
    assert not (tmp_path / "r").exists()


def test_batch_norm_of_one_image_is_refused(tmp_path: Path, toy_data, toy_experiment, silent):
    with pytest.raises(UsageError, match="use batch_size=2"):
        train(
            toy_experiment("cgan", batch_size=1),
            out=tmp_path / "r",
            dataset=toy_data,
            progress=silent,
        )
    assert not (tmp_path / "r").exists()


def test_a_device_that_holds_no_numbers_is_refused():
    with pytest.raises(UsageError, match="device=meta is not usable here"):
        pick_device("meta")


def test_batch_norm_of_a_single_pixel_needs_more_than_one_image(tmp_path, silent):
    model = {
        "family": "vae",
        "encoder": {"layers": "conv3-4/2 conv3-4/2 conv3-4/2", "norm": "batch"},
        "decoder": {"layers": "fc-8"},
    }
    experiment = {"name": "one", "data": "digits", "model": model}
    training = {"epochs": 1, "batch_size": 1}
    one = parse_experiment({**experiment, "training": training}, "one")
    with pytest.raises(UsageError, match="use batch_size=2"):
        train(one, out=tmp_path / "r", progress=silent)
    assert not (tmp_path / "r").exists()


def test_one_labeled_and_one_unlabeled_image_are_a_batch(
    tmp_path, toy_data, toy_experiment, silent
):
    experiment = toy_experiment("m2", batch_size=1, epochs=0.1)
    model = experiment.model.model_dump()
    model["encoder"]["norm"] = "batch"
    normed = parse_experiment({**experiment.model_dump(), "model": model}, "normed")
    some = {"data.labels": 10}
    assert train(normed, some, out=tmp_path / "r", dataset=toy_data, progress=silent).finished


def test_a_run_conditioned_on_one_of_a_thousand_classes_draws_the_first(
    tmp_path: Path, toy_experiment, silent
):
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 4, 4)).astype(np.uint8)
    names = tuple(f"{k:03}" for k in range(1000))
    dataset = ImageDataset(images, np.arange(40), names, "many", splits={"train": np.arange(40)})
    run = train(toy_experiment(epochs=1), out=tmp_path / "r", dataset=dataset, progress=silent)
    with Image.open(run.samples[-1]) as sheet:
        assert sheet.height == 100 * (7 * 4 + 2) + 2


def test_two_that_train_into_one_folder(tmp_path: Path, toy_data, toy_experiment, silent):
    out = tmp_path / "run"
    train(toy_experiment(), out=out, dataset=toy_data, progress=silent)
    with locked_for_training(out):
        with pytest.raises(RunError, match=rf"another process \(pid {os.getpid()}\) is training"):
            resume(out, silent, toy_data, epochs=5)
        fresh = locked_for_training(tmp_path / "other")
        with fresh, pytest.raises(RunError, match="is training"):
            train(toy_experiment(), out=tmp_path / "other", dataset=toy_data, progress=silent)
    assert resume(out, silent, toy_data, epochs=5).progress == (23, 23)


def test_each_of_several_gets_a_folder_of_its_own(
    tmp_path: Path, toy_data, toy_experiment, silent, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "toy-cvae-2").mkdir(parents=True)
    experiment, found, start = toy_experiment(), [], threading.Barrier(3)

    def begin() -> None:
        start.wait()
        with claimed(experiment, None) as folder:
            found.append(folder.name)
            (folder / "experiment.yaml").write_text(str(len(found)))

    several = [threading.Thread(target=begin) for _ in range(3)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    assert sorted(found) == ["toy-cvae", "toy-cvae-3", "toy-cvae-4"]


def test_a_folder_that_could_not_be_used_does_not_stay(
    tmp_path: Path, toy_data, toy_experiment, silent, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    def refuse(*_: object) -> None:
        raise RunError("the disk is full")

    monkeypatch.setattr("twofold.experiments.train.write_start", refuse)
    with pytest.raises(RunError, match="full"):
        train(toy_experiment(), dataset=toy_data, progress=silent)
    assert list((tmp_path / "runs").iterdir()) == []
