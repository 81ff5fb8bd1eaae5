"""M2's sum over classes against loops, a CVAE, closed gradients, and a model whose p(x) is known.

Double precision, but for ln q(y|x), which is single: six digits.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from twofold.data.batches import Batch
from twofold.distributions import Gaussian
from twofold.errors import DataError, UsageError
from twofold.likelihoods import Likelihood
from twofold.models.m2 import M2
from twofold.models.vae import VAE
from twofold.networks import build_network
from twofold.objectives import ExactSum, RelaxedSum

SHAPE, D, K = (1, 3, 3), 2, 3
SIX_DIGITS = {"rtol": 1e-6, "atol": 1e-7}


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make_m2(apart: bool = False, **settings) -> M2:
    return M2(
        build_network("fc-6", (8,), (K,), activation="tanh"),
        build_network("fc-7", (8,), (D,) if apart else (2 * D,), K, activation="tanh"),
        build_network("fc-7", (D,), SHAPE, K, activation="tanh"),
        D,
        trunk=build_network("fc-8", SHAPE, None, activation="tanh"),
        variance="of-x" if apart else "of-x-and-y",
        image_shape=SHAPE,
        num_classes=K,
        **settings,
    )


def without_noise(model: M2) -> M2:
    """q(z|x, y) becomes a point; its KL stays finite."""
    with torch.no_grad():
        last = model.encoder.after[-1]
        last.weight[D:] = 0
        last.bias[D:] = -60
    return model


class Logits(nn.Module):
    """A classifier that gives every image the same logits."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, h: Tensor) -> Tensor:
        return self.logits.expand(len(h), -1)


def binary(count: int) -> Tensor:
    return torch.rand(count, *SHAPE).round()


def partly(x: Tensor, n: int, share: float) -> Batch:
    """The first n images labeled."""
    y = torch.arange(len(x)) % K
    y[n:] = -1
    return Batch(x, y, num_labeled=n, labeled_share=share)


# --- the objective --------------------------------------------------------------------------------


def objective_by_hand(model: M2, batch: Batch, seed: int) -> Tensor:
    """J / N of equations 6 to 9, one image and one class at a time."""
    B, n = len(batch), batch.num_labeled
    torch.manual_seed(seed)
    noise = torch.randn(n + K * (B - n), D)

    def bound(i: int, k: int, eps: Tensor) -> Tensor:
        """L(x, y), equation 6."""
        h, y = model.trunk(batch.x[i : i + 1]), torch.eye(K)[k : k + 1]
        if model.variance is None:
            mu, logvar = model.encoder(h, y).chunk(2, dim=1)
        else:
            mu, logvar = model.encoder(h, y), model.variance(h)
        q = Normal(mu, (logvar / 2).exp())
        log_p = Bernoulli(logits=model.decoder(mu + q.stddev * eps, y)).log_prob(batch.x[i]).sum()
        return -log_p - math.log(1 / K) + kl_divergence(q, Normal(0.0, 1.0)).sum()

    labeled, unlabeled, classification = [], [], []
    for i in range(B):
        q_y = model.classifier(model.trunk(batch.x[i : i + 1]))[0].softmax(dim=0)
        if i < n:
            k = int(batch.y[i])
            labeled.append(bound(i, k, noise[i]))
            classification.append(-q_y[k].log())
        else:
            each = [bound(i, k, noise[n + k * (B - n) + i - n]) for k in range(K)]
            entropy = -sum(q * q.log() for q in q_y)
            unlabeled.append(sum(q_y[k] * each[k] for k in range(K)) - entropy)  # equation 7
    share = batch.labeled_share if 0 < n < B else float(n == B)
    total = torch.zeros(())
    for weight, values in (
        (share, labeled),
        (1 - share, unlabeled),
        (model.objective.alpha, classification),
    ):
        if values:
            total = total + weight * sum(values) / len(values)
    return total


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_the_sum_over_classes_is_that_of_a_loop(n, apart):
    """Trap: no marginalization over y. Value and every gradient."""
    model, batch = make_m2(apart, objective=ExactSum(alpha=0.7)), partly(binary(5), n, share=0.3)
    torch.manual_seed(4)
    mine = model.loss(batch).total
    reference = objective_by_hand(model, batch, seed=4)
    torch.testing.assert_close(mine, reference, **SIX_DIGITS)
    for (name, parameter), gradient in zip(
        model.named_parameters(),
        torch.autograd.grad(mine, list(model.parameters())),
        strict=True,
    ):
        (expected,) = torch.autograd.grad(reference, parameter, retain_graph=True)
        assert expected.abs().max() > 0, name
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)


