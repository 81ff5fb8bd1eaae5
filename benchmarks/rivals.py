"""What Twofold is measured against: a bare step, pythae's trainer, and a script of the usual kind.

Each contestant is a function that trains for a number of steps and returns the seconds per step,
loading and logging included, what happens once per run (building, saving) not.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.nets import leaky_discriminator, popular_generator

__all__ = ["bare_vae", "popular_gan", "pythae_vae"]

Contestant = Callable[[int], float]


def bare_vae(encoder: nn.Module, decoder: nn.Module, images: Tensor, batch_size: int) -> Contestant:
    """A training step and nothing else: floats in memory, fused Adam, no log, no shuffling."""
    x_all = (images.float() / 255).flatten(1)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3, fused=True)

    def train(steps: int) -> float:
        started = time.perf_counter()
        for step in range(steps):
            start = step * batch_size % (len(x_all) - batch_size)
            x = x_all[start : start + batch_size]
            mu, logvar = encoder(x).chunk(2, dim=1)
            z = mu + (0.5 * logvar).exp() * torch.randn_like(mu)
            recon = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none")
            kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)
            loss = (recon.sum(1) + kl.sum(1)).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return (time.perf_counter() - started) / steps

    return train


def pythae_vae(
    body: nn.Module, head: nn.Module, latent_dim: int, images: Tensor, batch_size: int
) -> Contestant:
    """pythae's VAE with the same networks under pythae's own trainer, one epoch's loop.

    Arguments:
        body: From images to 2 D numbers.
        head: From codes to logits.
        latent_dim: D.
        images: uint8 (N, 1, 28, 28).
        batch_size: B.
    """
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.getLogger("pythae").setLevel(logging.ERROR)

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.body = body

        def forward(self, x):
            mu, logvar = self.body(x).chunk(2, dim=1)
            return ModelOutput(embedding=mu, log_covariance=logvar)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.head = head

        def forward(self, z):
            pixels = torch.sigmoid(self.head(z))
            return ModelOutput(reconstruction=pixels.reshape(len(z), 1, 28, 28))

    def train(steps: int) -> float:
        x = images[: steps * batch_size].float() / 255
        config = VAEConfig((1, 28, 28), latent_dim, reconstruction_loss="bce")
        quiet = Path(os.devnull).open("w")  # noqa: SIM115
        with tempfile.TemporaryDirectory() as folder, quiet, redirect_stderr(quiet):
            trainer = BaseTrainer(
                VAE(config, Encoder(), Decoder()),
                BaseDataset(x, torch.zeros(len(x))),
                training_config=BaseTrainerConfig(
                    output_dir=folder,
                    num_epochs=1,
                    learning_rate=1e-3,
                    per_device_train_batch_size=batch_size,
                    no_cuda=True,
                ),
            )
            trainer.prepare_training()
            started = time.perf_counter()
            trainer.train_step(1)
            return (time.perf_counter() - started) / steps

    return train


class PerSampleImages(Dataset):
    """Each image through PIL, one at a time, as image-data-set classes commonly do."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        import numpy as np

        picture = Image.fromarray(self.images[index, 0].numpy())
        pixels = torch.from_numpy(np.array(picture, copy=True))[None].float().div(255)
        return pixels.sub(0.5).div(0.5)


def popular_gan(images: Tensor, batch_size: int) -> Contestant:
    """A GAN script of the usual kind: a DataLoader over single images, probabilities and BCE, two
    backward passes through everything, plain Adam, losses read at every step for the console."""
    generator, discriminator = popular_generator(), leaky_discriminator()
    settings = {"lr": 2e-4, "betas": (0.5, 0.999)}
    g_optimizer = torch.optim.Adam(generator.parameters(), **settings)
    d_optimizer = torch.optim.Adam(discriminator.parameters(), **settings)
    bce = nn.BCELoss()

    def train(steps: int) -> float:
        loader = DataLoader(PerSampleImages(images[: steps * batch_size]), batch_size, shuffle=True)
        lines = []
        started = time.perf_counter()
        for x in loader:
            valid, fake = torch.ones(len(x), 1), torch.zeros(len(x), 1)
            g_optimizer.zero_grad()
            x_fake = generator(torch.randn(len(x), 100))
            g_loss = bce(discriminator(x_fake), valid)
            g_loss.backward()
            g_optimizer.step()
            d_optimizer.zero_grad()
            real_loss = bce(discriminator(x.flatten(1)), valid)
            d_loss = (real_loss + bce(discriminator(x_fake.detach()), fake)) / 2
            d_loss.backward()
            d_optimizer.step()
            lines.append(f"{d_loss.item():.4f} {g_loss.item():.4f}")
        return (time.perf_counter() - started) / steps

    return train
