"""What a sweep tries: for each field the values, or the range that values are drawn from."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from twofold.data.opening import read_file
from twofold.errors import UsageError, shorten
from twofold.experiments.resolve import parse_changes, resolve
from twofold.experiments.schema import Experiment
from twofold.files import parse_yaml

__all__ = [
    "Choice",
    "Factor",
    "Range",
    "cells",
    "check_space",
    "load_space",
    "parse_space",
    "space_names",
]

FREE = frozenset({"labels", "shift"})  # fields of data that leave the validation images as they are
LIBRARY = Path(__file__).parent / "library"
LARGEST = 1 << 20  # bytes of a space
MOST_CELLS = 10_000
WHOLE = re.compile(r"[+-]?\d+")
Value = int | float | str | bool | None


@dataclass(frozen=True)
class Choice:
    """Values of which each is tried as it is."""

    values: tuple[Value, ...]

    def suggest(self, trial: Any, key: str) -> Value:
        """The value of one trial of Optuna's."""
        return trial.suggest_categorical(key, self.values)

    def examples(self) -> tuple[Value, ...]:
        return self.values

    def __str__(self) -> str:
        return ",".join(map(str, self.values))


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, both included.

    Attributes:
        low: The smaller end.
        high: The larger one.
        log: Whether equal factors, and not equal differences, are equally likely.
        whole: Whether they are whole numbers.
    """

    low: float
    high: float
    log: bool
    whole: bool

    def suggest(self, trial: Any, key: str) -> Value:
        """The value of one trial of Optuna's."""
        draw = trial.suggest_int if self.whole else trial.suggest_float
        return draw(key, self.low, self.high, log=self.log)

    def examples(self) -> tuple[Value, ...]:
        """Both ends, and a number in between."""
        if self.whole:
            return int(self.low), int(self.high)
        return self.low, self.low + (self.high - self.low) / math.e, self.high

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


Factor = Choice | Range


def parse_space(
    space: Iterable[str] | Mapping[str, Any], fields: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Factor]]:
    """Fields with one value, which are changes of the experiment, and those with several.

    A text without `=` is the name of a space, or a YAML file with one, whose fields later texts
    replace. In a text `a..b` is a range and `a,b,c` a choice; a range is logarithmic where its ends
    differ by a factor of ten or more, and of whole numbers where both are written as such. In
    Python a list is a choice.

    Raises:
        UsageError: If a range has no inside, or a choice repeats or lacks a value.

    Example:
        >>> fixed, factors = parse_space(["epochs=3", "latent_dim=2,8", "lr=1e-4..1e-2"])
        >>> fixed, factors["latent_dim"]
        ({'epochs': 3}, Choice(values=(2, 8)))
        >>> factors["lr"]
        Range(low=0.0001, high=0.01, log=True, whole=False)
    """
    given: dict[str, Any] = dict(space) if isinstance(space, Mapping) else {}
    for text in () if isinstance(space, Mapping) else space:
        given |= dict([_pair(text)]) if "=" in text else load_space(text)
    given |= fields or {}
    fixed: dict[str, Any] = {}
    factors: dict[str, Factor] = {}
    for key, value in given.items():
        if isinstance(value, str):
            found = _from_text(key, value)
        else:
            found = _choice(key, value) if isinstance(value, list | tuple | range) else None
        if found is None:
            fixed |= parse_changes([f"{key}={value}"]) if isinstance(value, str) else {key: value}
        else:
            factors[key] = found
    return fixed, factors


def space_names() -> list[str]:
    """The spaces that come with Twofold."""
    return sorted(path.stem for path in LIBRARY.glob("*.yaml"))


