"""The images that verbs are given: where they come from, and what they must be."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from twofold.anomalies import scores
from twofold.data import ImageDataset
from twofold.data.batches import Batch
from twofold.data.given import drawn_rows
from twofold.data.preprocess import fix_binary, to_unit
from twofold.errors import DataError, RunError, UsageError
from twofold.evaluation.figure import Figure
from twofold.evaluation.planes import principal_axes
from twofold.experiments.context import Context, open_run, seeded
from twofold.experiments.train import train
from twofold.files import read_arrays
from twofold.verbs.inputs import load_inputs
from twofold.verbs.result import Result


@pytest.fixture(scope="module")
def trained(tmp_path_factory, toy_data, toy_experiment, silent) -> Context:
    out = tmp_path_factory.mktemp("runs") / "cvae"
    run = train(toy_experiment(), out=out, dataset=toy_data, progress=silent)
    run.dataset = lambda: toy_data
    return open_run(run, "cpu")


def test_by_default_the_test_images_as_they_are(trained, toy_data):
    inputs = load_inputs(trained)
    assert np.array_equal(inputs.dataset.images, toy_data.split("test").images)
    assert np.array_equal(inputs.labels, toy_data.split("test").labels)
    assert inputs.source == "test images of toy"
    batches = list(inputs.batches(size=4))
    assert [len(batch) for batch in batches] == [4, 4, 4, 3]
    x = torch.cat([batch.x for batch in batches])
    assert torch.equal((x * 255).round().to(torch.uint8), torch.as_tensor(inputs.dataset.images))


@pytest.fixture(scope="module")
def binary(tmp_path_factory, toy_data, toy_experiment, silent) -> Context:
    """Of a run on a static binarization."""
    out = tmp_path_factory.mktemp("runs") / "binary"
    experiment = toy_experiment(epochs=1)
    data = experiment.data.model_copy(update={"binarize": "static", "binarize_seed": 3})
    experiment = experiment.model_copy(update={"data": data})
    run = train(experiment, out=out, dataset=toy_data, progress=silent)
    run.dataset = lambda: toy_data
    return open_run(run, "cpu")


def test_an_image_is_binarized_the_same_whichever_are_drawn(binary, toy_data, silent):
    settings = {"samples": 10, "iwae_samples": 1, "seed": 0}
    context = open_run(binary.run, "cpu", settings, silent)
    expected = torch.cat([batch.x for batch in context.batches.in_order()])
    assert set(expected.unique().tolist()) == {0.0, 1.0}
    everything, some = load_inputs(binary), load_inputs(binary, n=10)
    assert torch.equal(torch.cat([batch.x for batch in everything.batches(4)]), expected)
    drawn = drawn_rows(toy_data.split("test"), 10, 0)
    assert not np.array_equal(drawn, np.arange(10)), "others than the first"
    assert torch.equal(next(some.batches()).x, expected[drawn])


def test_components_are_of_the_images_that_were_trained_on(binary, toy_data, monkeypatch):
    seen = []
    monkeypatch.setattr(scores, "AXES_FROM", 40)
    monkeypatch.setattr(scores, "principal_axes", lambda x, k: seen.append(x) or axes(x, k))
    axes = principal_axes
    scores.component_scores(binary, [load_inputs(binary, n=3)], seed=0)
    images = torch.as_tensor(toy_data.split("train").images)
    learnt = to_unit(fix_binary(images, "static", 3)).flatten(1).numpy()
    assert seen[0].shape == (40, 64)
    assert {row.tobytes() for row in seen[0]} <= {row.tobytes() for row in learnt}


def test_a_few_of_every_class_in_order(trained):
    inputs = load_inputs(trained, n=6, seed=1)
    assert inputs.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert not np.array_equal(inputs.dataset.images, load_inputs(trained, n=6).dataset.images)
    with pytest.raises(UsageError, match="n=0: ask for at least one image"):
        load_inputs(trained, n=0)


def test_arrays_and_tensors_of_either_kind(trained, toy_data):
    images = toy_data.images[:5]
    floats = torch.as_tensor(images) / 255
    for given in (images, floats, floats.numpy()):
        assert np.array_equal(load_inputs(trained, given).dataset.images, images)
    with pytest.raises(DataError, match=r"floats from 0 to \d+, expected \[0, 1\]; rescale"):
        load_inputs(trained, images.astype(np.float32))


def test_a_file_and_a_folder_of_classes(trained, toy_data, tmp_path):
    for i, name in ((0, "a"), (1, "b")):
        (tmp_path / name).mkdir()
        Image.fromarray(toy_data.images[i, 0]).save(tmp_path / name / "one.png")
    inputs = load_inputs(trained, tmp_path)
    assert inputs.labels.tolist() == [0, 1]
    alone = load_inputs(trained, tmp_path / "b" / "one.png")
    assert np.array_equal(alone.dataset.images, toy_data.images[1:2])
    assert alone.labels is None
    assert load_inputs(trained, tmp_path / "b" / "one.png", label="c").labels.tolist() == [2]


def test_a_single_folder_may_be_that_of_a_class(trained, toy_data, tmp_path):
    for name, labels in (("b", [1]), ("x", None)):
        (tmp_path / name / name).mkdir(parents=True)
        Image.fromarray(toy_data.images[0, 0]).save(tmp_path / name / name / "one.png")
        inputs = load_inputs(trained, tmp_path / name)
        assert inputs.dataset.files == (f"{name}/one.png",)
        assert (None if inputs.labels is None else inputs.labels.tolist()) == labels


def test_labels_go_by_the_name_of_the_class(trained, toy_data):
    other = ImageDataset(toy_data.images[:3], np.array([0, 1, -1]), ("c", "a"))
    assert load_inputs(trained, other).labels.tolist() == [2, 0, -1]
    strange = ImageDataset(toy_data.images[:2], np.array([0, 1]), ("c", "x"))
    assert load_inputs(trained, strange).labels is None


def test_a_class_given_for_all_is_that_of_images_without_a_label_alone(trained, toy_data):
    test = toy_data.split("test")
    assert np.array_equal(load_inputs(trained, label="a").labels, test.labels)
    some = ImageDataset(test.images[:3], np.array([0, -1, 1]), ("c", "a"))
    assert load_inputs(trained, some, label="b").labels.tolist() == [2, 1, 0]
    strange = ImageDataset(test.images[:2], np.array([0, 1]), ("c", "x"))
    assert load_inputs(trained, strange, label="b").labels.tolist() == [1, 1]
    with pytest.raises(UsageError, match="unknown class 'd'"):
        load_inputs(trained, label="d")


def test_other_sizes_only_if_asked(trained):
    color = np.random.default_rng(0).integers(0, 256, (4, 3, 12, 10), dtype=np.uint8)
    with pytest.raises(
        UsageError, match=r"12×10 pixels in color .* 8×8 pixels in gray; .*--resize"
    ):
        load_inputs(trained, color)
    assert load_inputs(trained, color, resize=True).dataset.image_shape == (1, 8, 8)


def test_the_class_is_used_where_it_is_known_and_asked_for_where_not(trained, toy_data):
    x = torch.as_tensor(toy_data.images[:3]) / 255
    assert trained.condition_of(Batch(x, torch.tensor([2, 0, 1]))).tolist() == [2, 0, 1]
    for y in (None, torch.tensor([0, -1, 1])):
        with pytest.raises(UsageError, match="these have no labels; put each class into a folder"):
            trained.condition_of(Batch(x, y))


def test_a_run_without_test_images(trained, toy_data):
    bare = ImageDataset(toy_data.images, toy_data.labels, name="bare")
    trained.run.dataset = lambda: bare
    try:
        with pytest.raises(RunError, match="bare has no test images to show"):
            load_inputs(trained)
    finally:
        trained.run.dataset = lambda: toy_data


def test_seeded_draws_disturb_nobody():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1, torch.device("cpu")):
        first = torch.rand(2)
    assert torch.equal(torch.rand(3), expected)
    with seeded(1, torch.device("cpu")):
        assert torch.equal(torch.rand(2), first)


class Row(Result):
    def picture(self):
        return np.zeros((2, 3), np.uint8)

    def arrays(self):
        return {"x": torch.arange(3)}

    def by_heading(self):
        return {"a": [1, 2], "b": ["x", "y, z"]}


def test_a_result_saves_itself_as_the_ending_says(tmp_path):
    row = Row(caption="a row", measures=(Figure("x", "an x", 2.5, "nats", error=0.5),))
    with Image.open(row.save(tmp_path / "row.png")) as opened:
        assert opened.info["Description"] == "a row"
    assert read_arrays(row.save(tmp_path / "row.npz"))["x"].tolist() == [0, 1, 2]
    assert row.save(tmp_path / "row.csv").read_text() == 'a,b\n1,x\n2,"y, z"\n'
    content = json.loads(row.save(tmp_path / "row.json").read_text())
    assert content["caption"] == "a row"
    assert [(m["name"], m["value"], m["error"]) for m in content["measures"]] == [("x", 2.5, 0.5)]
    assert row._repr_png_() == (tmp_path / "row.png").read_bytes()
    for name, form in (("row.webp", r"\.webp"), ("row", "a folder")):
        with pytest.raises(UsageError, match=f"as {form}; this can be written as .png, .npz, .csv"):
            row.save(tmp_path / name)
