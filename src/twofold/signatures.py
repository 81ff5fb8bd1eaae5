"""What a function's source says of it: its arguments, their types and defaults, and its docstring.

The source is read and not imported, and no more of it parsed than the function's head, so that
`--help` is quick: torch alone takes seconds.
"""

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from twofold.docstrings import arguments_of, summary_of

__all__ = ["REQUIRED", "Argument", "Function"]

SOURCE = Path(__file__).parents[1]
REQUIRED = ...


@dataclass(frozen=True)
class Argument:
    """An argument of a function.

    Attributes:
        name: As in Python.
        types: The parts of its annotation, names for other types resolved: `{"str", "None"}`.
        default: `REQUIRED` where there is none.
        help: What the docstring says of it.
        positional: Whether it is given without its name: a required one, or one before a `/`.
    """

    name: str
    types: frozenset[str]
    default: Any
    help: str
    positional: bool


@dataclass(frozen=True)
class Function:
    """A function by its dotted path.

    Example:
        >>> compare = Function("twofold.report.compare.compare")
        >>> [argument.name for argument in compare.arguments]
        ['runs', 'out', 'seed', 'progress']
        >>> compare.arguments[2].default
        0
    """

    path: str

    @property
    def module(self) -> str:
        return self.path.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    def load(self) -> Callable[..., Any]:
        """The function itself, imported."""
        return getattr(importlib.import_module(self.module), self.name)

    @cached_property
    def _head(self) -> ast.FunctionDef:
        head = rf'^def {self.name}\(.*?\n    """.*?"""$'
        found = re.search(head, _source(self.module), re.MULTILINE | re.DOTALL)
        assert found, f"{self.path} is no function with a docstring"
        (parsed,) = ast.parse(found[0]).body
        assert isinstance(parsed, ast.FunctionDef)
        return parsed

    @cached_property
    def doc(self) -> str:
        return ast.get_docstring(self._head) or ""

    @property
    def summary(self) -> str:
        return summary_of(self.doc)

    @property
    def returns(self) -> str:
        """What the docstring says of the result, in one line."""
        return " ".join(_section(self.doc, "Returns").split())

    @property
    def example(self) -> str:
        """The commands of the section "Example:", a line each."""
        lines = _section(self.doc, "Example").splitlines()
        return "\n".join(line.strip()[2:] for line in lines if line.strip().startswith("$ "))

    @cached_property
    def arguments(self) -> list[Argument]:
        given, helps = self._head.args, arguments_of(self.doc)
        named = [*given.posonlyargs, *given.args]
        required = [None] * (len(named) - len(given.defaults))
        defaults = [*required, *given.defaults, *given.kw_defaults]
        return [
            Argument(
                arg.arg,
                frozenset(_types(arg.annotation, self.module)),
                REQUIRED if default is None else ast.literal_eval(default),
                helps.get(arg.arg, "").replace("`", ""),
                positional=default is None or arg in given.posonlyargs,
            )
            for arg, default in zip([*named, *given.kwonlyargs], defaults, strict=True)
        ]


@cache
def _source(module: str) -> str:
    path = SOURCE.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path.read_text(encoding="utf-8")


def _types(annotation: ast.expr | None, module: str) -> Iterator[str]:
    """The parts of a union; a name for a union, such as `Images`, stands for its parts."""
    match annotation:
        case ast.BinOp(left, ast.BitOr(), right):
            yield from _types(left, module)
            yield from _types(right, module)
        case ast.Name(name) if meant := _alias(name, module):
            yield from _types(*meant)
        case ast.expr():
            yield ast.unparse(annotation)


@cache
def _alias(name: str, module: str) -> tuple[ast.expr, str] | None:
    """What a name stands for, and the module that says so; None where it is a class."""
    if assigned := re.search(rf"^{name} = (.+)$", _source(module), re.MULTILINE):
        return ast.parse(assigned[1], mode="eval").body, module
    imports = re.findall(
        r"^from (twofold[\w.]*) import (\([^)]*\)|.*)", _source(module), re.MULTILINE
    )
    for other, names in imports:
        if re.search(rf"\b{name}\b", names):
            return _alias(name, other)
    return None


def _section(doc: str, title: str) -> str:
    """The text below a heading of a docstring in Google's style."""
    found = re.search(rf"^{title}:\n((?:    .*\n?|\n)+)", doc, re.MULTILINE)
    return found[1] if found else ""
