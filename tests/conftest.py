"""What several rooms' tests share."""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from twofold.conditions import NoCondition
from twofold.data import ImageDataset
from twofold.distributions import DiagonalGaussian, Gaussian, standard_normal_log_prob
from twofold.experiments.resolve import parse_experiment
from twofold.experiments.run import Run
from twofold.experiments.schema import Experiment
from twofold.experiments.train import train
from twofold.likelihoods import GaussianLikelihood
from twofold.models.base import Generative
from twofold.training.progress import Silent

MODELS = {
    "cvae": {
        "family": "cvae",
        "latent_dim": 4,
        "encoder": {"layers": "fc-16"},
        "decoder": {"layers": "fc-16"},
    },
    "cgan": {
        "family": "cgan",
        "latent_dim": 4,
        "generator": {"layers": "fc-16", "norm": "batch"},
        "adversary": {
            "discriminator": {"layers": "fc-16", "activation": "leaky-0.2", "dropout": 0.3},
            "ema": 0.9,
        },
    },
    "classifier": {"family": "classifier", "network": {"layers": "fc-16"}},
    "acgan": {
        "family": "acgan",
        "generator": {"layers": "fc-16"},
        "adversary": {
            "discriminator": {"layers": "fc-16"},
            "head": {"name": "class", "learns_from": "real"},
        },
    },
    "m2": {
        "family": "m2",
        "latent_dim": 4,
        "classifier": {"layers": "fc-16"},
        "encoder": {"layers": "fc-16"},
        "decoder": {"layers": "fc-16"},
    },
    "draw": {"family": "draw", "latent_dim": 2, "num_steps": 3, "hidden_dim": 12},
}
MODELS["m1m2"] = {
    **MODELS["m2"],
    "family": "m1m2",
    "m1": {**MODELS["cvae"], "family": "vae"},
}
MODELS["hybrid"] = {
    "family": "hybrid",
    "autoencoder": {**MODELS["cvae"], "family": "vae"},
    "adversary": {"discriminator": {"layers": "fc-16"}},
}

DRAW_GAN = {"autoencoder": {"family": "draw", "latent_dim": 2, "num_steps": 3, "hidden_dim": 12}}
RUNS = {
    "cvae": ("cvae", {}),
    "vae": ("cvae", {"family": "vae", "condition": "none"}),
    "plane": ("cvae", {"family": "vae", "condition": "none", "latent_dim": 2}),
    "completion": ("cvae", {"condition": "left-half"}),
    "cgan": ("cgan", {}),
    "draw": ("draw", {}),
    "draw-gan": ("hybrid", DRAW_GAN),
    "m1m2": ("m1m2", {}),
    "classifier": ("classifier", {}),
}


@pytest.fixture(scope="session")
def toy_data() -> ImageDataset:
    """120 gray 8×8 images of 3 classes, each a bright row of its own and some noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = rng.integers(0, 80, (120, 1, 8, 8))
    for k in range(3):
        images[labels == k, :, 2 * k + 1] += 170
    splits = {"train": np.arange(90), "validation": np.arange(90, 105), "test": np.arange(105, 120)}
    return ImageDataset(images.astype(np.uint8), labels, ("a", "b", "c"), "toy", splits=splits)


@pytest.fixture(scope="session")
def toy_experiment() -> Callable[..., Experiment]:
    """An experiment on the toy data: a family, and fields of `training`."""

    def make(family: str = "cvae", model: dict | None = None, **training: object) -> Experiment:
        settings = {"epochs": 4, "batch_size": 20, "log_every": 2, "device": "cpu", **training}
        content = {
            "name": f"toy-{family}",
            "data": "toy",
            "model": {**MODELS[family], **(model or {})},
            "training": settings,
        }
        return parse_experiment(content, "toy")

    return make


@pytest.fixture(scope="session")
def silent() -> Silent:
    return Silent()


@pytest.fixture(scope="session")
def run_of(tmp_path_factory, toy_data, toy_experiment, silent) -> Callable[..., Run]:
    """A trained run on the toy data, each once: a family, epochs, fields of the model."""
    made: dict[tuple, Run] = {}

    def make(family: str, /, epochs: int = 4, **model) -> Run:
        key = (family, epochs, str(model))
        if key not in made:
            out = tmp_path_factory.mktemp("runs") / family
            experiment = toy_experiment(family, model or None, epochs=epochs)
            made[key] = train(experiment, out=out, dataset=toy_data, progress=silent)
            made[key].dataset = lambda: toy_data
        return made[key]

    return make


@pytest.fixture(scope="session")
def toy_run(run_of) -> Callable[[str], Run]:
    """A trained run by the name of its kind."""

    def find(name: str) -> Run:
        family, changes = RUNS[name]
        return run_of(family, epochs=20, **changes)

    return find


class NoDoubles(TorchDispatchMode):
    """Refuses float64 anywhere but on the CPU, as Apple's GPU does."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.dtype == torch.float64:
            assert made.device.type == "cpu", f"{func} makes doubles on {made.device}"
        return made


