"""Counting modes: on log-probabilities that are known."""

import math
from collections import Counter

import pytest
import torch

from twofold.evaluation.counts import kl_to_uniform, present_error
from twofold.evaluation.modes import (
    count_modes,
    expected_modes,
    modes_of,
    sure_of,
)

ALL = torch.cartesian_prod(*[torch.arange(10)] * 3)  # the digits of modes 0 to 999


def log_probs_of(digits: torch.Tensor, probability: float = 0.99) -> torch.Tensor:
    """Log-probabilities that give these digits (N, 3) this probability, the others the rest."""
    probs = torch.full((*digits.shape, 10), (1 - probability) / 9)
    return probs.scatter(2, digits[..., None], probability).log()


@pytest.fixture
def random_log_probs() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (3 * torch.randn(3000, 3, 10, generator=generator)).log_softmax(dim=2)


def test_every_mode_once_is_all_modes_and_no_divergence():
    counts = count_modes(modes_of(log_probs_of(ALL)))
    assert counts.tolist() == [1] * 1000
    assert kl_to_uniform(counts) == pytest.approx(0, abs=1e-12)


def test_one_mode_is_as_far_from_uniform_as_can_be():
    counts = count_modes(modes_of(log_probs_of(ALL[[305] * 50])))
    assert counts.nonzero().tolist() == [[305]]
    assert kl_to_uniform(counts) == pytest.approx(math.log(1000), rel=1e-12)
    assert present_error(counts) == 0


def test_half_of_the_modes_are_ln_2_away():
    assert kl_to_uniform(count_modes(modes_of(log_probs_of(ALL[::2])))) == pytest.approx(
        math.log(2)
    )


def test_it_is_a_count_and_a_sum_by_hand(random_log_probs):
    names = [
        "".join(str(max(range(10), key=channel.__getitem__)) for channel in image)
        for image in random_log_probs.tolist()
    ]
    found = Counter(names)
    counts = count_modes(modes_of(random_log_probs))
    assert {f"{k:03}": n for k, n in enumerate(counts.tolist()) if n} == found
    kl = sum(n / 3000 * math.log(n / 3000 / 0.001) for n in found.values())
    assert kl_to_uniform(counts) == pytest.approx(kl, rel=1e-12)


def test_the_order_of_images_and_of_channels_does_not_matter(random_log_probs):
    counts = count_modes(modes_of(random_log_probs))
    shuffled = random_log_probs[torch.randperm(3000)]
    assert torch.equal(count_modes(modes_of(shuffled)), counts)
    turned = count_modes(modes_of(random_log_probs[:, [2, 0, 1]]))
    assert not torch.equal(turned, counts)
    assert torch.equal(turned.sort().values, counts.sort().values)
    assert kl_to_uniform(turned) == pytest.approx(kl_to_uniform(counts), rel=1e-12)


def test_renaming_the_digits_does_not_matter(random_log_probs):
    renamed = random_log_probs[:, :, torch.randperm(10)]
    counts, others = (count_modes(modes_of(p)) for p in (random_log_probs, renamed))
    assert kl_to_uniform(others) == pytest.approx(kl_to_uniform(counts), rel=1e-12)


def test_one_unsure_channel_is_enough():
    log_probs = log_probs_of(ALL[:4], 0.95)
    log_probs[1, 0] = log_probs_of(ALL[:1], 0.89)[0, 0]
    log_probs[2, 2] = log_probs_of(ALL[:1], 0.91)[0, 2]
    log_probs[3] = math.log(0.1)
    assert sure_of(log_probs).tolist() == [True, False, True, False]
    assert sure_of(log_probs, 0.85).tolist() == [True, True, True, False]
    assert sure_of(log_probs, 0.96).tolist() == [False] * 4


@pytest.mark.parametrize("num_images", [500, 2000, 8000])
def test_what_is_expected_of_independent_images(num_images):
    """Against a simulation: the mean count, and its error."""
    generator = torch.Generator().manual_seed(num_images)
    shares = torch.linspace(0.2, 1.8, 1000) / 1000
    draws = torch.multinomial(shares, 400 * num_images, True, generator=generator)
    tables = [count_modes(modes) for modes in draws.view(400, num_images)]
    present = torch.tensor([(counts > 0).sum() for counts in tables], dtype=torch.double)
    assert present.mean().item() == pytest.approx(
        expected_modes(shares, num_images), abs=4 * present.std().item() / 20
    )
    estimated = sum(present_error(counts) for counts in tables) / 400
    assert estimated == pytest.approx(present.std().item(), rel=0.2)


def test_the_divergence_of_finitely_many_uniform_images():
    """The bias that the docstring gives."""
    draws = torch.randint(1000, (200, 26_000), generator=torch.Generator().manual_seed(0))
    mean = sum(kl_to_uniform(count_modes(modes)) for modes in draws) / 200
    assert mean == pytest.approx(999 / 52_000, rel=0.02)
