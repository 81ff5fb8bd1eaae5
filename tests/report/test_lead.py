"""Rules from numbers to sentences, each tried on both of its sides."""

import math
from dataclasses import replace

import pytest

from twofold.evaluation import measure as measure_module
from twofold.evaluation.comparison import best, comparable, difference
from twofold.evaluation.figure import Figure, Quantity
from twofold.evaluation.findings import outcome
from twofold.evaluation.measure import Measure
from twofold.report import lead, tables
from twofold.report.lead import findings, introduction, notes, title, warnings
from twofold.report.settings import label
from twofold.report.tables import measure_groups

from .conftest import accuracy, elbo, train_line

GAN_TEST = "gan_test/classifier-cnn"


def with_hues(runs):
    """As `gather` gives them: runs of one recipe share a hue."""
    recipes = list(dict.fromkeys(run.experiment.recipe() for run in runs))
    return [replace(run, hue=recipes.index(run.experiment.recipe())) for run in runs]


def text_of(found) -> str:
    return " ".join(one if isinstance(one, str) else one.text for one in found)


def said(runs, topic: str) -> str:
    """What is found of a topic."""
    return " ".join(dict(findings(runs)).get(topic, []))


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


USUAL = {"likelihood": "bernoulli", "binarize": "none", "conditioned_on": "class"}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("likelihood", "gaussian", "units of density"),
        ("binarize", "dynamic", "gray and binarized"),
        ("conditioned_on", "nothing", "ln p(x|c)"),
    ],
)
def test_likelihoods_of_different_kinds_are_not_compared(facts, key, value, words):
    a = facts("A", "lam2023-cvae", elbo(-90, provenance=USUAL))
    same = facts("B", "lam2023-cvae", elbo(-95, provenance=USUAL), changes=["latent_dim=2"])
    assert comparable([a, same], "elbo") == ""
    other = facts("B", "lam2023-cvae", elbo(-80, provenance={**USUAL, key: value}))
    assert words in comparable([a, other], "elbo")


def test_runs_that_left_out_other_classes_are_of_other_images(facts):
    a = facts("A", "lam2023-cvae", elbo(-90))
    b = facts("B", "lam2023-cvae", elbo(-80), changes=["without=[9]"])
    assert "different images" in comparable([a, b], "elbo")


def test_latent_dimensions_that_carry_something(facts):
    def diagnosed(active, name="lam2023-cvae"):
        line = {"kind": "validation", "epoch": 3.0, "terms": {}}
        line["diagnosis"] = {"active_units": active}
        return facts("A", name, records=[line], changes=["latent_dim=2"])

    assert "uses 1 of its 2" in said([diagnosed(1)], "latent dimensions")
    assert "uses none of its 2" in said([diagnosed(0)], "latent dimensions")
    assert "uses all of its 2" in said([diagnosed(2)], "latent dimensions")
    assert said([facts("A", "lam2023-cvae")], "latent dimensions") == ""
    steps = facts("A", "chen-fang-ju2016-draw").experiment.model.num_steps
    assert f"uses 3 of its {2 * steps}" in said(
        [diagnosed(3, "chen-fang-ju2016-draw")], "latent dimensions"
    )


def test_speed_is_compared_on_one_machine_only(facts):
    a = facts("A", "lam2023-cvae", records=[train_line(seconds=100.0)])
    b = facts("B", "lam2023-cgan", records=[train_line(seconds=250.0)])
    assert "⟦A⟧ trains 2.5 times as fast as ⟦B⟧" in said([a, b], "speed")
    alike = facts("B", "lam2023-cgan", records=[train_line(seconds=103.0)])
    assert "same speed" in said([a, alike], "speed")
    elsewhere = {**b.environment, "threads": 8}
    other = facts("B", "lam2023-cgan", records=b.records, environment=elsewhere)
    assert "not compared" in said([a, other], "speed")
    assert said([a], "speed") == ""
    other = facts("B", "lam2023-cvae", changes=["seed=1"], records=b.records)
    assert said([a, other], "speed") == ""  # of one recipe, so it is the machine that differs
    assert said([a, facts("B", "lam2023-cgan", changes=["data=digits"])], "speed") == ""


def test_settings_beside_the_model_are_named(facts):
    a = facts("A", "lam2023-cvae")
    b = facts("B", "lam2023-cgan", changes=["batch_size=50", "lr=0.0002", "precision=bf16"])
    found = text_of(notes([a, b]))
    for words in ("batch size 100 (⟦A·⟧) and 50 (⟦B·⟧)", "precision fp32 (⟦A·⟧) and bf16 (⟦B·⟧)"):
        assert words in found
    assert "epochs" not in found
    assert "more than the model" not in text_of(notes([a, facts("B", "lam2023-cgan")]))
    big = replace(b, environment={**b.environment, "parameters": {"generator": 9000}})
    assert "parameters 1\u202f000 (⟦A·⟧) and 9\u202f000 (⟦B·⟧)" in text_of(notes([a, big]))