class Encode(nn.Module):
    """M2's q(z|x, y) as a CVAE's encoder."""

    def __init__(self, m2: M2) -> None:
        super().__init__()
        self.trunk, self.head = m2.trunk, m2.encoder

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.head(self.trunk(x), c)


def test_with_every_label_known_it_is_a_cvae_and_ln_k():
    """alpha = 0: nothing asks for the classifier, whose gradient is nothing."""
    m2 = make_m2(objective=ExactSum(alpha=0.0))
    cvae = VAE(Encode(m2), m2.decoder, D, m2.condition, m2.likelihood, image_shape=SHAPE)
    batch = partly(binary(6), 6, share=0.2)
    losses = []
    for model in (m2, cvae):
        torch.manual_seed(1)
        losses.append(model.loss(batch).total)
    torch.testing.assert_close(losses[0], losses[1] + math.log(K), **SIX_DIGITS)
    parameters = list(cvae.parameters())
    both = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
    for gradient, expected in zip(*both, strict=True):
        torch.testing.assert_close(gradient, expected)
    for gradient in torch.autograd.grad(losses[0], list(m2.classifier.parameters())):
        assert gradient.abs().max() == 0


def deaf_to_classes(model: M2) -> M2:
    """Encoder and decoder that take no notice of y."""
    with torch.no_grad():
        model.encoder.after[0].weight[:, -K:] = 0
        model.decoder.after[0].weight[:, -K:] = 0
    return without_noise(model)


@pytest.mark.parametrize("logits", [[0.0, 0.0, 0.0], [1.0, -0.5, 0.2], [6.0, 0.0, -3.0]])
def test_the_entropy_of_the_class_lowers_the_bound(logits):
    """Trap: entropy of the wrong sign. At equal L(x, y), U = L - H(q(y|x))."""
    model, x = deaf_to_classes(make_m2()), binary(4)
    recon, kl = model.elbo_terms(x, torch.zeros(4, dtype=torch.int64))
    model.classifier = Logits(torch.tensor(logits))
    entropy = torch.distributions.Categorical(logits=torch.tensor(logits)).entropy()
    expected = (recon + kl).mean() + math.log(K) - entropy
    torch.testing.assert_close(model.loss(Batch(x)).total, expected, **SIX_DIGITS)


