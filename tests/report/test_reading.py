"""Rules from numbers to sentences, each tried on both of its sides."""

import math

import pytest

from twofold.evaluation.comparison import best, comparable, difference
from twofold.evaluation.findings import outcome
from twofold.report.lead import findings, introduction, notes, title, warnings

from .conftest import accuracy, elbo, train_line

GAN_TEST = "gan_test/classifier-cnn"


def text_of(found) -> str:
    return " ".join(one if isinstance(one, str) else one.text for one in found)


@pytest.mark.parametrize(
    ("gap", "verdict"), [(0.27, "noise"), (0.29, "larger"), (-0.27, "noise"), (-0.29, "smaller")]
)
def test_a_difference_counts_beyond_two_combined_standard_errors(gap, verdict):
    # sqrt(0.1² + 0.1²) = 0.141, so two of them are 0.283
    assert difference(accuracy(90.0 + gap), accuracy(90.0)).verdict == verdict


def test_a_difference_without_errors_is_unknown_and_between_exact_figures_certain():
    assert difference(accuracy(91.0, None), accuracy(90.0)).verdict == "unknown"
    assert difference(accuracy(91.0, 0.0), accuracy(90.0, 0.0)).errors == math.inf
    assert difference(accuracy(90.0, 0.0), accuracy(90.0, 0.0)).verdict == "noise"


def test_the_best_is_marked_only_beyond_noise_of_every_other(facts):
    a, b = facts("A", "lam2023-cvae", accuracy(99)), facts("B", "lam2023-cgan", accuracy(98))
    close = facts("C", "lam2023-cgan", accuracy(98.9))
    assert best([a, b], GAN_TEST) is a
    assert best([b, a], GAN_TEST) is a
    assert best([a, b, close], GAN_TEST) is None
    assert best([a], GAN_TEST) is None
    lower = [facts(x, "lam2023-cvae", accuracy(v, better="lower")) for x, v in (("A", 3), ("B", 2))]
    assert best(lower, GAN_TEST) is lower[1]
    neither = [facts(x, "lam2023-cvae", accuracy(v, better=None)) for x, v in (("A", 3), ("B", 2))]
    assert best(neither, GAN_TEST) is None


def test_the_outcome_names_the_winner_or_the_noise(facts):
    a, b = facts("A", "lam2023-cvae", accuracy(97)), facts("B", "lam2023-cgan", accuracy(98))
    assert "⟦B⟧ is ahead" in text_of(outcome([a, b], GAN_TEST))
    assert "differ by 1 points" in text_of(outcome([a, b], GAN_TEST)).replace("\u00a0", " ")
    near = facts("B", "lam2023-cgan", accuracy(97.1))
    assert text_of(outcome([a, near], GAN_TEST)).startswith("Within noise")
    unknown = facts("B", "lam2023-cgan", accuracy(99.0, None))
    found = text_of(outcome([a, unknown], GAN_TEST))
    assert "not known" in found
    assert "ahead" not in found
    assert outcome([facts("A", "lam2023-cvae")], GAN_TEST) == []


def test_figures_of_other_images_or_judges_are_not_raced(facts):
    a = facts("A", "lam2023-cvae", accuracy(97))
    other = facts("B", "lam2023-cvae", accuracy(99), changes=["data=digits"])
    assert "different images" in comparable([a, other], GAN_TEST)
    assert "ahead" not in text_of(outcome([a, other], GAN_TEST))
    judged = facts("B", "lam2023-cgan", accuracy(99, provenance={"classifier": "another"}))
    assert "classifier" in comparable([a, judged], GAN_TEST)
    # What only one of them mentions is no contradiction, and sampling seeds may differ.
    means = accuracy(99, provenance={**accuracy(99).provenance, "pixels": "means", "seed": 3})
    assert comparable([a, facts("B", "lam2023-cgan", means)], GAN_TEST) == ""


def test_fewer_training_images_leave_the_test_images_alike(facts):
    a = facts("A", "lam2023-cvae", accuracy(97))
    data = {**a.environment["data"], "fingerprint": "g"}
    few = facts("B", "lam2023-cvae", accuracy(90), changes=["limit=1000"])
    few = facts(
        "B",
        "lam2023-cvae",
        accuracy(90),
        changes=["limit=1000"],
        environment={**few.environment, "data": data},
    )
    assert comparable([a, few], GAN_TEST) == ""


