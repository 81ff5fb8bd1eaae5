"""Packages that not everybody needs, imported when they are."""

import importlib
from typing import Any

from twofold.errors import UsageError

__all__ = ["require"]


def require(name: str, extra: str) -> Any:
    """A package that an extra of Twofold brings.

    Raises:
        UsageError: If it is not installed, with what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"this needs the package {name}, which is not installed: "
            f"pip install 'twofold[{extra}]' ({error})"
        ) from error
