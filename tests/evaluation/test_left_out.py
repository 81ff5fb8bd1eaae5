"""A class that a model never saw: nobody gets it unasked, and it may be asked for."""

import json

import numpy as np
import pytest
import torch

from twofold.data import ImageDataset, load_dataset
from twofold.data.batches import Batches
from twofold.evaluation import classifiers
from twofold.evaluation.comparison import best, comparable
from twofold.evaluation.findings import default_findings
from twofold.evaluation.frechet import frechet_distance
from twofold.evaluation.likelihood import elbo_terms
from twofold.evaluation.recognition import accuracy_per_class
from twofold.evaluation.samples import classifier_extractor, generated_by
from twofold.evaluation.summary import gather
from twofold.experiments.context import draw_index, open_run
from twofold.experiments.resolve import resolve
from twofold.experiments.run import Run
from twofold.experiments.train import make_trainer, train
from twofold.verbs.augment import PROVENANCE, augment
from twofold.verbs.evaluate import evaluate
from twofold.verbs.interpolate import interpolate
from twofold.verbs.restyle import restyle
from twofold.verbs.sample import sample

pytestmark = pytest.mark.usefixtures("toy_classifiers")


@pytest.fixture(scope="module")
def run(tmp_path_factory, toy_data, toy_experiment, silent) -> Run:
    """Of a CVAE that never saw a `b`, which stands between `a` and `c`."""
    experiment = resolve(toy_experiment(epochs=60), {"without": ["b"]})
    out = tmp_path_factory.mktemp("runs") / "cvae"
    made = train(experiment, out=out, dataset=toy_data, progress=silent)
    made.dataset = lambda: toy_data
    return made


def test_samples_are_of_the_classes_it_knows_unless_another_is_named(run):
    assert sample(run, 6, device="cpu").labels.tolist() == [0, 2] * 3
    assert sample(run, seeds=[1, 2], device="cpu").labels.tolist() == [0, 2] * 2
    assert sample(run, 4, label="b", device="cpu").labels.tolist() == [1] * 4
    rows = interpolate(run, between="classes", n=1, steps=2, device="cpu").row_heads
    assert rows == ["a to c"]


def test_a_training_set_is_made_of_the_classes_it_knows(run, tmp_path):
    made = augment(run, per_class=500, device="cpu")
    assert made.class_names == ("a", "c")
    bright = made.images[:, 0].mean(axis=2).argmax(axis=1)  # class k has row 2k + 1 bright
    assert (bright == np.repeat([1, 5], 500)).mean() >= 0.9
    folder = made.save(tmp_path / "set")
    assert load_dataset(folder).class_names == ("a", "c")
    assert json.loads((folder / PROVENANCE).read_text())["without"] == ["b"]


def test_images_are_restyled_and_measured_in_the_classes_it_knows(run, toy_data, silent):
    found = restyle(run, n=6, device="cpu", progress=silent)
    assert list(found.classes) == [0, 2]
    assert found.images.shape == (6, 2, 1, 8, 8)
    assert found.arrays()["classes"].tolist() == [0, 2]
    known = toy_data.split("test").without(["b"])
    every = restyle(run, known, n=len(known), device="cpu")
    model = run.model("cpu")
    z = model.codes(every.inputs, every.labels)
    assert torch.allclose(every.images[:, 1], model.generate(z, torch.full((10,), 2)), atol=1e-6)
    critic = classifiers.find_classifier(classifiers.CNN, toy_data, progress=silent)
    seen = critic.classifier.classify(every.images.flatten(0, 1)).argmax(dim=1)
    hits = seen == torch.tensor([0, 2]).repeat(10)
    recognized, brightness, _ = found.measures
    assert recognized.value == pytest.approx(100 * hits.double().mean().item())
    assert recognized.value > 70
    assert list(recognized.per_class) == ["a", "c"]
    assert recognized.provenance["images"] == brightness.provenance["images"] == 10


def test_figures_and_validation_are_of_the_classes_it_knows(run, toy_data, silent):
    context = open_run(run, "cpu", {"samples": 20, "seed": 0}, silent)
    known = toy_data.split("test").without(["b"])
    assert len(context.batches) == len(context.real("test")) == len(known)
    assert set(context.labels.tolist()) == {0, 2}
    assert context.provenance["without"] == "b"
    trainer = make_trainer(run.experiment, toy_data, run.path, silent)
    assert set(trainer.validation.labels.tolist()) == {0, 2}


