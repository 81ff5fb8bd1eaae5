"""What the tests of several verbs share."""

import pytest

from twofold.experiments.train import train


@pytest.fixture(scope="module")
def run_of(tmp_path_factory, toy_data, toy_experiment, silent):
    """A trained run on the toy data, once for the module: a family, epochs, fields of the model."""
    made = {}

    def make(family: str, /, epochs: int = 4, **model):
        key = (family, epochs, str(model))
        if key not in made:
            out = tmp_path_factory.mktemp("runs") / family
            experiment = toy_experiment(family, model or None, epochs=epochs)
            made[key] = train(experiment, out=out, dataset=toy_data, progress=silent)
            made[key].dataset = lambda: toy_data
        return made[key]

    return make
