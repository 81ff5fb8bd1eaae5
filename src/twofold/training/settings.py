"""Everything about training that decides a result, checked where it is written."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from twofold.settings import Strict

__all__ = ["OptimizerSettings", "TrainingSettings"]

LoggerName = Literal["tensorboard", "wandb", "mlflow"]
Beta = Annotated[float, Field(ge=0, lt=1)]
# Which options an optimizer or a schedule has of those that not all have.
OPTIONS = {
    "adam": ("betas", "eps"),
    "adamw": ("betas", "eps"),
    "sgd": ("momentum",),
    "adagrad": ("eps",),
    "rmsprop": ("eps", "momentum"),
    "exponential": ("decay", "decay_steps"),
}


class OptimizerSettings(Strict):
    """How one phase is minimized."""

    name: Literal["adam", "adamw", "sgd", "adagrad", "rmsprop"] = Field(
        "adam", description="optimizer"
    )
    lr: float = Field(1e-3, gt=0, description="learning rate")
    betas: tuple[Beta, Beta] = Field((0.9, 0.999), description="Adam's and AdamW's betas")
    eps: float = Field(1e-8, gt=0, description="ε of Adam, AdamW, Adagrad and RMSprop")
    momentum: float = Field(0.0, ge=0, lt=1, description="of SGD and RMSprop")
    weight_decay: float = Field(0.0, ge=0, description="L2 (Adam, SGD …) or decoupled (AdamW)")
    l1: float = Field(0.0, ge=0, description="weight of the sum of absolute parameters")
    clip: float | None = Field(None, gt=0, description="largest gradient norm")
    every: int = Field(1, ge=1, description="this phase takes part in every n-th step (D:G ratio)")
    start: float = Field(0.0, ge=0, description="epoch from which this phase takes part")
    stop: float | None = Field(None, gt=0, description="epoch from which it no longer does")
    schedule: Literal["constant", "linear", "cosine", "exponential"] = Field(
        "constant", description="learning rate over the run; linear and cosine end at 0"
    )
    decay: float = Field(0.95, gt=0, le=1, description="factor of the exponential schedule")
    decay_steps: int = Field(1000, ge=1, description="steps between its factors (staircase)")
    warmup: int = Field(0, ge=0, description="steps of linear warm-up from 0")

    @model_validator(mode="after")
    def _options_have_effect(self) -> "OptimizerSettings":
        """An option that its optimizer or schedule has not is refused, unless at its default."""
        for name in {option for options in OPTIONS.values() for option in options}:
            having = [one for one, options in OPTIONS.items() if name in options]
            if not {self.name, self.schedule} & set(having):
                value, default = getattr(self, name), type(self).model_fields[name].default
                if value != default:
                    shown = list(default) if isinstance(default, tuple) else default
                    chosen = self.schedule if "exponential" in having else self.name
                    raise ValueError(
                        f"{name} has no effect on {chosen}, but on {' and '.join(having)}; "
                        f"leave it out, or at {name}={shown}"
                    )
        return self

    @model_validator(mode="after")
    def _starts_before_it_stops(self) -> "OptimizerSettings":
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(
                f"stop={self.stop:g} is not after start={self.start:g}, so the phase would never "
                "take a step; both count epochs"
            )
        return self


class TrainingSettings(Strict):
    """How long, how fast, how often."""

    epochs: float | None = Field(None, ge=0, description="duration in passes over the data")
    images: int | None = Field(None, ge=1, description="duration in images seen, instead of epochs")
    batch_size: int = Field(100, ge=1, description="images per batch")
    accumulate: int = Field(
        1, ge=1, description="batches whose gradients are averaged for one step of the optimizers"
    )
    optimizer: OptimizerSettings = Field(
        OptimizerSettings(),  # type: ignore[call-arg]
        description="of the phases that optimizers does not name",
    )
    optimizers: dict[str, OptimizerSettings] = Field(default_factory=dict, description="by phase")
    simultaneous: bool = Field(
        False, description="all phases step at once, from the gradients at one point"
    )
    labeled_batch_size: int | None = Field(
        None, ge=1, description="labeled images in each batch beside the others; M2 and M1M2"
    )
    init_from: str | None = Field(
        None, description="a run's folder, or a checkpoint, whose weights training starts from"
    )
    init_hash: str | None = Field(
        None, description="which weights these are: filled in, and checked when they are read"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 = automatic mixed")
    compile: bool = Field(False, description="compile the networks with torch.compile")
    log_every: int = Field(50, ge=1, description="steps between lines of metrics.jsonl")
    validate_every: float | None = Field(
        None, gt=0, description="epochs between validations; by default at most 50 in a run"
    )
    keep_best: str | None = Field(
        None,
        description="figure of the validation, such as elbo, loss or max:accuracy, whose best "
        "weights the run ends with; by default the last ones",
    )
    patience: int | None = Field(
        None, ge=1, description="validations without a better keep_best after which training stops"
    )
    sample_every: float | None = Field(
        None, gt=0, description="epochs between sample pictures; by default 10 in a run"
    )
    checkpoint_every: float = Field(60.0, ge=0, description="seconds between checkpoints")
    loggers: tuple[LoggerName, ...] = Field(
        (), description="where the log goes too: tensorboard, wandb, mlflow, each an extra"
    )

    def optimizer_of(self, phase: str, whole: str = "") -> OptimizerSettings:
        """The settings of a phase: its own, those of the phase it is a half of, or the default."""
        named = self.optimizers
        return named.get(phase) or named.get(whole) or self.optimizer

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, values: Any) -> Any:
        """Runs of before there were several loggers say `tensorboard: true` or `false`."""
        if not isinstance(values, dict) or "tensorboard" not in values:
            return values
        others = {key: value for key, value in values.items() if key != "tensorboard"}
        return {**others, "loggers": ["tensorboard"]} if values["tensorboard"] is True else others

    @field_validator("loggers", mode="before")
    @classmethod
    def _loggers_by_name(cls, value: Any) -> Any:
        """`wandb` and `tensorboard,wandb` name loggers too, as they read on the command line."""
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @model_validator(mode="after")
    def _hash_of_something(self) -> "TrainingSettings":
        if self.init_hash is not None and self.init_from is None:
            raise ValueError(f"init_hash={self.init_hash} has no effect without init_from")
        return self

    @model_validator(mode="after")
    def _best_of_something(self) -> "TrainingSettings":
        if self.patience is not None and self.keep_best is None:
            raise ValueError(
                f"patience={self.patience} needs keep_best, the figure that is to become better, "
                "as in keep_best=loss"
            )
        asked = "loss" if self.keep_best is None else self.keep_best
        way, colon, name = asked.rpartition(":")
        if not name or (colon and way not in ("min", "max")):
            raise ValueError(
                f"keep_best={asked}: expected a figure, as in loss, max:accuracy or min:kl"
            )
        return self

    @model_validator(mode="after")
    def _one_duration(self) -> "TrainingSettings":
        if (self.epochs is None) == (self.images is None):
            raise ValueError("give the duration as epochs or as images, one of them")
        return self
