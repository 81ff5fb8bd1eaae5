"""What must hold of a run's JSON files, checked where they are read, so that nobody else need."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Environment", "Evaluation"]

Whole = Annotated[int, Field(ge=0, lt=1 << 53)]
Side = Annotated[int, Field(ge=1, lt=1 << 16)]


class _Plain(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


class _Data(_Plain):
    image_shape: tuple[Side, Side, Side]
    class_names: list[str]
    fingerprint: str
    name: str = ""
    source: str = ""
    splits: dict[str, Whole] = {}
    trained_on: list[Whole] = []  # images of each class in the training split
    notes: list[str] = []  # what was done to the files on the way in
    warnings: list[str] = []  # what a user should know of the images


class _Model(_Plain):
    title: str = ""
    condition: str = "none"
    latent_dim: int | None = None
    likelihood: str | None = None
    networks: str = ""
    plugins: dict[str, str] = {}


class Environment(_Plain):
    """What is read of an environment.json."""

    data: _Data
    twofold: str
    torch: str
    python: str
    platform: str = ""
    processor: str = ""
    cores: Whole | None = None
    threads: Whole | None = None
    device: str = ""
    started: str = ""
    model: _Model | None = None
    parameters: dict[str, Whole] = {}


class _Measured(_Plain):
    name: str
    title: str
    unit: str
    error: float | None = None
    reference: float | None = None
    provenance: dict[str, Any] = {}
    per_class: dict[str, float] = {}
    details: dict[str, Any] = {}


class Evaluation(_Plain):
    """What is read of an evaluation.json; a value that is no number is a measure's own matter."""

    measures: list[_Measured] = []
    not_measured: dict[str, str] = {}
    settings: dict[str, Any] = {}