@pytest.mark.parametrize("change", ["likelihood=gaussian", "binarize=dynamic", "condition=none"])
def test_likelihoods_of_different_kinds_are_not_compared(facts, change):
    a = facts("A", "lam2023-cvae", elbo(-90))
    same = facts("B", "lam2023-cvae", elbo(-95), changes=["latent_dim=2"])
    assert comparable([a, same], "elbo") == ""
    assert comparable([a, facts("B", "lam2023-cvae", elbo(-80), changes=[change])], "elbo")


def test_bounds_given_a_class_and_without_one_are_not_compared(facts):
    m2 = facts("A", "chen-fang-ju2016-ssl-fc-1000", elbo(-90))
    draw, cdraw = (
        facts("B", name, elbo(-80)) for name in ("chen-fang-ju2016-draw", "chen-fang-ju2016-cdraw")
    )
    assert "ln p(x|c)" in comparable([m2, draw], "elbo")
    assert comparable([m2, cdraw], "elbo") == ""


def test_better_than_real_images_is_no_praise(facts):
    above, below = accuracy(99.9, reference=99.5), accuracy(99.0, reference=99.5)
    assert "no praise" in text_of(too_good([facts("A", "lam2023-cgan", above)], GAN_TEST))
    assert too_good([facts("A", "lam2023-cgan", below)], GAN_TEST) == []
    assert too_good([facts("A", "lam2023-cgan", accuracy(99.9))], GAN_TEST) == []


def test_a_gan_has_no_likelihood(facts):
    cvae, cgan = facts("A", "lam2023-cvae", elbo(-94.1)), facts("B", "lam2023-cgan")
    found = text_of(likelihood([cvae, cgan]))
    assert "−94.10" in found
    assert "⟦B⟧ has none" in found
    assert "has none" not in text_of(likelihood([cvae]))
    assert likelihood([cgan]) == []


def test_a_hybrid_has_the_likelihood_of_its_autoencoder(facts):
    cvae, hybrid = facts("A", "lam2023-cvae"), facts("B", "chen-fang-ju2016-cvae-gan", elbo(-99))
    assert "has none" not in text_of(likelihood([cvae, hybrid]))


def test_latent_dimensions_that_carry_something(facts):
    def diagnosed(active, name="lam2023-cvae"):
        line = {"kind": "validation", "epoch": 3.0, "terms": {}}
        line["diagnosis"] = {"active_units": active}
        return facts("A", name, records=[line], changes=["latent_dim=2"])

    assert "uses 1 of its 2" in text_of(active_units([diagnosed(1)]))
    assert "uses none of its 2" in text_of(active_units([diagnosed(0)]))
    assert "uses all of its 2" in text_of(active_units([diagnosed(2)]))
    assert active_units([facts("A", "lam2023-cvae")]) == []
    steps = facts("A", "chen-fang-ju2016-draw").experiment.model.num_steps
    assert f"uses 3 of its {2 * steps}" in text_of(
        active_units([diagnosed(3, "chen-fang-ju2016-draw")])
    )


def test_speed_is_compared_on_one_machine_only(facts):
    a = facts("A", "lam2023-cvae", records=[train_line(seconds=100.0)])
    b = facts("B", "lam2023-cgan", records=[train_line(seconds=250.0)])
    assert "⟦A⟧ trains 2.5 times as fast as ⟦B⟧" in text_of(speed([a, b]))
    alike = facts("B", "lam2023-cgan", records=[train_line(seconds=103.0)])
    assert "same speed" in text_of(speed([a, alike]))
    elsewhere = {**b.environment, "threads": 8}
    other = facts("B", "lam2023-cgan", records=b.records, environment=elsewhere)
    assert "not compared" in text_of(speed([a, other]))
    assert speed([a]) == []
    other = facts("B", "lam2023-cvae", changes=["seed=1"], records=b.records)
    assert speed([a, other]) == []  # of one recipe, so it is the machine that differs
    assert speed([a, facts("B", "lam2023-cgan", changes=["data=digits"])]) == []


