"""The arguments of functions and constructors, with their types and what docstrings say of them."""

import inspect
import typing
from collections.abc import Callable
from typing import Any

from twofold.docstrings import arguments_of

__all__ = ["help_of", "parameters_of"]

Parameters = dict[str, inspect.Parameter]


def parameters_of(make: Callable[..., Any]) -> Parameters:
    """The arguments by name with their types; `**options` stands for those of the base class.

    Example:
        >>> list(parameters_of(help_of))
        ['make']
    """
    if not isinstance(make, type):
        return _of_function(make)[0]
    found: Parameters = {}
    for cls in make.__mro__:
        if "__init__" not in vars(cls):
            continue
        function = inspect.unwrap(vars(cls)["__init__"])
        if cls is object or function.__module__.startswith("torch."):
            break
        arguments, follows = _of_function(function)
        found = {**arguments, **found}
        if not follows:
            break
    return found


def help_of(make: Callable[..., Any]) -> dict[str, str]:
    """What the docstrings of a class and of its bases, or of a function, say of the arguments.

    Example:
        >>> help_of(parameters_of)
        {}
    """
    classes = make.__mro__ if isinstance(make, type) else (make,)
    found: dict[str, str] = {}
    for one in reversed(classes):
        found |= arguments_of(one.__doc__)
    return found


def _of_function(function: Callable[..., Any]) -> tuple[Parameters, bool]:
    """The arguments of one function, and whether it hands others on."""
    hints = typing.get_type_hints(function, include_extras=True)
    found, follows = {}, False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            follows = True
        elif name != "self" and parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            annotation = hints.get(name, inspect.Parameter.empty)
            found[name] = parameter.replace(annotation=annotation)
    return found, follows
