"""Whose gradient is taken where, who steps when, and what l1 adds to it."""

import copy

import pytest
import torch
from torch import Tensor

from twofold.data.batches import Batch, Batches
from twofold.experiments.families import build_model
from twofold.training.loop import Trainer
from twofold.training.optimisers import Player, make_optimiser

LARSEN = {
    "routing": "larsen",
    "feature_layer": "fc-16",
    "feature_weight": 0.5,
    "recon_weight": 0.0,
}
DRAW = {"family": "draw", "latent_dim": 2, "num_steps": 3, "hidden_dim": 12}


def make_trainer(toy_data, experiment, folder) -> Trainer:
    model = build_model(experiment, toy_data.image_shape, 3).train()
    data = Batches(toy_data.split("train"), experiment.training.batch_size)
    return Trainer(model, data, experiment.training, folder)


def gradients(trainer: Trainer) -> dict[str, list[Tensor]]:
    return {
        player.phase.name: [p.grad for p in player.phase.parameters] for player in trainer.players
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
    trainer._train_step(batch)
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
    trainer._train_step(batch)
    found = gradients(trainer)
    assert_same(found["discriminator"], expected["discriminator"])
    weights = zip(found["generator"], expected["generator"], strict=True)
    assert any(not torch.allclose(mine, other, rtol=1e-3) for mine, other in weights)


@pytest.mark.parametrize("optimiser", ["adam", "rmsprop"])
def test_the_halves_of_an_autoencoder_look_from_one_point(
    optimiser, tmp_path, toy_data, toy_experiment
):
    """DRAW's decoder acts through its encoder at the next step, which must not have moved yet."""
    experiment = toy_experiment("hybrid", {**LARSEN, "autoencoder": DRAW})
    content = experiment.model_dump(mode="json")
    for settings in content["training"]["optimizers"].values():
        settings.update(name=optimiser, lr=0.1)
    trainer = make_trainer(toy_data, type(experiment).model_validate(content), tmp_path)
    model, batch = copy.deepcopy(trainer.model), trainer.data.training_batch(0)
    torch.manual_seed(5)
    trainer._train_step(batch)
    torch.manual_seed(5)
    alone, fresh = model.phases, batch.afresh()
    settings = trainer.settings.optimizers["discriminator"]
    judge = Player(alone[0], settings, make_optimiser(alone[0].parameters, settings))
    judge.minimise(alone[0].loss(fresh).total, 0, 1)
    for phase in alone[1:]:
        total = phase.loss(fresh).total
        expected = torch.autograd.grad(total, phase.parameters, retain_graph=True)
        assert_same(gradients(trainer)[phase.name], expected)
