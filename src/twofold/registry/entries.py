"""What is registered: names, what they stand for, and their settings."""

import copy
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PydanticSchemaGenerationError,
    SerializationInfo,
    ValidationError,
    create_model,
)

from twofold.docstrings import summary_of
from twofold.errors import UsageError, unknown_name
from twofold.registry.constructors import check_constructor
from twofold.registry.homes import load_home
from twofold.registry.kinds import KINDS
from twofold.registry.memory import is_object, remember
from twofold.registry.parameters import help_of, parameters_of
from twofold.registry.plugins import load_packages, origin
from twofold.settings import Strict, refusal

__all__ = [
    "KINDS",
    "Entry",
    "Settings",
    "entries",
    "find",
    "is_known",
    "make",
    "parse",
    "piece",
    "register",
]

T = TypeVar("T", bound=Callable[..., Any])


class Settings(Strict):
    """A registered name with values for its fields: what YAML says, what constructors take."""

    entry: ClassVar["Entry"]

    def build(self, **given: Any) -> Any:
        """What the name stands for, made with these settings and what the surroundings give."""
        entry = type(self).entry
        values = {n: _own(getattr(self, n)) for n in entry.parameters if n not in given}
        taken = {name: given[name] for name in given if name in entry.given}
        made = entry.make(**values, **taken)
        remember(made, self)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its name: the class is made anew in every process."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return _restore, (type(self).entry.kind, values)


def _restore(kind: str, values: Mapping[str, Any]) -> Settings:
    return find(kind, values[KINDS[kind].key]).settings.model_validate(values)