def test_recipes_of_one_model_are_compared_over_what_differs(facts):
    rates = (("A", 0.0001), ("B", 0.001), ("C", 0.01))
    runs = [facts(x, "digits-cvae", accuracy(90.0), changes=[f"lr={lr}"]) for x, lr in rates]
    words = " ".join(introduction(runs))
    assert "3 recipes of one model, which differ in lr (0.0001, 0.001, 0.01)" in words
    assert "are each a CVAE" in words, "one sentence for what they share"
    assert "more than the model" not in text_of(notes(runs))
    assert [run.short for run in label(with_hues(runs))] == [
        "CVAE lr=0.0001",
        "CVAE lr=0.001",
        "CVAE lr=0.01",
    ]


def test_runs_are_named_by_model_then_settings_then_seed(facts):
    seeds = [facts(x, "digits-cvae", changes=[f"seed={s}"]) for x, s in (("A", 0), ("B", 1))]
    both = with_hues([*seeds, facts("C", "digits-cgan")])
    assert [run.short for run in label(both)] == ["CVAE seed 0", "CVAE seed 1", "CGAN"]
    assert both[0].ink == both[1].ink != both[2].ink
    same = with_hues([facts("A", "digits-cvae"), facts("B", "digits-cvae")])
    assert [run.short for run in label(same)] == ["run-A", "run-B"]


def test_few_test_images_are_said_before_anything_else(facts):
    few = accuracy(90.0, provenance={"images": 14})
    found = warnings([facts("A", "digits-cvae", few), facts("B", "digits-cgan", accuracy(99.0))])
    assert found[0].startswith("There are only 14 test images")
    many = accuracy(90.0, provenance={"images": 100})
    assert warnings([facts("A", "digits-cvae", many)]) == []


def test_nothing_is_best_when_every_run_fails_a_plain_check(facts, monkeypatch):
    class Picky(Measure):
        quantities = (Quantity("gan_test", "GAN-test", headline=True),)
        bad = "AB"

        def failures(self, run):
            return ["paints one image"] if run.letter in self.bad else []

    picky = Picky()
    for module in (measure_module, lead, tables):
        monkeypatch.setattr(module, "measures", lambda: {"picky": picky})
    runs = [facts("A", "lam2023-cvae", accuracy(99)), facts("B", "lam2023-cgan", accuracy(90))]
    assert warnings(runs) == [
        "⟦A⟧ and ⟦B⟧ paints one image.",
        "No run passes these plain checks, so none is called the best below.",
    ]
    ((_, row),) = [(g, r) for g in measure_groups(runs) for r in g.rows]
    assert not any(cell.best for cell in row.cells)
    picky.bad = "B"
    assert warnings(runs) == ["⟦B⟧ paints one image."]
    ((_, row),) = [(g, r) for g in measure_groups(runs) for r in g.rows]
    assert [cell.best for cell in row.cells] == [True, False]


def test_measures_that_disagree_are_set_against_each_other(facts):
    def run(letter, name, test, fid):
        figures = accuracy(test), Figure("fid/classifier", "FID", fid, "", "lower", 0.1)
        return facts(letter, name, *figures)

    a, b = run("A", "lam2023-cvae", 99.0, 9.0), run("B", "lam2023-cgan", 90.0, 2.0)
    found = said([a, b], "the measures disagree")
    assert "⟦A⟧ is ahead by GAN-test" in found
    assert "⟦B⟧ is ahead by FID" in found
    assert said([a, run("B", "lam2023-cgan", 90.0, 20.0)], "the measures disagree") == ""


def test_at_most_five_notes(facts):
    a = facts("A", "lam2023-cvae", accuracy(99.0))
    data = {**a.environment["data"], "notes": [f"note {i}" for i in range(9)]}
    b = facts("B", "lam2023-cgan", accuracy(98.0), changes=["batch_size=50"])
    b = replace(b, environment={**b.environment, "data": data})
    assert 3 <= len(notes([a, b])) <= 5
    assert "note 8" in text_of(notes([a, b]))


def test_the_number_of_seeds_is_said(facts):
    a, b = facts("A", "lam2023-cvae", accuracy(98.0)), facts("B", "lam2023-cgan", accuracy(97.0))
    assert "each run has one seed" in text_of(notes([a, b]))
    again = facts("B", "lam2023-cvae", accuracy(98.2), changes=["seed=1"])
    assert "one seed" not in text_of(notes([a, again]))


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
    assert words in introduction([run])[1].replace(" (600 steps)", "").replace(
        " (1\u202f200 steps)", ""
    )


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


def test_nothing_known_gives_no_findings(facts):
    assert findings([facts("A", "lam2023-cvae", records=[])]) == []
