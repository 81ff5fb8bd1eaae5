"""A run with every prior and posterior trains, resumes, opens again, and answers every verb."""

import copy
import signal

import pytest
import torch

import twofold
from twofold.data.batches import Batch
from twofold.evaluation import ais as annealed
from twofold.experiments.train import resume, train
from twofold.inpainting import inpainters
from twofold.models import VAE, Hybrid
from twofold.models.average import follow
from twofold.training.checkpoint import load_checkpoint

PARTS = {
    "mixture": {"prior": {"name": "mixture", "components": 3}},
    "vamp": {"prior": {"name": "vamp", "components": 4}},
    "flow": {"prior": {"name": "flow", "kind": "nsf", "transforms": 1, "hidden_dim": 8}},
    "iaf": {"posterior": {"name": "iaf", "hidden_dim": 8, "context_dim": 2}},
    "both": {"prior": "mixture", "posterior": {"name": "two-layer", "top_dim": 1}},
    "hvae": {"family": "hvae", "top_dim": 2},
}
every = pytest.mark.parametrize("name", PARTS)


@pytest.fixture(scope="module")
def experiment_with(toy_experiment):
    return lambda name: toy_experiment("cvae", {"family": "vae", **PARTS[name]}, epochs=6)


@pytest.fixture(scope="module")
def run_with(tmp_path_factory, toy_data, experiment_with, silent):
    """A short run on the toy data with a prior or posterior, each once."""
    made = {}

    def find(name: str):
        if name not in made:
            out = tmp_path_factory.mktemp("runs") / name
            made[name] = train(experiment_with(name), out=out, dataset=toy_data, progress=silent)
            made[name].dataset = lambda: toy_data
        return made[name]

    return find


@every
def test_it_learns_and_opens_again(name, run_with):
    run = run_with(name)
    losses = [sum(r["terms"]["vae"].values()) for r in run.records if r["kind"] == "train"]
    assert losses[-1] < losses[0]
    model, again = run.model(), twofold.load(run.path).model()
    z = model.sample_latent(5)
    assert torch.equal(z, again.sample_latent(5))
    assert torch.equal(model.prior.log_prob(z), again.prior.log_prob(z))
    assert torch.equal(model.generate(z), again.generate(z))


@every
def test_it_resumes_to_the_same_weights(
    name, run_with, experiment_with, tmp_path, toy_data, silent
):
    class Impatient(type(silent)):
        def update(self, step, epoch, terms) -> None:
            if step == 10:
                signal.raise_signal(signal.SIGINT)

    out = tmp_path / "stopped"
    stopped = train(experiment_with(name), out=out, dataset=toy_data, progress=Impatient())
    assert not stopped.finished
    resumed = resume(stopped, silent, dataset=toy_data)
    left, right = (load_checkpoint(run.checkpoint)[0] for run in (run_with(name), resumed))
    assert left.keys() == right.keys()
    assert all(torch.equal(value, right[key]) for key, value in left.items())


@every
def test_it_answers_every_verb(name, run_with, monkeypatch):
    """With what each must be true of."""
    run = run_with(name)
    model, quick = run.model(), {"device": "cpu"}
    D = model.latent_dim
    assert twofold.sample(run, n=3, **quick).images.isfinite().all()
    between = twofold.interpolate(run, between="seeds", n=2, steps=3, **quick)
    middle = between.z[:, [0, 2]].mean(dim=1)
    is_normal = name == "iaf"  # its prior is N(0, I), and the way an arc
    assert torch.allclose(between.z[:, 1], middle, atol=1e-5) is not is_normal
    assert twofold.interpolate(run, n=2, steps=3, **quick).images.isfinite().all()
    assert twofold.manifold(run, steps=3, quantiles=True, **quick).images.isfinite().all()
    moved = twofold.traverse(run, n=D, steps=3, span=1.0, **quick)
    assert moved.images.shape[:2] == (D, 3)
    d, (median, sigma) = moved.latents[0], model.prior.spread()
    z = moved.z.repeat(3, 1)
    z[:, d] = median[d] + sigma[d] * moved.values
    torch.testing.assert_close(moved.images[0], model.images_of(z))
    assert twofold.latents(run, **quick).codes.shape == (15, D)
    assert twofold.reconstruct(run, n=3, **quick) is not None
    monkeypatch.setattr(inpainters, "TEMPERATURES", 20)
    filled = twofold.complete(run, n=1, num_completions=2, measure=0, **quick)
    assert filled.completions.isfinite().all()
    found = twofold.invert(run, n=2, restarts=2, steps=3, prior=0.1, **quick)
    assert found.z.shape == (2, D)
    assert twofold.denoise(run, n=2, steps=2, **quick).denoised.isfinite().all()


@every
def test_it_is_measured(name, run_with, silent, monkeypatch):
    """The ELBO is below the IWAE bound, and that below what annealing finds, within errors."""
    monkeypatch.setattr(annealed, "IMAGES", 8)
    monkeypatch.setattr(annealed, "TEMPERATURES", {"decoder": 60})
    found = twofold.evaluate(
        run_with(name), "likelihood,ais,latents", device="cpu", progress=silent
    )
    measures = {measure.name: measure for measure in found.measures}
    assert {"ais", "latents/label-free/knn"} <= measures.keys()
    ais = measures["ais"]
    _, bound, error = ais.details["iwae"]
    assert ais.value > bound - 5 * error
    assert ais.error < 10


@every
def test_its_average_has_a_prior_and_posterior_of_its_own(name, run_with):
    """What a hybrid's adversary averages: a copy, that follows, and never is what it follows."""
    vae = run_with(name).model()
    before, average = vae.sample_latent(5), copy.deepcopy(vae)
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(0.5)
    assert torch.equal(average.sample_latent(5), before)
    follow(average, vae, decay=0.0)
    assert torch.equal(average.sample_latent(5), vae.sample_latent(5))


@pytest.mark.parametrize("routing", ["summed", "larsen"])
def test_in_a_hybrid_the_kl_reaches_the_prior(routing):
    vae = VAE("fc-8", "fc-8", 2, prior="mixture", image_shape=(1, 4, 4))
    weight = 0.0 if routing == "summed" else 1.0  # without one there is nothing to route
    hybrid = Hybrid(vae, "fc-8", routing=routing, adversarial_weight=weight)
    batch, seen = Batch(torch.rand(6, 1, 4, 4)), []
    for phase in hybrid.phases:
        loss = phase.loss(batch).total
        if any(p is vae.prior.logits for p in phase.parameters):
            gradient = torch.autograd.grad(loss, vae.prior.logits, retain_graph=True)[0]
            seen.append(phase.name)
            assert gradient.abs().max() > 0
    assert seen == ["autoencoder" if routing == "summed" else "encoder"]
