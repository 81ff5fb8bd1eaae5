"""Measures on tiny runs: what is measured, on which images, and what it depends on."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from twofold.data import load_dataset
from twofold.errors import RunError, UsageError
from twofold.evaluation import classifiers, gan_train
from twofold.evaluation.classifiers import find_classifier
from twofold.evaluation.likelihood import elbo_terms
from twofold.evaluation.measure import default_measures
from twofold.evaluation.samples import generated_by
from twofold.experiments.context import Context, open_run
from twofold.experiments.resolve import resolve
from twofold.experiments.run import Run
from twofold.experiments.train import train
from twofold.pictures.sheets import to_uint8
from twofold.training.progress import Silent
from twofold.verbs.evaluate import evaluate

TOY = {"epochs": 2, "layers": "fc-16", "latent_dim": 4, "limit": 200, "log_every": 5}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Classifiers of the tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWOFOLD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def quick_recipes(cache):
    """The recipes, for 30 steps."""

    def quick(name, dataset):
        return resolve(name, {"images": 1500, "batch_size": 50, "layers": "fc-64"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "classifier_recipe", quick)
        yield


@pytest.fixture(scope="module")
def cvae(tmp_path_factory, silent):
    out = tmp_path_factory.mktemp("runs") / "cvae"
    return train("digits-cvae", TOY, out=out, progress=silent)


@pytest.fixture(scope="module")
def cgan(tmp_path_factory, silent):
    out = tmp_path_factory.mktemp("runs") / "cgan"
    return train("digits-cgan", TOY, out=out, progress=silent)


def test_a_cvae_is_measured_on_the_test_images(cvae, silent, quick_recipes):
    evaluation = evaluate(cvae, num_samples=200, iwae_samples=20, device="cpu", progress=silent)
    names = [measure.name for measure in evaluation.measures]
    assert sorted(names) == sorted(
        [
            *("elbo", "recon_nll", "kl", "iwae/20", "bits_per_dim"),
            *("fid/classifier", "kid/classifier", "fid/random", "kid/random"),
            *(
                f"{figure}/{features}"
                for features in ("classifier", "random")
                for figure in ("precision", "density", "recall", "coverage")
            ),
            *("copies", "nearest", "copying", "duplicates"),
            *("gan_test/classifier-cnn", "inception_score", "class_kl"),
            "reconstruction/classifier-cnn",
            *(
                f"loss/{split}/vae{part}"
                for split in ("train", "validation")
                for part in ("", "/recon_nll", "/kl")
            ),
            *(
                "seconds_per_epoch",
                "training_seconds",
                "training_speed",
                "peak_memory",
                "parameters",
            ),
            *("training_flops", "generation_flops", "generation_speed"),
        ]
    )
    elbo, recon, kl = (evaluation[name].value for name in names[:3])
    assert elbo == pytest.approx(-(recon + kl), rel=1e-6)
    assert evaluation["elbo"].provenance["images"] == 180
    assert evaluation["elbo"].provenance["split"] == "test"
    assert any("density" in note for note in evaluation["elbo"].notes)
    assert evaluation["iwae/20"].value > elbo - 3 * (evaluation["elbo"].error or 0)
    gan_test = evaluation["gan_test/classifier-cnn"]
    assert gan_test.provenance["samples"] == 200
    assert gan_test.provenance["classifier_accuracy"] == pytest.approx(
        gan_test.reference / 100, abs=1e-5
    )
    assert np.mean(list(gan_test.per_class.values())) == pytest.approx(gan_test.value)
    saved = json.loads((cvae.path / "evaluation.json").read_text())
    assert [measure["name"] for measure in saved["measures"]] == names
    assert saved["settings"]["step"] == cvae.progress[0]
    assert set(saved["not_measured"]) == {"distance", "bins", "modes", "classification"}
    assert set(saved["seconds"]) == set(default_measures())


def test_every_measure_is_kept_when_another_is_taken(cvae, silent, quick_recipes):
    evaluate(cvae, ["gan-test", "modes"], num_samples=200, device="cpu", progress=silent)
    evaluate(cvae, ["recognition-mlp"], num_samples=200, device="cpu", progress=silent)
    saved = json.loads((cvae.path / "evaluation.json").read_text())
    names = {measure["name"] for measure in saved["measures"]}
    assert {f"gan_test/classifier-{kind}" for kind in ("cnn", "mlp")} <= names
    assert "reconstruction/classifier-mlp" in names
    assert saved["not_measured"]["modes"].startswith("modes are counted")
    assert {"gan-test", "recognition-mlp"} <= set(saved["seconds"])


def test_a_bound_says_how_it_grew_with_k(cvae, silent):
    """The last row of the curve is the figure itself; a step up in the last tenfold is said."""
    evaluation = evaluate(cvae, ["likelihood"], iwae_samples=30, device="cpu", progress=silent)
    bound = evaluation["iwae/30"]
    curve = bound.details["convergence"]
    assert [row[0] for row in curve] == [1, 3, 10, 30]
    assert curve[-1] == [30, bound.value, bound.error]
    assert curve[0][1] < curve[2][1] < curve[3][1]
    rise = curve[3][1] - curve[1][1]
    note = f"not converged in k: from k = 3 to 30 the bound rose by {rise:.2g} nats"
    assert (note in bound.notes) == (rise > min(0.5, bound.error))
    single = evaluate(cvae, ["likelihood"], iwae_samples=1, device="cpu", progress=silent)["iwae/1"]
    assert single.details["convergence"][0][0] == 1
    assert "k = 1 is too few to see whether the bound has converged" in single.notes


@pytest.mark.parametrize(
    ("likelihood", "binarize", "added"),
    [
        ("gaussian", "none", 8.0),
        ("discretized-logistic", "none", 0.0),
        ("bernoulli", "static", None),
    ],
)
def test_bits_per_dimension(likelihood, binarize, added, tmp_path, silent):
    """Nats over 64 pixels and ln 2; a density does not resolve the 8 bits of a gray level."""
    changes = {**TOY, "epochs": 1, "likelihood": likelihood, "binarize": binarize}
    run = train("digits-cvae", changes, out=tmp_path / "r", progress=silent)
    found = evaluate(run, ["likelihood"], iwae_samples=10, device="cpu", progress=silent)
    names = [measure.name for measure in found.measures]
    assert ("bits_per_dim" in names) == (added is not None)
    if added is None:
        return
    iwae, bits = found["iwae/10"], found["bits_per_dim"]
    assert bits.value == pytest.approx(added - iwae.value / (64 * np.log(2)), rel=1e-9)
    assert bits.error == pytest.approx(iwae.error / (64 * np.log(2)), rel=1e-9)
    assert bits.better == "lower"
    assert bits.provenance["samples"] == 10
    assert any("without dequantization" in note for note in bits.notes) == (added == 8.0)


@pytest.fixture
def quick_chains(monkeypatch):
    from twofold.evaluation import ais as annealed

    monkeypatch.setattr(annealed, "TEMPERATURES", {"decoder": 60, "generator": 60})
    monkeypatch.setattr(annealed, "FIT", {"chains": 4, "temperatures": 20})


def test_annealing_stands_beside_the_bound_of_the_same_images(cvae, silent, quick_chains):
    evaluation = evaluate(cvae, ["ais"], device="cpu", progress=silent)
    measure = evaluation["ais"]
    details = measure.details
    per_image = np.array(details["images"])
    assert per_image.shape == (32, len(details["columns"]))
    assert measure.value == pytest.approx(per_image[:, 0].mean())
    assert measure.error == pytest.approx(per_image[:, 0].std(ddof=1) / 32**0.5)
    assert details["chains_error"] == pytest.approx(np.sqrt((per_image[:, 1] ** 2).sum()) / 32)
    assert measure.provenance["images"] == 32
    assert (measure.provenance["chains"], measure.provenance["temperatures"]) == (16, 60)
    assert "given the class" in measure.title
    assert any("density" in note for note in measure.notes)
    k, bound, _ = details["iwae"]
    above, error = details["above_iwae"]
    assert k == 1000
    note = f"compare with the IWAE bound of the same few images, {bound:.2f} at k = 1000"
    assert note in measure.notes
    assert above == pytest.approx(measure.value - bound)
    assert abs(above) < 5 * np.hypot(error, details["chains_error"])
    again = evaluate(cvae, ["ais"], device="cpu", progress=silent)
    assert again["ais"].value == measure.value


def test_a_generator_is_given_noise_fitted_to_training_images(
    cgan, silent, quick_chains, monkeypatch
):
    """Trap: σ chosen by the images that it is judged on."""
    asked = []
    examples = Context.examples
    monkeypatch.setattr(Context, "examples", lambda s, *a: asked.append(a) or examples(s, *a))
    evaluation = evaluate(cgan, ["ais"], device="cpu", progress=silent)
    measure, seen = evaluation["ais"], [split for split, _ in asked]
    assert sorted(seen) == ["test", "train"]
    assert 0.05 < measure.provenance["sigma"] < 1
    assert f"σ = {measure.provenance['sigma']:.3f}" in measure.notes[0]
    assert measure.provenance["sigma_images"] == 32
    assert "iwae" not in measure.details
    assert all(parameter.grad is None for parameter in cgan.model().parameters())


def test_examples_come_from_all_over_a_split(cvae, silent):
    context = open_run(cvae, "cpu", {"samples": 1, "seed": 0, "images": 50}, silent)
    x = context.batches.images / 255
    found = context.examples("test", 3)
    torch.testing.assert_close(found.x, x[[0, 24, 49]])
    assert found.y.tolist() == context.labels[[0, 24, 49]].tolist()
    assert len(context.examples("test", 99).x) == 50
    train = cvae.dataset().split("train").images[[0, -1]] / 255
    found = context.examples("train", 2)
    torch.testing.assert_close(found.x, torch.as_tensor(train).float())


def test_a_classifier_has_no_density(tmp_path, silent, quick_chains):
    run = train("classifier-mlp", {"data": "digits", "images": 100}, out=tmp_path, progress=silent)
    evaluation = evaluate(run, ["ais"], device="cpu", progress=silent)
    assert evaluation.not_measured["ais"].endswith(
        "a VAE, M2, DRAW or GAN has, and a hybrid of these"
    )


def test_a_diverged_decoder_is_not_annealed(cvae, silent, quick_chains, monkeypatch):
    broken = cvae.model()
    with torch.no_grad():
        for parameter in broken.parameters():
            parameter.fill_(float("nan"))
    facts = cvae.weights()[1]
    monkeypatch.setattr(Run, "weights", lambda _run, _device="cpu": (broken, facts))
    evaluation = evaluate(cvae, ["ais"], device="cpu", progress=silent)
    assert "training has diverged" in evaluation.not_measured["ais"]


def test_the_elbo_is_of_the_test_split_and_no_other(cvae, silent):
    """Trap: figures of merit computed on training images."""
    measured = evaluate(cvae, ["likelihood"], device="cpu", progress=silent)["kl"].value
    model, dataset = cvae.model(), cvae.dataset()
    from twofold.data.batches import Batches

    by_split = {
        split: elbo_terms(model, Batches(dataset.split(split), 50).in_order())[1].mean().item()
        for split in ("train", "test")
    }
    assert measured == pytest.approx(by_split["test"], rel=1e-5)
    assert measured != pytest.approx(by_split["train"], rel=1e-5)


def test_a_gan_has_no_likelihood_and_nothing_is_made_up(cgan, silent, quick_recipes):
    evaluation = evaluate(cgan, num_samples=100, device="cpu", progress=silent)
    names = [measure.name for measure in evaluation.measures]
    assert not any(name.startswith(("elbo", "iwae", "recon")) for name in names)
    assert evaluation.not_measured["likelihood"].startswith("a CGAN bounds no likelihood")
    assert cgan.evaluation["not_measured"] == evaluation.not_measured
    assert "gan_test/classifier-cnn" in names


@pytest.mark.parametrize(
    ("condition", "given"),
    [("none", ""), ("class", "the true class of the image"), ("left-half", "a part of the image")],
)
def test_what_a_reconstruction_was_given_is_said(condition, given, tmp_path, silent, quick_recipes):
    changes = {**TOY, "epochs": 1, "condition": condition}
    run = train("digits-cvae", changes, out=tmp_path / "r", progress=silent)
    evaluation = evaluate(run, ["reconstruction"], device="cpu", progress=silent)
    notes = evaluation["reconstruction/classifier-cnn"].notes
    assert notes == ((f"the model is given {given}",) if given else ())


def test_the_label_leak_is_shown_beside_the_figure_without_it(cvae, silent, monkeypatch):
    """Trap: scoring latents of an encoder that was given the label; this one hears little else."""
    leaky = cvae.model()
    with torch.no_grad():
        leaky.encoder.after[0].weight[:, 64:] *= 20
    facts = cvae.weights()[1]
    monkeypatch.setattr(Run, "weights", lambda _run, _device="cpu": (leaky, facts))
    evaluation = evaluate(cvae, ["latents", "latents-mlp"], device="cpu", progress=silent)
    for reading, leaks_above, stays_below in (
        ("", 90, 50),
        ("/knn", 90, 50),
        ("/linear", 90, 50),
        ("/silhouette", 0.3, 0.05),
    ):
        told = evaluation[f"latents/label-conditioned{reading}"]
        kept = evaluation[f"latents/label-free{reading}"]
        assert told.value > leaks_above
        assert kept.value < stays_below
        assert "the encoder was given the answer" in told.notes
        assert "a random class" in kept.title
        assert told.better is kept.better is None


def test_gan_train_sees_the_generated_images_and_no_others(
    cvae, silent, quick_recipes, monkeypatch
):
    seen = []
    train_classifier = classifiers.train_classifier
    monkeypatch.setattr(
        gan_train,
        "train_classifier",
        lambda *a, **k: (seen.append(a[1]), train_classifier(*a, **k))[1],
    )
    first = evaluate(cvae, ["gan-train"], device="cpu", progress=silent)["gan_train/classifier-cnn"]
    assert first.provenance["samples"] == 200
    assert first.provenance["reference"] == "200 training images of digits"
    made = open_run(cvae, "cpu", {"samples": 200, "seed": 0}, silent)
    assert np.array_equal(seen[0].images, to_uint8(generated_by(made).x.numpy()))
    other = evaluate(cvae, ["gan-train"], seed=1, device="cpu", progress=silent)
    generated = [images for images in seen if images.name == "generated"]
    assert len(generated) == 2, "another seed generates other images, and none is served again"
    assert generated[0].fingerprint != generated[1].fingerprint
    assert other["gan_train/classifier-cnn"].reference == first.reference


def test_gan_train_asks_for_the_classes_the_model_has_seen(tmp_path, silent, quick_recipes):
    changes = {**TOY, "epochs": 1, "without": ["9", "4"], "labels": 80}
    run = train("digits-cvae", changes, out=tmp_path / "run", progress=silent)
    context = open_run(run, "cpu", {"samples": 50, "seed": 0}, silent)
    assert len(context.train) == 80
    assert set(generated_by(context).y.tolist()) == set(range(10)) - {4, 9}
    measure = evaluate(run, ["gan-train"], device="cpu", progress=silent).measures[0]
    assert measure.provenance["samples"] == 80
    assert "9" not in measure.per_class, "what it never saw is not what it is measured on"


def test_some_test_images_are_drawn_from_all_of_them(tmp_path, silent):
    """A folder is read in the order of its classes; its first images are of one."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 20), ("test", 60)):
        for k in range(3):
            (tmp_path / "data" / split / f"c{k}").mkdir(parents=True)
            for i in range(count):
                image = rng.integers(0, 255, (8, 8), np.uint8)
                Image.fromarray(image).save(tmp_path / "data" / split / f"c{k}" / f"{i}.png")
    changes = {"data": str(tmp_path / "data"), "epochs": 1, "layers": "fc-8", "batch_size": 10}
    run = train("vae", changes, out=tmp_path / "run", progress=silent)
    context = open_run(run, "cpu", {"samples": 9, "seed": 0, "images": 90}, silent)
    counts = torch.bincount(context.labels)
    assert counts.sum() == 90
    assert counts.min() > 20
    whole = torch.as_tensor(context.dataset.split("test").images[context.test_index]) / 255
    assert torch.allclose(context.real("test"), whole)
    assert torch.allclose(torch.cat([batch.x for batch in context.batches.in_order()]), whole)


