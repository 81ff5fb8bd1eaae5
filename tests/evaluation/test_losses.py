"""The losses of a log as figures: whose are in nats, and whose on no scale."""

import pytest

from twofold.evaluation.losses import Losses
from twofold.experiments.context import open_run
from twofold.experiments.train import train
from twofold.phases import NATS


def units_of(run, silent):
    found = Losses().take(open_run(run, "cpu", {"seed": 0}, silent))
    return {
        one.name.removeprefix("loss/train/"): one.unit for one in found if "/train/" in one.name
    }


@pytest.mark.parametrize(
    ("family", "changes", "expected"),
    [
        ("cvae", {}, {"vae": NATS, "vae/recon_nll": NATS, "vae/kl": NATS}),
        (
            "cvae",
            {"objective": "wae-mmd"},
            {"vae": "", "vae/recon_nll": NATS, "vae/kl": NATS},
        ),
        ("classifier", {}, {"classifier": NATS}),
        ("cgan", {}, {"discriminator": NATS, "discriminator/accuracy": "", "generator": NATS}),
        (
            "cgan",
            {"r1": 1.0},
            {"discriminator": "", "discriminator/accuracy": "", "generator": NATS},
        ),
        (
            "cgan",
            {"loss": "hinge"},
            {"discriminator": "", "discriminator/accuracy": "", "generator": ""},
        ),
        (
            "cgan",
            {"loss": "wasserstein", "gp_weight": 10.0},
            {"discriminator": "", "generator": ""},
        ),
        (
            "hybrid",
            {},
            {
                "discriminator": NATS,
                "discriminator/accuracy": "",
                "autoencoder": "",
                "autoencoder/recon_nll": NATS,
                "autoencoder/kl": NATS,
            },
        ),
    ],
)
def test_a_unit_is_that_of_what_the_phase_minimizes(
    family, changes, expected, tmp_path, toy_experiment, toy_data, silent
):
    """Nats where a loss is a likelihood or a cross-entropy; none of a hinge or a weighted sum."""
    experiment = toy_experiment(family, epochs=1)
    run = train(experiment, changes, out=tmp_path / "r", dataset=toy_data, progress=silent)
    run.dataset = lambda: toy_data
    assert units_of(run, silent) == expected
