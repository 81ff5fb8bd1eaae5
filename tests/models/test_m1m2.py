"""M1+M2: who learns from whom, and the density of a code."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.models.m1m2 import M1M2, CodeLikelihood
from twofold.models.vae import VAE
from twofold.networks import build_network
from twofold.objectives import ExactSum

SHAPE, D1, D2, K = (1, 3, 3), 4, 2, 3


def make_m1m2(**of_m1) -> M1M2:
    m1 = VAE(
        build_network("fc-8", SHAPE, (2 * D1,), **of_m1),
        build_network("fc-8", (D1,), SHAPE),
        D1,
        image_shape=SHAPE,
    )
    return M1M2(
        m1,
        build_network("fc-7", (D1,), (K,)),
        build_network("fc-7", (D1,), (2 * D2,), K),
        build_network("fc-7", (D2,), (2 * D1,), K),
        D2,
        image_shape=SHAPE,
        num_classes=K,
    )


def make_batch() -> Batch:
    y = torch.tensor([0, 2, -1, -1, -1])
    return Batch(torch.rand(5, *SHAPE).round(), y, 1.0, num_labeled=2, labeled_share=0.3)


def gradients(model: M1M2, total: Tensor) -> dict[str, Tensor | None]:
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(total, parameters, allow_unused=True), strict=True))


def test_code_likelihood_is_torchs():
    output, z1 = torch.randn(6, 2 * D1, dtype=torch.float64), torch.randn(6, D1)
    mu, logvar = output.split(D1, dim=1)
    expected = Independent(Normal(mu, (logvar / 2).exp()), 1).log_prob(z1)
    p = CodeLikelihood(D1)(output)
    torch.testing.assert_close(p.log_prob(z1), expected)
    torch.testing.assert_close(p.mean, mu)


@pytest.mark.parametrize("value", [1e4, -1e4])
def test_code_likelihood_stays_finite(value):
    output = torch.full((2, 2 * D1), value).requires_grad_()
    CodeLikelihood(D1)(output).log_prob(torch.zeros(2, D1)).sum().backward()
    assert output.grad.isfinite().all()


def test_no_gradient_of_m2_reaches_m1_nor_the_other_way_round():
    """Even a careless backward."""
    model = make_m1m2()
    for phase in model.phases:
        for name, gradient in gradients(model, phase.loss(make_batch()).total).items():
            assert (gradient is not None) == name.startswith(phase.name)


def test_m2_sees_codes_as_it_will_when_it_classifies():
    """M1's batch statistics are neither used nor moved, though M1 itself is in training."""
    model, batch = make_m1m2(norm="batch"), make_batch()
    before = [buffer.clone() for buffer in model.m1.buffers()]
    torch.manual_seed(1)
    loss = model.m2_loss(batch).total
    assert model.m1.encoder.training
    torch.testing.assert_close(list(model.m1.buffers()), before, rtol=0, atol=0)
    model.m1.eval()
    torch.manual_seed(1)
    torch.testing.assert_close(model.m2_loss(batch).total, loss)


def test_both_models_carry_their_own_name():
    """Trap: quoting M1+M2 as M2."""
    model = make_m1m2()
    assert (model.title, model.m2.title) == ("M1+M2", "M2")


def test_the_losses_are_those_of_the_parts():
    """M2 sees a fresh draw of q(z1|x), and the batch's labels and share."""
    model, batch = make_m1m2(), make_batch()
    for seed in (1, 2):
        torch.manual_seed(seed)
        found = [phase.loss(batch).total for phase in model.phases]
        torch.manual_seed(seed)
        m1 = model.m1.loss(batch).total
        z1 = model.m1.posterior(batch.x).rsample().detach()
        m2 = model.m2.loss(Batch(z1, batch.y, 1.0, 2, 0.3)).total
        torch.testing.assert_close(found, [m1, m2])


def test_images_go_through_both_decoders():
    model, y = make_m1m2(), torch.tensor([0, 1, 2])
    z2 = torch.randn(3, D2)
    z1 = model.m2.decoder(z2, torch.eye(K)[y])[:, :D1]
    torch.testing.assert_close(model.generate(z2, y), torch.sigmoid(model.m1.decoder(z1)))
    assert ((z1 < 0) | (z1 > 1)).any()  # codes are no pixels: nothing keeps them in [0, 1]


def test_classes_are_read_from_the_mean_of_the_code():
    model, x = make_m1m2(), make_batch().x
    logits = model.m2.classifier(model.m1.posterior(x).mu)
    torch.testing.assert_close(model.classify(x, batch_size=2), logits.log_softmax(dim=1))
    assert model.reconstruct(x).shape == x.shape


def test_m2_speaks_of_codes_and_not_of_pixels():
    """Its decoder gives a mean and a log-variance for each dimension of M1's code."""
    model = make_m1m2()
    assert isinstance(model.m2.likelihood, CodeLikelihood)
    assert model.m2.likelihood.decoder_channels == 2 * D1
    assert (model.m2.latent_dim, model.m1.latent_dim) == (model.latent_dim, D1) == (D2, D1)
    assert model.m2.decode(torch.randn(5, D2), torch.zeros(5).long()).mean.shape == (5, D1)


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_alpha_is_m2s(alpha):
    m1 = VAE("fc-8", "fc-8", D1, image_shape=SHAPE)
    images = {"image_shape": SHAPE, "num_classes": K}
    model = M1M2(m1, "fc-7", "fc-7", "fc-7", D2, ExactSum(alpha), **images)
    terms = model.m2_loss(make_batch())
    assert terms.weights["cross_entropy"] == alpha
    rest = sum(value for name, value in terms.terms.items() if name != "cross_entropy")
    torch.testing.assert_close(terms.total, rest + alpha * terms.terms["cross_entropy"])


def test_m1_has_no_condition():
    images = {"image_shape": SHAPE, "num_classes": K}
    m1 = VAE("fc-8", "fc-8", D1, "class", **images)
    with pytest.raises(UsageError, match="has the class; use family=vae and condition=none for m1"):
        M1M2(m1, "fc-7", "fc-7", "fc-7", D2, **images)
