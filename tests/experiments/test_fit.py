"""Training what was made in Python: which images, which records, and what is refused."""

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import twofold
from twofold import models
from twofold.conditions import NoCondition
from twofold.errors import DataError, RunError, UsageError
from twofold.models.base import Model
from twofold.phases import Phase, Terms
from twofold.registry import make

SHAPE = (1, 8, 8)


def make_vae(out: int = 4, **settings) -> models.VAE:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, out))
    decoder = nn.Sequential(nn.Linear(2, 64), nn.Unflatten(1, SHAPE))
    return models.VAE(encoder, decoder, latent_dim=2, **settings)


class Own(Model):
    """A model of a class that nobody registered: it learns the mean image."""

    def __init__(self) -> None:
        super().__init__()
        self.image_shape = None
        self.condition = NoCondition()
        self.mean = nn.Parameter(torch.zeros(64))

    @property
    def phases(self) -> list[Phase]:
        return [Phase("mean", [self.mean], self.loss)]

    def loss(self, batch) -> Terms:
        return Terms({"mse": (batch.x.flatten(1) - self.mean).square().sum(dim=1).mean()})


@pytest.fixture
def fit(tmp_path, silent):
    def train(model, images, out="run", **fields):
        fields = {"epochs": 1, "batch_size": 20, **fields}
        return twofold.fit(model, images, out=tmp_path / out, progress=silent, **fields)

    return train


def test_plain_modules_are_trained_where_they_stand(fit, toy_data):
    vae = make_vae()
    before = vae.encoder[1].weight.clone()
    run = fit(vae, toy_data, epochs=2, lr=0.01)
    assert run.finished
    assert not torch.equal(vae.encoder[1].weight, before)
    assert torch.equal(run.model().encoder[1].weight, vae.encoder[1].weight)
    assert run.experiment.optimizer("vae").lr == 0.01


def test_a_run_of_own_classes_opens_with_a_model_alone(fit, toy_data, tmp_path):
    run = fit(make_vae(), toy_data)
    with pytest.raises(RunError, match="holds a VAE of classes that are not registered"):
        twofold.sample(tmp_path / "run")
    like = make_vae()
    opened = twofold.load(tmp_path / "run", model=like)
    again, first = twofold.sample(opened, 3).images, twofold.sample(run, 3).images
    assert torch.equal(again, first)
    with pytest.raises(RunError, match="Make the model as it was made for this run"):
        twofold.load(tmp_path / "run", model=models.VAE("fc-4", "fc-4", 2, image_shape=SHAPE))


def test_a_run_of_registered_pieces_opens_by_itself(fit, toy_data, tmp_path):
    settings = {"likelihood": {"name": "gaussian", "sigma": 0.3}, "image_shape": SHAPE}
    fit(models.VAE("fc-8", "fc-8", latent_dim=2, objective={"beta": 2.0}, **settings), toy_data)
    content = yaml.safe_load((tmp_path / "run" / "experiment.yaml").read_text())["model"]
    assert content["likelihood"] == {"name": "gaussian", "sigma": 0.3}
    assert content["objective"]["beta"] == 2.0
    assert twofold.sample(tmp_path / "run", 4).images.shape == (4, *SHAPE)


def test_images_in_memory_are_kept_and_named_as_such(fit, tmp_path, silent):
    x = np.random.default_rng(0).random((60, 8, 8))
    run = fit(make_vae(), (x, np.arange(60) % 3))
    fingerprint = run.environment["data"]["fingerprint"]
    assert run.experiment.data.name == f"in memory: images ({fingerprint[:8]})"
    kept = twofold.Run(tmp_path / "run").dataset()
    assert kept.image_shape == SHAPE
    assert kept.fingerprint == run.environment["data"]["fingerprint"]
    assert twofold.evaluate(run, "likelihood", progress=silent)["elbo"].provenance["images"] == 6


def test_another_dataset_in_an_experiment_is_recorded_and_used(tmp_path, silent, toy_data):
    run = twofold.train(
        "digits-cvae",
        dataset=toy_data,
        epochs=1,
        batch_size=20,
        out=tmp_path / "r",
        progress=silent,
    )
    assert run.experiment.data.name.startswith("in memory: toy (")
    assert twofold.evaluate(tmp_path / "r", "likelihood", progress=silent)["elbo"]


def test_a_model_with_its_images_is_looked_at_as_it_is(toy_data, silent, tmp_path):
    vae = make_vae()
    assert twofold.reconstruct((vae, toy_data), n=3).x.shape == (3, *SHAPE)
    run = twofold.adopt(vae, toy_data)
    folder = run.path
    assert twofold.evaluate(run, "likelihood", progress=silent)["elbo"]
    twofold.compare([run], tmp_path / "report.html")
    del run
    assert not folder.exists()


def test_an_own_class_is_measured_compared_and_resumed(fit, toy_data, silent, tmp_path):
    run = fit(Own(), toy_data)
    found = twofold.evaluate(run, "losses,likelihood,cost", progress=silent)
    assert "loss/train/mean" in [measure.name for measure in found.measures]
    assert "likelihood" in found.not_measured
    assert twofold.compare([run], tmp_path / "own.html").exists()
    assert twofold.resume(twofold.load(tmp_path / "run", model=Own())).finished


