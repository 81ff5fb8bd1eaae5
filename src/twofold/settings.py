"""What all settings have in common: unknown keys are refused, and numbers have bounds.

The aliases name the bounds that signatures use, so that a constructor's argument says itself what
it may be: `beta: NonNegative = 1.0`.
"""

import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from twofold.errors import UsageError, shorten

__all__ = [
    "MOST",
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
MOST = 10**6  # of units, dimensions or draws: more would ask for memory that nobody has
Count = Annotated[int, Field(ge=1, le=MOST)]  # 1, 2, …
Natural = Annotated[int, Field(ge=0, le=MOST)]  # 0, 1, …
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Strict(BaseModel):
    """Settings that refuse unknown keys and infinite numbers, and do not change once made.

    Nor is `true` a number: whoever writes it means something else than 1.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_numbers(cls, value: Any, field: ValidationInfo) -> Any:
        if isinstance(value, bool):
            taken = _types(cls.model_fields[field.field_name or ""].annotation)
            if taken & {int, float} and bool not in taken:
                raise ValueError(f"got {str(value).lower()}; expected a number")
        return value


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


def _types(annotation: Any) -> set[Any]:
    """The types that an annotation is of, those within unions and literals too."""
    if typing.get_origin(annotation) is Literal:
        return {type(value) for value in typing.get_args(annotation)}
    within = typing.get_args(annotation)
    return set().union(*map(_types, within)) if within else {annotation}


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
