"""What a docstring in Google's style says of a function and of its arguments."""

import inspect
import re

__all__ = ["arguments_of", "summary_of"]

_ARGUMENT = re.compile(r"    (\w+): (.+)")


def summary_of(doc: str | None) -> str:
    """The first line.

    Example:
        >>> summary_of("Adds numbers.\\n\\nAt length.")
        'Adds numbers.'
    """
    return inspect.cleandoc(doc or "").partition("\n")[0]


def arguments_of(doc: str | None) -> dict[str, str]:
    """What the section "Arguments:" says of each, in one line.

    Example:
        >>> arguments_of("Adds.\\n\\nArguments:\\n    a: One,\\n        a number.\\n    b: Two.")
        {'a': 'One, a number.', 'b': 'Two.'}
    """
    found: dict[str, str] = {}
    _, _, section = inspect.cleandoc(doc or "").partition("\nArguments:\n")
    name = ""
    for line in section.splitlines():
        if line and not line.startswith("    "):
            break
        if match := _ARGUMENT.fullmatch(line):
            name = match[1]
            found[name] = match[2].strip()
        elif name and line.strip():
            found[name] += " " + line.strip()
    return found
