"""The families of models: what each is called, where it comes from, and how settings become one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from twofold.conditions import ClassCondition, Condition, make_condition
from twofold.distributions import Likelihood
from twofold.errors import DataError
from twofold.experiments.schema import (
    ACGANSettings,
    ClassifierSettings,
    DRAWSettings,
    Experiment,
    GANSettings,
    HybridSettings,
    M1M2Settings,
    M2Settings,
    NetworkSettings,
    VAESettings,
)
from twofold.models.acgan import ACGAN
from twofold.models.base import AutoEncoder, Model
from twofold.models.classifier import Classifier
from twofold.models.draw import DRAW
from twofold.models.gan import GAN
from twofold.models.hybrid import Hybrid
from twofold.models.m1m2 import M1M2, CodeLikelihood
from twofold.models.m2 import M2
from twofold.models.vae import VAE
from twofold.networks import Network, build_network

__all__ = ["FAMILIES", "Family", "build_model"]

ImageShape = tuple[int, int, int]
_TOLD = {"condition", "mask", "condition_binary"}
_NETWORKS_OF_A_GAN = {"family", "generator", "discriminator"} | _TOLD


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


def _condition(
    settings: VAESettings | GANSettings | ACGANSettings | DRAWSettings,
    image_shape: ImageShape,
    num_classes: int,
) -> Condition:
    return make_condition(
        settings.condition, image_shape, num_classes, settings.mask, settings.condition_binary
    )


def build_vae(settings: VAESettings, image_shape: ImageShape, num_classes: int) -> VAE:
    """A VAE or CVAE from its settings."""
    channels, height, width = image_shape
    condition = _condition(settings, image_shape, num_classes)
    likelihood = Likelihood(settings.likelihood, channels, settings.sigma)
    latent, output = (settings.latent_dim,), (likelihood.decoder_channels, height, width)
    return VAE(
        encoder=_network(settings.encoder, image_shape, (2 * settings.latent_dim,), condition),
        decoder=_network(settings.decoder, latent, output, condition),
        likelihood=likelihood,
        image_shape=image_shape,
        condition=condition,
        **settings.model_dump(
            exclude={"family", "encoder", "decoder", "likelihood", "sigma"} | _TOLD
        ),
    )


def build_gan(settings: GANSettings, image_shape: ImageShape, num_classes: int) -> GAN:
    """A GAN or CGAN from its settings."""
    condition = _condition(settings, image_shape, num_classes)
    return GAN(
        generator=_network(settings.generator, (settings.latent_dim,), image_shape, condition),
        discriminator=_network(settings.discriminator, image_shape, (1,), condition),
        image_shape=image_shape,
        condition=condition,
        **settings.model_dump(exclude=_NETWORKS_OF_A_GAN),
    )


def build_acgan(settings: ACGANSettings, image_shape: ImageShape, num_classes: int) -> ACGAN:
    """A GAN with an auxiliary classifier from its settings."""
    condition = _condition(settings, image_shape, num_classes)
    outputs = (1 + num_classes,)
    return ACGAN(
        generator=_network(settings.generator, (settings.latent_dim,), image_shape, condition),
        discriminator=_network(settings.discriminator, image_shape, outputs),
        image_shape=image_shape,
        condition=condition,
        num_classes=num_classes,
        **settings.model_dump(exclude=_NETWORKS_OF_A_GAN),
    )


def build_draw(settings: DRAWSettings, image_shape: ImageShape, num_classes: int) -> DRAW:
    """DRAW from its settings."""
    condition = _condition(settings, image_shape, num_classes)
    return DRAW(
        Likelihood(settings.likelihood, image_shape[0], settings.sigma),
        image_shape,
        num_steps=settings.num_steps,
        step_dim=settings.latent_dim,
        hidden_dim=settings.hidden_dim,
        read_glimpse=settings.read_glimpse,
        write_glimpse=settings.write_glimpse,
        condition=condition,
        beta=settings.beta,
    )


def build_m1m2(settings: M1M2Settings, image_shape: ImageShape, num_classes: int) -> M1M2:
    """M1+M2 from its settings."""
    features, latent = (settings.m1.latent_dim,), (settings.latent_dim,)
    condition = ClassCondition(num_classes)
    m2 = M2(
        trunk=build_network("", features, None),
        classifier=_network(settings.classifier, features, (num_classes,)),
        encoder=_network(settings.encoder, features, (2 * settings.latent_dim,), condition),
        decoder=_network(settings.decoder, latent, (2 * settings.m1.latent_dim,), condition),
        likelihood=CodeLikelihood(),
        image_shape=image_shape,
        latent_dim=settings.latent_dim,
        num_classes=num_classes,
        alpha=settings.alpha,
    )
    return M1M2(build_vae(settings.m1, image_shape, num_classes), m2)


def build_hybrid(settings: HybridSettings, image_shape: ImageShape, num_classes: int) -> Hybrid:
    """A hybrid from its settings."""
    inner = settings.autoencoder
    autoencoder = FAMILIES[inner.family].build(inner, image_shape, num_classes)
    assert isinstance(autoencoder, AutoEncoder)
    if settings.class_outputs and not num_classes:
        raise DataError(
            "class_outputs=true needs labels, but the images have none; "
            "put each class into a sub-folder, or use class_outputs=false"
        )
    outputs = (num_classes + 1,) if settings.class_outputs else (1,)
    return Hybrid(
        autoencoder,
        _network(settings.discriminator, image_shape, outputs),
        num_classes=num_classes if settings.class_outputs else 0,
        **settings.model_dump(exclude={"family", "autoencoder", "discriminator", "class_outputs"}),
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
_KINGMA = "Kingma, Rezende, Mohamed and Welling, 2014, arXiv 1406.5298"
_ODENA = "Odena, Olah and Shlens, 2017, arXiv 1610.09585"
_GREGOR = "Gregor et al., 2015, arXiv 1502.04623"
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
            _KINGMA,
            build_m2,
        ),
        Family("m1m2", "M2 on the codes of a VAE", f"{_KINGMA}, section 2.1", build_m1m2),
        Family("acgan", "GAN whose discriminator names the class", _ODENA, build_acgan),
        Family("draw", "recurrent VAE that paints in steps", _GREGOR, build_draw),
        Family("cdraw", "DRAW told the class", _GREGOR, build_draw),
        Family(
            "hybrid",
            "a discriminator around a VAE, CVAE, M2 or DRAW",
            "Larsen et al., 2016, arXiv 1512.09300; Chen, Fang and Ju, 2016",
            build_hybrid,
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
