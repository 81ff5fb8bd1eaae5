"""Whose gradient is taken where, who steps when, and what l1 adds to it."""

import copy
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from twofold.data.batches import Batch, Batches, PartlyLabeled
from twofold.errors import UsageError
from twofold.experiments.build import build_model
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.experiments.train import make_trainer as make_trainer_of
from twofold.experiments.train import resume, train
from twofold.phases import Phase, Terms
from twofold.training.checkpoint import load_checkpoint
from twofold.training.loop import Trainer
from twofold.training.optimizers import PhaseOptimizer, make_optimizer
from twofold.training.progress import Silent
from twofold.training.settings import OptimizerSettings

LARSEN = {
    "routing": "larsen",
    "feature_layer": "fc-16",
    "feature_weight": 0.5,
    "recon_weight": 0.0,
}
LAYERS = {"layers": "fc-16"}
VAE = {"family": "vae", "latent_dim": 4, "encoder": LAYERS, "decoder": LAYERS}
DRAW = {"family": "draw", "latent_dim": 2, "num_steps": 3, "hidden_dim": 12}


def make_trainer(toy_data, experiment, folder) -> Trainer:
    model = build_model(experiment, toy_data.image_shape, 3).train()
    data = Batches(toy_data.split("train"), experiment.training.batch_size)
    return Trainer(model, data, experiment.training, folder)


def gradients(trainer: Trainer) -> dict[str, list[Tensor]]:
    return {
        one.phase.name: [p.grad for p in one.phase.parameters if p.grad is not None]
        for one in trainer.phase_optimizers
    }


def assert_same(found: list[Tensor], expected: tuple[Tensor, ...]) -> None:
    for mine, by_hand in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, by_hand)


def by_hand(model, batch: Batch) -> dict[str, tuple[Tensor, ...]]:
    """Every phase's gradient, nobody having moved."""
    torch.manual_seed(5)
    return {
        phase.name: torch.autograd.grad(
            phase.loss(batch).total, phase.parameters, retain_graph=True
        )
        for phase in model.phases
    }


@pytest.mark.parametrize(
    ("family", "model"), [("cgan", {}), ("hybrid", {}), ("hybrid", {**LARSEN, "autoencoder": DRAW})]
)
def test_simultaneous_players_look_from_one_point(
    family, model, tmp_path, toy_data, toy_experiment
):
    experiment = toy_experiment(family, model, simultaneous=True)
    trainer = make_trainer(toy_data, experiment, tmp_path)
    batch = trainer.data.training_batch(0)
    expected = by_hand(copy.deepcopy(trainer.model), batch.afresh())
    before = [p.detach().clone() for p in trainer.model.parameters() if p.requires_grad]
    torch.manual_seed(5)
    trainer.train_step(batch)
    found = gradients(trainer)
    assert found.keys() == expected.keys()
    for name in found:
        assert_same(found[name], expected[name])
    after = [p for p in trainer.model.parameters() if p.requires_grad]
    moved = [not torch.equal(a, b) for a, b in zip(after, before, strict=True)]
    assert sum(moved) > 0.8 * len(moved), "everybody took a step"


def test_alternating_players_do_not(tmp_path, toy_data, toy_experiment):
    """The discriminator looks from the same point, the generator at the discriminator's new one."""
    trainer = make_trainer(toy_data, toy_experiment("cgan"), tmp_path)
    batch = trainer.data.training_batch(0)
    expected = by_hand(copy.deepcopy(trainer.model), batch.afresh())
    torch.manual_seed(5)
    trainer.train_step(batch)
    found = gradients(trainer)
    assert_same(found["discriminator"], expected["discriminator"])
    weights = zip(found["generator"], expected["generator"], strict=True)
    assert any(not torch.allclose(mine, other, rtol=1e-3) for mine, other in weights)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_the_halves_of_an_autoencoder_look_from_one_point(
    optimizer, tmp_path, toy_data, toy_experiment
):
    """DRAW's decoder acts through its encoder at the next step, which must not have moved yet."""
    experiment = toy_experiment("hybrid", {**LARSEN, "autoencoder": DRAW})
    content = experiment.model_dump(mode="json")
    content["training"]["optimizer"].update(name=optimizer, lr=0.1)
    trainer = make_trainer(toy_data, type(experiment).model_validate(content), tmp_path)
    model, batch = copy.deepcopy(trainer.model), trainer.data.training_batch(0)
    torch.manual_seed(5)
    trainer.train_step(batch)
    torch.manual_seed(5)
    alone, fresh = model.phases, batch.afresh()
    settings = trainer.settings.optimizer
    judge = PhaseOptimizer(alone[0], settings, make_optimizer(alone[0].parameters, settings))
    judge.minimize(alone[0].loss(fresh).total, 0, 1)
    for phase in alone[1:]:
        total = phase.loss(fresh).total
        expected = torch.autograd.grad(total, phase.parameters, retain_graph=True)
        assert_same(gradients(trainer)[phase.name], expected)


