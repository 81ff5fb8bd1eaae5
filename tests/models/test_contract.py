"""The same questions to every family, dense and convolutional, grey and in colour."""

from itertools import product

import pytest
import torch
from torch import Tensor

from twofold.data.batches import Batch
from twofold.errors import DataError, TwofoldError, UsageError
from twofold.experiments.families import FAMILIES, build_model
from twofold.experiments.schema import Experiment
from twofold.models.base import Classifies, Encodes, Generative, HasLikelihood, Model, require
from twofold.training.optimisers import Player, make_optimiser

K = 3
LAYERS = {
    "dense": {"down": "fc-16 fc-16", "up": "fc-16 fc-16"},
    "conv": {"down": "conv3-6/2 conv4-8/2 fc-12", "up": "fc-12 base-8 deconv4-6/2 deconv3-out/2"},
}
CASES = [
    pytest.param(*case, id="-".join(map(str, case))) for case in product(FAMILIES, LAYERS, (1, 3))
]
GENERATIVE = [case for case in CASES if case.values[0] != "classifier"]
CONDITIONAL = [case for case in CASES if case.values[0] in ("cvae", "cgan")]


def experiment(family: str, layers: str, seed: int = 0, **changes: object) -> Experiment:
    down = {"layers": LAYERS[layers]["down"], "dropout": 0.2}
    up = {"layers": LAYERS[layers]["up"], "norm": "batch"}
    networks = {
        "vae": {"encoder": down, "decoder": up},
        "gan": {"generator": up, "discriminator": down},
        "classifier": {"network": {**down, "norm": "batch"}},
    }[family.removeprefix("c") if family in ("cvae", "cgan") else family]
    extra = {"ema": 0.9, "r1": 0.1} if family.endswith("gan") else {}
    latent = {} if family == "classifier" else {"latent_dim": 4}
    return Experiment.model_validate(
        {
            "name": "contract",
            "seed": seed,
            "data": "toy",
            "model": {"family": family, **networks, **latent, **extra, **changes},
            "training": {"epochs": 1},
        }
    )


def make(family: str, layers: str, channels: int, seed: int = 0, **changes: object) -> Model:
    return build_model(experiment(family, layers, seed, **changes), (channels, 8, 12), K)


def make_batch(channels: int, count: int = 6) -> Batch:
    return Batch(torch.rand(count, channels, 8, 12).round(), torch.arange(count) % K)


def told(model: Model, count: int) -> Tensor | None:
    return torch.arange(count) % K if model.condition.about == "class" else None


def answers(model: Model, x: Tensor) -> list[Tensor]:
    """Everything that a model says without a random number."""
    model.eval()
    c = told(model, len(x))
    said = []
    with torch.no_grad():
        if isinstance(model, Generative):
            said.append(model.generate(model.sample_latent(len(x)), c))
        if isinstance(model, Encodes):
            q = model.posterior(x, c)
            said += [q.mu, q.logvar]
        if isinstance(model, Classifies):
            said.append(model.classify(x))
        if hasattr(model, "score"):
            said.append(model.score(x * 2 - 1, model.condition(c)))
    return said


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "layers", "channels"), CASES)
def test_a_phase_moves_its_own_parameters_and_no_others(family, layers, channels):
    model, settings = make(family, layers, channels).train(), experiment(family, layers)
    batch = make_batch(channels)
    for phase in model.phases:
        own = {id(p) for p in phase.parameters}
        follows = "generator_ema." if phase.after_step is not None else "\0"
        optimiser = make_optimiser(phase.parameters, settings.optimiser(phase.name))
        model.zero_grad(set_to_none=True)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        terms = phase.loss(batch)
        assert terms.total.shape == ()
        assert all(value.shape == () for value in terms.terms.values())
        Player(phase, settings.optimiser(phase.name), optimiser).minimise(terms.total, 0, 1)
        for name, parameter in model.named_parameters():
            moved = not torch.equal(parameter, before[name])
            if id(parameter) in own:
                assert parameter.grad is not None, name
                assert torch.isfinite(parameter.grad).all(), name
                if parameter.dim() > 1:  # a bias before batch norm has no slope
                    assert parameter.grad.abs().max() > 0, name
                    assert moved, name
            else:
                assert parameter.grad is None, name
                if name.startswith(follows):
                    assert moved or parameter.dim() == 1, name
                else:
                    assert not moved, name


