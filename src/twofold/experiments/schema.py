"""An experiment: everything that decides a result, and what its source reported.

The same fields are the YAML file, the command line's `key=value`, and the resolved
`experiment.yaml` of a run.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from twofold.training.settings import OptimizerSettings, Seed, Strict, TrainingSettings

__all__ = [
    "ACGANSettings",
    "ClassifierSettings",
    "DRAWSettings",
    "DataSettings",
    "Experiment",
    "GANSettings",
    "HybridSettings",
    "M1M2Settings",
    "M2Settings",
    "ModelSettings",
    "NetworkSettings",
    "Reported",
    "VAESettings",
]


class DataSettings(Strict):
    """Which images, and what is done to them."""

    name: str = Field(description="a data set's name, or a path to images")
    size: int | tuple[int, int] | None = Field(None, description="resize to this side or (H, W)")
    gray: bool = Field(False, description="convert to one channel")
    limit: int | None = Field(None, ge=1, description="use so many training images")
    validation: int | float | None = Field(
        None,
        ge=0,
        description="validation images (count or fraction); by default as the field does",
    )
    test: int | float | None = Field(None, ge=0, description="test images, where there is no split")
    split_seed: Seed = Field(0, description="of splits that are drawn")
    binarize: Literal["none", "dynamic", "static", "threshold"] = Field(
        "none", description="how gray values become 0 or 1"
    )
    binarize_seed: Seed = Field(0, description="of the static binarization")
    labels: int | None = Field(
        None, ge=1, description="labels kept for training, the classes in balance"
    )
    without: tuple[str, ...] = Field((), description="classes left out of training, by name")
    label_seed: Seed = Field(0, description="of which labels are kept")
    shift: int = Field(0, ge=0, description="random shifts in training, pixels")

    @field_validator("without", mode="before")
    @classmethod
    def _classes_by_name(cls, value: Any) -> Any:
        """`9` and `[8, 9]` name classes too, as they read on the command line."""
        names = value if isinstance(value, list | tuple) else [value]
        return tuple(str(name) if isinstance(name, int) else name for name in names)


class NetworkSettings(Strict):
    """One network in the layer notation, with one default each for what its layers share."""

    layers: str = Field(description="the layer notation, e.g. conv5-32/2 conv5-64/2 fc-500")
    activation: str = Field("relu", description="of hidden layers; leaky-0.3 sets a slope")
    norm: Literal["none", "batch", "spectral"] = Field("none", description="of hidden layers")
    dropout: float = Field(0.0, ge=0, lt=1, description="of hidden layers")
    order: str = Field("norm activation dropout", description="order within a layer")
    init: str = Field("torch", description="torch, xavier, kaiming, fan-in, normal-0.02 …")


class _Generative(Strict):
    latent_dim: int = Field(64, ge=1, description="dimensions of z")
    condition: str = Field(
        "none", description="none, class, left-half, middle-column … or mask, with mask"
    )
    mask: list[list[int]] | None = Field(None, description="H rows of W: 1 visible, 0 hidden")

    condition_binary: bool = Field(False, description="show Bernoulli draws of the visible part")

    @model_validator(mode="before")
    @classmethod
    def _condition_by_name(cls, values: Any) -> Any:
        """`cvae`, `cgan`, `acgan` are told the class unless the experiment says otherwise."""
        if isinstance(values, dict) and str(values.get("family", "")).startswith(("c", "acgan")):
            return {"condition": "class", **values}
        return values


class VAESettings(_Generative):
    """A variational auto-encoder; `cvae` when it is told the class."""

    family: Literal["vae", "cvae"]
    encoder: NetworkSettings
    decoder: NetworkSettings
    likelihood: str = Field("bernoulli", description="p(x|z)")
    sigma: float = Field(1.0, gt=0, description="σ of a Gaussian likelihood, or where it starts")
    objective: Literal["elbo", "iwae", "dreg"] = Field("elbo", description="what is maximized")
    beta: float = Field(1.0, ge=0, description="weight of the KL")
    kl: Literal["closed", "sampled"] = Field("closed", description="by formula or at the draw")
    num_samples: int = Field(1, ge=1, description="draws of z per image")
    kl_warmup: float = Field(0.0, ge=0, description="epochs over which beta rises from 0")
    free_bits: float = Field(0.0, ge=0, description="nats per latent left in peace")
    predicts: Literal["image", "hidden"] = Field(
        "image", description="p(x|z) of all pixels, or of those that the condition hides"
    )
    sampling_scale: float = Field(
        1.0, gt=0, description="standard deviation of the codes of samples; 1 is the prior"
    )


class _GANSettings(_Generative):
    generator: NetworkSettings
    discriminator: NetworkSettings
    adversarial: str = Field("non-saturating", description="the pair of losses")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="real target 1 - s")
    r1: float = Field(0.0, ge=0, description="γ of γ/2 ‖∇D(real)‖²")
    r2: float = Field(0.0, ge=0, description="γ of γ/2 ‖∇D(fake)‖²")
    gp_weight: float = Field(0.0, ge=0, description="λ of the WGAN-GP penalty")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the generator's average")
    output: Literal["tanh", "sigmoid", "linear"] = Field("tanh", description="generator's end")
    sampling_scale: float = Field(
        1.0, gt=0, description="standard deviation of the codes of samples; 1 is the prior"
    )


class GANSettings(_GANSettings):
    """A generative adversarial network; `cgan` when both players are told the class."""

    family: Literal["gan", "cgan"]


class ACGANSettings(_GANSettings):
    """A GAN whose discriminator names the class, which the generator is told."""

    family: Literal["acgan"]
    class_loss: Literal["all", "real"] = Field(
        "all", description="whose class is learnt; real: the generator never sees it"
    )
    class_weight: float = Field(1.0, gt=0, description="weight of the class terms")


class M2Settings(Strict):
    """The semi-supervised VAE M2."""

    family: Literal["m2"]
    latent_dim: int = Field(50, ge=1, description="dimensions of z")
    trunk: NetworkSettings = Field(
        NetworkSettings.model_validate({"layers": ""}),
        description="x to features, shared by the heads",
    )
    classifier: NetworkSettings = Field(description="features to q(y|x)")
    encoder: NetworkSettings = Field(description="features and y to q(z|x, y)")
    decoder: NetworkSettings = Field(description="z and y to p(x|y, z)")
    variance: Literal["of-x", "of-x-and-y"] = Field(
        "of-x-and-y", description="what the variance of q(z|x, y) depends on"
    )
    likelihood: str = Field("bernoulli", description="p(x|y, z)")
    sigma: float = Field(1.0, gt=0, description="σ of a Gaussian likelihood, or where it starts")
    alpha: float = Field(0.1, ge=0, description="weight of -ln q(y|x), the paper's alpha / N")
    label_sum: Literal["exact", "gumbel"] = Field(
        "exact", description="sum over classes, or one relaxed draw"
    )
    temperature: float = Field(0.5, gt=0, description="of the relaxed draw")


class DRAWSettings(_Generative):
    """DRAW; `cdraw` when it is told the class at every step."""

    family: Literal["draw", "cdraw"]
    latent_dim: int = Field(10, ge=1, description="dimensions of z at each step")
    num_steps: int = Field(10, ge=1, description="steps T")
    hidden_dim: int = Field(256, ge=1, description="of both LSTMs")
    read_glimpse: int | None = Field(None, description="side of the read attention; null for none")
    write_glimpse: int | None = Field(None, description="side of the write attention")
    likelihood: str = Field("bernoulli", description="p(x|canvas)")
    sigma: float = Field(1.0, gt=0, description="σ of a Gaussian likelihood, or where it starts")
    beta: float = Field(1.0, ge=0, description="weight of the KL")


class M1M2Settings(Strict):
    """M2 on the codes of a VAE, M1, which is trained beside it and hears nothing of it."""

    family: Literal["m1m2"]
    m1: VAESettings
    latent_dim: int = Field(50, ge=1, description="dimensions of M2's z")
    classifier: NetworkSettings = Field(description="M1's code to q(y|z1)")
    encoder: NetworkSettings = Field(description="M1's code and y to q(z2|z1, y)")
    decoder: NetworkSettings = Field(description="z2 and y to p(z1|y, z2)")
    alpha: float = Field(0.1, ge=0, description="weight of -ln q(y|z1), the paper's alpha / N")


class HybridSettings(Strict):
    """A discriminator around an auto-encoder: VAE-GAN, CVAE-GAN, M2-GAN, DRAW-GAN."""

    family: Literal["hybrid"]
    autoencoder: Annotated[VAESettings | M2Settings | DRAWSettings, Field(discriminator="family")]
    discriminator: NetworkSettings
    class_outputs: bool = Field(False, description="the discriminator names K classes, or fake")
    feature_layer: str | None = Field(None, description="layer of the discriminator, as written")
    recon_weight: float = Field(1.0, ge=0, description="of -ln p(x|z) on pixels")
    feature_weight: float = Field(0.0, ge=0, description="of the distance of features")
    adversarial_weight: float = Field(1.0, ge=0, description="of fooling the discriminator")
    fool: Literal["non-saturating", "minimax"] = Field(
        "non-saturating", description="-ln D or ln(1 - D)"
    )
    judge_reconstructions: bool = Field(True, description="the discriminator sees them too")
    judge_canvases: bool = Field(False, description="the discriminator sees every canvas of DRAW")
    routing: Literal["summed", "larsen"] = Field(
        "summed", description="one loss for the auto-encoder, or one for each half"
    )
    unlabeled: Literal["soft", "real"] = Field(
        "soft", description="target of a real image without label, with class_outputs"
    )
    label_reader: Literal["autoencoder", "discriminator"] = Field(
        "autoencoder", description="who classifies"
    )


class ClassifierSettings(Strict):
    """A classifier of images, used as a yardstick."""

    family: Literal["classifier"]
    network: NetworkSettings


ModelSettings = Annotated[
    VAESettings
    | GANSettings
    | ACGANSettings
    | M2Settings
    | M1M2Settings
    | DRAWSettings
    | HybridSettings
    | ClassifierSettings,
    Field(discriminator="family"),
]

PHASES: dict[str, tuple[str, ...]] = {
    "vae": ("vae",),
    "cvae": ("vae",),
    "gan": ("discriminator", "generator"),
    "cgan": ("discriminator", "generator"),
    "acgan": ("discriminator", "generator"),
    "m2": ("m2",),
    "m1m2": ("m1", "m2"),
    "draw": ("draw",),
    "cdraw": ("draw",),
    "hybrid": ("discriminator", "autoencoder"),
    "classifier": ("classifier",),
}


def _phases(model: Mapping[str, Any]) -> tuple[str, ...]:
    """The phases of a model, from its settings as plain data."""
    if model.get("family") == "hybrid" and model.get("routing") == "larsen":
        return ("discriminator", "encoder", "decoder")
    return PHASES.get(str(model.get("family")), ())


class Reported(Strict):
    """A figure that the source printed, and which measure of ours says the same."""

    measure: str
    value: float | str
    place: str = Field(description="where in the source")
    ours: str | None = Field(None, description="name of our measure of the same quantity")
    inverted: bool = Field(False, description="the source gives 100 % minus our measure")
    tolerance: float = Field(0.0, ge=0, description="a difference that does not count, in its unit")
    incomparable: str = Field("", description="why ours, though named alike, is another quantity")


class Experiment(Strict):
    """A complete description of a training run."""

    name: str = Field(pattern=r"^[^/\\\x00-\x1f]*[^/\\\x00-\x1f.][^/\\\x00-\x1f]*$")
    title: str = ""
    source: str = Field("", description="the report or paper")
    seed: Seed = Field(0, description="of weights, order and noise")
    data: DataSettings
    model: ModelSettings
    training: TrainingSettings
    reported: tuple[Reported, ...] = ()
    notes: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        """`data: mnist` is short for its name; every phase gets an optimizer."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        if isinstance(values.get("data"), str):
            values["data"] = {"name": values["data"]}
        model, training = values.get("model"), values.get("training")
        if isinstance(model, dict) and isinstance(training, dict):
            phases = _phases(model)
            given = training.get("optimizers") or {}
            if isinstance(given, dict):  # anything else is refused by its field
                filled = {phase: {} for phase in phases if phase not in given}
                values["training"] = {**training, "optimizers": {**given, **filled}}
        return values

    @model_validator(mode="after")
    def _phases_exist(self) -> "Experiment":
        known = _phases(self.model.model_dump())
        for phase in self.training.optimizers:
            if phase not in known:
                raise ValueError(
                    f"training.optimizers names the phase {phase!r}, but {self.model.family} has "
                    f"{' and '.join(known)}"
                )
        return self

    def optimizer(self, phase: str) -> OptimizerSettings:
        return self.training.optimizers[phase]
