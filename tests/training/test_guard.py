"""Numbers that are not finite, weights that stand still, and what is said of them."""

import json
from pathlib import Path

import pytest
import torch

from twofold.data.batches import Batches
from twofold.errors import RunError
from twofold.experiments.adopt import adopt
from twofold.experiments.build import build_model
from twofold.experiments.train import train
from twofold.training.diagnosis import warnings_of
from twofold.training.guard import Movement, all_finite, refuse_nonfinite
from twofold.training.loop import Trainer
from twofold.training.optimizers import phase_optimizers
from twofold.training.settings import TrainingSettings
from twofold.verbs.sample import sample


def test_all_finite():
    assert all_finite([torch.ones(3), torch.zeros(2, dtype=torch.int64)])
    assert not all_finite([torch.ones(3), torch.tensor([1.0, float("nan")])])
    assert not all_finite([torch.tensor([float("inf")])])


# What leaves the second moments of Adam infinite while losses and weights stay finite.
DEAD = {
    "adam": {"optimizer": {"weight_decay": 1e30}},
    "rmsprop": {"optimizer": {"name": "rmsprop", "weight_decay": 1e30}},
    "adagrad": {"optimizer": {"name": "adagrad", "weight_decay": 1e30, "lr": 1e-6}},
}


@pytest.mark.parametrize("name", DEAD)
def test_an_optimizer_that_died_ends_the_run(name, tmp_path, toy_data, toy_experiment, silent):
    experiment = toy_experiment("cvae", epochs=1, **DEAD[name])
    words = r"in the optimizer of vae is not finite after step \d+.*weight_decay$"
    with pytest.raises(RunError, match=words):
        train(experiment, out=tmp_path / "r", dataset=toy_data, progress=silent)
    last = sorted((tmp_path / "r" / "checkpoints").glob("*.json"))[-1]
    assert json.loads(last.read_text())["step"] == 0


def test_memory_is_looked_at_with_the_weights(toy_data, toy_experiment):
    """Every tensor of every optimizer, and the sentence names the phase it is of."""
    model = build_model(toy_experiment("cgan"), toy_data.image_shape, 3)
    optimizers = phase_optimizers(model, TrainingSettings(epochs=1))
    batch = Batches(toy_data.split("train"), 10).training_batch(0)
    for one in optimizers:
        one.minimize(one.phase.loss(batch).total, 0, 1)
    refuse_nonfinite(model, optimizers, 1)
    for one in optimizers:
        for entries in one.optimizer.state.values():
            for key, value in entries.items():
                kept = value.clone()
                value.view(-1)[-1] = float("inf")
                with pytest.raises(RunError, match=f"{key} .*the optimizer of {one.phase.name} "):
                    refuse_nonfinite(model, optimizers, 1)
                value.copy_(kept)
    with torch.no_grad():
        next(model.generator.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(RunError, match=r"the weight generator\..*smaller lr"):
        refuse_nonfinite(model, optimizers, 1)


def standing(toy_data, experiment, folder: Path) -> tuple[Trainer, list[str]]:
    model = build_model(experiment, toy_data.image_shape, 3)
    data = Batches(toy_data.split("train"), experiment.training.batch_size)
    trainer = Trainer(model, data, experiment.training, folder)
    said: list[str] = []
    trainer.progress.say = said.append  # type: ignore[method-assign]
    trainer.run()
    return trainer, [text for text in said if "have not moved" in text]


@pytest.mark.parametrize(
    ("optimizers", "still"),
    [
        ({}, []),
        ({"generator": {"lr": 1e-30}}, ["generator"]),
        ({"generator": {"lr": 1e-30}, "discriminator": {"lr": 1e-30}}, None),
        ({"generator": {"lr": 1e-30, "start": 3.2}}, []),  # it is not asked to move before
    ],
)
def test_weights_that_stand_still_are_said(optimizers, still, tmp_path, toy_data, toy_experiment):
    experiment = toy_experiment("cgan", optimizers=optimizers, validate_every=1)
    _, said = standing(toy_data, experiment, tmp_path)
    expected = ["discriminator", "generator"] if still is None else still
    assert len(said) == len(expected)
    for name, text in zip(expected, said, strict=True):
        assert f"the weights of {name} have not moved" in text
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    found = [line["diagnosis"].get("still", []) for line in lines if line["kind"] == "validation"]
    assert len(found) == 4
    assert found[-1] == expected
    assert len(warnings_of({"still": expected})) == len(expected)


def test_movement_sees_the_smallest_step():
    class Phase:
        name = "p"
        parameters = (torch.nn.Parameter(torch.ones(1000)), torch.nn.Parameter(torch.zeros(())))

    class One:
        phase = Phase()

        def takes_part(self, epoch: float) -> bool:
            return epoch >= 1

    movement, one = Movement(), One()
    assert movement.still([one], 0.5) == []
    assert movement.still([one], 1.5) == [], "it did not take part before"
    assert movement.still([one], 2.5) == ["p"]
    with torch.no_grad():
        Phase.parameters[0][7] = torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))
    assert movement.still([one], 3.5) == []
    assert movement.still([one], 4.5) == ["p"]


@pytest.mark.parametrize(
    ("changes", "helps"),
    [
        ({"likelihood": {"name": "gaussian", "sigma": 1e-30}}, False),
        ({"decoder": {"layers": "fc-16", "init": "normal-1e30"}}, False),
        ({}, True),
    ],
)
def test_a_smaller_lr_is_advised_where_it_helps(
    changes, helps, tmp_path, toy_data, toy_experiment, silent
):
    """Not for a loss that was not finite before any step."""
    optimizer = {"lr": 1e30} if helps else {}
    experiment = toy_experiment("cvae", changes, optimizer=optimizer)
    with pytest.raises(RunError, match="not finite") as raised:
        train(experiment, out=tmp_path / "r", dataset=toy_data, progress=silent)
    assert ("Try a smaller lr" in str(raised.value)) == helps
    assert ("No step was taken yet" in str(raised.value)) != helps


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_of_no_numbers_is_not_opened(value, toy_data, toy_experiment):
    model = build_model(toy_experiment("cvae"), toy_data.image_shape, 3)
    with torch.no_grad():
        model.decoder.after[0].bias[3] = value
    words = r"the weight decoder\.after\.0\.bias is not finite, so nothing can be made"
    with pytest.raises(RunError, match=words):
        sample((model, toy_data))
    with pytest.raises(RunError, match=words):
        adopt(model, toy_data).model()
