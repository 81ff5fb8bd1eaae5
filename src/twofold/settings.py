"""What all settings have in common: unknown keys are refused, and numbers have bounds.

The aliases name the bounds that signatures use, so that a constructor's argument says itself what
it may be: `beta: NonNegative = 1.0`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twofold.errors import UsageError, shorten

__all__ = [
    "Count",
    "Natural",
    "NonNegative",
    "Positive",
    "Seed",
    "Share",
    "Strict",
    "flat",
    "problems_of",
    "refusal",
]

Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
Count = Annotated[int, Field(ge=1)]  # 1, 2, …
Natural = Annotated[int, Field(ge=0)]  # 0, 1, …
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Strict(BaseModel):
    """Settings that refuse unknown keys and infinite numbers, and do not change once made."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
    )


class SettingsError(UsageError):
    """Settings of a part that are wrong, field by field.

    Attributes:
        problems: Path of the field and what is wrong with it.
    """

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(_sentence(where, text) for where, text in problems))


def refusal(error: ValidationError) -> SettingsError:
    """The error for settings that were refused, in words."""
    return SettingsError(problems_of(error))


def problems_of(error: ValidationError) -> list[tuple[str, str]]:
    """The path of every field that is wrong, those of parts within parts too, and why."""
    found = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        inner = problem.get("ctx", {}).get("error")
        if isinstance(inner, SettingsError):
            found += [(f"{where}.{path}".strip("."), text) for path, text in inner.problems]
        else:
            found.append((where, _reason(problem)))
    return found


def flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The fields of nested settings by their dotted names; a section without fields is one, too.

    Example:
        >>> flat({"data": {"name": "mnist"}, "seed": 0})
        {'data.name': 'mnist', 'seed': 0}
    """
    found: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _reason(problem: Any) -> str:
    kind, message = problem["type"], problem["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return "unknown field"
    if kind == "missing":
        return "missing"
    if kind == "value_error":
        return message
    return f"got {shorten(problem['input'])}; {message[0].lower()}{message[1:]}"


def _sentence(where: str, text: str) -> str:
    if text == "unknown field":
        return f"unknown field {where}"
    if text == "missing":
        return f"{where} is missing"
    return f"{where}: {text}" if where else text
