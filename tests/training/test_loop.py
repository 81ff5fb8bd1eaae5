"""The loop: what it writes, when it stops, and what it never mixes up."""

import json
from pathlib import Path

import pytest
import torch

from twofold.data.batches import Batches, PartlyLabeled
from twofold.errors import RunError, UsageError
from twofold.experiments.build import build_model
from twofold.experiments.train import train
from twofold.phases import Phase, Terms
from twofold.training.loop import Trainer
from twofold.training.optimizers import (
    PhaseOptimizer,
    learning_rate,
    make_optimizer,
    phase_optimizers,
)
from twofold.training.settings import OptimizerSettings


def make_trainer(toy_data, experiment, folder: Path, **arguments) -> Trainer:
    model = build_model(experiment, toy_data.image_shape, 3)
    data = Batches(toy_data.split("train"), experiment.training.batch_size)
    return Trainer(model, data, experiment.training, folder, **arguments)


def test_a_run_folder_holds_what_the_design_says(tmp_path, toy_data, toy_experiment, silent):
    run = train(toy_experiment("cgan"), out=tmp_path / "r", dataset=toy_data, progress=silent)
    names = {str(p.relative_to(run.path)) for p in run.path.rglob("*") if p.is_file()}
    assert {
        "experiment.yaml",
        "environment.json",
        "metrics.jsonl",
        "samples/epoch-0004.png",
    } < names
    assert "checkpoints/step-00000018.safetensors" in names
    assert not any(name.endswith((".pt", ".pth", ".pkl", ".bin")) for name in names)
    data = run.experiment.data.model_copy(update={"name": "toy"})
    assert run.experiment.data.name.startswith("in memory: toy (")
    assert run.experiment.model_copy(update={"data": data}) == toy_experiment("cgan")
    assert run.environment["parameters"] == {"generator": 1248, "adversary": 1105}


def test_the_log_has_means_of_every_term(tmp_path, toy_data, toy_experiment, silent):
    run = train(toy_experiment("cvae"), out=tmp_path / "r", dataset=toy_data, progress=silent)
    lines = [r for r in run.records if r["kind"] == "train"]
    assert [line["step"] for line in lines] == list(range(2, 19, 2))
    assert lines[-1]["images"] == 360
    assert lines[-1]["epoch"] == 4.0
    terms = lines[-1]["terms"]["vae"]
    assert terms["loss"] == pytest.approx(terms["recon_nll"] + terms["kl"], rel=1e-5)
    assert 0 < lines[-1]["grad_norm"]["vae"] < 1e3
    validation = [r for r in run.records if r["kind"] == "validation"]
    assert [line["epoch"] for line in validation] == pytest.approx([1.1111, 2, 3.1111, 4])
    assert len(validation[-1]["diagnosis"]["kl_per_dim"]) == 4
    assert lines[-1]["terms"]["vae"]["loss"] < lines[0]["terms"]["vae"]["loss"]


def test_validation_is_computed_on_held_out_images(tmp_path, toy_data, toy_experiment, silent):
    """Trap: a "validation" loss computed on the training images."""
    trainer = make_trainer(
        toy_data,
        toy_experiment("cvae"),
        tmp_path,
        validation=Batches(toy_data.split("validation"), 15),
    )
    seen: list[torch.Tensor] = []
    loss = trainer.model.loss
    object.__setattr__(
        trainer.model,
        "loss",
        lambda batch: (
            (seen.append(batch.x.clone()) if not trainer.model.training else None) or loss(batch)
        ),
    )
    trainer.run()
    held_out = torch.as_tensor(toy_data.split("validation").images) / 255
    assert seen, "validation should have run"
    for x in seen:
        assert torch.allclose(x, held_out.float())


def test_logging_and_validating_do_not_change_training(tmp_path, toy_data, toy_experiment, silent):
    """The cadences of log, validation, pictures and checkpoints never touch a random number."""
    often = toy_experiment("cgan", log_every=1, validate_every=0.5, checkpoint_every=0)
    seldom = toy_experiment("cgan", log_every=1000, validate_every=100)
    a = train(often, out=tmp_path / "a", dataset=toy_data, progress=silent)
    b = train(seldom, out=tmp_path / "b", dataset=toy_data, progress=silent)
    left, right = a.model().state_dict(), b.model().state_dict()
    assert all(torch.equal(value, right[name]) for name, value in left.items())


