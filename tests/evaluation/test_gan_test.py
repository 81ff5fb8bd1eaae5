"""GAN-test as a figure: beside chance, with an interval, and what it says of a run that fails."""

from dataclasses import replace

import pytest
import torch

from twofold.evaluation import gan_test, samples
from twofold.evaluation.classifiers import ReferenceClassifier
from twofold.evaluation.comparison import comparable
from twofold.evaluation.figure import Figure
from twofold.evaluation.gan_test import GANTest
from twofold.evaluation.intervals import wilson
from twofold.evaluation.recognition import balanced_interval
from twofold.evaluation.samples import Generated
from twofold.evaluation.summary import gather
from twofold.experiments.context import open_run
from twofold.verbs.evaluate import evaluate

NAME = "gan_test/classifier-cnn"


class RowReader(torch.nn.Module):
    """Reads the toy data's class where it stands: class k has row 2 k + 1 bright."""

    def classify(self, x):
        return (100 * x[:, 0, 1:6:2].mean(dim=2)).log_softmax(dim=1)


@pytest.fixture
def taken(toy_run, silent, monkeypatch):
    """GAN-test of a CVAE of the toy data, taken to have made images of given classes."""
    reader = ReferenceClassifier("classifier-cnn", RowReader(), "rows", "nothing")
    monkeypatch.setattr(gan_test, "reference_classifier", lambda *_: reader)

    def take(asked: list[int], shown: list[int]) -> Figure:
        images = torch.zeros(len(shown), 1, 8, 8)
        for i, k in enumerate(shown):
            images[i, 0, 2 * k + 1] = 1.0
        context = open_run(toy_run("cvae"), "cpu", {"samples": len(shown), "seed": 0}, silent)
        made = Generated(images, torch.tensor(asked), {"samples": len(shown)})
        context._made[samples._generate] = made
        (figure,) = GANTest().take(context)
        return figure

    return take


def answers(y: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of a classifier that says y."""
    return torch.eye(int(y.max()) + 1)[y].log()


def failures(figure: Figure, run) -> list[str]:
    (summary,) = gather([run])
    return list(GANTest().failures(replace(summary, figures={NAME: figure})))


def test_who_always_answers_the_largest_class_scores_chance(taken, toy_run):
    """73 of 100 images are of class a, and so is all that is drawn."""
    figure = taken([0] * 73 + [1] * 15 + [2] * 12, [0] * 100)
    assert figure.value == pytest.approx(100 / 3)
    assert figure.details["plain"] == pytest.approx(73.0)
    assert figure.provenance["chance"] == "33.3 %"
    assert figure.per_class == {"a": 100.0, "b": 0.0, "c": 0.0}
    (text,) = failures(figure, toy_run("cvae"))
    assert "recognizes 33.3" in text
    assert "guessing would give 33.3" in text


def test_a_class_that_is_never_recognized_is_a_failure_by_name(taken, toy_run):
    figure = taken([0, 1, 2] * 30, [0, 1, 1] * 30)
    assert figure.value == pytest.approx(200 / 3)
    (text,) = failures(figure, toy_run("cvae"))
    assert "recognized as c (0" in text
    assert failures(taken([0, 1, 2] * 30, [0, 1, 2] * 30), toy_run("cvae")) == []


def test_all_of_a_few_images_right_is_not_certain(taken):
    figure = taken([0, 1] * 7, [0, 1] * 7)
    assert figure.value == 100.0
    assert figure.interval == pytest.approx([100 * end for end in wilson(1.0, 14)])
    assert figure.ends == tuple(figure.interval)
    assert figure.interval[0] == pytest.approx(78.47, abs=0.01)  # as published tables have it
    assert figure.notes == ("there are only 15 test images, and a single one is 6.7 % of them",)


@pytest.mark.parametrize("rates", [(0.9, 0.9), (0.98, 0.6), (0.5, 0.95)])
def test_the_interval_of_a_balanced_share_holds_it_as_often_as_it_states(rates):
    """900 images of one class and 60 of another, again and again; 95 %, give or take 5 errors."""
    generator, y = torch.Generator().manual_seed(0), torch.tensor([0] * 900 + [1] * 60)
    rate, truth, held = torch.tensor(rates)[y], sum(rates) / 2, []
    for _ in range(2000):
        hits = torch.rand(960, generator=generator) < rate
        low, high = balanced_interval(answers(torch.where(hits, y, 1 - y)), y)
        held.append(low <= truth <= high)
    assert sum(held) / 2000 == pytest.approx(0.95, abs=5 * (0.95 * 0.05 / 2000) ** 0.5)


def test_the_interval_of_equally_large_classes_is_wilsons():
    y = torch.arange(50) % 5
    wrong = torch.where(torch.arange(50) < 10, (y + 1) % 5, y)  # two of ten in every class
    assert balanced_interval(answers(wrong), y) == pytest.approx(wilson(0.8, 50))
    assert balanced_interval(answers(y), y) == pytest.approx(wilson(1.0, 50))


@pytest.mark.usefixtures("toy_classifiers")
def test_runs_that_differ_in_their_references_alone_are_compared(toy_run, silent):
    evaluate(toy_run("cvae"), ["gan-test"], num_samples=30, device="cpu", progress=silent)
    (one,) = gather([toy_run("cvae")])
    figure = one.figures[NAME]
    other = replace(figure, provenance={**figure.provenance, "reference": "training images"})
    this = replace(figure, provenance={**figure.provenance, "reference": "validation images"})
    a, b = (replace(one, figures={NAME: of}) for of in (this, other))
    assert comparable([a, b], NAME) == ""
    fewer = replace(this, provenance={**this.provenance, "samples": 7})
    assert "samples" in comparable([a, replace(one, figures={NAME: fewer})], NAME)
