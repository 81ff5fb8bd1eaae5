"""Which classes a user asks a model for."""

from collections.abc import Sequence

from twofold.apply.context import Context, class_index
from twofold.errors import UsageError

__all__ = ["Classes", "asked_classes"]

Classes = int | str | Sequence[int | str]  # one by number or name, or several


def asked_classes(context: Context, label: Classes | None) -> list[int]:
    """The classes asked for; if none is named those the model knows, if any.

    A class that was left out of training can be asked for by name or number.

    Raises:
        UsageError: If there is no such class, or the model cannot be asked for one.
    """
    if context.model.condition.about != "class":
        if label is not None:
            raise UsageError(
                f"{context.model.title} is not conditioned on the class, so none can be asked for; "
                "use a CVAE or CGAN"
            )
        return []
    if label is None:
        return context.known_classes
    wanted = [label] if isinstance(label, (int, str)) else label
    return [class_index(one, context.class_names) for one in wanted]