def test_the_seed_decides_the_run(tmp_path, toy_data, toy_experiment, silent):
    experiment = toy_experiment("cvae")
    runs = [
        train(experiment, seed=seed, out=tmp_path / name, dataset=toy_data, progress=silent)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    finals = [run.model().decoder.after[0].weight for run in runs]
    assert torch.equal(finals[0], finals[1])
    assert not torch.equal(finals[0], finals[2])


@pytest.mark.parametrize("every_step", [True, False])
def test_a_nan_stops_the_run_and_names_its_origin(
    every_step: bool, tmp_path, toy_data, toy_experiment
):
    """Both where losses are read at every step and where they are read once per log line."""
    trainer = make_trainer(toy_data, toy_experiment("cvae", log_every=6), tmp_path)
    trainer.watch_every_step = every_step
    decoder = trainer.model.decoder

    def poison(_module, _inputs, output):
        return output * float("nan") if trainer.step == 8 else output

    decoder.after[0].register_forward_hook(poison)
    with pytest.raises(RunError, match=r"phase vae is not finite at step 8.*decoder\.after\.0"):
        trainer.run()
    checkpoint = sorted((tmp_path / "checkpoints").glob("*.json"))[-1]
    assert json.loads(checkpoint.read_text())["step"] == 0


def test_the_origin_is_found_where_labels_are_missing(tmp_path, toy_data, toy_experiment):
    """The forward pass that is repeated to find it sees which images have no label."""
    model = build_model(toy_experiment("m2"), toy_data.image_shape, 3)
    data = Batches(toy_data.split("train").keep_labels(9), 20)
    settings = toy_experiment("m2").training
    trainer = Trainer(model, PartlyLabeled(data, 6), settings, tmp_path)
    with torch.no_grad():  # finite itself, but not what comes of it
        model.decoder.after[0].weight.fill_(3e38)
    with pytest.raises(RunError, match=r"the first non-finite output is that of decoder\.after\.0"):
        trainer.train_step(trainer.data.training_batch(0))


def test_a_weight_gone_bad_is_named(tmp_path, toy_data, toy_experiment):
    trainer = make_trainer(toy_data, toy_experiment("cvae"), tmp_path)
    with torch.no_grad():
        trainer.model.encoder.after[0].weight[0, 0] = float("inf")
    with pytest.raises(RunError, match=r"weight encoder\.after\.0\.weight"):
        trainer.run()


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, toy_data, toy_experiment, monkeypatch):
    trainer = make_trainer(toy_data, toy_experiment("cvae"), tmp_path)
    trainer.save()
    before = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    trainer.step = 5

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(RunError, match=r"No space left on device$"):
        trainer.save()
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == before


def test_d_to_g_ratio(tmp_path, toy_data, toy_experiment):
    """`every` lets the generator step at every third batch."""
    experiment = toy_experiment("cgan", optimizers={"generator": {"every": 3}})
    trainer = make_trainer(toy_data, experiment, tmp_path)
    trainer.run()
    steps = {
        one.phase.name: int(next(iter(one.optimizer.state.values()))["step"])
        for one in trainer.phase_optimizers
    }
    assert steps == {"discriminator": 18, "generator": 6}


def test_duration_in_images(tmp_path, toy_data, toy_experiment):
    experiment = toy_experiment("cvae", epochs=None, images=130)
    assert make_trainer(toy_data, experiment, tmp_path).total_steps == 7


def test_bf16_computes_the_same_up_to_rounding(tmp_path, toy_data, toy_experiment, silent):
    losses = []
    for precision in ("fp32", "bf16"):
        experiment = toy_experiment("cvae", precision=precision)
        run = train(experiment, out=tmp_path / precision, dataset=toy_data, progress=silent)
        losses.append(run.records[-2]["terms"]["vae"]["loss"])
    assert losses[0] != losses[1], "the switch has an effect"
    assert losses[0] == pytest.approx(losses[1], rel=0.01)


def test_a_batch_larger_than_the_data_is_refused_before_anything_is_written(
    tmp_path, toy_data, toy_experiment, silent
):
    with pytest.raises(UsageError, match="batch of 200 is larger than the data: 90 images"):
        train(toy_experiment(batch_size=200), out=tmp_path / "r", dataset=toy_data, progress=silent)
    assert not (tmp_path / "r").exists()


