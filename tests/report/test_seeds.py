"""Recipes over several seeds: who is grouped with whom, and what their means say."""

import statistics

import pytest

from twofold.evaluation.comparison import contrast, group_by_recipe, has_repeats
from twofold.evaluation.findings import over_seeds
from twofold.evaluation.seeds import paired_difference, welch_difference
from twofold.report.lead import findings, notes
from twofold.report.tables import seed_table

from .conftest import accuracy, elbo, train_line

GAN_TEST = "gan_test/classifier-cnn"
CVAE, CGAN, M2 = "lam2023-cvae", "lam2023-cgan", "chen-fang-ju2016-ssl-fc-1000"


@pytest.fixture
def family(facts):
    """Runs of one recipe: `family("AB", CVAE, (98, 99))`, with seeds 0, 1 … or those given."""

    def make(letters, name, values, seeds=None, field="seed", of=accuracy, **fields):
        seeds = range(len(values)) if seeds is None else seeds
        return [
            facts(letter, name, of(value), changes=[f"{field}={seed}"], **fields)
            for letter, value, seed in zip(letters, values, seeds, strict=True)
        ]

    return make


def said(runs, name=GAN_TEST) -> str:
    text = " ".join(reading.text for reading in over_seeds(runs, name))
    return text.replace("\u00a0", " ")


def test_only_seeds_and_label_draws_are_left_out_of_a_recipe(facts):
    def together(*changes):
        runs = [facts(x, M2, changes=[c]) for x, c in zip("AB", changes, strict=True)]
        return len(group_by_recipe(runs)) == 1

    assert together("seed=0", "seed=1")
    assert together("label_seed=0", "label_seed=1")
    assert together("device=cpu", "device=cuda")
    assert together("log_every=5", "log_every=10")
    assert not together("labels=1000", "labels=100")
    assert not together("split_seed=0", "split_seed=1")
    assert not together("epochs=10", "epochs=20")


def test_masks_that_differ_make_two_recipes(facts):
    masks = [[[shown] * 14 + [1 - shown] * 14] * 28 for shown in (1, 0)]
    runs = [
        facts(x, "lam2023-cvae", changes={"condition": {"name": "mask", "mask": m}, "seed": i})
        for i, (x, m) in enumerate(zip("AB", masks, strict=True))
    ]
    assert len(group_by_recipe(runs)) == 2


def test_several_seeds_speak_by_mean_and_spread(family):
    """Trap: a verdict from single seeds."""
    cvaes = family("AB", CVAE, (98, 99))
    near = said([*cvaes, *family("CD", CGAN, (97, 99.5))])
    assert near.startswith(
        "Mean ± standard deviation: CVAE (⟦A·⟧ and ⟦B·⟧) 98.50 ± 0.71 % over 2 seeds and "
    )
    assert "is within noise" in near
    assert "With 2 seeds only large differences can be seen" in near
    far = said([*cvaes, *family("CD", CGAN, (80, 81.01))])
    assert "CVAE (⟦A·⟧ and ⟦B·⟧) is ahead by 17.995 points" in far
    assert "more than the spread over seeds explains" in far
    assert over_seeds([cvaes[0], *family("C", CGAN, (97,))], GAN_TEST) == []


def test_the_leader_is_named_whichever_way_is_better_and_whoever_comes_first(family):
    good, bad = (90.0, 90.1, 90.2), (80.0, 80.3, 80.1)
    for first, second in ((good, bad), (bad, good)):
        runs = [*family("ABC", CVAE, first), *family("DEF", CGAN, second)]
        ahead = "CVAE (⟦A·⟧, ⟦B·⟧ and ⟦C·⟧)" if first is good else "CGAN (⟦D·⟧, ⟦E·⟧ and ⟦F·⟧)"
        assert f"{ahead} is ahead by 9.97 points (95 % interval 9.59 to 10.35" in said(runs)

        def loss(value):
            return accuracy(value, better="lower")

        runs = [*family("ABC", CVAE, first, of=loss), *family("DEF", CGAN, second, of=loss)]
        assert f"{ahead} is ahead" not in said(runs)
        assert "is ahead by 9.97 points (95 % interval 9.59 to 10.35" in said(runs)