# --- settings of a phase --------------------------------------------------------------------------


def make_phase_optimizer(weight: torch.nn.Parameter, **settings: object) -> PhaseOptimizer:
    checked = OptimizerSettings.model_validate(settings)
    phase = Phase("p", [weight], lambda _: Terms({}))
    return PhaseOptimizer(phase, checked, make_optimizer([weight], checked))


def test_l1_adds_the_sign():
    """The gradient of Σ|w| beside that of the loss; nothing pulls at a weight of 0."""
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0, 0.0]))
    phase_optimizer = make_phase_optimizer(weight, name="sgd", lr=1.0, l1=0.5)
    phase_optimizer.minimize(0.1 * weight.sum(), 0, 1)
    torch.testing.assert_close(weight.grad, torch.tensor([0.6, -0.4, 0.1]))
    torch.testing.assert_close(weight.detach(), torch.tensor([2.4, -1.6, -0.1]))


def test_l1_is_part_of_what_is_clipped():
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    phase_optimizer = make_phase_optimizer(weight, name="sgd", lr=1.0, l1=10.0, clip=0.1)
    phase_optimizer.minimize(weight.sum(), 0, 1)
    assert phase_optimizer.gradient_norm().item() == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({}, [0, 1, 2, 3]),
        ({"start": 1}, [1, 2, 3]),
        ({"stop": 2}, [0, 1]),
        ({"start": 1, "stop": 3}, [1, 2]),
    ],
)
def test_a_phase_starts_and_stops(settings, epochs):
    phase_optimizer = make_phase_optimizer(torch.nn.Parameter(torch.zeros(1)), **settings)
    assert [epoch for epoch in range(4) if phase_optimizer.is_due(0, epoch)] == epochs
    assert not any(
        make_phase_optimizer(phase_optimizer.phase.parameters[0], every=2).is_due(0, e)
        for e in range(4)
    )


def staged(toy_experiment):
    """M1 in the first two epochs of four, M2 in the last two, as the paper trains them."""
    phases = {"m1": {"stop": 2}, "m2": {"start": 2}}
    return toy_experiment("m1m2", optimizers=phases, batch_size=18, log_every=5)


def test_one_model_after_the_other(tmp_path, toy_data, toy_experiment, silent):
    run = train(staged(toy_experiment), out=tmp_path / "r", dataset=toy_data, progress=silent)
    lines = [r for r in run.records if r["kind"] == "train"]
    assert [sorted(line["terms"]) for line in lines] == [["m1"], ["m1"], ["m2"], ["m2"]]
    assert run.finished


def test_a_phase_that_would_never_start_is_refused(tmp_path, toy_data, toy_experiment, silent):
    experiment = toy_experiment("m1m2", optimizers={"m2": {"start": 9}})
    with pytest.raises(UsageError, match=r"m2 starts at epoch 9, but the run ends at epoch"):
        train(experiment, out=tmp_path / "r", dataset=toy_data, progress=silent)
    assert not (tmp_path / "r").exists()


# --- whole runs -----------------------------------------------------------------------------------