@pytest.fixture
def no_doubles():
    """A device where tensors have shapes and no numbers, and may not be doubles."""
    with FakeTensorMode(), NoDoubles():
        yield torch.device("meta")


@pytest.fixture
def twofold(capsys, monkeypatch):
    """Runs the command line; returns exit code, output, errors."""

    from twofold.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["twofold", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        code = stop.value.code
        return (0 if code is None else int(code)), captured.out, captured.err

    return run


@pytest.fixture
def mnist_folder() -> Path:
    """The folder that holds MNIST, or a skip."""
    import os

    folder = Path(os.environ.get("TWOFOLD_DATA", "")) / "mnist"
    if not (folder / "train-images-idx3-ubyte.gz").exists():
        pytest.skip("needs MNIST in TWOFOLD_DATA")
    return folder


@pytest.fixture(scope="module")
def toy_classifiers(tmp_path_factory):
    """Classifiers of 100 steps that know the toy data, and stay out of the user's cache."""
    from twofold.evaluation import classifiers
    from twofold.experiments.resolve import resolve

    recipe = {"images": 5000, "batch_size": 50, "layers": "fc-64", "shift": 0, "warmup": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWOFOLD_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(
            classifiers, "classifier_recipe", lambda name, _dataset: resolve(name, recipe)
        )
        yield


SHAPE, D = (1, 3, 4), 3


class LinearGaussian(Generative):
    """p(x|z, y) = N(W z + b_y, s² I), so that ln p(x|y) = ln N(x; b_y, W Wᵀ + s² I).

    Its proposal q(z|x, y) is the exact posterior's mean, moved, with its own scale in every
    direction.
    """

    def __init__(self, sigma: float, shift: float, proposal_scale: float) -> None:
        super().__init__()
        self.image_shape, self.latent_dim = SHAPE, D
        self.condition = NoCondition()
        self.likelihood = GaussianLikelihood(1)
        pixels = math.prod(SHAPE)
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(pixels, D))[0])  # WᵀW = I
        self.bias = nn.Parameter(torch.randn(2, pixels))
        self.sigma, self.shift, self.proposal_scale = sigma, shift, proposal_scale

    @property
    def phases(self) -> list:
        return []

    def generate(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return (z @ self.weight.T + self.bias[self._class(c, len(z))]).unflatten(-1, SHAPE)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Gaussian:
        return Gaussian(self.generate(z, c), torch.tensor(2 * math.log(self.sigma)))

    def draw(self, count: int, c: Tensor | None = None) -> Tensor:
        return self.decode(torch.randn(count, D), c).sample().detach()

    def posterior(self, x: Tensor, c: Tensor | None = None) -> DiagonalGaussian:
        """With W orthonormal, N(Wᵀ(x - b) / (1 + s²), s² / (1 + s²) I), but moved and scaled."""
        variance = self.sigma**2 / (1 + self.sigma**2)
        mean = (
            (x.flatten(1) - self.bias[self._class(c, len(x))]) @ self.weight / (1 + self.sigma**2)
        )
        logvar = math.log(variance * self.proposal_scale**2)
        return DiagonalGaussian(
            mean + self.shift * math.sqrt(variance), torch.full_like(mean, logvar)
        )

    def elbo_terms(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1):
        raise NotImplementedError

    elbo = log_likelihood = elbo_terms

    def log_weights(self, x: Tensor, c: Tensor | None = None, num_samples: int = 1) -> Tensor:
        q = self.posterior(x, c)
        z = q.rsample(num_samples)
        p = torch.stack([self.decode(code, c).log_prob(x) for code in z])
        return p + standard_normal_log_prob(z) - q.log_prob(z)

    @torch.no_grad()
    def exact(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """ln p(x|y), float64, shape (N,)."""
        W = self.weight.double()
        covariance = W @ W.T + self.sigma**2 * torch.eye(len(W), dtype=torch.float64)
        mean = self.bias[self._class(c, len(x))].double()
        p = torch.distributions.MultivariateNormal(mean, covariance)
        return p.log_prob(x.double().flatten(1))

    @staticmethod
    def _class(c: Tensor | None, count: int) -> Tensor:
        return torch.zeros(count, dtype=torch.long) if c is None else c


@pytest.fixture
def linear_gaussian() -> Callable[..., LinearGaussian]:
    """Makes models whose likelihood is known in closed form."""

    def make(sigma: float = 0.5, shift: float = 0.0, proposal_scale: float = 1.0) -> LinearGaussian:
        return LinearGaussian(sigma, shift, proposal_scale)

    return make
