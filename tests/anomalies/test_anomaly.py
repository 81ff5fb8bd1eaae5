"""What is flagged and what the scores are worth, on toy images of which one class is left out."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from twofold.anomalies.anomaly import anomaly
from twofold.anomalies.detection import area_under_roc
from twofold.anomalies.scores import choose_score, component_scores, contrast, score_images
from twofold.anomalies.side_by_side import side_by_side
from twofold.data import ImageDataset
from twofold.data.preprocess import to_unit
from twofold.errors import UsageError
from twofold.evaluation.planes import principal_axes
from twofold.evaluation.recognition import accuracy_error
from twofold.experiments.context import open_run
from twofold.experiments.resolve import resolve
from twofold.experiments.run import Run
from twofold.experiments.train import train
from twofold.files import read_arrays
from twofold.verbs.inputs import load_inputs


@pytest.fixture(scope="module")
def wide(toy_data):
    """The toy data with more of it held out: 45 images to train on, 45 and 30 for the rest."""
    splits = {"train": np.arange(45), "validation": np.arange(45, 90), "test": np.arange(90, 120)}
    return replace(toy_data, splits=splits)


@pytest.fixture(scope="module")
def run_of(tmp_path_factory, wide, toy_experiment, silent):
    """A run of a family that left out a class, each trained once."""
    runs: dict[str, Run] = {}

    def make(family: str = "vae", without: str = "c", **changes: str) -> Run:
        name = "-".join([family, without, *changes.values()])
        if name not in runs:
            base = "cvae" if family == "vae" else family
            model = {"family": "vae", "condition": "none"} if family == "vae" else None
            experiment = toy_experiment(base, model=model, epochs=12)
            experiment = resolve(experiment, {"without": [without], **changes})
            out = tmp_path_factory.mktemp("runs") / name
            runs[name] = train(experiment, out=out, dataset=wide, progress=silent)
            runs[name].dataset = lambda: wide
        return runs[name]

    return make


@pytest.fixture(scope="module")
def hard(wide):
    """The held-out images in so much noise that no score separates all of them."""
    images = wide.images[45:]
    noise = np.random.default_rng(1).integers(0, 256, images.shape)
    mixed = (0.2 * images + 0.8 * noise).astype(np.uint8)
    return ImageDataset(mixed, wide.labels[45:], wide.class_names, "hard")


def test_the_class_left_out_is_the_anomaly_and_the_threshold_is_of_the_others(run_of, wide):
    run = run_of()
    found = anomaly(run, false_alarms=0.1, device="cpu")
    test, held_out = wide.split("test"), wide.split("validation").without(["c"])
    assert found.anomalous is not None
    assert found.anomalous.tolist() == (test.labels == 2).tolist()
    trained = open_run(run, "cpu")
    score = choose_score(trained, None)
    known = np.sort(score_images(load_inputs(trained, held_out), score, 10, 0))
    assert len(known) == 30
    assert found.threshold == known[27]  # the 28th of 30: ⌈31 · 0.9⌉
    assert found.flagged.tolist() == (found.scores > known[27]).tolist()
    assert found.scores.max() in found.scores[found.shown_index[0, 0]]
    assert found.scores.min() in found.scores[found.shown_index[1, 0]]


def test_scores_are_what_they_say(run_of, wide):
    run = run_of()
    model = open_run(run, "cpu").model
    x = to_unit(torch.as_tensor(wide.split("test").images))
    error = (x - model.reconstruct(x)).square().sum(dim=(1, 2, 3)).double()

    def scored(name: str, **options: object) -> torch.Tensor:
        return anomaly(run, score=name, false_alarms=0.2, device="cpu", **options).scores

    assert torch.allclose(scored("reconstruction"), error, rtol=1e-5)
    assert torch.allclose(scored("relative"), error / contrast(x), rtol=1e-4)
    bounds = [scored(name, num_draws=200) for name in ("bound", "iwae")]
    assert bounds[0].mean() > bounds[1].mean(), "more samples give a higher bound"
    with torch.no_grad():
        expected = -model.elbo(x, None, 4000).double()
    assert torch.allclose(bounds[0], expected, atol=0.5)
    lengths = (bounds[0] - scored("complexity", num_draws=200)) / np.log(2) / 8
    assert torch.allclose(lengths, lengths.round(), atol=1e-4), "whole bytes are taken away"
    assert scored("ratio", background=run) == pytest.approx(0), "a model is as good as itself"


def test_contrast_is_of_a_picture_displaced():
    """A ramp of slope s moved by d pixels differs from itself by s d at every pixel."""
    ramp = 0.01 * torch.arange(64.0).expand(1, 1, 64, 64)
    error = (0.01 * 2 * torch.ones(64, 64)).square().sum()  # by d = 2
    assert (error / contrast(ramp)).item() == pytest.approx(4, rel=0.02)


def test_a_class_conditional_model_scores_under_each_that_it_knows(run_of, wide):
    run = run_of("cvae")
    model = open_run(run, "cpu").model
    x = to_unit(torch.as_tensor(wide.split("test").images))
    each = torch.stack(
        [
            (x - model.reconstruct(x, torch.full((30,), k))).square().sum(dim=(1, 2, 3))
            for k in (0, 1)  # and not the class left out
        ]
    )
    found = anomaly(run, score="reconstruction", false_alarms=0.2, device="cpu").scores
    assert torch.allclose(found, each.amin(dim=0).double(), rtol=1e-5)


def test_the_baseline_is_the_error_of_principal_components(run_of, wide):
    found = anomaly(run_of(), false_alarms=0.2, device="cpu")
    figures = {measure.name: measure for measure in found.measures}
    training = wide.split("train").without(["c"]).images.reshape(30, 64) / 255
    test = wide.split("test").images.reshape(30, 64) / 255
    axes = principal_axes(training, 4)
    error = ((test - axes.mean - axes.project(test) @ axes.directions.T) ** 2).sum(axis=1)
    strange = wide.split("test").labels == 2
    wins = (error[strange][:, None] > error[~strange]).mean()
    baseline = figures["anomaly/auroc/components-squared"]
    assert baseline.value == pytest.approx(wins, abs=1e-3)
    assert baseline.details["by_components"]["4"] == baseline.value
    assert "anomaly/auroc/components-relative" in figures


def test_discriminators_score_too(run_of, wide):
    x = to_unit(torch.as_tensor(wide.split("test").images))
    for family in ("hybrid", "cgan"):
        run = run_of(family)
        found = anomaly(run, score="discriminator", false_alarms=0.2, device="cpu")
        model = open_run(run, "cpu").model
        with torch.no_grad():
            conditions = [None] if family == "hybrid" else [torch.full((30,), k) for k in (0, 1)]
            real = torch.stack([model.realness(x, c) for c in conditions]).amax(dim=0)
        assert torch.allclose(found.scores, -real.double(), atol=1e-5)
    assert "unreal" in anomaly(run_of("cgan"), false_alarms=0.2, device="cpu").caption


def test_figures_are_of_images_whose_class_is_known(run_of, wide):
    test = wide.split("test")
    some = replace(test, labels=np.where(np.arange(30) % 5 == 0, -1, test.labels))
    run = run_of()
    found = anomaly(run, some, false_alarms=0.2, device="cpu")
    assert found.anomalous is not None
    assert found.anomalous.tolist() == np.where(some.labels < 0, -1, some.labels == 2).tolist()
    known = anomaly(run, some.subset(np.flatnonzero(some.labels >= 0)), false_alarms=0.2)
    assert len(found.measures) == len(known.measures) == 6
    for one, other in zip(found.measures, known.measures, strict=True):
        assert (one.name, one.value) == (other.name, pytest.approx(other.value))
        assert one.error == pytest.approx(other.error)
        assert one.provenance["unknown_class"] == 6
        assert "6 images of unknown class are left out of the figures" in one.notes
        assert not any("unknown" in note for note in other.notes)
    _, rows = found.table()
    assert [row[-1] for row in rows[:6]] == ["", 0, 1, 0, 0, ""]
    assert found.picture().shape == known.picture().shape
    unknown = replace(test, labels=np.full(30, -1), class_names=test.class_names)
    assert anomaly(run, unknown, false_alarms=0.2, device="cpu").anomalous is None


def test_errors_are_those_of_shares_and_of_delong(run_of, hard):
    found = anomaly(run_of(), hard, false_alarms=0.2, device="cpu")
    figures = {measure.name: measure for measure in found.measures}
    assert found.anomalous is not None
    strange = found.anomalous.bool().numpy()
    for name, among in (("detected", strange), ("false_alarms", ~strange)):
        hits = found.flagged.numpy()[among].mean()
        assert figures[f"anomaly/{name}"].value == pytest.approx(100 * hits)
        expected = 100 * accuracy_error(hits, among.sum())
        assert figures[f"anomaly/{name}"].error == pytest.approx(expected)
    scores = found.scores.numpy()
    area = area_under_roc(scores[~strange], scores[strange])
    auroc = figures["anomaly/auroc"]
    assert (auroc.value, auroc.error) == pytest.approx(area)
    for one in found.detectors:
        assert 0 < one.area.error == pytest.approx(np.linalg.norm(one.influences))
    assert {one.area.name for one in found.detectors} == {n for n in figures if "auroc" in n}


def test_the_error_of_the_baseline_is_of_as_many_components_as_latents(run_of, hard):
    found = anomaly(run_of(), hard, false_alarms=0.2, device="cpu")
    part = load_inputs(open_run(run_of(), "cpu"), hard)
    scores = component_scores(part.context, [part], 0)
    strange = hard.labels == 2
    for kind in ("squared", "relative"):
        own = getattr(scores, kind)[:, scores.counts.index(4)]
        (measure,) = [m for m in found.measures if m.name.endswith(f"components-{kind}")]
        expected = area_under_roc(own[~strange], own[strange])
        assert 0 < measure.error < 0.1
        assert (measure.value, measure.error) == pytest.approx(expected)


def test_what_cannot_be_measured_keeps_scores_and_flags(run_of, wide):
    whole = anomaly(run_of(), false_alarms=0.2, device="cpu")
    white = np.full((1, 1, 8, 8), 255, np.uint8)
    single = anomaly(run_of(), anomalies=white, false_alarms=0.2, device="cpu")
    assert torch.equal(single.scores[:20], whole.scores[wide.split("test").labels != 2])
    assert [m.name for m in single.measures] == ["anomaly/false_alarms", "anomaly/detected"]
    assert list(single.not_measured.values()) == [
        "20 normal and 1 anomalous images have no ROC curve; that takes two of each"
    ]
    test = wide.split("test")
    left_out = test.subset(np.flatnonzero(test.labels == 2))
    alone = anomaly(run_of(), left_out, false_alarms=0.2, device="cpu")
    assert torch.allclose(alone.scores, whole.scores[test.labels == 2])
    assert alone.flagged.tolist() == (alone.scores > alone.threshold).tolist()
    assert [m.name for m in alone.measures] == ["anomaly/detected"]
    assert "no image is known to be normal" in alone.not_measured["false alarms"]
    beside = anomaly(run_of(), left_out, anomalies=white, false_alarms=0.2, device="cpu")
    assert len(beside.scores) == 1, "those of the class left out are not normal"
    for found in (single, alone, beside):
        assert found.picture().shape[0] == 172, "no curves"


def test_anomalies_may_be_given(run_of, wide):
    white = np.full((12, 1, 8, 8), 255, np.uint8)
    found = anomaly(
        run_of(), anomalies=white, score="reconstruction", false_alarms=0.2, device="cpu"
    )
    assert found.anomalous is not None
    assert found.anomalous.tolist() == [False] * 20 + [True] * 12
    assert next(m for m in found.measures if m.name == "anomaly/auroc").value == 1.0
    alone = anomaly(run_of(), white, false_alarms=0.2, device="cpu")
    assert alone.anomalous is None
    assert [m.name for m in alone.measures] == ["anomaly/flagged"]


def test_files_say_the_same(run_of, tmp_path):
    found = anomaly(run_of(), n=9, false_alarms=0.2, device="cpu")
    rows = list(csv.reader(found.save(tmp_path / "a.csv").read_text().splitlines()))
    assert rows[0] == ["index", "true", "score", "flagged", "anomalous"]
    assert [row[1] for row in rows[1:]] == [*"aaabbbccc"]
    assert [row[4] for row in rows[1:]] == [*"000000111"]
    assert read_arrays(found.save(tmp_path / "a.npz"))["scores"].tolist() == found.scores.tolist()
    assert found.picture().shape[2] == 3


def test_several_models_side_by_side(run_of, tmp_path):
    found = [anomaly(run_of(without=k), false_alarms=0.2, device="cpu") for k in "ac"]
    both = side_by_side(found)
    areas = [next(m.value for m in one.measures if m.name == "anomaly/auroc") for one in found]
    assert both.left_out == ["a", "c"]
    assert both.areas["model"].tolist() == areas
    assert both.measures[0].value == pytest.approx(np.mean(areas))
    by_components = both.measures[2].details["by_components"]
    assert both.measures[2].value == max(by_components.values())
    assert both.save(tmp_path / "both.png").stat().st_size > 1000
    assert len(both.save(tmp_path / "both.csv").read_text().splitlines()) == 3


def test_the_error_of_a_mean_knows_that_the_images_are_the_same(run_of, wide, hard):
    one = anomaly(run_of(), hard, false_alarms=0.2, device="cpu")
    alone = {measure.name: measure for measure in one.measures}
    for measure in side_by_side([one, one]).measures:
        if measure.error is not None:
            assert measure.error == pytest.approx(alone[measure.name].error)
            assert measure.error > 0
            assert not any("independent" in note for note in measure.notes)
    other = anomaly(run_of(), hard.subset(range(70)), false_alarms=0.2, device="cpu")
    mean = side_by_side([one, other]).measures[0]
    errors = [next(m.error for m in f.measures if m.name == "anomaly/auroc") for f in (one, other)]
    assert mean.error == pytest.approx(np.hypot(*errors) / 2)
    assert any("count as independent" in note for note in mean.notes)


def test_the_error_of_a_mean_adds_what_each_image_does_to_all_models(run_of, hard):
    """By hand, for a class that is anomalous to one model and normal to the other."""
    found = [anomaly(run_of(without=k), hard, false_alarms=0.2, device="cpu") for k in "ac"]
    moved = np.zeros(75)
    for one in found:
        s, strange = one.scores.numpy(), one.anomalous.bool().numpy()
        wins = (s[strange][:, None] > s[~strange]).astype(float)  # (25, 50)
        for among, share in ((strange, wins.mean(axis=1)), (~strange, wins.mean(axis=0))):
            moved[among] += (share - share.mean()) / (len(share) * (len(share) - 1)) ** 0.5 / 2
    assert side_by_side(found).measures[0].error == pytest.approx(np.sqrt((moved**2).sum()))


def test_models_that_left_out_the_same_class_are_averaged(run_of):
    found = [anomaly(run_of(without=k), false_alarms=0.2, device="cpu") for k in "ca"]
    found.append(anomaly(run_of("vae", "c", seed="1"), false_alarms=0.2, device="cpu"))
    areas = [next(m.value for m in one.measures if m.name == "anomaly/auroc") for one in found]
    assert areas[0] != areas[2]
    per_class = side_by_side(found).measures[0].per_class
    assert per_class == {"c": pytest.approx((areas[0] + areas[2]) / 2), "a": areas[1]}


def test_what_cannot_be_scored_says_why(run_of, wide):
    with pytest.raises(UsageError, match="has no discriminator; use a GAN, CGAN"):
        anomaly(run_of(), score="discriminator", device="cpu")
    with pytest.raises(UsageError, match="CGAN has no likelihood; use a VAE"):
        anomaly(run_of("cgan"), score="bound", device="cpu")
    with pytest.raises(UsageError, match="unknown score 'elbo'"):
        anomaly(run_of(), score="elbo", device="cpu")
    with pytest.raises(UsageError, match="give it with --background RUN"):
        anomaly(run_of(), score="ratio", device="cpu")
    for odd in ({"num_draws": 0}, {"num_draws": -1}, {"false_alarms": np.nan}):
        with pytest.raises(
            UsageError, match=r"false_alarms=.*, num_draws=.*: a share in \(0, 1\), and at least 1"
        ):
            anomaly(run_of(), score="bound", device="cpu", **odd)
    for share in (0.0, 1.0, -0.1):
        with pytest.raises(UsageError, match=f"false_alarms={share}"):
            anomaly(run_of(), false_alarms=share, device="cpu")
    with pytest.raises(UsageError, match="n=0: ask for at least one image"):
        anomaly(run_of(), n=0, false_alarms=0.2, device="cpu")


def test_too_few_validation_images_set_the_nearest_threshold_there_is(run_of, wide):
    few = anomaly(run_of(), false_alarms=0.01, device="cpu")
    assert few.threshold == few.held_out.max()
    assert few.flagged.tolist() == (few.scores > few.threshold).tolist()
    figures = {m.name: m for m in few.measures}
    for name in ("false_alarms", "detected"):
        (note,) = [n for n in figures[f"anomaly/{name}"].notes if "cannot" in n]
        assert note.startswith(
            "30 normal images cannot set a threshold of 1 % false alarms: 3.23 %"
        )
    enough = anomaly(run_of(), false_alarms=1 / 31, device="cpu")
    assert enough.threshold == few.threshold
    assert not any("cannot" in note for m in enough.measures for note in m.notes)


def test_without_a_threshold_images_are_ranked_and_none_is_flagged(run_of, wide, tmp_path):
    run = Run(run_of().path)
    run.dataset = lambda: replace(
        wide, splits={name: wide.splits[name] for name in ("train", "test")}
    )
    none = anomaly(run, device="cpu")
    assert "train with validation=0.1" in none.not_measured["a threshold"]
    whole = anomaly(run_of(), false_alarms=0.2, device="cpu")
    torch.testing.assert_close(none.scores, whole.scores)
    assert none.threshold is None
    assert none.flagged is None
    assert "flagged" not in none.save(tmp_path / "a.csv").read_text()
    none.save(tmp_path / "a.png")
    none.save(tmp_path / "a.npz")
    assert {m.name for m in none.measures} < {m.name for m in whole.measures}


def test_the_strangest_are_named_with_their_ranks(run_of, hard):
    found = anomaly(run_of(), hard, false_alarms=0.2, device="cpu")
    columns, scores = found.highlights(), found.scores.numpy()
    order = np.argsort(-scores, kind="stable")[:5]
    assert columns["index"] == [str(i) for i in order]
    assert columns["true"] == [hard.class_names[hard.labels[i]] for i in order]
    others = [f"{100 * (n - 1) / (n - 1) - 100 * i / (n - 1):.1f}" for i, n in enumerate([75] * 5)]
    assert columns["above % of the others"] == others
    below = [100 * (found.held_out < scores[i]).mean() for i in order]
    assert columns["above % of held-out images"] == [f"{share:.1f}" for share in below]
    alone = anomaly(run_of(), hard.subset([0]), false_alarms=0.2, device="cpu").highlights()
    assert alone["above % of the others"] == [""]


def test_a_background_has_the_likelihood_of_the_same_pixels(run_of):
    for changes, message in (
        ({"model.likelihood": "gaussian"}, "likelihood bernoulli and the background .* gaussian"),
        ({"binarize": "threshold"}, "binarization none and the background .* threshold"),
    ):
        other = run_of("vae", "c", **changes)
        with pytest.raises(UsageError, match=f"{message}, and their likelihoods have no ratio"):
            anomaly(run_of(), background=other, false_alarms=0.2, device="cpu")


def test_few_training_images_have_few_components(run_of, hard, monkeypatch):
    monkeypatch.setattr("twofold.anomalies.scores.AXES_FROM", 3)
    part = load_inputs(open_run(run_of(), "cpu"), hard)
    found = component_scores(part.context, [part], 0)
    assert (found.counts, found.own) == ((1, 2, 3), 3)
    assert found.squared.shape == (75, 3)
    assert (np.diff(found.squared, axis=1) <= 1e-9).all(), "more components rebuild no worse"