@pytest.mark.parametrize(("family", "layers", "channels"), CASES)
def test_every_trained_parameter_has_one_phase(family, layers, channels):
    model = make(family, layers, channels)
    trained = [id(p) for phase in model.phases for p in phase.parameters]
    assert len(trained) == len(set(trained))
    assert set(trained) == {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.parametrize(("family", "layers", "channels"), CASES)
def test_training_lowers_the_loss_of_its_phase(family, layers, channels):
    """A few steps of one player alone, the other standing still."""
    torch.manual_seed(1)
    batch, settings = make_batch(channels, 12), experiment(family, layers)
    for number in range(len(make(family, layers, channels).phases)):
        model = make(family, layers, channels).train()
        phase = model.phases[number]
        player = Player(
            phase,
            settings.optimiser(phase.name),
            make_optimiser(phase.parameters, settings.optimiser(phase.name)),
        )
        losses = []
        for step in range(25):
            total = phase.loss(Batch(batch.x, batch.y)).total
            player.minimise(total, step, 25)
            losses.append(total.item())
        assert sum(losses[-5:]) < sum(losses[:5])


@pytest.mark.parametrize(("family", "layers", "channels"), CASES)
def test_mixed_precision_rounds_and_no_more(family, layers, channels):
    """bfloat16 has three digits; the terms are float32 sums of what the networks gave."""
    model, batch = make(family, layers, channels).train(), make_batch(channels, 16)
    for phase in model.phases:
        found = []
        for enabled in (False, True):
            torch.manual_seed(0)
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                terms = phase.loss(Batch(batch.x, batch.y))
            found.append(terms.terms)
            assert all(
                value.dtype == torch.float32 for value in [terms.total, *terms.terms.values()]
            )
        single, mixed = found
        for name, value in single.items():
            assert mixed[name].item() == pytest.approx(value.item(), rel=0.02, abs=0.02), name
            assert mixed[name] != value, name


# --- weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "layers", "channels"), CASES)
def test_weights_travel_in_a_state_dict(family, layers, channels):
    """Saved from one model and loaded into another seed's, they give the very same answers."""
    one, other = (make(family, layers, channels, seed) for seed in (0, 1))
    batch = make_batch(channels)
    for phase in one.train().phases:  # statistics of batch norm that are not those of a new model
        phase.loss(batch)
    before = answers(other, batch.x)
    other.load_state_dict(one.state_dict())
    after = answers(other, batch.x)
    for mine, loaded, was in zip(answers(one, batch.x), after, before, strict=True):
        torch.testing.assert_close(loaded, mine, rtol=0, atol=0)
        assert not torch.equal(loaded, was)


@pytest.mark.parametrize(("family", "layers", "channels"), CASES)
def test_the_seed_decides_the_weights_and_nothing_else_is_touched(family, layers, channels):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (make(family, layers, channels, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    same = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    weights = zip(first.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in weights)


# --- sampling -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "layers", "channels"), GENERATIVE)
def test_samples(family, layers, channels):
    """Trap: pictures without seeds. The same for a seed, others for another, in [0, 1]."""
    model = make(family, layers, channels).train()
    c = told(model, 7)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    x = model.sample(7, c, seed=3)
    again, other = model.sample(7, c, seed=3), model.sample(7, c, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert x.shape == (7, channels, 8, 12)
    assert x.dtype == torch.float32
    assert not x.requires_grad
    assert 0 <= x.min() < x.max() <= 1
    assert torch.equal(again, x)
    assert ((other - x).flatten(1).abs().amax(dim=1) > 1e-4).all()
    assert len(x.unique(dim=0)) == 7
    torch.testing.assert_close(model.sample(7, c, seed=3, batch_size=2), x)


def test_models_of_one_latent_size_are_compared_at_the_same_codes():
    """Trap: models that differ in more than the factor named."""
    vae, gan = make("vae", "dense", 1), make("gan", "conv", 3)
    assert isinstance(vae, Generative)
    assert isinstance(gan, Generative)
    assert torch.equal(vae.sample_latent(5, seed=2), gan.sample_latent(5, seed=2))
    z = vae.sample_latent(100_000, seed=2)
    assert abs(z.mean().item()) < 5 / 400_000**0.5
    assert abs(z.square().mean().item() - 1) < 5 * (2 / 400_000) ** 0.5


@pytest.mark.parametrize(("family", "layers", "channels"), CONDITIONAL)
def test_the_condition_is_obeyed(family, layers, channels):
    """The same z under different classes gives different images, and each keeps to its own row."""
    model = make(family, layers, channels).eval()
    z = model.sample_latent(4)
    classes = [model.generate(z, torch.full((4,), k)) for k in range(K)]
    for k in range(K):
        difference = (classes[k] - classes[k - 1]).flatten(1).abs().amax(dim=1)
        assert (difference > 1e-4).all()
    mixed = model.generate(z, torch.tensor([2, 0, 1, 2]))
    rows = torch.stack([classes[2][0], classes[0][1], classes[1][2], classes[2][3]])
    torch.testing.assert_close(mixed, rows)


@pytest.mark.parametrize(("family", "layers", "channels"), CONDITIONAL)
def test_images_and_classes_are_judged_together(family, layers, channels):
    """A class that only adds a number to the score, whatever the image, teaches G nothing."""
    model, x = make(family, layers, channels).eval(), torch.rand(2, channels, 8, 12)

    def judge(x: Tensor, k: int) -> Tensor:
        c = torch.full((2,), k)
        if isinstance(model, Encodes):
            return model.posterior(x, c).mu
        return model.score(x * 2 - 1, model.condition(c))

    one, two = judge(x, 0), judge(x, 1)
    assert not torch.allclose(one[0] - two[0], one[1] - two[1], atol=1e-5)


@pytest.mark.parametrize(("family", "layers", "channels"), CONDITIONAL)
def test_a_condition_is_asked_for(family, layers, channels):
    model = make(family, layers, channels)
    with pytest.raises(UsageError, match=r"give c, labels in 0\.\.2"):
        model.sample(2)
    with pytest.raises(UsageError, match="c has 3 rows but n=2"):
        model.sample(2, torch.tensor([0, 1, 2]))
    with pytest.raises(DataError, match="no labels"):
        model.phases[0].loss(Batch(make_batch(channels).x))
    with pytest.raises(DataError, match="at least 2 classes, got 0"):
        build_model(experiment(family, layers), (channels, 8, 12), 0)


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_no_condition_is_taken(family):
    with pytest.raises(UsageError, match="takes no condition"):
        make(family, "dense", 1).sample(2, torch.tensor([0, 1]))


# --- evaluation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "layers", "channels"), CASES)
def test_evaluation_does_not_depend_on_the_batch(family, layers, channels):
    """Each image alone, or all together, to float32 rounding: no dropout, no batch statistics."""
    model, batch = make(family, layers, channels).train(), make_batch(channels)
    for phase in model.phases:
        phase.loss(batch)
    model.eval()
    z, c = torch.randn(6, 4), told(model, 6)
    for i in range(6):
        row, c_row = slice(i, i + 1), None if c is None else c[i : i + 1]
        with torch.no_grad():
            if isinstance(model, Generative):
                alone, together = model.generate(z[row], c_row), model.generate(z, c)
                torch.testing.assert_close(alone, together[row], rtol=1e-4, atol=1e-5)
            if isinstance(model, Encodes):
                alone, together = model.posterior(batch.x[row], c_row), model.posterior(batch.x, c)
                torch.testing.assert_close(alone.mu, together.mu[row], rtol=1e-4, atol=1e-5)
            if isinstance(model, Classifies):
                alone, together = model.classify(batch.x[row]), model.classify(batch.x)
                torch.testing.assert_close(alone, together[row], rtol=1e-4, atol=1e-5)


# --- sizes and abilities --------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_dense_networks_take_any_size(family):
    model = build_model(experiment(family, "dense"), (3, 9, 7), K)
    batch = Batch(torch.rand(4, 3, 9, 7), torch.arange(4) % K)
    for phase in model.phases:
        assert torch.isfinite(phase.loss(batch).total)
    if isinstance(model, Generative):
        assert model.sample(2, told(model, 2)).shape == (2, 3, 9, 7)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "classifier"])
def test_sizes_that_a_generator_cannot_reach_are_refused(family):
    words = r"multiples of 4: the images are 9×12; size=8 or size=12 would do"
    with pytest.raises(UsageError, match=words):
        build_model(experiment(family, "conv"), (1, 9, 12), K)


@pytest.mark.parametrize("family", FAMILIES)
def test_abilities(family):
    model = make(family, "dense", 1)
    able = {
        "vae": {Generative, Encodes, HasLikelihood},
        "gan": {Generative},
        "classifier": {Classifies},
    }[family.removeprefix("c") if family in ("cvae", "cgan") else family]
    for capability in (Generative, Encodes, HasLikelihood, Classifies):
        if capability in able:
            assert require(model, capability, "reconstruct") is model
        else:
            with pytest.raises(TwofoldError, match=f"cannot reconstruct: {model.title} .* use a"):
                require(model, capability, "reconstruct")


@pytest.mark.parametrize(("family", "title"), [("vae", "VAE"), ("cgan", "CGAN"), ("cvae", "CVAE")])
def test_titles(family, title):
    assert make(family, "dense", 1).title == title
