"""What an object was made with, as far as it is of registered pieces."""

from typing import Any

from twofold.settings import Strict

__all__ = ["is_object", "name_of", "remember", "settings_of"]


def is_object(value: Any) -> bool:
    """Whether a value is neither plain data nor settings."""
    plain = (str, int, float, bool, list, tuple, dict, type(None), Strict)
    return not isinstance(value, plain)


def remember(made: Any, settings: Any) -> None:
    """Keeps the settings with what was made of them."""
    try:
        object.__setattr__(made, "_settings", settings)
    except (AttributeError, TypeError):
        return  # a number or a tuple needs no memory


def settings_of(made: Any) -> Any:
    """The settings that an object was made with; None where it is of no registered pieces.

    Parts that were objects are written down with the whole, as far as they have settings.
    """
    settings = getattr(made, "_settings", None)
    return None if settings is None else _with_parts(settings)


def name_of(made: Any) -> str:
    """The name that an object was made by, or its class where that has none."""
    settings = getattr(made, "_settings", None)
    return type(made).__name__ if settings is None else type(settings).entry.name


def _with_parts(settings: Any) -> Any:
    """The settings with those of every part, so that a file can hold the whole."""
    parts: dict[str, Any] = {}
    for name in type(settings).entry.parameters:
        value = getattr(settings, name)
        if isinstance(value, Strict) or is_object(value):
            part = _with_parts(value) if isinstance(value, Strict) else settings_of(value)
            if part is None:
                return None
            parts[name] = part
    return settings.model_copy(update=parts)