def test_figures_of_a_measure_that_is_taken_again_do_not_outlive_it(cvae, silent, quick_recipes):
    evaluate(cvae, ["distance"], num_samples=200, device="cpu", progress=silent)
    assert "fid/classifier" in {m["name"] for m in cvae.evaluation["measures"]}
    evaluate(cvae, ["distance"], num_samples=50, device="cpu", progress=silent)
    names = {m["name"] for m in cvae.evaluation["measures"]}
    assert "kid/classifier" in names
    assert "fid/classifier" not in names


def test_measuring_again_keeps_what_was_measured_of_the_same_weights(cgan, silent):
    evaluate(cgan, ["cost"], device="cpu", progress=silent)
    before = {measure["name"] for measure in cgan.evaluation["measures"]}
    evaluate(cgan, ["likelihood"], device="cpu", progress=silent)
    assert {measure["name"] for measure in cgan.evaluation["measures"]} == before
    evaluate(cgan, ["cost"], device="cpu", progress=silent)
    assert "likelihood" in cgan.evaluation["not_measured"]


def test_the_same_seed_measures_the_same(cvae, silent):
    first = evaluate(cvae, ["likelihood"], device="cpu", progress=silent).measures
    again = evaluate(cvae, ["likelihood"], device="cpu", progress=silent).measures
    assert [m.value for m in first] == [m.value for m in again]


