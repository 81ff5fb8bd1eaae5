"""Toy runs that several verbs are tried on."""

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
def toy_run(tmp_path_factory, toy_data, toy_experiment, silent):
    """A trained run by name, on the toy data."""
    made: dict[str, Run] = {}

    def find(name: str) -> Run:
        if name not in made:
            family, changes = RUNS[name]
            out = tmp_path_factory.mktemp("toys") / name
            experiment = toy_experiment(family, changes, epochs=20)
            made[name] = train(experiment, out=out, dataset=toy_data, progress=silent)
            made[name].dataset = lambda: toy_data
        return made[name]

    return find
