"""Whether what can be imported shows how it is used; pytest runs the examples themselves."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import pytest

# Rooms whose every public function and class has an example. Add one when it has.
ROOMS = [
    "twofold.conditions",
    "twofold.data",
    "twofold.distributions",
    "twofold.likelihoods",
    "twofold.models",
    "twofold.networks",
]


def modules(room: str) -> list[ModuleType]:
    """A module, or a package and all modules in it."""
    module = importlib.import_module(room)
    inside = pkgutil.walk_packages(getattr(module, "__path__", []), f"{room}.")
    return [module, *(importlib.import_module(info.name) for info in inside)]


def public(module: ModuleType) -> list[Any]:
    """The functions and classes that a module defines and names in its `__all__`."""
    things = [getattr(module, name) for name in getattr(module, "__all__", [])]
    documented = [thing for thing in things if inspect.isclass(thing) or inspect.isroutine(thing)]
    return [thing for thing in documented if thing.__module__ == module.__name__]


def has_example(thing: Any) -> bool:
    """In its docstring or its constructor's; protocols share that of their module."""
    texts = [thing.__doc__, thing.__init__.__doc__ if inspect.isclass(thing) else None]
    if getattr(thing, "_is_protocol", False):
        texts.append(importlib.import_module(thing.__module__).__doc__)
    return any(">>>" in text for text in texts if text)


@pytest.mark.parametrize("name", [module.__name__ for room in ROOMS for module in modules(room)])
def test_every_public_name_has_an_example(name: str):
    bare = [t.__name__ for t in public(importlib.import_module(name)) if not has_example(t)]
    assert not bare, f"{name}: write an example, or make private: {', '.join(bare)}"


def test_the_walk_reaches_the_modules_of_a_package():
    names = {t.__name__ for room in ROOMS for module in modules(room) for t in public(module)}
    assert {"as_dataset", "ImageDataset", "build_network", "filterbank"} <= names


def test_a_name_without_an_example_is_found():
    module = ModuleType("shop")
    exec(
        "__all__ = ['bare', 'shown', 'Bare', 'Shown', 'LIMIT', 'borrowed']\n"
        "from textwrap import dedent as borrowed\n"
        "LIMIT = 3\n"
        "def bare():\n  'Nothing to see.'\n"
        "def shown():\n  '>>> shown()'\n"
        "class Bare: ...\n"
        "class Shown:\n  def __init__(self):\n    '>>> Shown()'\n",
        vars(module),
    )
    assert [t.__name__ for t in public(module) if not has_example(t)] == ["bare", "Bare"]
    assert [t.__name__ for t in public(module) if has_example(t)] == ["shown", "Shown"]
