"""Rows as plain data, commands, curves."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from twofold.evaluation.summary import figures_of, gather
from twofold.experiments.resolve import resolve
from twofold.report.cost import cost_rows
from twofold.report.curves import panels
from twofold.report.settings import commands, compact, differing
from twofold.report.tables import measure_groups, missing
from twofold.verbs.evaluate import evaluate

from .conftest import accuracy, elbo


def cost_texts(runs):
    return {row.title: [cell.text for cell in row.cells] for row in cost_rows(runs)}


def measure_rows(runs):
    return [row for group in measure_groups(runs) for row in group.rows]


def test_a_measure_that_a_run_lacks_is_blank(facts):
    runs = [facts("A", "lam2023-cvae", accuracy(98), elbo(-90)), facts("B", "lam2023-cgan")]
    rows = {row.name: row for row in measure_rows(runs)}
    assert [cell.text for cell in rows["elbo"].cells] == ["−90.00\u00a0±\u00a00.20", ""]
    assert not rows["elbo"].cells[0].best  # alone is not ahead


def test_only_a_figure_beyond_noise_is_marked(facts):
    a, b = facts("A", "lam2023-cvae", accuracy(98)), facts("B", "lam2023-cgan", accuracy(97))
    near = facts("B", "lam2023-cgan", accuracy(97.9))
    assert [cell.best for cell in measure_rows([a, b])[0].cells] == [True, False]
    assert [cell.best for cell in measure_rows([a, near])[0].cells] == [False, False]


def test_no_single_run_is_best_where_seeds_were_repeated(facts):
    a = facts("A", "lam2023-cvae", accuracy(98))
    again = facts("B", "lam2023-cvae", accuracy(97), changes=["seed=1"])
    assert not any(cell.best for cell in measure_rows([a, again])[0].cells)


def test_what_figures_depend_on_alike_is_said_once(facts):
    a, b = accuracy(98), accuracy(97)
    other = accuracy(97, provenance={**b.provenance, "pixels": "means"})
    row = measure_rows([facts("A", "lam2023-cgan", a), facts("B", "lam2023-cvae", other)])[0]
    assert "10\u202f000 samples" in row.provenance
    assert [cell.small for cell in row.cells] == ["", "pixels means"]


def test_measures_stand_by_kind_in_an_order_of_their_own(facts):
    def one(name):
        return accuracy(9.0, name=name, title=name)

    names = (
        "latents/label-free",
        "fid/random",
        "new",
        "kid/classifier",
        "fid/classifier",
        "copies",
    )
    groups = measure_groups([facts("A", "lam2023-cvae", *map(one, names), elbo(-9.0))])
    assert {group.question.title: [row.name for row in group.rows] for group in groups} == {
        "Likelihood": ["elbo"],
        "Distance": ["fid/classifier", "kid/classifier", "fid/random"],
        "Memorization": ["copies"],
        "Latent space": ["latents/label-free"],
        "Other": ["new"],
    }
    assert [group.question.title for group in groups][::4] == ["Likelihood", "Other"]
    assert all(group.question.text for group in groups[:-1])


def test_a_group_says_once_what_its_figures_depend_on_and_what_those_of_a_run_do(facts):
    def measures(**provenance):
        both = {"samples": 3000, "seed": 0, **provenance}
        return [
            accuracy(
                9.0, name=f"{kind}/classifier", provenance={**both, "classifier": f"a {16 * d}"}
            )
            for kind, d in (("fid", "1"), ("kid", "2"))
        ]

    runs = [
        facts("A", "lam2023-cvae", *measures(pixels="means")),
        facts("B", "lam2023-cgan", *measures()),
    ]
    (group,) = measure_groups(runs)
    assert group.provenance == ["All: 3\u202f000 samples, seed 0", "⟦A·⟧ pixels means"]
    assert [row.provenance for row in group.rows] == ["classifier a", "classifier a"]
    assert {cell.small for row in group.rows for cell in row.cells} == {""}


def test_a_group_says_once_why_none_of_it_is_to_be_compared(facts):
    def measures(judge):
        names = ("fid/classifier", "kid/classifier")
        return [accuracy(9.0, name=name, provenance={"classifier": judge}) for name in names]

    a, b = (facts(x, "lam2023-cvae", *measures(f"j {16 * x.lower()}")) for x in "AB")
    (group,) = measure_groups([a, b])
    assert "same way (classifier)" in group.note
    assert [row.note for row in group.rows] == ["", ""]
    assert group.provenance == [f"⟦{x}·⟧ classifier j {6 * x.lower()}" for x in "AB"]
    (alone,) = measure_groups([a])
    assert alone.note == ""


def test_titles_that_differ_by_a_condition_are_cut_to_what_they_share(facts):
    other = accuracy(9.0, name="elbo", title="ELBO given the class")
    rows = measure_rows([facts("A", "lam2023-cvae", other), facts("B", "lam2023-cvae", elbo(-9.0))])
    assert [row.title for row in rows] == ["ELBO"]


def test_what_was_not_measured_stands_with_its_reason_and_runs(facts):
    reason = {"likelihood": "a CGAN bounds none"}
    runs = [facts(x, "lam2023-cgan", not_measured=reason) for x in "AB"]
    assert missing(runs) == ["likelihood ⟦A·⟧ ⟦B·⟧: a CGAN bounds none."]
    assert missing([facts("A", "lam2023-cvae")]) == []


def test_a_figure_that_is_no_number_is_left_out():
    entry = accuracy(1.0).to_dict()
    odd = [{**entry, "name": "a", "value": None}, {**entry, "name": "b", "value": float("nan")}]
    assert figures_of({"measures": [*odd, {**entry, "future": 1}]}).keys() == {entry["name"]}
    assert figures_of(None) == {}


def test_costs_are_blank_before_the_first_line_of_the_log(facts):
    assert "Time per epoch" not in cost_texts([facts("A", "lam2023-cvae", records=[])])
    both = [facts("A", "lam2023-cvae", records=[]), facts("B", "lam2023-cgan")]
    assert cost_texts(both)["Time per epoch"] == ["", "2\u00a0s"]


def test_a_cost_stands_in_one_table_alone(runs):
    evaluate(runs["vae"], ["cost"], device="cpu")
    try:
        (found,) = gather([runs["vae"]])
    finally:
        (runs["vae"].path / "evaluation.json").unlink()
    assert {"training_seconds", "generation_flops"} <= found.figures.keys()
    listed = {row.name: row.cells[0].text for row in measure_rows([found])}
    assert listed["generation_flops"] == "0.001056"  # millions, 2·(2·8 + 8·64)
    assert "training_seconds" not in listed
    shown = cost_texts([found])
    assert shown["Peak memory in training"][0].endswith("iB")
    assert "Training time in all" in shown


def test_notes_of_figures_stand_with_their_group_and_are_said_once(facts):
    noted = [
        accuracy(9.0, name=name, title=name, notes=("few images", "smooth"))
        for name in ("fid/classifier", "kid/classifier")
    ]
    runs = [facts("A", "lam2023-cvae", *noted), facts("B", "lam2023-cgan", noted[0])]
    (group,) = measure_groups(runs)
    assert group.notes == [
        "Fid/classifier and kid/classifier ⟦A·⟧ ⟦B·⟧: few images.",
        "Fid/classifier and kid/classifier ⟦A·⟧ ⟦B·⟧: smooth.",
    ]
    (alone,) = measure_groups(runs[1:])
    assert alone.notes == ["Fid/classifier: few images.", "Fid/classifier: smooth."]


def test_a_lopsided_interval_is_written_by_its_ends(facts):
    run = facts("A", "lam2023-cvae", accuracy(100.0, None, interval=(78.0, 100.0)))
    assert measure_rows([run])[0].cells[0].text == "100 (78 to 100)"


def test_only_settings_that_differ_are_listed(facts):
    runs = [facts("A", "lam2023-cvae"), facts("B", "lam2023-cvae", changes=["latent_dim=2"])]
    assert differing(runs) == [("latent dim", ["64", "2"])]
    rows = dict(differing([runs[0], facts("B", "lam2023-cgan")]))
    assert rows["generator"][0] == ""
    assert "objective" not in rows  # at its default, and no business of a GAN
    other = facts("A", "lam2023-cvae", changes=["beta=4"])
    rows = dict(differing([other, facts("B", "lam2023-cgan")]))
    assert rows["objective"] == ["elbo, beta 4", ""]


def test_the_command_repeats_the_run(facts):
    changes = ["latent_dim=2", "epochs=3", "model.generator.layers=fc-8 fc-8"]
    run = facts("A", "lam2023-cgan", changes=changes)
    command, measured, compared = commands([run], "o.html")
    assert command.startswith("twofold train lam2023-cgan ")
    assert " latent_dim=2 " in command
    assert "'model.generator.layers=fc-8 fc-8'" in command
    words = shlex.split(command)
    assert resolve(words[2], words[3:-2]) == run.experiment
    assert words[-2:] == ["--out", "runs/run-A"]
    assert measured == "twofold evaluate runs/run-A"
    assert compared == "twofold compare runs/run-A --out o.html"
    some = facts("A", "lam2023-cgan", taken=["coverage", "distance"])
    assert commands([some], "o.html")[1].endswith(" --measures distance,coverage")
    assert "--out ./-x" in commands([facts("A", "lam2023-cgan", path=Path("-x"))], "o.html")[0]
    own = run.experiment.model_copy(update={"name": "mine"})
    other = facts("A", "lam2023-cgan", path=run.path)
    assert "experiment.yaml" in commands([replace(other, experiment=own)], "o.html")[0]


def test_every_term_has_a_panel_and_none_is_drawn_twice(runs):
    found = {panel.key: panel for panel in panels(gather([runs["cvae"], runs["cgan"]]))}
    assert {"vae-loss", "vae-recon-nll", "vae-kl", "generator-loss"} <= found.keys()
    assert "discriminator-accuracy-real" in found
    assert "discriminator-adversarial" not in found  # it is all of the discriminator's loss
    assert all(curve.x for panel in found.values() for curve in panel.curves)


def test_held_out_images_have_a_curve_of_their_own(runs):
    loss = next(p for p in panels(gather([runs["vae"]])) if p.key == "vae-loss")
    assert [curve.held_out for curve in loss.curves] == [False, True]
    assert json.dumps(list(loss.curves[1].y)) != "[]"


def test_compact_settings_cover_the_experiment():
    words = compact(resolve("lam2023-cgan"))
    assert words["data"] == "mnist"
    discriminator = "fc-512 fc-512, activation leaky-0.2, dropout 0.3"
    assert words["adversary"] == f"discriminator ({discriminator})"


@pytest.mark.parametrize(
    ("name", "condition", "latent_dim", "kind"),
    [
        ("lam2023-cgan", "class", 64, "dense"),
        ("chen-fang-ju2016-ssl-fc-1000", "class", 50, "dense"),
        ("chen-fang-ju2016-m1m2-1000", "class", 50, "dense"),
        ("chen-fang-ju2016-ssl-conv-gan-1000", "class", 50, "convolutional"),
        ("chen-fang-ju2016-cvae-gan", "class", 50, "convolutional"),
        ("chen-fang-ju2016-draw", "none", 100, "recurrent"),
        ("chen-fang-ju2016-draw-gan", "none", 100, "recurrent"),
        ("chen-fang-ju2016-completion", "left-half", 50, "dense"),
        ("classifier-mlp", "none", 0, "dense"),
    ],
)
def test_a_model_within_a_model_is_described_as_it_is(facts, name, condition, latent_dim, kind):
    run = facts("A", name)
    assert (run.condition, run.latent_dim) == (condition, latent_dim)
    assert run.model["networks"] == kind


def test_a_network_of_a_part_is_written_in_words():
    words = compact(resolve("chen-fang-ju2016-cvae-gan"))["autoencoder"]
    assert "family cvae, encoder (conv5-28/2 conv5-56/2 conv5-108/2" in words
    assert "{" not in words
