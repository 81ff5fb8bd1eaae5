"""Noise added as asked, taken away without a look at the clean image, and who cannot."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from twofold.data import ImageDataset
from twofold.data.batches import Batch
from twofold.errors import UsageError
from twofold.evaluation.pixels import psnr
from twofold.experiments.context import open_run
from twofold.priors import StandardNormal
from twofold.verbs.denoise import NOISE, _Denoiser, add_noise, denoise


def test_gaussian_noise_is_gaussian():
    torch.manual_seed(0)
    x = torch.full((50, 3, 20, 20), 0.5)
    noise = add_noise(x, 0.1, 0.0) - x  # five σ from black and white
    assert noise.mean().abs() < 3 * 0.1 / math.sqrt(noise.numel())
    assert noise.std().item() == pytest.approx(0.1, rel=0.02)
    loud = add_noise(x, 2.0, 0.0)
    assert loud.min() == 0
    assert loud.max() == 1


def test_flipped_pixels_are_black_or_white_in_all_channels():
    torch.manual_seed(0)
    x = torch.full((50, 3, 20, 20), 0.3)
    noisy = add_noise(x, 0.0, 0.1)
    assert set(noisy.unique().tolist()) == {0.0, x[0, 0, 0, 0].item(), 1.0}
    assert torch.equal(noisy.amin(dim=1), noisy.amax(dim=1))
    error = 3 * math.sqrt(0.05 * 0.95 / (50 * 400))
    for value in (0.0, 1.0):
        assert (noisy[:, 0] == value).double().mean().item() == pytest.approx(0.05, abs=error)
    assert torch.equal(add_noise(x, 0.0, 0.0), x)


@pytest.mark.parametrize("family", ["cvae", "m2", "hybrid", "m1m2", "draw"])
def test_every_encoder_denoises(run_of, toy_data, family):
    result = denoise(run_of(family), n=6, steps=5, device="cpu")
    assert result.images.shape == result.noisy.shape == result.denoised.shape == (6, 1, 8, 8)
    assert result.added
    for name, values in (("noisy", result.noisy), ("denoised", result.denoised)):
        (measure,) = [m for m in result.measures if m.name == f"denoise/psnr/{name}"]
        expected = psnr(values, result.images)
        assert measure.value == pytest.approx(expected.mean().item(), rel=1e-6)
        assert measure.error == pytest.approx(expected.std().item() / math.sqrt(6), rel=1e-6)
    assert result.picture().shape[0] == 3 * (8 * 7 + 2) + 2


def test_a_trained_model_takes_noise_away(run_of):
    """The rows of the toy images are learnt in a moment."""
    result = denoise(run_of("cvae", epochs=60), n=15, device="cpu")
    noisy, _, denoised = (measure.value for measure in result.measures)
    assert denoised > noisy + 2


def test_without_steps_it_is_the_reconstruction_of_the_noisy_image(run_of):
    run = run_of("cvae")
    result = denoise(run, n=6, steps=0, flip=0.2, device="cpu")
    y = torch.tensor([0, 0, 1, 1, 2, 2])
    expected = open_run(run, "cpu").model.reconstruct(result.noisy, y)
    torch.testing.assert_close(result.denoised, expected)


class Flat(nn.Module):
    """G(z) = b + W z with WᵀW = I, whose encoder knows nothing."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(64, 3)).Q)
        self.latent_dim = 3
        self.prior = StandardNormal()
        self.prior.join(self)

    def codes(self, x, c=None):
        return torch.zeros(len(x), 3)

    def generate(self, z, c=None):
        return (0.5 + z @ self.weight.T).unflatten(1, (1, 8, 8))


@pytest.mark.parametrize(
    ("noise", "flip", "prior"),
    [(0.7, 0.0, 0.49), (0.0, 0.6, 0.3), (0.5, 0.2, 0.35), (0.0, 0.0, NOISE**2)],
)
def test_the_code_is_the_likeliest_under_the_noise(noise, flip, prior):
    """Wᵀ(x − b) / (1 + λ) with λ the variance of the noise: σ², and half of the pixels flipped."""
    model = Flat()
    able = SimpleNamespace(capability=lambda *_: model)
    context = SimpleNamespace(model=able, condition_of=lambda _: None, needs_class=False)
    batch = Batch(torch.rand(6, 1, 8, 8))
    _, noisy, encoded, denoised = _Denoiser(context, noise, flip, steps=400)(batch)
    assert torch.equal(encoded, torch.full_like(noisy, 0.5))
    z = (noisy.flatten(1) - 0.5) @ model.weight / (1 + prior)
    torch.testing.assert_close(denoised, model.generate(z).detach(), atol=2e-3, rtol=0)
    assert (denoised - encoded).abs().max() > 0.1


def test_a_model_that_infers_the_class_reads_it_off_the_noisy_image(run_of, toy_data):
    """So that labels, right or wrong, change nothing; a CVAE must be given them, and says so."""
    test = toy_data.split("test")
    wrong = ImageDataset(test.images, (test.labels + 1) % 3, test.class_names)
    for family, count in (("m2", {}), ("cvae", {"num_conditioned": 15})):
        one, two = (
            denoise(run_of(family), images, n=15, steps=2, device="cpu") for images in (test, wrong)
        )
        assert torch.equal(one.denoised, two.denoised) == (family == "m2")
        for measure in one.measures:
            assert {k: v for k, v in measure.provenance.items() if k == "num_conditioned"} == count


def test_images_that_are_noisy_already(run_of):
    result = denoise(run_of("cvae"), n=6, noise=0, steps=3, device="cpu")
    assert torch.equal(result.noisy, result.images)
    assert not result.added
    assert result.measures == []
    assert result.picture().shape[0] == 2 * (8 * 7 + 2) + 2


def test_more_are_measured_than_shown(run_of):
    result = denoise(run_of("cvae"), n=3, measure="all", steps=2, device="cpu")
    assert len(result.images) == 3
    assert {m.provenance["images"] for m in result.measures} == {15}


def test_who_denoises_nothing(run_of, toy_data):
    with pytest.raises(UsageError, match=r"cannot denoise: CGAN has no encoder; use a VAE"):
        denoise(run_of("cgan"), device="cpu")
    run = run_of("cvae", family="vae", condition="left-half")
    with pytest.raises(
        UsageError, match="conditioned on a part of the image, noise and all; use a VAE"
    ):
        denoise(run, device="cpu")
    with pytest.raises(UsageError, match=r"noise=-1, flip=0.0, steps=100: noise is a σ from 0"):
        denoise(run_of("cvae"), noise=-1)
    strangers = ImageDataset(toy_data.images[:2], None)
    with pytest.raises(UsageError, match="these have no labels"):
        denoise(run_of("cvae"), strangers, device="cpu")
