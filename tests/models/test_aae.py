"""An AAE's three phases by hand, whose gradient goes where, and what it refuses."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models import AAE, DRAW, M2, VAE, Adversary
from twofold.models.capabilities import Discriminates, Encodes, HasLikelihood, Reconstructs
from twofold.priors import StandardNormal
from twofold.registry import make

SHAPE = (1, 4, 4)


class Learns(StandardNormal):
    def join(self, model) -> None:
        super().join(model)
        self.shift = nn.Parameter(torch.zeros(()))


def make_aae(adversary=None, **settings) -> AAE:
    torch.manual_seed(0)
    vae = VAE("fc-8", "fc-8", latent_dim=3, image_shape=SHAPE, num_classes=3, **settings)
    return AAE(vae, adversary or Adversary("fc-8"), num_classes=3)


def a_batch(count: int = 6) -> Batch:
    return Batch(torch.rand(count, *SHAPE), torch.arange(count) % 3)


def test_phases_are_the_papers_in_its_order_and_each_reaches_its_own_networks():
    aae, batch = make_aae(), a_batch()
    assert [phase.name for phase in aae.phases] == ["autoencoder", "discriminator", "encoder"]
    networks = {"encoder": aae.autoencoder.encoder, "decoder": aae.autoencoder.decoder,
                "discriminator": aae.adversary}  # fmt: skip
    reached = {"autoencoder": {"encoder", "decoder"}, "discriminator": {"discriminator"},
               "encoder": {"encoder"}}  # fmt: skip
    for phase in aae.phases:
        aae.zero_grad(set_to_none=True)
        phase.loss(batch).total.backward(inputs=phase.parameters)
        for name, network in networks.items():
            gradients = [p.grad for p in network.parameters()]
            if name in reached[phase.name]:
                assert all(g is not None and g.abs().max() > 0 for g in gradients), phase.name
            else:
                assert all(g is None for g in gradients), phase.name


def test_losses_are_those_written_out():
    """Non-saturating: prior draws are real, codes are fake; the reconstruction has no KL."""
    aae, batch = make_aae(), a_batch()
    judge = aae.adversary.discriminator
    torch.manual_seed(1)
    recon = aae.autoencoder_loss(batch)
    torch.manual_seed(1)
    q = aae.autoencoder.posterior(batch.x)
    p = aae.autoencoder.decode(q.rsample())
    torch.testing.assert_close(recon.total, -p.log_prob(batch.x).mean())
    torch.testing.assert_close(recon.watch["kl"], q.kl().mean())
    torch.manual_seed(2)
    terms = aae.discriminator_loss(batch).terms["adversarial"]
    torch.manual_seed(2)
    drawn = torch.randn(6, 3)
    z = q.rsample()
    expected = F.softplus(-judge(drawn)).mean() + F.softplus(judge(z)).mean()
    torch.testing.assert_close(terms, expected)
    torch.testing.assert_close(aae.encoder_loss(batch).total, F.softplus(-judge(z)).mean())


def test_the_encoders_step_goes_back_through_the_encoder_as_it_is_now():
    """After the first phase's step in place: no stale graph, and the codes are the new ones."""
    aae, batch = make_aae(), a_batch()
    optimizers = [torch.optim.SGD(phase.parameters, lr=0.1) for phase in aae.phases]
    torch.manual_seed(1)
    for phase, optimizer in zip(aae.phases, optimizers, strict=True):
        total = phase.loss(batch).total
        optimizer.zero_grad(set_to_none=True)
        total.backward(inputs=phase.parameters, retain_graph=phase.name == "encoder")
        if phase.name != "encoder":
            optimizer.step()
    scores = aae.adversary.score(aae._codes(batch)).mean()
    first = aae.phases[-1].parameters[0]
    (slope,) = torch.autograd.grad(scores, first)
    assert (slope * first.grad).sum() < 0  # a step down the loss is one up the score


