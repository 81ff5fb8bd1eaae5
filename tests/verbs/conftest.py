"""Toy runs that the verbs are tried on."""

from collections.abc import Callable

import pytest

from twofold.experiments.run import Run
from twofold.experiments.train import train

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
