"""The measured ELBO and IWAE bound: exact where the answer is known, whatever the batches."""

import math
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli

from twofold.data.batches import Batch
from twofold.evaluation.likelihood import (
    elbo_terms,
    iwae_bounds,
    running_log_mean_exp,
    sample_counts,
)
from twofold.models.capabilities import HasLikelihood
from twofold.models.vae import VAE
from twofold.networks import build_network

SHAPE = (1, 3, 4)
D = 2


class Deaf(nn.Module):
    """The same output whatever it is given."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = nn.Parameter(output)

    def forward(self, x: Tensor, _: Tensor | None = None) -> Tensor:
        return self.output.expand(len(x), *self.output.shape)


def deaf(encoder: Tensor, logits: Tensor) -> VAE:
    """A decoder that ignores z: ln p(x) = ln p(x|z) exactly."""
    return VAE(Deaf(encoder), Deaf(logits), D, image_shape=SHAPE)


def lively(num_classes: int = 0, dropout: float = 0.0) -> VAE:
    """A VAE whose posterior is off, so that its bound moves with k."""
    model = VAE(
        build_network("fc-12", SHAPE, (2 * D,), num_classes, dropout=dropout, norm="batch"),
        build_network("fc-12", (D,), SHAPE, num_classes, init="normal-0.7"),
        D,
        "class" if num_classes else "none",
        image_shape=SHAPE,
        num_classes=num_classes,
    )
    model.encoder(images(50), torch.eye(num_classes)[labels(50)] if num_classes else None)
    return model


def images(count: int) -> Tensor:
    return torch.rand(count, *SHAPE).round()


def labels(count: int) -> Tensor:
    return torch.arange(count) % 3


def in_batches(x: Tensor, size: int, y: Tensor | None = None) -> list[Batch]:
    ys = [None] * len(x) if y is None else y.split(size)
    return [Batch(x_part, y_part) for x_part, y_part in zip(x.split(size), ys, strict=False)]


def iwae_bound(model: HasLikelihood, batches: list[Batch], k: int, **options: Any) -> Tensor:
    return iwae_bounds(model, batches, k, **options)[k]


def log_mean_exp_of(stretches: Iterable[Tensor]) -> Tensor:
    *_, (_, last) = running_log_mean_exp(stretches)
    return last


# --- streaming ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[6], [1, 5], [2, 2, 2], [1] * 6])
def test_streaming_is_the_log_of_the_mean(sizes):
    """Unequal stretches weigh by their length."""
    values = torch.randn(6, 4, dtype=torch.float64)
    expected = values.exp().mean(dim=0).log()
    torch.testing.assert_close(log_mean_exp_of(values.split(sizes)), expected)


def test_streaming_is_double_and_does_not_overflow():
    values = torch.full((3, 2), -5000.0)
    found = log_mean_exp_of([values, values + math.log(3.0)])
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx([-5000 + math.log(2.0)] * 2, abs=1e-3)


def test_streaming_keeps_what_single_precision_would_lose():
    """A thousand stretches of weights near 1: their log-mean to 1e-12."""
    values = (1e-3 * torch.randn(1000, 1, 3)).double()
    found = log_mean_exp_of(list(values))
    torch.testing.assert_close(found, values.exp().mean(dim=(0, 1)).log(), rtol=0, atol=1e-12)


def test_streaming_takes_a_generator():
    found = log_mean_exp_of(torch.full((1, 2), float(i)) for i in range(2))
    assert found.tolist() == pytest.approx([math.log((1 + math.e) / 2)] * 2)


def test_every_stretch_is_an_answer():
    """After each: how many values there were, and the log-mean of these alone."""
    values = torch.randn(6, 4, dtype=torch.float64)
    found = list(running_log_mean_exp(values.split([1, 3, 2])))
    assert [count for count, _ in found] == [1, 4, 6]
    for count, mean in found:
        torch.testing.assert_close(mean, values[:count].exp().mean(dim=0).log())


# --- the bound ------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 7, 50])
def test_a_decoder_that_ignores_the_code_has_an_exact_bound(k):
    """With q the prior, every k gives ln p(x), float64 and one for each image."""
    logits, x = torch.randn(SHAPE), images(5)
    model = deaf(torch.zeros(2 * D), logits)
    found = iwae_bound(model, in_batches(x, 2), k, rows=6)
    expected = Bernoulli(logits=logits).log_prob(x).sum(dim=(1, 2, 3))
    assert found.dtype == torch.float64
    assert found.shape == (5,)
    torch.testing.assert_close(found, expected.double(), rtol=1e-5, atol=1e-5)


def test_elbo_terms_where_they_are_known():
    """The KL of q = N(1, 1) is one half for each latent; the decoder costs what it costs."""
    logits, x = torch.randn(SHAPE), images(5)
    recon, kl = elbo_terms(deaf(torch.tensor([1.0, 1.0, 0.0, 0.0]), logits), in_batches(x, 2), 3)
    expected = -Bernoulli(logits=logits).log_prob(x).sum(dim=(1, 2, 3))
    assert recon.dtype == kl.dtype == torch.float64
    assert kl.tolist() == pytest.approx([1.0] * 5)
    torch.testing.assert_close(recon, expected.double(), rtol=1e-5, atol=1e-5)


def test_the_bound_of_a_wrong_posterior_approaches_the_likelihood():
    """q = N(1, 1) loses KL = 1 nat at k = 1 and almost nothing at k = 4000."""
    logits, x = torch.randn(SHAPE), images(1)
    model = deaf(torch.tensor([1.0, 1.0, 0.0, 0.0]), logits)
    exact = Bernoulli(logits=logits).log_prob(x).sum().item()
    ones = iwae_bound(model, in_batches(x.expand(2000, -1, -1, -1), 500), 1)
    error = ones.std().item() / math.sqrt(2000)
    assert ones.mean().item() == pytest.approx(exact - 1, abs=5 * error)
    # The weights are log-normal with variance e² - 1, so the mean of 4000 errs by 0.04.
    many = iwae_bound(model, in_batches(x, 1), 4000)
    assert many.item() == pytest.approx(exact, abs=5 * math.sqrt((math.e**2 - 1) / 4000))


@pytest.mark.parametrize("rows", [1, 40, 100_000])
def test_memory_does_not_change_the_bound(rows):
    """Twenty images at k = 32 decoded 1, 2 or 32 draws at a time: one distribution."""
    model, x = lively(), images(20)
    decoded: list[int] = []
    model.decoder.register_forward_hook(lambda _m, _i, output: decoded.append(len(output)))
    found = [iwae_bound(model, in_batches(x, 20), 32, rows=rows) for _ in range(20)]
    assert sum(decoded) == 20 * 20 * 32
    assert max(decoded) <= max(20, rows)
    reference = torch.stack([iwae_bound(model, in_batches(x, 20), 32) for _ in range(20)])
    difference = torch.stack(found).mean(dim=1) - reference.mean(dim=1)
    error = difference.std() / math.sqrt(20)
    assert difference.mean().abs() < 5 * error
    assert error < 0.1


def test_a_stretch_ends_where_a_bound_is_looked_at():
    """k = 10 in stretches of 1 | 4, 4 and 1: not 12 draws."""
    model, decoded = lively(), []
    model.decoder.register_forward_hook(lambda _m, _i, output: decoded.append(len(output)))
    iwae_bound(model, in_batches(images(5), 5), 10, rows=20)
    assert decoded == [5, 20, 20, 5]


@pytest.mark.parametrize(
    ("k", "counts"),
    [
        (1, [1]),
        (7, [1, 7]),
        (20, [1, 2, 10, 20]),
        (100, [1, 10, 100]),
        (250, [1, 10, 25, 100, 250]),
    ],
)
def test_a_tenth_of_the_samples_is_looked_at(k, counts):
    assert sample_counts(k) == counts


def test_smaller_bounds_are_of_the_first_of_the_same_draws(monkeypatch):
    """Against all the weights, kept."""
    model, x, kept = lively(), images(6), []
    draw = model.log_weights
    monkeypatch.setattr(model, "log_weights", lambda *a: kept.append(draw(*a)) or kept[-1])
    found = iwae_bounds(model, [Batch(x)], 250, rows=6 * 40)
    weights = torch.cat(kept).double()
    assert weights.shape == (250, 6)
    assert list(found) == [1, 10, 25, 100, 250]
    for k, bound in found.items():
        torch.testing.assert_close(bound, weights[:k].exp().mean(dim=0).log())


def test_no_samples_bound_nothing():
    with pytest.raises(ValueError, match="at least one sample, got 0"):
        iwae_bounds(lively(), in_batches(images(2), 2), 0)


def test_the_bound_reaches_an_exact_likelihood(linear_gaussian):
    """A posterior twice too wide costs 200 images nothing at k = 2000, and something at k = 1."""
    model = linear_gaussian(proposal_scale=2.0)
    x = model.draw(200)
    found = iwae_bounds(model, [Batch(x)], 2000)
    gap = found[2000] - model.exact(x)
    error = gap.std().item() / math.sqrt(200)
    assert abs(gap.mean().item()) < 3 * error
    assert error < 0.01
    assert (found[1] - model.exact(x)).mean() < -0.5


def test_the_bound_lies_above_the_elbo():
    model, x = lively(), images(200)
    recon, kl = elbo_terms(model, in_batches(x, 50), num_samples=20)
    gap = iwae_bound(model, in_batches(x, 50), 50) + recon + kl
    assert gap.mean() > 5 * gap.std() / math.sqrt(len(gap))


@pytest.mark.parametrize("measure", [elbo_terms, lambda m, b: (iwae_bound(m, b, 5),)])
def test_measuring_is_evaluation(measure):
    """Trap: batch norm by the test batch, dropout on. Mode and statistics stay as they were."""
    model, x = lively(dropout=0.5), images(12)
    statistics = [b.clone() for b in model.buffers()]
    found = []
    for mode in (True, False):
        torch.manual_seed(0)
        found.append(measure(model.train(mode), in_batches(x, 5)))
        assert model.training == mode
    for in_training, in_evaluation in zip(*found, strict=True):
        torch.testing.assert_close(in_training, in_evaluation, rtol=0, atol=0)
        assert not in_training.requires_grad
    assert all(map(torch.equal, model.buffers(), statistics))


def test_the_condition_is_used():
    """ln p(x|c): under other labels the terms are others, and rows keep to their images."""
    model, x, y = lively(3), images(12), labels(12)
    right, wrong = (elbo_terms(model, in_batches(x, 12, c))[1] for c in (y, (y + 1) % 3))
    assert ((right - wrong).abs() > 1e-6).all()
    torch.testing.assert_close(elbo_terms(model, in_batches(x, 5, y))[1], right)
    assert torch.isfinite(iwae_bound(model, in_batches(x, 5, y), 3)).all()
