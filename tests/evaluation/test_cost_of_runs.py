"""What an image costs, against closed forms of dense networks."""

import json

import pytest

from twofold.experiments.train import train
from twofold.verbs.evaluate import evaluate

SHORT = {"epochs": 1, "layers": "fc-16", "limit": 200, "log_every": 2, "batch_size": 20}
TOY = {**SHORT, "latent_dim": 4}
Z, C, H, X = 4, 10, 16, 64  # code, class, hidden units, pixels


def costs(run, silent):
    evaluation = evaluate(run, ["cost"], device="cpu", progress=silent)
    assert not evaluation.not_measured
    return {measure.name: measure for measure in evaluation.measures}


@pytest.fixture(scope="module")
def cvae(tmp_path_factory, silent):
    return train("digits-cvae", TOY, out=tmp_path_factory.mktemp("runs") / "cvae", progress=silent)


def test_every_cost_of_a_run(cvae, silent):
    found = costs(cvae, silent)
    assert list(found) == [
        *("seconds_per_epoch", "training_seconds", "training_speed", "peak_memory", "parameters"),
        *("training_flops", "generation_flops", "generation_speed"),
    ]
    last = [line for line in cvae.records if line["kind"] == "train"][-1]
    assert found["training_speed"].value == pytest.approx(200 / last["seconds"])
    assert found["peak_memory"].value == last["memory"] / 2**20
    assert found["peak_memory"].provenance["memory_of"] == "the whole process"
    assert found["parameters"].value == sum(cvae.environment["parameters"].values())
    assert found["generation_speed"].value > 1000
    assert found["generation_speed"].provenance["batch_size"] == 180


def test_operations_of_a_dense_cvae(cvae, silent):
    """Backward costs as much as forward for the weights, and again for all inputs but images."""
    found = costs(cvae, silent)
    first, encoder, decoder = (X + C) * H, H * 2 * Z, (Z + C) * H + H * X
    assert found["generation_flops"].value == pytest.approx(2 * decoder / 1e6, rel=1e-12)
    step = 3 * (first + encoder + decoder) - first
    assert found["training_flops"].value == pytest.approx(2 * step / 1e6, rel=1e-12)


def test_an_m2_counts_its_labeled_images_as_a_cvae_counts_all(
    cvae, tmp_path, toy_experiment, silent
):
    """By a relaxed draw M2 is a CVAE with a classifier, through whose guess a gradient goes back.

    Trap: the labeled half left out, which doubles the operations of an image and halves the speed.
    """
    changes = {"data": "digits", "labels": 100, "labeled_batch_size": 20, "images": 400}
    experiment = toy_experiment("m2", {"objective": "relaxed-sum"})
    run = train(experiment, changes, out=tmp_path / "r", progress=silent)
    found = costs(run, silent)
    first, classifier = (X + C) * H, 2 * (X * H + H * C) + H * C
    step = costs(cvae, silent)["training_flops"].value + 2 * (first + classifier) / 1e6
    assert found["training_flops"].value == pytest.approx(step, rel=1e-12)
    assert found["training_flops"].provenance["images"] == 40
    last = [line for line in run.records if line["kind"] == "train"][-1]
    assert (last["step"], last["images"]) == (20, 800)
    assert found["training_speed"].value == pytest.approx(800 / last["seconds"])


def test_accumulated_batches_are_one_step(tmp_path, silent):
    """Trap: the operations of one batch over the images of three."""
    once, thrice = (
        train("digits-cvae", {**TOY, "accumulate": n}, out=tmp_path / str(n), progress=silent)
        for n in (1, 3)
    )
    found = [costs(run, silent)["training_flops"] for run in (once, thrice)]
    assert found[0].value == pytest.approx(found[1].value, rel=1e-12)
    assert [one.provenance["images"] for one in found] == [20, 60]


@pytest.mark.parametrize("every", [1, 2])
def test_operations_of_a_dense_cgan(tmp_path, silent, every):
    changes = {**TOY, "training.optimizers.generator.every": every}
    run = train("digits-cgan", changes, out=tmp_path / "r", progress=silent)
    found = costs(run, silent)
    g1, g2, d1, d2 = (Z + C) * H, H * X, (X + C) * H, H
    assert found["generation_flops"].value == pytest.approx(2 * (g1 + g2) / 1e6, rel=1e-12)
    discriminated = g1 + g2 + 2 * (2 * (d1 + d2) + d2)  # fakes; real and fake forward, and backward
    fooled = 2 * (d1 + d2) + (g1 + g2) + g2  # through both players
    step = discriminated + fooled / every
    assert found["training_flops"].value == pytest.approx(2 * step / 1e6, rel=1e-12)
    assert found["training_flops"].provenance["images"] == 20 * every


def test_a_gan_with_a_gradient_penalty_has_its_operations_counted(tmp_path, silent):
    """torch's counter of modules cannot stand one."""
    plain, penalized = (
        train("digits-cgan", {**TOY, "r1": r1}, out=tmp_path / str(r1), progress=silent)
        for r1 in (0, 1)
    )
    less, more = (costs(run, silent)["training_flops"].value for run in (plain, penalized))
    assert less < more < 3 * less


def test_a_classifier_generates_nothing(tmp_path, silent):
    run = train("classifier-mlp", {**SHORT, "data": "digits"}, out=tmp_path / "r", progress=silent)
    found = costs(run, silent)
    assert not {name for name in found if name.startswith("generation")}
    step = 3 * (X * H + H * C) - X * H
    assert found["training_flops"].value == pytest.approx(2 * step / 1e6, rel=1e-12)


def test_a_log_without_memory_leaves_it_out(cvae, silent):
    log = cvae.path / "metrics.jsonl"
    whole = log.read_text()
    lines = [json.loads(line) for line in whole.splitlines()]
    log.write_text("".join(json.dumps({**line, "memory": 0}) + "\n" for line in lines))
    try:
        found = costs(cvae, silent)
    finally:
        log.write_text(whole)
    assert "peak_memory" not in found
    assert "training_speed" in found


def test_measuring_leaves_the_run_as_it_was(cvae, silent):
    def files() -> dict:
        found = [p for p in cvae.path.rglob("*") if p.is_file() and p.name != "evaluation.json"]
        return {path: path.read_bytes() for path in found}

    before = files()
    costs(cvae, silent)
    assert files() == before