def test_seeds_that_are_the_same_pair(family):
    a, b = (98.0, 97.0, 99.0, 98.5), (97.5, 96.4, 98.6, 97.8)
    runs = [*family("ABCD", CVAE, a), *family("EFGH", CGAN, b)]
    found = contrast(group_by_recipe(runs), GAN_TEST)
    assert found.difference == paired_difference(a, b)
    assert "paired by seed, p = 0.00" in said(runs)
    assert "only large differences" not in said(runs)  # four seeds, and no excuse
    others = [*family("ABCD", CVAE, a), *family("EFGH", CGAN, b, seeds=(0, 1, 2, 4))]
    found = contrast(group_by_recipe(others), GAN_TEST)
    assert found.difference == welch_difference(a, b)
    assert "Welch’s t-test, p = " in said(others)


def test_of_more_recipes_the_best_and_the_runner_up_are_compared(family, facts):
    low = family("AB", CVAE, (70, 71))
    best = family("CD", CGAN, (90, 91))
    second = family("EF", "lam2023-cgan-tuned", (80, 81))
    alone = facts("G", "digits-cgan", accuracy(99), changes=["data=mnist"])
    found = contrast(group_by_recipe([*low, *best, *second, alone]), GAN_TEST)
    assert [found.first.runs[0].letter, found.second.runs[0].letter] == ["C", "E"]
    text = said([*low, *best, *second, alone])
    assert "The best by mean of 3 recipes and the runner-up are compared, and no others." in text
    assert "CGAN (⟦G·⟧) 99 % over 1 seed" in text
    assert "of 3 recipes" not in said([*low, *best, alone])
    assert seed_table([*low, *best, *second]).has_difference is False


def test_a_repeated_or_unfinished_or_stale_run_is_no_further_draw(family):
    cvaes = family("AB", CVAE, (98, 99))
    groups = [
        [*cvaes, *family("C", CVAE, (50,))],  # seed 0 again
        [*cvaes, *family("C", CVAE, (50,), seeds=[2], finished=False)],
        [*cvaes, *family("C", CVAE, (50,), seeds=[2], evaluated_step=10)],
    ]
    for runs in groups:
        (group,) = group_by_recipe(runs)
        assert list(group.values(GAN_TEST).values()) == [98, 99]
    (group,) = group_by_recipe([*cvaes, *family("C", CVAE, (50,), seeds=[2])])
    assert len(group.values(GAN_TEST)) == 3
    assert not has_repeats([cvaes[0], *family("C", CVAE, (50,))])
    assert "each run has one seed" in " ".join(notes([cvaes[0], *family("C", CVAE, (50,))]))


def test_likelihoods_that_cannot_be_compared_have_means_and_no_verdict(family):
    def of(condition):
        return lambda value: elbo(value, provenance={"conditioned_on": condition})

    conditional = family("AB", CVAE, (-90, -91), of=of("class"))
    unconditional = family("CD", "lin-yu2018-vae-z20", (-100, -101), of=of("nothing"))
    text = said([*conditional, *unconditional], "elbo")
    assert "not to be compared" in text
    assert "ahead" not in text
    assert "within noise" not in text
    assert contrast(group_by_recipe([*conditional, *unconditional]), "elbo") is None


def test_figures_of_a_recipe_that_were_measured_differently_have_no_mean(family, facts):
    a = family("A", CVAE, (98,))
    b = facts("B", CVAE, accuracy(99, provenance={"classifier": "another"}), changes=["seed=1"])
    assert over_seeds([*a, b], GAN_TEST) == []
    assert [cell.text for cell in seed_table([*a, b]).rows[0].cells] == [""]