@pytest.fixture(scope="module")
def digits_runs(tmp_path_factory, silent) -> dict[str, Run]:
    """CVAEs of all digits and of those without 8 and 9, which validate every epoch."""
    folder = tmp_path_factory.mktemp("digits")
    changes = {"epochs": 1, "layers": "fc-16", "latent_dim": 4, "log_every": 1}
    return {
        name: train("digits-cvae", {**changes, "without": without}, out=folder / name,
                    progress=silent)
        for name, without in {"all": [], "part": ["8", "9"], "same": ["9", "8"]}.items()
    }  # fmt: skip


def known(split: str) -> ImageDataset:
    """The digits 0 to 7, by their numbers."""
    images = load_dataset("digits").split(split)
    return images.subset(np.flatnonzero(images.labels < 8))


def test_figures_are_of_the_classes_it_knows(digits_runs, silent):
    """Each against a second reckoning on the digits 0 to 7 alone."""
    run = digits_runs["part"]
    asked = ["likelihood", "distance", "coverage", "reconstruction", "classes", "gan-test"]
    settings = {"num_samples": 140, "device": "cpu", "progress": silent}
    found = evaluate(run, asked, iwae_samples=2, **settings)
    test, count = known("test"), len(known("test"))
    assert count < 160
    model, x = run.model(), torch.as_tensor(test.images) / 255
    y = torch.as_tensor(test.labels)
    torch.manual_seed(0)
    _, kl = elbo_terms(model, Batches(test, 50).in_order())[:2]
    assert found["kl"].value == pytest.approx(kl.mean().item(), rel=1e-5)
    context = open_run(run, "cpu", {"samples": 140, "seed": 0}, silent)
    assert set(generated_by(context).y.tolist()) == set(range(8))
    classifier = classifiers.find_classifier(
        classifiers.CNN, load_dataset("digits"), progress=silent
    )
    embed = classifier_extractor(classifier)
    far = frechet_distance(embed(x), embed(generated_by(context).x))
    assert found["fid/classifier"].value == pytest.approx(far, rel=1e-6)
    held_out = torch.as_tensor(
        known("validation").images[draw_index(len(known("validation")), 140)]
    )
    near = frechet_distance(embed(x), embed(held_out / 255))
    assert found["fid/classifier"].reference == pytest.approx(near, rel=1e-6)
    recon = classifier.classifier.classify(model.reconstruct(x, y))
    share = sum(accuracy_per_class(recon, y)[:8]) / 8
    assert found["reconstruction/classifier-cnn"].value == pytest.approx(100 * share)
    for name in (
        "kl",
        "fid/random",
        "coverage/random",
        "reconstruction/classifier-cnn",
        "class_kl",
    ):
        assert found[name].provenance["images"] == count, name
    for name in ("coverage/random", "gan_test/classifier-cnn", "reconstruction/classifier-cnn"):
        assert set(found[name].per_class) == set("01234567"), name
    data = found["class_kl"].details["data"]
    assert list(data) == list("01234567")
    assert sum(data.values()) == pytest.approx(1.0)
    assert sum(found["class_kl"].details["generated"].values()) == pytest.approx(1.0)


def test_validation_losses_are_of_the_classes_it_knows(digits_runs, toy_experiment, tmp_path):
    run = digits_runs["part"]
    trainer = make_trainer(run.experiment, run.dataset(), tmp_path, None)
    assert len(trainer.validation) == len(known("validation"))
    assert trainer.validation.labels.max() == 7
    model = run.model()
    torch.manual_seed(0)
    _, kl = elbo_terms(model, Batches(known("validation"), len(known("validation"))).in_order())[:2]
    last = [record for record in run.records if record["kind"] == "validation"][-1]
    assert last["terms"]["vae"]["kl"] == pytest.approx(kl.mean().item(), rel=1e-5)


def test_runs_of_different_classes_are_never_compared(digits_runs, silent):
    for run in digits_runs.values():
        evaluate(run, ["likelihood"], iwae_samples=2, device="cpu", progress=silent)
    whole, part, same = gather(list(digits_runs.values()))
    for name in ("elbo", "kl"):
        assert "different images" in comparable([whole, part], name)
        assert best([whole, part], name) is None
        assert comparable([part, same], name) == "", "the order of the classes is no matter"
    texts = [finding.text for finding in default_findings([whole, part], "elbo")]
    assert all("not to be compared" in text for text in texts)