@dataclass(frozen=True)
class Entry:
    """A name and what it stands for.

    Attributes:
        kind: One of `KINDS`.
        name: As it is written.
        make: The class or function.
        title: In a few words, for lists.
        paper: Where it comes from.
        defaults: Defaults that differ from those of the signature.
        origin: The package or file that registered it; empty for Twofold's own.
    """

    kind: str
    name: str
    make: Callable[..., Any]
    title: str = ""
    paper: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""

    @cached_property
    def _all(self) -> dict[str, inspect.Parameter]:
        return parameters_of(self.make)

    @cached_property
    def given(self) -> frozenset[str]:
        """The arguments that the surroundings give."""
        return KINDS[self.kind].given & self._all.keys()

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The arguments that are fields."""
        return {name: p for name, p in self._all.items() if name not in self.given}

    @cached_property
    def settings(self) -> type[Settings]:
        """The schema: a field for each argument.

        Raises:
            UsageError: If an argument has no type, or one that no file can hold.
        """
        kind = KINDS[self.kind]
        help_texts = help_of(self.make)
        named = self.name if self.name == kind.default else ...
        fields: dict[str, Any] = {kind.key: (Literal[self.name], named)}
        for name, parameter in self.parameters.items():
            if parameter.annotation is inspect.Parameter.empty:
                raise UsageError(
                    f"the argument {name!r} of {self.kind} {self.name!r} has no type, so nobody "
                    f"knows what it may be; write for example {name}: int = 1"
                )
            if name == kind.key or name.startswith("_") or hasattr(Settings, name):
                raise UsageError(
                    f"the argument {name!r} of {self.kind} {self.name!r} has a name that settings "
                    "use themselves; give it another"
                )
            default = self.defaults.get(name, parameter.default)
            annotation, piece_kind = _field_type(parameter.annotation, default)
            part = isinstance(default, Mapping) and parameter.default is inspect.Parameter.empty
            if default is inspect.Parameter.empty or part:
                default = ...
            elif piece_kind and default is not None:
                default = parse(piece_kind, default)
            fields[name] = (annotation, Field(default, description=help_texts.get(name)))
        try:
            made = create_model(f"{self.name} settings", __base__=Settings, **fields)
        except PydanticSchemaGenerationError as error:
            raise UsageError(
                f"{self.kind} {self.name!r} has an argument that no file can hold, of the type "
                f"{_type_named_in(error)}; use int, float, str, bool, lists of these, or a "
                "registered kind"
            ) from error
        made.entry = self
        return made


_entries: dict[tuple[str, str], Entry] = {}


def register(
    kind: str,
    name: str,
    *,
    title: str = "",
    paper: str = "",
    defaults: Mapping[str, Any] | None = None,
) -> Callable[[T], T]:
    """A decorator that gives a class or a function a name.

    Arguments:
        kind: One of `KINDS`.
        name: As it will be written.
        title: In a few words, for lists; by default the first line of the docstring.
        paper: Where it comes from.
        defaults: Defaults that differ from those of the signature.

    Raises:
        UsageError: If there is no such kind, or the name is taken by something else.

    Example:
        >>> @register("loss", "example-loss")
        ... def example(scale: float = 1.0) -> float:
        ...     return 2 * scale
        >>> find("loss", "example-loss").settings(name="example-loss", scale=3).build()
        6.0
    """
    if kind not in KINDS:
        raise unknown_name("kind of thing to register", kind, KINDS)

    def decorate(make: T) -> T:
        title_ = title or summary_of(make.__doc__).rstrip(".")
        source = "" if _is_ours(make) else origin() or "this session"
        entry = Entry(kind, name, make, title_, paper, defaults or {}, source)
        taken = _entries.get((kind, name))
        if taken is not None and not _same_source(taken, entry):
            raise UsageError(
                f"the {kind} {name!r} is registered twice, by {taken.origin or 'Twofold'} and by "
                f"{source or 'Twofold'}; give one of them another name"
            )
        _entries[kind, name] = entry
        if isinstance(make, type):
            check_constructor(make, entry)
        return make  # type: ignore[return-value]

    return decorate


def find(kind: str, name: str) -> Entry:
    """What a name stands for.

    Raises:
        UsageError: If there is none of that name, with the nearest that there are.
    """
    load_home(kind)
    broken = [] if (kind, name) in _entries else load_packages()
    if (kind, name) not in _entries:
        known = [known for of, known in _entries if of == kind]
        error = unknown_name("family of models" if kind == "model" else kind, name, known)
        raise UsageError("; ".join(map(str, [error, *broken])))
    return _entries[kind, name]


def is_known(kind: str, name: str) -> bool:
    """Whether a name stands for something, here and now."""
    return any(entry.name == name for entry in entries(kind)) if kind in KINDS else False


def entries(kind: str) -> list[Entry]:
    """All that is registered of a kind, in the order of registration."""
    load_home(kind)
    load_packages()
    return [entry for (of, _), entry in _entries.items() if of == kind]


def parse(kind: str, value: Any, base: type | None = None) -> Any:
    """A name, a mapping of fields or settings, as settings; an object as it is.

    Arguments:
        kind: One of `KINDS`.
        value: What was written.
        base: What must come of it, a class.

    Raises:
        UsageError: Naming every field that is wrong.
    """
    key, default = KINDS[kind].key, KINDS[kind].default
    value = _as_fields(kind, value)
    if isinstance(value, Settings):
        settings = value
    elif isinstance(value, Mapping):
        name = value.get(key, default)
        if not name or not isinstance(name, str):
            raise UsageError(f"{key} is missing: which {kind}?")
        try:
            settings = find(kind, name).settings.model_validate({key: name, **value})
        except ValidationError as error:
            raise refusal(error) from None
    elif value is None or isinstance(value, (bool, int, float, list, tuple)):
        raise UsageError(f"got {value!r}; expected the name of a {kind}, or its fields")
    else:
        _check_base(kind, f"the {kind} {type(value).__name__}", type(value), base)
        return value
    entry = type(settings).entry
    if entry.kind != kind:
        raise UsageError(f"{entry.name} is a {entry.kind}, not a {kind}")
    _check_base(kind, f"{key}={entry.name}", _made_by(entry), base)
    return settings


def make(kind: str, value: Any, **given: Any) -> Any:
    """The object that a name, a mapping or settings stand for; an object as it is.

    Example:
        >>> make("likelihood", "gaussian", channels=1).sigma
        1.0
    """
    parsed = parse(kind, value)
    return parsed.build(**given) if isinstance(parsed, Settings) else parsed


# --- from a signature to fields -------------------------------------------------------------------


def piece(kind: str, base: type | None = None, optional: bool = False, default: Any = None) -> Any:
    """The type of a field that holds a registered name with its fields.

    Arguments:
        kind: One of `KINDS`.
        base: What must come of it, a class.
        optional: Whether it may be null.
        default: The name that fields without a name belong to, or fields that stand where a value
            does not say its own.
    """
    return Annotated[
        Any,
        BeforeValidator(functools.partial(_parse_piece, kind, base, optional, default)),
        PlainSerializer(functools.partial(_dump_piece, kind)),
    ]


def _parse_piece(kind: str, base: type | None, optional: bool, default: Any, value: Any) -> Any:
    if optional and value is None:
        return None
    fields = default if isinstance(default, Mapping) else {}
    if isinstance(default, str) and is_known(kind, default):
        fields = {KINDS[kind].key: default}
    if fields:
        value = _as_fields(kind, value)
    return parse(kind, {**fields, **value} if isinstance(value, Mapping) else value, base)


def _dump_piece(kind: str, value: Any, info: SerializationInfo) -> Any:
    if value is None:
        return None
    if isinstance(value, Settings):
        return value.model_dump(mode=info.mode, exclude_defaults=info.exclude_defaults)
    return {KINDS[kind].key: "unregistered", "title": type(value).__name__}


def _field_type(annotation: Any, default: Any) -> tuple[Any, str]:
    """The type of a field, and the kind that it names if it is one."""
    options = [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        options = list(typing.get_args(annotation))
    for option in options:
        if isinstance(option, type) and (kind := _kind_of(option)):
            base = option if kind in ("model", "objective") else None
            return piece(kind, base, type(None) in options, default), kind
    return annotation, ""


def _type_named_in(error: Exception) -> str:
    """The type of which pydantic says that it has no schema, without its own advice."""
    return str(error).partition(" schema for ")[2].partition(". ")[0]


def _kind_of(option: type) -> str:
    """Which kind an argument of this class is: what the class says, and a network for a module."""
    if option.__module__.startswith("torch.nn") and option.__name__ == "Module":
        return "network"
    return getattr(option, "registry_kind", "")


def _check_base(kind: str, what: str, made: type, base: type | None) -> None:
    """Refuses what is not of a class, naming what is.

    Raises:
        UsageError: If it is not.
    """
    if base is not None and not issubclass(made, base):
        able = ", ".join(e.name for e in entries(kind) if issubclass(_made_by(e), base))
        raise UsageError(f"{what} is no {base.__name__}; use one of {able}")


def _made_by(entry: Entry) -> type:
    """The class of what an entry makes."""
    if isinstance(entry.make, type):
        return entry.make
    returned = typing.get_type_hints(entry.make).get("return", object)
    return returned if isinstance(returned, type) else object


def _own(value: Any) -> Any:
    """A list or mapping of its own for whoever gets it."""
    return copy.deepcopy(value) if isinstance(value, list | dict) else value


def _as_fields(kind: str, value: Any) -> Any:
    """A name, or what stands for the first argument of the default, as a mapping of fields."""
    key, default = KINDS[kind].key, KINDS[kind].default
    if isinstance(value, str) and (not default or _is_name(kind, value)):
        return {key: value}
    if not default or not (isinstance(value, str) or is_object(value)):
        return value
    whole = find(kind, default)
    is_part = isinstance(value, str) or (
        isinstance(whole.make, type) and not isinstance(value, whole.make)
    )
    return {key: default, next(iter(whole.parameters)): value} if is_part else value


def _is_name(kind: str, text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z][\w-]*", text)) and is_known(kind, text)


# --- where names come from ------------------------------------------------------------------------


def _is_ours(make: Callable[..., Any]) -> bool:
    return getattr(make, "__module__", "").startswith("twofold.")


def _same_source(a: Entry, b: Entry) -> bool:
    """Whether one and the same definition is registered again, as a cell of a notebook is."""
    names = [
        (getattr(e.make, "__module__", ""), getattr(e.make, "__qualname__", "")) for e in (a, b)
    ]
    return names[0] == names[1] and a.origin == b.origin