# --- optimizers -----------------------------------------------------------------------------------


def test_every_phase_gets_its_own_settings_or_those_for_all(toy_data, toy_experiment):
    experiment = toy_experiment(
        "cgan", optimizer={"lr": 2e-4}, optimizers={"generator": {"name": "sgd", "momentum": 0.9}}
    )
    model = build_model(experiment, toy_data.image_shape, 3)
    found = {one.phase.name: one for one in phase_optimizers(model, experiment.training)}
    assert found["discriminator"].settings == OptimizerSettings(lr=2e-4)
    assert isinstance(found["discriminator"].optimizer, torch.optim.Adam)
    assert found["generator"].settings == OptimizerSettings(name="sgd", momentum=0.9)
    assert isinstance(found["generator"].optimizer, torch.optim.SGD)


def test_a_phase_that_is_not_there_is_refused_before_anything_is_written(
    tmp_path, toy_data, toy_experiment, silent
):
    experiment = toy_experiment("cgan", optimizers={"vae": {"lr": 1.0}})
    words = "names the phase 'vae', but this CGAN has discriminator and generator"
    with pytest.raises(UsageError, match=words):
        train(experiment, out=tmp_path / "r", dataset=toy_data, progress=silent)
    assert not (tmp_path / "r").exists()


class Odd(torch.nn.Module):
    """A model whose one phase has the parameters that it is given."""

    title = "Odd"

    def __init__(self, parameters: list[torch.nn.Parameter]) -> None:
        super().__init__()
        self.own = torch.nn.Parameter(torch.zeros(1))
        self.given = parameters

    @property
    def phases(self) -> list[Phase]:
        return [Phase("odd", self.given or [self.own], lambda _: Terms({}))]


def test_parameters_that_no_checkpoint_would_hold_are_refused(toy_experiment):
    """Trap: a network kept in a list, which trains and is lost."""
    settings = toy_experiment().training
    assert len(phase_optimizers(Odd([]), settings)) == 1
    words = "phase 'odd' of this Odd names 1 parameters that are not the model's own.*attribute of"
    with pytest.raises(UsageError, match=words):
        phase_optimizers(Odd([torch.nn.Parameter(torch.zeros(1))]), settings)
    frozen = Odd([])
    frozen.own.requires_grad_(False)
    with pytest.raises(UsageError, match="phase 'odd' of this Odd has no parameters to train"):
        phase_optimizers(frozen, settings)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "adagrad", "rmsprop"])
def test_every_optimizer_descends(name: str):
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    settings = OptimizerSettings.model_validate({"name": name, "lr": 0.05})
    phase = Phase("p", [weight], lambda _: Terms({"square": weight.square().sum()}))
    phase_optimizer = PhaseOptimizer(phase, settings, make_optimizer([weight], settings))
    for step in range(20):
        phase_optimizer.minimize(weight.square().sum(), step, 20)
    assert weight.abs().item() < 2.9


def test_schedules():
    def rates(**fields) -> list[float]:
        settings = OptimizerSettings.model_validate({"lr": 1.0, **fields})
        return [learning_rate(settings, step, 10) for step in range(10)]

    assert rates() == [1.0] * 10
    assert rates(schedule="linear") == pytest.approx([1 - s / 10 for s in range(10)])
    decayed = rates(schedule="exponential", decay=0.5, decay_steps=4)
    assert decayed == [1.0] * 4 + [0.5] * 4 + [0.25] * 2
    assert rates(warmup=4)[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_clipping_bounds_the_gradient():
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    settings = OptimizerSettings.model_validate({"name": "sgd", "lr": 1.0, "clip": 1.0})
    phase = Phase("p", [weight], lambda _: Terms({}))
    phase_optimizer = PhaseOptimizer(phase, settings, make_optimizer([weight], settings))
    phase_optimizer.minimize(weight.square().sum(), 0, 1)
    assert phase_optimizer.gradient_norm().item() == pytest.approx(1.0, abs=1e-4)
    assert torch.allclose(weight, torch.tensor([2.4, 3.2]), atol=1e-4)
