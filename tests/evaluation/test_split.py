"""Figures of the validation images: those of a data set whose test images these are."""

from contextlib import suppress
from dataclasses import replace

import pytest

from twofold.errors import NotMeasured, RunError
from twofold.evaluation.measure import measures
from twofold.experiments.context import open_run, seeded
from twofold.experiments.run import Run

SETTINGS = {"samples": 40, "iwae_samples": 2, "seed": 0, "images": None}


def figures(run, dataset, split, names) -> dict:
    one = Run(run.path)
    one.dataset = lambda: dataset
    context = open_run(one, "cpu", SETTINGS, split=split)
    found = {}
    for name in names:
        with seeded(0, context.device), suppress(NotMeasured):  # some need more images
            for figure in measures()[name].take(context):
                found[figure.name] = figure
    return found


@pytest.mark.usefixtures("toy_classifiers")
def test_figures_of_the_validation_images_look_at_no_test_image(run_of, toy_data, silent):
    splits = toy_data.splits
    held_out = replace(toy_data, splits={"train": splits["train"], "test": splits["validation"]})
    run, names = run_of("cvae"), ["likelihood", "distance", "latents", "classes"]
    before = sorted(run.path.rglob("*"))
    found = figures(run, toy_data, "validation", names)
    assert sorted(run.path.rglob("*")) == before  # nothing is kept with the run
    expected = figures(run, held_out, "test", names)
    assert {name: one.value for name, one in found.items()} == {
        name: one.value for name, one in expected.items()
    }
    assert found["elbo"].value != figures(run, toy_data, "test", ["likelihood"])["elbo"].value
    assert {one.provenance["split"] for one in found.values() if one.provenance} == {"validation"}


def test_a_run_without_validation_images_says_how_to_get_some(run_of, toy_data):
    no_validation = replace(toy_data, splits={"test": toy_data.splits["test"]})
    with pytest.raises(RunError, match=r"no validation images; train with validation=0\.1"):
        figures(run_of("cvae"), no_validation, "validation", ["likelihood"])
