"""The errors Twofold raises on purpose.

A message says what was got, what was expected and how to mend it. The command line prints the
message of a `TwofoldError` without a traceback; any other exception is a defect of ours.
"""

import difflib
import reprlib
import unicodedata
from collections.abc import Iterable
from typing import Any

__all__ = [
    "DataError",
    "NotFiniteError",
    "NotMeasured",
    "RunError",
    "TwofoldError",
    "UnreadableError",
    "UsageError",
    "printable",
    "shorten",
    "unknown_name",
]


_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")  # categories of Unicode: controls, halves of a pair, breaks

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


class TwofoldError(Exception):
    """What went wrong, in words a user can act on."""


class UsageError(TwofoldError, ValueError):
    """An argument, option or experiment field that cannot be what was given."""


class NotMeasured(UsageError):  # noqa: N818
    """A figure that cannot be had of this model or these images: why, and what would mend it."""


class DataError(TwofoldError, ValueError):
    """Images, labels or files that cannot be read or do not fit."""


class RunError(TwofoldError, RuntimeError):
    """A run folder that is damaged, or a run that cannot go on."""


class NotFiniteError(RunError):
    """Training that has come to a number that is not finite, as it would with the next try."""


class UnreadableError(RunError):
    """A file or folder that is there and cannot be read, which says nothing of its content."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """An error for a name that is not known, with the nearest names that are.

    Example:
        >>> print(unknown_name("experiment", "lam2023-cvea", ["lam2023-cvae", "lam2023-cgan"]))
        unknown experiment 'lam2023-cvea'; did you mean 'lam2023-cvae' or 'lam2023-cgan'?
    """
    names = sorted(known)
    near = difflib.get_close_matches(name[:200], names, n=3, cutoff=0.5)
    if near:
        hint = "did you mean " + " or ".join(repr(n) for n in near) + "?"
    else:
        hint = "known: " + ", ".join(names)
    return UsageError(f"unknown {kind} {shorten(name)}; {hint}")


def shorten(value: Any) -> str:
    """What was got, as a message shows it: never at length, whatever it is.

    Example:
        >>> shorten("cat"), shorten([[1, 2], 3]), len(shorten("x" * 10_000))
        ("'cat'", '[[1, 2], 3]', 80)
    """
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        return f"a {type(value).__name__} of thousands of digits"


def printable(name: str) -> str:
    r"""A name as text that can be shown and written: what is no text in it, escaped.

    That is control characters, and bytes that are not UTF-8. Every name that comes from a file
    goes through here, so that it reaches neither a terminal nor a picture nor a table.

    Example:
        >>> printable("caf\u00e9"), printable("a\x1b[1m"), printable("b\udcff")
        ('café', 'a\\x1b[1m', 'b\\udcff')
    """
    if name.isprintable():
        return name
    return "".join(
        repr(c)[1:-1] if c in "\ufffe\uffff" or unicodedata.category(c) in _NO_TEXT else c
        for c in name
    )