class Impatient(Silent):
    """Presses Ctrl-C at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def update(self, step, epoch, terms) -> None:
        if step == self.step:
            signal.raise_signal(signal.SIGINT)


def same_after_a_stop(experiment, at: int, folder: Path, **arguments) -> Run:
    """Trains in one go, and again with a stop; the two must agree in every bit."""
    whole = train(experiment, out=folder / "whole", progress=Silent(), **arguments)
    stopped = train(experiment, out=folder / "stopped", progress=Impatient(at), **arguments)
    assert stopped.progress[0] == at < stopped.progress[1]
    resumed = resume(stopped, Silent(), dataset=arguments.get("dataset"))
    left, right = load_checkpoint(whole.checkpoint)[0], load_checkpoint(resumed.checkpoint)[0]
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name
    return whole


@pytest.mark.parametrize("simultaneous", [False, True])
def test_a_hybrid_by_larsen_resumes_to_the_same_bits(
    simultaneous, tmp_path, toy_data, toy_experiment
):
    experiment = toy_experiment("hybrid", LARSEN, simultaneous=simultaneous)
    run = same_after_a_stop(experiment, 8, tmp_path, dataset=toy_data)
    terms = [r for r in run.records if r["kind"] == "train"][-1]["terms"]
    assert {name: set(values) for name, values in terms.items()} == {
        "discriminator": {"loss", "adversarial", "accuracy_real", "accuracy_fake"},
        "encoder": {"loss", "kl", "feature"},
        "decoder": {"loss", "feature", "adversarial"},
    }


def test_a_hybrid_conditioned_on_half_the_image_is_saved(
    tmp_path, toy_data, toy_experiment, silent
):
    """The mask is a tensor of the condition, which hybrid and auto-encoder share."""
    half = {"autoencoder": {**VAE, "condition": "left-half"}}
    experiment = toy_experiment("hybrid", half, epochs=1)
    run = train(experiment, out=tmp_path / "r", dataset=toy_data, progress=silent)
    x = torch.rand(2, 1, 8, 8)
    assert run.model().sample(2, x).shape == x.shape


@pytest.mark.parametrize("at", [5, 10, 15])
def test_a_staged_run_resumes_to_the_same_bits(at, tmp_path, toy_data, toy_experiment):
    """Stopped before, at and after the change; one optimizer has no state yet."""
    same_after_a_stop(staged(toy_experiment), at, tmp_path, dataset=toy_data)


def test_m2_learns_from_fifty_labels(tmp_path, toy_experiment):
    """On the digits that come with Twofold, the labeled images in every batch."""
    content = toy_experiment("m2", epochs=1, labeled_batch_size=10).model_dump(mode="json")
    content["data"] = {"name": "digits", "labels": 50}
    content["model"]["objective"] = {"name": "exact-sum", "alpha": 1.0}
    content["training"]["optimizer"]["lr"] = 0.01
    content["training"]["log_every"] = 10
    experiment = Experiment.model_validate(content)
    run = same_after_a_stop(experiment, 40, tmp_path)
    lines = [r for r in run.records if r["kind"] == "train"]
    assert set(lines[-1]["terms"]["m2"]) == {
        "loss",
        "recon_nll",
        "kl",
        "label_kl",
        "cross_entropy",
        "accuracy",
    }
    assert lines[-1]["terms"]["m2"]["loss"] < lines[0]["terms"]["m2"]["loss"]
    assert lines[-1]["terms"]["m2"]["accuracy"] > 0.5, "five times what chance would give"
    unlabeled = run.environment["data"]["splits"]["train"] - 50
    assert run.progress[1] == -(-unlabeled // 20)


@pytest.mark.parametrize("family", ["cvae", "cgan", "classifier", "m2", "m1m2"])
@pytest.mark.parametrize("known", [0, 6])
def test_held_out_images_without_a_label_are_left_out(
    family, known, tmp_path, toy_data, toy_experiment
):
    """Data sets may come with unknown labels in every split."""
    labels = toy_data.labels.copy()
    labels[90 + known : 105] = labels[30:60] = -1
    data = replace(toy_data, labels=labels)
    trainer = make_trainer_of(toy_experiment(family), data, tmp_path, Silent())
    assert (len(trainer.validation) if trainer.validation else 0) == known
    assert trainer.run().finished


def test_a_model_that_needs_every_label_learns_from_the_labeled_alone(
    tmp_path, toy_data, toy_experiment
):
    content = toy_experiment("cvae", batch_size=9).model_dump(mode="json")
    content["data"]["labels"] = 9
    trainer = make_trainer_of(Experiment.model_validate(content), toy_data, tmp_path, Silent())
    assert isinstance(trainer.data, Batches)
    assert len(trainer.data) == 9
    content["model"] = toy_experiment("m2").model_dump(mode="json")["model"]
    trainer = make_trainer_of(Experiment.model_validate(content), toy_data, tmp_path, Silent())
    assert isinstance(trainer.data, PartlyLabeled)
    assert (len(trainer.data), len(trainer.data.labeled)) == (81, 9)
