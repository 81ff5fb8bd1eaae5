"""The same networks for every contestant, written out in plain PyTorch."""

from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["conv_decoder", "conv_encoder", "dense", "leaky_discriminator", "popular_generator"]


def dense(*sizes: int) -> nn.Sequential:
    """Dense layers with ReLU between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def conv_encoder(outputs: int) -> nn.Sequential:
    """5×5 convolutions of stride 2 with 32, 64 and 128 channels: 28 -> 14 -> 7 -> 4."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 5, 2, 2),
        nn.ReLU(),
        nn.Conv2d(32, 64, 5, 2, 2),
        nn.ReLU(),
        nn.Conv2d(64, 128, 5, 2, 2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128 * 4 * 4, outputs),
    )


def conv_decoder(latent_dim: int) -> nn.Sequential:
    """From 7×7×128 through two transposed convolutions of stride 2, logits out."""
    return nn.Sequential(
        nn.Linear(latent_dim, 128 * 7 * 7),
        nn.Unflatten(1, (128, 7, 7)),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 5, 2, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 5, 2, 2, 1),
        nn.ReLU(),
        nn.Conv2d(32, 1, 5, 1, 2),
    )


def popular_generator() -> nn.Sequential:
    """100-128-256-512-1024-784 with batch norm from the second hidden layer on, tanh."""
    layers: list[nn.Module] = [nn.Linear(100, 128), nn.LeakyReLU(0.2)]
    for a, b in ((128, 256), (256, 512), (512, 1024)):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh())


def leaky_discriminator() -> nn.Sequential:
    """784-512-256-1 with a sigmoid at the end."""
    return nn.Sequential(
        nn.Linear(784, 512),
        nn.LeakyReLU(0.2),
        nn.Linear(512, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 1),
        nn.Sigmoid(),
    )


def mnist_sized(count: int) -> Tensor:
    """Random uint8 images of the shape and darkness of MNIST; speed does not depend on more."""
    generator = torch.Generator().manual_seed(0)
    bright = torch.rand(count, 1, 28, 28, generator=generator) < 0.19
    gray = torch.randint(0, 256, (count, 1, 28, 28), generator=generator)
    return (bright * gray).to(torch.uint8)
