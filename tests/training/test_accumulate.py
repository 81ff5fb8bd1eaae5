"""Gradients averaged over several batches: as one larger batch, for every phase."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from twofold.experiments.run import Run
from twofold.experiments.train import make_trainer, resume, train
from twofold.training.loop import Trainer
from twofold.training.progress import Silent

PLAIN = {"generator": {"layers": "fc-16"}, "adversary": {"discriminator": {"layers": "fc-16"}}}
LARSEN = {
    "routing": "larsen",
    "feature_layer": "fc-16",
    "feature_weight": 0.5,
    "recon_weight": 0.0,
}
SGD = {"name": "sgd", "lr": 0.01, "clip": 20.0, "l1": 1e-3}
CASES = [
    ("cvae", {"objective": {"kl_warmup": 3}}, {}),
    ("cvae", {}, {"optimizer": {"name": "adam", "eps": 1e-2}}),
    ("m2", {}, {}),
    ("cgan", PLAIN, {}),
    ("cgan", PLAIN, {"simultaneous": True}),
    ("cgan", PLAIN, {"optimizers": {"generator": {**SGD, "every": 2}, "discriminator": SGD}}),
    ("hybrid", LARSEN, {}),  # whose encoder and decoder go back through one forward pass
]


@pytest.fixture
def even_noise(monkeypatch):
    """Noise that does not depend on the batch: the same numbers for every row."""

    def even(*shape, **_) -> torch.Tensor:
        size = torch.Size(shape[0] if not isinstance(shape[0], int) else shape)
        return torch.linspace(-1, 1, size[-1]).expand(size).clone()

    monkeypatch.setattr(torch, "randn", even)
    monkeypatch.setattr(torch, "randn_like", lambda x, **_: even(x.shape))


def trainer_of(family, model, training, data, folder: Path) -> Callable[..., Trainer]:
    def make(toy_experiment, **fields) -> Trainer:
        experiment = toy_experiment(family, model, **{"optimizer": SGD, **training, **fields})
        trainer = make_trainer(experiment, data, folder, Silent())
        trainer.model.train()
        return trainer

    return make


@pytest.mark.parametrize(("family", "model", "training"), CASES)
def test_three_batches_of_ten_are_one_of_thirty(
    family, model, training, toy_data, toy_experiment, tmp_path, even_noise
):
    make = trainer_of(family, model, training, toy_data, tmp_path)
    small = make(toy_experiment, batch_size=10, accumulate=3)
    large = make(toy_experiment, batch_size=30)
    assert small.total_steps == large.total_steps == 12
    assert small.steps_per_epoch == large.steps_per_epoch == 3
    before = [p.detach().clone() for p in small.model.parameters()]
    for step in range(6):
        for trainer in (small, large):
            trainer.step = step
            trainer.train_step(trainer.batches(step))
    pairs = zip(small.model.parameters(), large.model.parameters(), before, strict=True)
    for mine, other, first in pairs:
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-6)
        assert not mine.requires_grad or not torch.equal(mine, first)
    for phase, means in small.sums.means().items():
        assert means == pytest.approx(large.sums.means()[phase], rel=1e-5, abs=1e-6)


def test_one_batch_is_not_three(toy_data, toy_experiment, tmp_path, even_noise):
    make = trainer_of("cgan", PLAIN, {}, toy_data, tmp_path)
    three, one = make(toy_experiment, batch_size=10, accumulate=3), make(toy_experiment)
    for trainer in (three, one):
        trainer.train_step(trainer.batches(0))
    weights = zip(three.model.parameters(), one.model.parameters(), strict=True)
    assert any(not torch.allclose(mine, other, atol=1e-6) for mine, other in weights)


def test_the_players_see_the_same_fakes(toy_data, toy_experiment, tmp_path):
    """Noise is drawn once for each batch, for both players; nothing is drawn again."""
    experiment = toy_experiment("cgan", PLAIN, batch_size=10, accumulate=3)
    trainer = make_trainer(experiment, toy_data, tmp_path, Silent())
    batches = trainer.batches(0)
    trainer.train_step(batches)
    fakes = [batch.once("x_fake", lambda: None) for batch in batches]
    assert all(fake is not None for fake in fakes)
    assert not torch.equal(fakes[0].x, fakes[1].x)


def test_a_run_counts_in_steps_of_all_its_batches(
    tmp_path, toy_data, toy_experiment, silent, monkeypatch
):
    """With batch norm, dropout and EMA; killed, it goes on to the same bits."""
    experiment = toy_experiment("cgan", batch_size=10, accumulate=3, checkpoint_every=0)
    whole = train(experiment, out=tmp_path / "whole", dataset=toy_data, progress=silent)
    assert whole.progress == (12, 12)
    last = [r for r in whole.records if r["kind"] == "train"][-1]
    assert (last["epoch"], last["images"]) == (4, 360)
    step = Trainer.train_step

    def killed(self, batch):
        if self.step == 7:
            raise KeyboardInterrupt
        step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", killed)
        with pytest.raises(KeyboardInterrupt):
            train(experiment, out=tmp_path / "killed", dataset=toy_data, progress=silent)
    resumed = resume(tmp_path / "killed", silent)
    left, right = (Run(run.path).model().state_dict() for run in (whole, resumed))
    assert all(torch.equal(value, right[name]) for name, value in left.items())