def test_a_classifier_is_trained_once(silent, quick_recipes, tmp_path, monkeypatch):
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    dataset = load_dataset("digits")
    first = find_classifier("classifier-mlp", dataset, progress=silent)
    (folder,) = (tmp_path / "classifiers").iterdir()
    tensors = Run(folder).checkpoint.with_suffix(".safetensors")
    written = tensors.stat().st_mtime_ns
    again = find_classifier("classifier-mlp", dataset, progress=silent)
    assert again.digest == first.digest
    assert first.trained_on == "1437 training images of digits"
    assert tensors.stat().st_mtime_ns == written
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-1])
    mended = find_classifier("classifier-mlp", dataset, progress=silent)
    assert mended.digest == first.digest, "it goes on from the checkpoint before"
    assert tensors.read_bytes() == whole
    x = torch.as_tensor(dataset.split("test").images) / 255
    log_probs = first.classifier.classify(x)
    assert log_probs.shape == (180, 10)
    assert torch.allclose(log_probs.exp().sum(dim=1), torch.ones(180), atol=1e-5)


def test_an_unknown_measure_lists_the_nearest(cvae, silent):
    with pytest.raises(UsageError, match="unknown measure 'gantest'; did you mean 'gan-test'"):
        evaluate(cvae, ["gantest"], progress=silent)


