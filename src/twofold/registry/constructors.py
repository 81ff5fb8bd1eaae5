"""Constructors of registered classes: checked in Python as in YAML, and remembered by the object.

An entry of the registry says what the arguments are: its `parameters` are the fields of its
`settings`, and what is `given` comes from the surroundings.
"""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from twofold.registry.kinds import KINDS
from twofold.registry.memory import remember
from twofold.settings import refusal

__all__ = ["check_constructor"]


def check_constructor(cls: Any, entry: Any) -> None:
    """Checks what a constructor is given, in Python as in YAML, and remembers it with the object.

    A class of several names is, in Python, what it is under the name without defaults of its own.
    """
    known = "_entry" in vars(cls)
    if not known or (cls._entry.defaults and not entry.defaults):
        cls._entry = entry
    if known:
        return
    original = inspect.unwrap(cls.__init__)
    signature = inspect.signature(original)
    kinds = [p.kind for p in signature.parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:  # what it takes has no names
        return
    handed_on = [
        p.name for p in signature.parameters.values() if p.kind is inspect.Parameter.VAR_KEYWORD
    ]

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        if type(self) is not cls:
            original(self, *args, **kwargs)
            return
        bound = dict(signature.bind(self, *args, **kwargs).arguments)
        values = {k: v for name in handed_on for k, v in bound.pop(name, {}).items()} | bound
        arguments, settings = _check(vars(cls)["_entry"], values)
        original(self, **arguments)
        remember(self, settings)

    cls.__init__ = __init__


def _check(entry: Any, values: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """The arguments of a constructor, with its defaults, and the settings that they are.

    Raises:
        TypeError: If it has no such argument, whoever else it hands arguments on to.
    """
    for name in values.keys() - entry.parameters.keys() - entry.given - {"self"}:
        raise TypeError(f"got an unexpected keyword argument {name!r}")
    fields = {k: v for k, v in values.items() if k in entry.parameters}
    try:
        settings = entry.settings.model_validate({KINDS[entry.kind].key: entry.name, **fields})
    except ValidationError as error:
        raise refusal(error) from None
    arguments = {k: v for k, v in values.items() if k in entry.given}
    return arguments | {name: getattr(settings, name) for name in entry.parameters}, settings