def test_settings_beside_the_model_are_named(facts):
    a = facts("A", "lam2023-cvae")
    b = facts("B", "lam2023-cgan", changes=["batch_size=50", "lr=0.0002", "precision=bf16"])
    found = text_of(confounders([a, b]))
    for words in ("batch size 100 (⟦A·⟧) and 50 (⟦B·⟧)", "learning rate", "precision"):
        assert words in found
    assert "epochs" not in found
    assert confounders([a, facts("B", "lam2023-cgan")]) == []
    layers = "fc-12 base-8 deconv3-8/2 deconv3-out/2"
    conv = facts("B", "lam2023-cgan", changes={"model.generator.layers": layers})
    assert "kind of network" in text_of(confounders([a, conv]))


def test_the_number_of_seeds_is_said(facts):
    a, b = facts("A", "lam2023-cvae", accuracy(98.0)), facts("B", "lam2023-cgan", accuracy(97.0))
    assert "each run has one seed" in text_of(cautions([a, b]))
    again = facts("B", "lam2023-cvae", accuracy(98.2), changes=["seed=1"])
    assert "seed" not in text_of(cautions([a, again]))


def test_warnings_of_the_last_diagnosis_and_of_what_is_missing(facts):
    def line(epoch, active):
        diagnosis = {"active_units": active, "kl_per_dim": [0.0]}
        return {"kind": "validation", "epoch": epoch, "terms": {}, "diagnosis": diagnosis}

    collapsed = facts("A", "lam2023-cvae", records=[line(1.0, 1), line(2.0, 0)])
    recovered = facts("A", "lam2023-cvae", records=[line(1.0, 0), line(2.0, 1)])
    assert "posterior collapse" in text_of(warnings([collapsed]))
    assert "posterior collapse" not in text_of(warnings([recovered]))
    assert "not been evaluated" in text_of(warnings([collapsed]))
    unfinished = facts("A", "lam2023-cvae", records=[train_line(12.0)], finished=False)
    assert "epoch 12 of 50" in text_of(warnings([unfinished]))
    complete = facts("A", "lam2023-cvae", accuracy(99))
    assert warnings([complete]) == []


def test_an_evaluation_of_earlier_weights_is_called_stale(facts):
    old = facts("A", "lam2023-cvae", accuracy(99), evaluated_step=10)
    new = facts("A", "lam2023-cvae", accuracy(99), evaluated_step=30_000)
    assert "evaluate it again" in text_of(warnings([old]))
    assert warnings([new]) == []


def test_the_introduction_says_what_was_compared(facts):
    runs = [facts("A", "lam2023-cvae"), facts("B", "lam2023-cgan", changes=["seed=3"])]
    found = " ".join(introduction(runs)).replace("\u202f", " ").replace("\u00a0", " ")
    assert title(runs) == "CVAE and CGAN on MNIST"
    for words in ("Two models", "60 000 training images", "28 × 28 gray", "seed 3", "1 min 40 s"):
        assert words in found


@pytest.mark.parametrize(
    ("epochs", "fields", "words"),
    [
        (1.0, {}, "trained for 1 epoch with seed"),
        (2.5, {}, "trained for 2.5 epochs with seed"),
        (0.5, {"finished": False, "changes": ["epochs=1"]}, "trained for 0.5 of 1 epoch with"),
    ],
)
def test_one_epoch_is_no_epochs(facts, epochs, fields, words):
    run = facts("A", "lam2023-cvae", records=[train_line(epochs)], **fields)
    assert words in introduction([run])[1]


def test_the_introduction_speaks_once_of_runs_of_one_recipe(facts):
    def runs(*seeds, **fields):
        return [
            facts(x, "lam2023-cvae", changes=[seed], **fields)
            for x, seed in zip("ABC", seeds, strict=False)
        ]

    found = " ".join(introduction(runs("seed=0", "seed=1", "seed=5")))
    assert "⟦A·⟧, ⟦B·⟧ and ⟦C·⟧ are each a CVAE of" in found
    assert "with seeds 0, 1 and 5 in 1\u00a0min 40\u00a0s." in found
    labels = " ".join(introduction(runs("label_seed=0", "label_seed=1")))
    assert "with seed 0 and label seeds 0 and 1 in" in labels
    apart = introduction(runs("seed=0", "seed=1", finished=False))[1:]
    assert [text.split(" of ")[0] for text in apart] == ["⟦A·⟧ is a CVAE", "⟦B·⟧ is a CVAE"]


def test_nothing_known_gives_no_readings(facts):
    assert readings([facts("A", "lam2023-cvae", records=[])]) == []
