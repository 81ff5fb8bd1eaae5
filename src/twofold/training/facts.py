"""What the JSON file of a checkpoint says: checked where it is read, so that nobody else need."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twofold.files import read_json

__all__ = ["Facts", "is_finished", "read_facts"]

Steps = Annotated[int, Field(ge=0, lt=1 << 53)]


class _BestFacts(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")

    figure: str
    patience: Steps | None = None
    step: Steps | None = None
    epoch: float = 0.0
    value: float = 0.0
    waited: Steps = 0


class Facts(BaseModel):
    """What is read of a checkpoint's JSON; it may hold more.

    Attributes:
        step: Steps done.
        sha256: Of the file of tensors.
        total_steps: Of the whole run.
        seconds: Of training so far.
        memory: The peak so far, in bytes.
        lines: Of the log, which are on the disk since before the checkpoint.
        origin: The experiment.
        best: The best validation so far, where it is kept.
        stopped: Whether no better one is waited for.
        extended_from: The duration before, while it is given another.
        optimizers: What they remember beside tensors, by phase.
        counts: Of the sums, by phase.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    step: Steps
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    total_steps: Steps | None = None
    seconds: Annotated[float, Field(ge=0)] = 0.0
    memory: Annotated[int, Field(ge=0)] = 0
    lines: Steps = 0
    origin: dict[str, Any] | None = None
    best: _BestFacts | None = None
    stopped: bool = False
    extended_from: dict[str, float | None] | None = None
    optimizers: dict[str, dict[str, float]] = {}
    counts: dict[str, Annotated[int, Field(ge=1)]] = {}

    @model_validator(mode="after")
    def _is_within(self) -> "Facts":
        if self.total_steps is not None and self.step > self.total_steps:
            raise ValueError(f"step {self.step} of {self.total_steps}")
        return self


def read_facts(path: Path) -> dict[str, Any]:
    """The JSON file of a checkpoint, as plain data.

    Raises:
        RunError: If it is missing, may not be read or is damaged.
    """
    return read_json(path, Facts)


def is_finished(facts: Mapping[str, Any]) -> bool:
    """Whether training ended with the checkpoint of these facts, at its last step or before."""
    return facts["step"] >= facts["total_steps"] or bool(facts.get("stopped"))