def test_a_run_without_test_images(tmp_path, silent):
    run = train("digits-cvae", {**TOY, "test": 0}, out=tmp_path / "r", progress=silent)
    with pytest.raises(RunError, match=r"has no test images; train with test=0\.1"):
        evaluate(run, ["likelihood"], device="cpu", progress=silent)


def test_losses_are_those_of_the_log(tmp_path):
    """Training: the mean over the last epoch; validation: the last one taken."""
    run = train("digits-cvae", TOY | {"log_every": 1}, out=tmp_path / "run", progress=Silent())
    found = {m.name: m.value for m in evaluate(run, ["losses"], progress=Silent()).measures}
    last = [r for r in run.records if r["kind"] == "train" and r["epoch"] > 1.0]
    held_out = [r for r in run.records if r["kind"] == "validation"][-1]

    def mean(term: str) -> object:
        return pytest.approx(sum(r["terms"]["vae"][term] for r in last) / len(last))

    parts = {"": "loss", "/recon_nll": "recon_nll", "/kl": "kl"}
    assert found == {
        **{f"loss/train/vae{part}": mean(term) for part, term in parts.items()},
        **{f"loss/validation/vae{part}": held_out["terms"]["vae"][parts[part]] for part in parts},
    }
    assert found["loss/train/vae"] == pytest.approx(
        found["loss/train/vae/recon_nll"] + found["loss/train/vae/kl"], rel=1e-5
    )