def test_the_adversary_pulls_the_codes_to_the_prior():
    """The encoder's phases alone: means of 3 and little spread become about 0 and 1."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    with torch.no_grad():
        encoder[1].bias.copy_(torch.tensor([3.0, -3.0, -4.0, -4.0]))
    vae = VAE(encoder, "fc-8", latent_dim=2, image_shape=SHAPE)
    aae = AAE(vae, Adversary("fc-32", r1=0.1))
    phases = aae.phases[1:]
    optimizers = [torch.optim.Adam(p.parameters, lr=0.01, betas=(0.5, 0.99)) for p in phases]
    x = torch.rand(200, *SHAPE)
    before = vae.posterior(x).mean.mean(dim=0)
    for _ in range(400):
        batch = Batch(x)
        for phase, optimizer in zip(phases, optimizers, strict=True):
            optimizer.zero_grad(set_to_none=True)
            phase.loss(batch).total.backward(inputs=phase.parameters)
            optimizer.step()
    z = vae.posterior(x).rsample(5).flatten(0, 1)
    assert before.abs().min() > 2
    assert z.mean(dim=0).abs().max() < 0.6
    assert ((z.std(dim=0) > 0.4) & (z.std(dim=0) < 1.6)).all()


def test_it_can_do_what_its_autoencoder_can_and_judges_no_images():
    aae = make_aae()
    for capability in (Encodes, Reconstructs, HasLikelihood):
        assert aae.capability(capability, "do it") is aae.autoencoder
    assert aae.capability(Discriminates) is None
    assert aae.title == "AAE"
    numbers = aae.diagnose([a_batch()])
    assert {"active_units", "accuracy_real", "accuracy_fake"} <= numbers.keys()
    x = a_batch().x  # of which the ELBO is a bound, as ever
    assert aae.capability(HasLikelihood, "bound").elbo(x).shape == (6,)


def test_a_moving_average_makes_the_images():
    aae = make_aae(Adversary("fc-8", ema=0.9))
    before = [p.clone() for p in aae.autoencoder_ema.parameters()]
    for p in aae.autoencoder.parameters():
        p.data.add_(1.0)
    aae.after_step()
    for was, p in zip(before, aae.autoencoder_ema.parameters(), strict=True):
        torch.testing.assert_close(p, was + 0.1)
    z = aae.sample_latent(2)
    torch.testing.assert_close(aae.generate(z), aae.autoencoder_ema.generate(z))
    assert aae.prior is aae.autoencoder_ema.prior


def test_beside_a_condition_codes_are_judged_for_it():
    """q(z|x, y) is held to p(z) in every class, for D sees the class."""
    aae, batch = make_aae(condition="class"), a_batch()
    assert (aae.title, aae.labels, aae.adversary.head.reads_condition) == ("CAAE", "all", True)
    z = torch.randn(1, 3)
    judge = aae.adversary.discriminator
    scores = [judge(z, F.one_hot(torch.tensor([k]), 3).float()) for k in range(3)]
    assert len({round(score.item(), 6) for score in scores}) == 3
    assert all(torch.isfinite(phase.loss(batch).total) for phase in aae.phases)
    projected = make_aae(Adversary("fc-8", head="projection"), condition="class")
    assert all(torch.isfinite(phase.loss(batch).total) for phase in projected.phases)


def test_penalties_are_of_codes():
    """R1 at draws of the prior, by a linear discriminator: γ/2 ‖w‖²."""
    linear = nn.Linear(3, 1)
    aae = make_aae(Adversary(linear, r1=2.0, gp_weight=10.0))
    terms = aae.discriminator_loss(a_batch())
    torch.testing.assert_close(terms.terms["r1"], 0.5 * linear.weight.square().sum())
    torch.testing.assert_close(terms.terms["gp"], (linear.weight.norm() - 1).square())
    assert terms.weights == {"r1": 2.0, "gp": 10.0}


def test_what_it_refuses():
    with pytest.raises(UsageError, match="augment changes images, and these are codes"):
        make_aae(Adversary("fc-8", augment=("cutout",)))
    with pytest.raises(UsageError, match="codes have no classes"):
        make_aae(Adversary("fc-8", head={"name": "class", "learns_from": "real"}))
    with pytest.raises(UsageError, match="has no KL to weigh"):
        make_aae(objective={"name": "elbo", "beta": 4})
    with pytest.raises(UsageError, match="has no KL to weigh"):
        make_aae(objective="iwae")
    m2 = M2("fc-8", "fc-8", "fc-8", latent_dim=2, image_shape=SHAPE, num_classes=3)
    with pytest.raises(UsageError, match="has no KL to weigh"):
        AAE(m2, "fc-8", num_classes=3)
    with pytest.raises(UsageError, match="has no KL to weigh"):
        make_aae(objective={"name": "elbo", "kl_warmup": 4})
    with pytest.raises(UsageError, match="prior, which does not learn"):
        make_aae(prior=Learns())
    draw = DRAW(latent_dim=2, num_steps=2, hidden_dim=8, image_shape=SHAPE)
    with pytest.raises(UsageError, match="cannot make an AAE of it: DRAW has no encoder"):
        AAE(draw, "fc-8")


def test_by_name_as_by_class_and_saved():
    vae = {"family": "vae", "encoder": "fc-8", "decoder": "fc-8", "latent_dim": 3}
    settings = {"family": "aae", "autoencoder": vae, "adversary": {"discriminator": "fc-8"}}
    torch.manual_seed(0)
    made = make("model", settings, image_shape=SHAPE, num_classes=0)
    names = {name.split(".")[0] for name in made.state_dict()}
    assert names == {"autoencoder", "adversary"}
    assert torch.equal(made.sample(2), make_aae().sample(2))