def test_label_draws_are_called_so(family, facts):
    m2s = family("ABC", M2, (95, 96, 97), field="label_seed")
    supervised = family("DEF", "classifier-mlp", (88, 89, 90.3), field="label_seed")
    text = said([*m2s, *supervised])
    assert "over 3 label draws" in text
    assert "paired by label draw" in text
    assert "With 3 label draws only large" in text
    assert seed_table([*m2s, *supervised]).over == "label draws"
    # A seed of its own for every draw of labels is a draw of labels; two seeds of two draws are not
    draws = [(0, 0), (1, 1), (0, 1), (1, 0)]
    runs = [
        facts(x, M2, accuracy(90), changes=[f"seed={s}", f"label_seed={label}"])
        for x, (s, label) in zip("ABCD", draws, strict=True)
    ]
    assert group_by_recipe(runs[:2])[0].noun == "label draw"
    assert group_by_recipe(runs)[0].noun == "run"


def test_the_table_of_two_recipes_has_their_difference(family):
    a, b = (98.0, 97.0, 99.0), (78.0, 76.0, 79.5)
    runs = [*family("ABC", CVAE, a), *family("DEF", CGAN, b)]
    table = seed_table(runs)
    assert table.over == "seeds"
    assert table.heads[-1] == ("difference", "")
    assert table.heads[:-1] == [
        ("CVAE (⟦A·⟧, ⟦B·⟧ and ⟦C·⟧)", "3 seeds"),
        ("CGAN (⟦D·⟧, ⟦E·⟧ and ⟦F·⟧)", "3 seeds"),
    ]
    (row,) = table.rows
    assert row.cells[0].text == "98.0\u00a0±\u00a01.0"
    assert statistics.stdev(a) == 1
    one = paired_difference(a, b)
    assert row.cells[-1].text == f"{one.amount:.1f} ({one.low:.1f} to {one.high:.1f})"
    assert row.cells[-1].small.startswith("more than noise: paired by seed")
    near = seed_table([*runs[:3], *family("DEF", CGAN, (97.0, 98.2, 98.9))]).rows[0].cells[-1]
    assert near.small.startswith("within noise")
    assert (row.cells[-1].best, near.best) == (True, False)


def test_the_table_says_where_some_runs_lack_a_figure(family, facts):
    runs = [*family("AB", CVAE, (98, 99)), facts("C", CVAE, changes=["seed=2"])]
    (row,) = seed_table(runs).rows
    assert [cell.small for cell in row.cells] == ["of 2 seeds"]
    (row,) = seed_table([*runs, *family("D", CGAN, (97,))]).rows
    assert row.cells[-1].text == ""  # of a single draw there is no difference
    assert seed_table(runs[:1]) is None


def test_figures_without_any_spread_are_written_without_nan(family):
    runs = [*family("AB", CVAE, (98, 98)), *family("CD", CGAN, (98, 98))]
    text = said(runs)
    assert "98 ± 0 % over 2 seeds" in text
    assert "The difference of 0 points (95 % interval 0 to 0, paired by seed, p = 1)" in text
    apart = said([*runs[:2], *family("CD", CGAN, (97, 97))])
    assert "is ahead by 1 points (95 % interval 1 to 1, paired by seed, p < 0.001)" in apart


@pytest.mark.parametrize("name", ["fid/classifier", "accuracy"])
def test_headline_measures_speak_of_seeds_in_short(family, name):
    def headline(value):
        return accuracy(value, name=name, title="A headline", better="lower")

    runs = [*family("AB", CVAE, (5, 6), of=headline), *family("CD", CGAN, (7, 8), of=headline)]
    assert "over 2 seeds" in " ".join(dict(findings(runs))["A headline"])
    assert "over" not in " ".join(dict(findings(runs[::2]))["A headline"])


def test_an_evaluation_of_the_last_step_is_not_stale(facts):
    run = facts("A", CVAE, accuracy(98), records=[train_line(2.0)], evaluated_step=1200)
    assert not run.is_stale
    assert facts("A", CVAE, records=[train_line(2.0)], evaluated_step=1199).is_stale