def test_a_discriminator_is_right_about_the_mean_of_both_kinds(tmp_path):
    changes = TOY | {"log_every": 1, "epochs": 1}
    run = train("digits-cgan", changes, out=tmp_path / "run", progress=Silent())
    found = {m.name: m.value for m in evaluate(run, ["losses"], progress=Silent()).measures}
    terms = [r["terms"]["discriminator"] for r in run.records if r["kind"] == "train"]
    both = [(t["accuracy_real"] + t["accuracy_fake"]) / 2 for t in terms]
    assert found["loss/train/discriminator/accuracy"] == pytest.approx(sum(both) / len(both))
    assert 0.0 < found["loss/train/discriminator/accuracy"] < 1.0


def test_samples_that_keep_to_the_middle_of_the_prior_say_so(tmp_path, silent):
    run = train("digits-cvae", TOY | {"sampling_scale": 0.5}, out=tmp_path / "r", progress=silent)
    asked = ["coverage", "gan-test", "gan-train", "classes", "likelihood", "reconstruction"]
    found = evaluate(run, asked, num_samples=100, progress=silent)
    samples = ("precision/random", "gan_test/classifier-cnn", "gan_train/classifier-cnn")
    for name in samples:
        assert found[name].provenance["sampling_scale"] == 0.5
        assert any("0.5 times as wide as the prior" in note for note in found[name].notes)
    for name in ("elbo", "reconstruction/classifier-cnn"):
        assert not any("times as wide" in note for note in found[name].notes)
    path = run.path / "experiment.yaml"
    path.write_text(path.read_text().replace("sampling_scale: 0.5", "sampling_scale: 0.9"))
    again = evaluate(run.path, ["coverage"], num_samples=100, progress=silent)
    assert again["precision/random"].provenance["sampling_scale"] == 0.9
    assert "elbo" not in [m["name"] for m in json.loads(again.path.read_text())["measures"]]