def test_a_decoder_that_ignores_the_class_leaves_it_undecided():
    """Trap: entropy of the wrong sign, which would end in one class. U alone drives q(y|x) here."""
    model, x = deaf_to_classes(make_m2()), binary(4)
    model.classifier = Logits(torch.tensor([2.0, -1.0, 0.0]))
    optimizer = torch.optim.Adam(model.classifier.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        model.loss(Batch(x)).total.backward(inputs=[model.classifier.logits])
        optimizer.step()
    torch.testing.assert_close(
        model.classify(x).exp(), torch.full((4, K), 1 / K), rtol=0, atol=1e-3, check_dtype=False
    )


def test_unlabeled_images_teach_the_classifier():
    """Trap: no gradient to q(y|x). dU/dlogit_k = q_k (L_k + ln q_k - U), the mean over images."""
    model, x = without_noise(make_m2()), binary(4)
    model.classifier = Logits(torch.tensor([0.3, -0.4, 0.8]))
    q = model.classifier.logits.detach().softmax(dim=0)
    each = []
    for k in range(K):
        recon, kl = model.elbo_terms(x, torch.full((4,), k))
        each.append(recon + kl + q[k].log())
    each = torch.stack(each, dim=1).detach()  # (B, K)
    expected = (q * (each - (each * q).sum(dim=1, keepdim=True))).mean(dim=0)
    (gradient,) = torch.autograd.grad(model.loss(Batch(x)).total, model.classifier.logits)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


# --- weights and units ----------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 0.1, 2.0])
def test_alpha_weighs_the_mean_of_the_labeled(alpha):
    """Trap: an alpha that grows with the data. J / N has alpha on one mean cross-entropy."""
    model, batch = make_m2(objective=ExactSum(alpha=alpha)), partly(binary(6), 2, share=0.25)
    terms = model.loss(batch)
    logits = model.classifier(model.trunk(batch.x[:2]))
    expected = F.cross_entropy(logits, batch.y[:2])
    torch.testing.assert_close(terms.terms["cross_entropy"].double(), expected, **SIX_DIGITS)
    rest = sum(value for name, value in terms.terms.items() if name != "cross_entropy")
    torch.testing.assert_close(terms.total, rest + alpha * expected, **SIX_DIGITS)


@pytest.mark.parametrize(("known", "unknown"), [(1, 3), (3, 1), (2, 2)])
def test_only_the_share_of_the_data_set_weighs_not_that_of_the_batch(known, unknown):
    """Trap: batch-sum and batch-mean mixed. Repeating either kind of image changes no term."""
    model, x = without_noise(make_m2()), binary(5)
    y = torch.tensor([0, 2])
    once = model.loss(Batch(x, torch.cat([y, -torch.ones(3).long()]), math.inf, 2, 0.1))
    repeated = torch.cat([x[:2].repeat(known, 1, 1, 1), x[2:].repeat(unknown, 1, 1, 1)])
    labels = torch.cat([y.repeat(known), -torch.ones(3 * unknown).long()])
    more = model.loss(Batch(repeated, labels, math.inf, 2 * known, 0.1))
    assert once.terms.keys() == more.terms.keys() >= {"recon_nll", "kl", "label_kl"}
    for name, value in once.terms.items():
        assert value.shape == ()
        torch.testing.assert_close(more.terms[name], value, **SIX_DIGITS)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_mixed_batch_is_its_two_parts(share):
    """s (labeled) + (1 - s) (unlabeled), the classification apart."""
    model, x = without_noise(make_m2(objective=ExactSum(alpha=0.0))), binary(7)
    batch = partly(x, 3, share)
    known = model.loss(Batch(x[:3], batch.y[:3])).total
    unknown = model.loss(Batch(x[3:])).total
    torch.testing.assert_close(
        model.loss(batch).total, share * known + (1 - share) * unknown, **SIX_DIGITS
    )


def test_the_measure_is_what_is_minimized():
    model, x = without_noise(make_m2(objective=ExactSum(alpha=0.0))), binary(5)
    torch.testing.assert_close(-model.elbo(x).mean(), model.loss(Batch(x)).total, **SIX_DIGITS)
    y = torch.tensor([0, 1, 2, 1, 0])
    torch.testing.assert_close(
        -model.elbo(x, y).mean() + math.log(K), model.loss(Batch(x, y)).total, **SIX_DIGITS
    )


# --- one relaxed draw instead of the sum ----------------------------------------------------------


def test_a_cold_relaxed_draw_is_one_class():
    """At temperature → 0 it is L at a class drawn from q(y|x), with the entropy as before."""
    model, x = make_m2(objective=RelaxedSum(temperature=1e-4)), binary(6)
    torch.manual_seed(3)
    terms = model.loss(Batch(x)).terms
    torch.manual_seed(3)
    log_q = model.classify(x)
    y = F.gumbel_softmax(log_q, 1e-4).argmax(dim=1)
    assert len(y.unique()) > 1
    mu, logvar = model.encoder(model.trunk(x), torch.eye(K)[y]).chunk(2, dim=1)
    q = Normal(mu, (logvar / 2).exp())
    z = mu + q.stddev * torch.randn(6, D)
    log_p = Bernoulli(logits=model.decoder(z, torch.eye(K)[y])).log_prob(x).sum(dim=(1, 2, 3))
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(terms["recon_nll"], -log_p.mean(), **close)
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(dim=1).mean()
    torch.testing.assert_close(terms["kl"], kl, **close)
    label_kl = math.log(K) + (log_q.exp() * log_q).sum(dim=1).mean()
    torch.testing.assert_close(terms["label_kl"], label_kl, **close, check_dtype=False)


def test_cold_relaxed_draws_average_to_the_sum():
    """Within five standard errors; and outside training it is the sum itself."""
    x = binary(1)
    model = without_noise(make_m2(objective=RelaxedSum(temperature=1e-4)))
    with torch.no_grad():
        bound = model.bound(Batch(x.repeat(4000, 1, 1, 1)))
        drawn = -bound.p.log_prob(x.expand(4000, -1, -1, -1))
        recon, _ = model.elbo_terms(x)
    error = drawn.std() / math.sqrt(4000)
    assert abs(drawn.mean() - recon.item()) < 5 * error < 0.5
    model.eval()
    torch.testing.assert_close(model.loss(Batch(x)).total, -model.elbo(x).mean(), **SIX_DIGITS)


def test_a_relaxed_draw_teaches_the_classifier():
    model = make_m2(objective="relaxed-sum")
    loss = model.loss(Batch(binary(6))).terms["recon_nll"]
    for gradient in torch.autograd.grad(loss, list(model.classifier.parameters())):
        assert gradient.abs().max() > 0


# --- heads ----------------------------------------------------------------------------------------


def test_a_variance_of_x_is_the_same_for_every_class():
    """The paper's equation 4: only the mean moves with y."""
    model, x = make_m2(apart=True), binary(4)
    each = [model.posterior(x, torch.full((4,), k)) for k in range(K)]
    torch.testing.assert_close(each[1].logvar, each[0].logvar, rtol=0, atol=0)
    assert not torch.allclose(each[1].mu, each[0].mu)
    assert each[0].logvar.std(dim=0).min() > 0
    both = [make_m2().posterior(x, torch.full((4,), k)).logvar for k in range(2)]
    assert not torch.allclose(*both)


def test_the_likeliest_class_stands_in_for_an_unknown_one():
    model, x = make_m2(), binary(6)
    y = model.classify(x).argmax(dim=1)
    torch.testing.assert_close(model.posterior(x).mu, model.posterior(x, y).mu)
    torch.testing.assert_close(model.reconstruct(x), model.reconstruct(x, y))


def test_log_probabilities_of_classes():
    model, x = make_m2(), binary(6)
    log_q = model.classify(x, batch_size=4)
    expected = model.classifier(model.trunk(x)).log_softmax(dim=1)
    torch.testing.assert_close(log_q.double(), expected, **SIX_DIGITS)
    for n in (0, 2, 6):
        guesses = model.bound(partly(x, n, 0.5)).guesses
        torch.testing.assert_close(guesses, log_q.exp())
        assert not guesses.requires_grad


def test_the_encoders_parameters_are_those_that_no_sample_needs():
    model = make_m2(apart=True)
    image = model.generate(torch.randn(3, D), torch.tensor([0, 1, 2])).sum()
    gradients = torch.autograd.grad(image, list(model.parameters()), allow_unused=True)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert (gradient is None) == any(parameter is own for own in model.encoder_parameters)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"objective": "gumbel"}, "unknown objective 'gumbel'; known: .*exact-sum.*relaxed-sum"),
        ({"objective": "relaxed-sim"}, "did you mean 'relaxed-sum'"),
        ({"objective": "elbo"}, "is no LabelObjective; use one of exact-sum, relaxed-sum"),
        (
            {"objective": {"name": "relaxed-sum", "temperature": 0.0}},
            r"objective\.temperature: got 0.0; input should be greater than 0",
        ),
        (
            {"objective": {"name": "exact-sum", "alpha": -0.1}},
            r"objective\.alpha: got -0.1; input should be greater than or equal to 0",
        ),
        (
            {"objective": {"name": "exact-sum", "temperature": 0.5}},
            r"unknown field objective\.temperature",
        ),
        ({"likelihood": "bernouli"}, "did you mean 'bernoulli'"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(UsageError, match=words):
        make_m2(**settings)
    with pytest.raises(UsageError, match=r"variance: got 'of-y'; .*'of-x' or 'of-x-and-y'"):
        M2("fc-8", "fc-8", "fc-8", variance="of-y", image_shape=SHAPE, num_classes=K)


@pytest.mark.parametrize("num_classes", [0, 1])
def test_classes_are_needed(num_classes):
    with pytest.raises(DataError, match=f"at least 2 classes, got {num_classes}"):
        M2("fc-8", "fc-8", "fc-8", image_shape=SHAPE, num_classes=num_classes)


# --- a model whose ln p(x) is known ---------------------------------------------------------------

SIGMA = 0.6


class PlainGaussian(Likelihood):
    """p(x|y, z) around the decoder's output itself, without a sigmoid."""

    def forward(self, output: Tensor) -> Gaussian:
        return Gaussian(output, torch.tensor(2 * math.log(SIGMA)))


class ClassAffine(nn.Module):
    """(z, y) -> W z + b_y as an image, with orthogonal columns of W."""

    def __init__(self) -> None:
        super().__init__()
        orthonormal = torch.linalg.qr(torch.randn(9, D))[0]
        self.weight = nn.Parameter(orthonormal * torch.tensor([1.5, 0.7]))
        self.offsets = nn.Parameter(0.4 * torch.randn(K, 9))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return (z @ self.weight.T + y @ self.offsets).unflatten(1, SHAPE)


class ExactEncoder(nn.Module):
    """q(z|x, y) = p(z|x, y), or one that is off."""

    def __init__(self, decoder: ClassAffine, shift: float) -> None:
        super().__init__()
        self.decoder, self.shift = decoder, shift

    def forward(self, h: Tensor, y: Tensor) -> Tensor:
        weight = self.decoder.weight
        variance = 1 / (1 + weight.square().sum(dim=0) / SIGMA**2)  # (D,)
        mu = (h - y @ self.decoder.offsets) @ weight * variance / SIGMA**2 + self.shift
        return torch.cat([mu, variance.log().expand_as(mu)], dim=1)


class ExactClassifier(nn.Module):
    """The logits ln p(x|y) of q(y|x) = p(y|x), or some that are off."""

    def __init__(self, decoder: ClassAffine, off: Tensor) -> None:
        super().__init__()
        self.decoder, self.off = decoder, off

    def forward(self, h: Tensor) -> Tensor:
        return log_p_of_each_class(self.decoder, h) + self.off


def log_p_of_each_class(decoder: ClassAffine, x: Tensor) -> Tensor:
    """ln p(x|y), shape (B, K)."""
    covariance = decoder.weight @ decoder.weight.T + SIGMA**2 * torch.eye(9)
    each = [MultivariateNormal(b, covariance).log_prob(x.flatten(1)) for b in decoder.offsets]
    return torch.stack(each, dim=1).detach()


def linear_m2(off: float = 0.0, shift: float = 0.0) -> tuple[M2, Tensor, Tensor, Tensor]:
    """The model, images of it, their ln p(x|y) (B, K) and ln p(x) (B,)."""
    decoder = ClassAffine()
    model = M2(
        ExactClassifier(decoder, off * torch.tensor([1.0, -0.5, 0.3])),
        ExactEncoder(decoder, shift),
        decoder,
        D,
        trunk=nn.Flatten(),
        likelihood=PlainGaussian(1),
        image_shape=SHAPE,
        num_classes=K,
    )
    mean = decoder(torch.randn(5, D), torch.eye(K)[torch.arange(5) % K])
    x = (mean + SIGMA * torch.randn_like(mean)).detach()
    of_class = log_p_of_each_class(decoder, x)
    return model, x, of_class, of_class.logsumexp(dim=1) - math.log(K)


def test_with_the_exact_posteriors_every_draw_gives_the_log_likelihood():
    model, x, of_class, exact = linear_m2()
    torch.testing.assert_close(model.log_weights(x, num_samples=3), exact.expand(3, 5))
    y = torch.arange(5) % K
    known = of_class.gather(1, y[:, None])[:, 0]
    torch.testing.assert_close(model.log_weights(x, y, num_samples=2), known.expand(2, 5))


def test_a_wrong_class_costs_its_kl_from_the_right_one():
    """ELBO = ln p(x) - KL(q(y|x) || p(y|x)) where q(z|x, y) is exact: the mean of many draws."""
    model, x, of_class, exact = linear_m2(off=1.0)
    right, q = of_class.log_softmax(dim=1), model.classify(x).double()
    kl = (q.exp() * (q - right)).sum(dim=1)
    assert kl.mean() > 0.05
    with torch.no_grad():
        draws = model.elbo(x.repeat(2000, 1, 1, 1)).unflatten(0, (2000, 5))
    error = draws.std(dim=0) / math.sqrt(2000)
    assert ((draws.mean(dim=0) - (exact - kl)).abs() < 5 * error).all()
    assert error.max() < 0.1


def test_many_samples_of_a_wrong_posterior_reach_the_log_likelihood():
    """E[w] = p(x) within five standard errors; the ELBO does not get there."""
    model, x, _, exact = linear_m2(off=1.0, shift=0.3)
    with torch.no_grad():
        weights = model.log_weights(x.repeat(2000, 1, 1, 1)).unflatten(1, (2000, 5))[0] - exact
        bound = model.log_likelihood(x, num_samples=100)
        elbo = model.elbo(x, num_samples=100)
    error = weights.exp().std(dim=0) / math.sqrt(2000)
    assert ((weights.exp().mean(dim=0) - 1).abs() < 5 * error).all()
    assert ((bound - exact).abs() < 25 * error).all()  # a twentieth of the samples
    assert error.max() < 0.05
    assert elbo.mean() < exact.mean() - 0.1
