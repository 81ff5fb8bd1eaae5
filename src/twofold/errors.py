"""The errors Twofold raises on purpose.

A message says what was got, what was expected and how to mend it. The command line prints the
message of a `TwofoldError` without a traceback; any other exception is a defect of ours.
"""

import difflib
from collections.abc import Iterable

__all__ = ["DataError", "RunError", "TwofoldError", "UnreadableError", "UsageError", "unknown_name"]


class TwofoldError(Exception):
    """What went wrong, in words a user can act on."""


class UsageError(TwofoldError, ValueError):
    """An argument, option or experiment field that cannot be what was given."""


class DataError(TwofoldError, ValueError):
    """Images, labels or files that cannot be read or do not fit."""


class RunError(TwofoldError, RuntimeError):
    """A run folder that is damaged, or a run that cannot go on."""


class UnreadableError(RunError):
    """A file or folder that is there and cannot be read, which says nothing of its content."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """An error for a name that is not known, with the nearest names that are.

    Example:
        >>> print(unknown_name("experiment", "lam2023-cvea", ["lam2023-cvae", "lam2023-cgan"]))
        unknown experiment 'lam2023-cvea'; did you mean 'lam2023-cvae' or 'lam2023-cgan'?
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        hint = "did you mean " + " or ".join(repr(n) for n in near) + "?"
    else:
        hint = "known: " + ", ".join(names)
    return UsageError(f"unknown {kind} {name!r}; {hint}")
