"""The families of models: what each is called, where it comes from, and how settings become one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from twofold.conditions import ClassCondition, Condition, make_condition
from twofold.distributions import Likelihood
from twofold.experiments.schema import (
    ClassifierSettings,
    Experiment,
    GANSettings,
    M2Settings,
    NetworkSettings,
    VAESettings,
)
from twofold.models.base import Model
from twofold.models.classifier import Classifier
from twofold.models.gan import GAN
from twofold.models.m2 import M2
from twofold.models.vae import VAE
from twofold.networks import Network, build_network

__all__ = ["FAMILIES", "Family", "build_model"]

ImageShape = tuple[int, int, int]


@dataclass(frozen=True)
class Family:
    """A row of `twofold list models`."""

    name: str
    title: str
    paper: str
    build: Callable[[Any, ImageShape, int], Model]


def _network(
    settings: NetworkSettings,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...] | None,
    condition: Condition | None = None,
) -> Network:
    return build_network(
        input_shape=input_shape,
        output_shape=output_shape,
        condition_dim=condition.dim if condition else 0,
        **settings.model_dump(),
    )


def build_vae(settings: VAESettings, image_shape: ImageShape, num_classes: int) -> VAE:
    """A VAE or CVAE from its settings."""
    channels, height, width = image_shape
    condition = make_condition(settings.condition, image_shape, num_classes, settings.mask)
    likelihood = Likelihood(settings.likelihood, channels, settings.sigma)
    latent, output = (settings.latent_dim,), (likelihood.decoder_channels, height, width)
    return VAE(
        encoder=_network(settings.encoder, image_shape, (2 * settings.latent_dim,), condition),
        decoder=_network(settings.decoder, latent, output, condition),
        likelihood=likelihood,
        image_shape=image_shape,
        condition=condition,
        **settings.model_dump(
            exclude={"family", "encoder", "decoder", "likelihood", "sigma", "condition", "mask"}
        ),
    )


def build_gan(settings: GANSettings, image_shape: ImageShape, num_classes: int) -> GAN:
    """A GAN or CGAN from its settings."""
    condition = make_condition(settings.condition, image_shape, num_classes, settings.mask)
    return GAN(
        generator=_network(settings.generator, (settings.latent_dim,), image_shape, condition),
        discriminator=_network(settings.discriminator, image_shape, (1,), condition),
        image_shape=image_shape,
        condition=condition,
        **settings.model_dump(
            exclude={"family", "generator", "discriminator", "condition", "mask"}
        ),
    )


def build_m2(settings: M2Settings, image_shape: ImageShape, num_classes: int) -> M2:
    """M2 from its settings."""
    channels, height, width = image_shape
    condition = ClassCondition(num_classes)
    likelihood = Likelihood(settings.likelihood, channels, settings.sigma)
    latent, output = (settings.latent_dim,), (likelihood.decoder_channels, height, width)
    trunk = _network(settings.trunk, image_shape, None)
    features = trunk.output_shape
    apart = settings.variance == "of-x"
    posterior = latent if apart else (2 * settings.latent_dim,)
    return M2(
        trunk=trunk,
        classifier=_network(settings.classifier, features, (num_classes,)),
        encoder=_network(settings.encoder, features, posterior, condition),
        decoder=_network(settings.decoder, latent, output, condition),
        likelihood=likelihood,
        image_shape=image_shape,
        latent_dim=settings.latent_dim,
        num_classes=num_classes,
        variance=build_network("fc-out", features, latent) if apart else None,
        alpha=settings.alpha,
        label_sum=settings.label_sum,
        temperature=settings.temperature,
    )


def build_classifier(
    settings: ClassifierSettings, image_shape: ImageShape, num_classes: int
) -> Classifier:
    """A classifier from its settings."""
    network = _network(settings.network, image_shape, (num_classes,))
    return Classifier(network, image_shape, num_classes)


_AEVB = "Kingma and Welling, 2014, arXiv 1312.6114"
_GOODFELLOW = "Goodfellow et al., 2014, arXiv 1406.2661"
FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("vae", "variational auto-encoder", _AEVB, build_vae),
        Family("cvae", "VAE told the class", "Sohn, Lee and Yan, 2015", build_vae),
        Family("gan", "generative adversarial network", _GOODFELLOW, build_gan),
        Family(
            "cgan", "GAN told the class", "Mirza and Osindero, 2014, arXiv 1411.1784", build_gan
        ),
        Family(
            "m2",
            "semi-supervised VAE, the class a latent variable",
            "Kingma, Rezende, Mohamed and Welling, 2014, arXiv 1406.5298",
            build_m2,
        ),
        Family("classifier", "classifier, the yardstick of measures", "", build_classifier),
    )
}


def build_model(
    experiment: Experiment,
    image_shape: ImageShape,
    num_classes: int,
    device: torch.device | str = "cpu",
) -> Model:
    """The model of an experiment, with weights drawn from its seed.

    Arguments:
        experiment: Checked.
        image_shape: (C, H, W) of the data.
        num_classes: K of the data; 0 without labels.
        device: Where it lives.

    Raises:
        UsageError, DataError: If the model does not fit the data, saying what would.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(experiment.seed)
        settings = experiment.model
        model = FAMILIES[settings.family].build(settings, image_shape, num_classes)
    if model.is_convolutional:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.to(device)