def load_space(name: str) -> dict[str, Any]:
    """A space of the library, or of a YAML file.

    Raises:
        UsageError: If there is none, or it is no mapping of fields.

    Example:
        >>> load_space("lam2023-grid")["latent_dim"]
        [32, 64, 100]
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        if name not in (known := space_names()):
            raise UsageError(
                f"{shorten(name)} is neither key=value, as in latent_dim=8,16,32, nor a YAML file "
                f"nor a space by name: {', '.join(known)}"
            )
        path = LIBRARY / f"{name}.yaml"
    try:
        found = parse_yaml(read_file(path, LARGEST).decode())
    except (ValueError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read the space {path}: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise UsageError(f"{path} is no space: expected fields and what to try of each")
    return found


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if not key.strip():
        raise UsageError(f"{shorten(text)} is not key=value; for example latent_dim=8,16,32")
    return key.strip(), value.strip()


def _from_text(key: str, text: str) -> Factor | None:
    """A range or a choice; None for a single value."""
    first, dots, last = text.partition("..")
    if dots and _is_number(first) and _is_number(last):
        return _range(key, first, last)
    if "," not in text or text.startswith(("[", "{")):
        return None
    parts = text.split(",")
    if not all(part.strip() for part in parts):
        raise UsageError(f"{key}={text} lacks a value between two commas; write {key}=a,b,c")
    return _choice(key, [parse_changes([f"{key}={part}"])[key] for part in parts])


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _range(key: str, first: str, last: str) -> Range:
    low, high = float(first), float(last)
    if low >= high:
        raise UsageError(f"{key}={first}..{last} is empty; write the smaller end first, {key}=a..b")
    whole = bool(WHOLE.fullmatch(first) and WHOLE.fullmatch(last))
    ends = (int(first), int(last)) if whole else (low, high)
    return Range(*ends, log=low > 0 and high / low >= 10, whole=whole)


def _choice(key: str, given: Iterable[Any]) -> Choice:
    values = tuple(given)
    if not values:
        raise UsageError(f"{key} has no value to try; give some, as in {key}=a,b,c")
    for value in values:
        if not isinstance(value, Value):
            raise UsageError(
                f"{key} cannot be {shorten(value)} in a sweep; give numbers, names or true and "
                "false, and what has fields of its own in a file"
            )
    if repeated := [value for number, value in enumerate(values) if value in values[:number]]:
        raise UsageError(f"{key} repeats {shorten(repeated[0])}; each value is tried once")
    return Choice(values)


def cells(factors: Mapping[str, Factor]) -> Iterator[dict[str, Value]]:
    """Every combination of values, the last field changing fastest.

    Raises:
        UsageError: If there is a range of numbers that are not whole, or there are too many.

    Example:
        >>> list(cells({"latent_dim": Range(2, 3, log=False, whole=True), "lr": Choice((0.1,))}))
        [{'latent_dim': 2, 'lr': 0.1}, {'latent_dim': 3, 'lr': 0.1}]
    """
    columns = [_values(key, factor) for key, factor in factors.items()]
    if (count := math.prod(map(len, columns))) > MOST_CELLS:
        raise UsageError(
            f"this grid has {count} cells; give fewer values, or search=random with some trials"
        )
    return (dict(zip(factors, values, strict=True)) for values in product(*columns))


def _values(key: str, factor: Factor) -> range | tuple[Value, ...]:
    if isinstance(factor, Choice):
        return factor.values
    if not factor.whole:
        raise UsageError(
            f"a grid needs values, and {key}={factor} is a range: write {key}=a,b,c, or "
            "draw from it with search=random or search=tpe"
        )
    return range(int(factor.low), int(factor.high) + 1)


def check_space(base: Experiment, factors: Mapping[str, Factor]) -> None:
    """Refuses a space with a field or a value that does not fit, or that is nothing to choose by.

    Raises:
        UsageError: Naming the field.
    """
    if not factors:
        raise UsageError(
            "there is nothing to try: give values, as in latent_dim=8,16 lr=1e-4..1e-2"
        )
    first = {key: factor.examples()[0] for key, factor in factors.items()}
    for key, factor in factors.items():
        tried = [resolve(base, {**first, key: value}) for value in factor.examples()]
        kept = [one.data.model_dump(exclude=set(FREE)) for one in tried]
        if any(one != kept[0] for one in kept):
            raise UsageError(
                f"{key} may change the validation images, by which trials are compared; "
                "sweep each data set by itself"
            )
        if len(tried) > 1 and len({one.recipe() for one in tried}) == 1:
            raise UsageError(
                f"{key} is nothing to choose: it is a seed, or leaves weights and figures as they "
                f"are; leave it out, and train the best settings with seeds=0..2"
            )