@pytest.mark.parametrize(
    ("make", "images", "message"),
    [
        (make_vae, np.zeros((50, 28, 28), np.uint8), r"fails on images of shape \(8, 1, 28, 28\)"),
        (lambda: make_vae(3), np.zeros((50, 8, 8), np.uint8), r"let it return \(B, 4\)"),
        (lambda: nn.Linear(2, 2), np.zeros((50, 8, 8), np.uint8), "expected a Model, got Linear"),
        (make_vae, np.zeros((0, 8, 8), np.uint8), "no images|0 images|empty"),
        (make_vae, [np.zeros((8, 8)), np.zeros((9, 8))], "size"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_written(fit, tmp_path, make, images, message):
    with pytest.raises((UsageError, DataError), match=message):
        fit(make(), images)
    assert not (tmp_path / "run" / "experiment.yaml").exists()


def test_classes_and_phases_are_checked(fit, toy_data):
    conditional = models.VAE("fc-8", "fc-8", 2, condition="class", image_shape=SHAPE, num_classes=5)
    with pytest.raises(UsageError, match="made for 5 classes and the data has 3"):
        fit(conditional, toy_data)

    class Foreign(Own):
        @property
        def phases(self):
            return [Phase("mean", [nn.Parameter(torch.zeros(1))], self.loss)]

    with pytest.raises(UsageError, match="names 1 parameters that are not the model's own"):
        fit(Foreign(), toy_data)

    class Idle(Own):
        @property
        def phases(self):
            return []

    with pytest.raises(UsageError, match="declares no phases"):
        fit(Idle(), toy_data)


def test_fields_of_the_model_are_its_constructors(fit, toy_data):
    vae = models.VAE("fc-8", "fc-8", latent_dim=2, image_shape=SHAPE)
    with pytest.raises(UsageError, match="latent_dim: the model is made already"):
        fit(vae, toy_data, latent_dim=3)
    with pytest.raises(UsageError, match="did you mean 'beta' or 'betas'"):
        fit(make_vae(), toy_data, betaz=3)
    with pytest.raises(UsageError, match=r"give both, as in \(model, images\)"):
        twofold.sample(vae)


def test_other_settings_of_a_like_model_are_noticed(fit, toy_data, tmp_path):
    fit(make_vae(), toy_data)
    with pytest.raises(RunError, match=r"likelihood.name is 'gaussian' and was 'bernoulli'"):
        twofold.load(tmp_path / "run", model=make_vae(likelihood="gaussian"))
    gan = {"latent_dim": 2, "image_shape": SHAPE}
    fit(models.GAN("fc-8", "fc-8", output="sigmoid", **gan), toy_data, out="gan")
    with pytest.raises(RunError, match="output is 'tanh' and was 'sigmoid'"):
        twofold.load(tmp_path / "gan", model=models.GAN("fc-8", "fc-8", **gan))


def test_models_and_images_that_differ_are_no_draws_of_one_recipe(fit, toy_data):
    small = fit(make_vae(), toy_data, out="a")
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4))
    decoder = nn.Sequential(nn.Linear(2, 64), nn.Unflatten(1, SHAPE))
    large = fit(models.VAE(encoder, decoder, latent_dim=2), toy_data, out="b", seed=1)
    assert small.experiment.recipe() != large.experiment.recipe()
    dark = fit(make_vae(), 255 - toy_data.images, out="c", seed=1)
    light = fit(make_vae(), toy_data.images, out="d", seed=2)
    assert dark.experiment.recipe() != light.experiment.recipe()
    again = fit(make_vae(), toy_data.images, out="e", seed=3)
    assert again.experiment.recipe() == light.experiment.recipe()


def test_a_model_that_was_changed_after_it_was_made_is_not_written_down_whole(fit, toy_data):
    vae = models.VAE("fc-8", "fc-8", latent_dim=2, image_shape=SHAPE)
    vae.decoder = nn.Sequential(nn.Linear(2, 64), nn.Unflatten(1, SHAPE))
    assert fit(vae, toy_data).experiment.model.family == "unregistered"


def test_other_images_are_no_way_to_go_on(toy_data, tmp_path, silent):
    settings = {"epochs": 1, "batch_size": 20, "out": tmp_path / "r", "progress": silent}
    twofold.train("digits-cvae", dataset=toy_data, **settings)
    other = (255 - toy_data.images, toy_data.labels)
    with pytest.raises(RunError, match=r"holds a run of another experiment, with data.name"):
        twofold.train("digits-cvae", dataset=other, **settings)


def test_weights_that_two_networks_share_are_kept(fit, toy_data):
    shared = nn.Linear(64, 64)
    encoder = nn.Sequential(nn.Flatten(), shared, nn.Linear(64, 4))
    decoder = nn.Sequential(nn.Linear(2, 64), shared, nn.Unflatten(1, SHAPE))
    model = fit(models.VAE(encoder, decoder, latent_dim=2), toy_data).model()
    assert model.encoder[1].weight is model.decoder[1].weight
    assert torch.equal(model.encoder[1].weight, shared.weight)


def test_a_model_may_leave_its_shape_open_and_not_its_condition(fit, toy_data):
    made = (
        {"input_shape": SHAPE, "output_shape": (4,)},
        {"input_shape": (2,), "output_shape": SHAPE},
    )
    encoder, decoder = (make("network", "fc-8", **shapes) for shapes in made)
    run = fit(models.VAE(encoder, decoder, latent_dim=2), toy_data)
    assert run.experiment.model.family == "unregistered"  # nobody could build it without a shape

    class Bare(Own):
        def __init__(self) -> None:
            super().__init__()
            del self.condition

    with pytest.raises(UsageError, match="Bare has no condition"):
        fit(Bare(), toy_data)
    with pytest.raises(UsageError, match="expected a Model, got Linear"):
        twofold.adopt(nn.Linear(2, 2), toy_data)
