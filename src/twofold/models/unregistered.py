"""What a run says of a model whose classes have no names, so that no file can make it again."""

from typing import Any

from twofold.errors import UsageError
from twofold.models.base import Model
from twofold.registry import register

__all__ = ["unregistered"]


@register("model", "unregistered", title="a model of classes that are not registered")
def unregistered(title: str, structure: str = "", arguments: dict[str, Any] | None = None) -> Model:
    """Refuses to be made, and says how to open the run.

    Arguments:
        title: What the model called itself.
        structure: Of its modules and tensors, as a hash.
        arguments: What it was made with, for a reader.

    Raises:
        UsageError: In any case.

    Example:
        >>> unregistered("MyVAE")
        Traceback (most recent call last):
        ...
        twofold.errors.UsageError: this run holds a MyVAE of classes that are not registered; ...
    """
    del structure, arguments
    raise UsageError(
        f"this run holds a {title} of classes that are not registered; make the model again and "
        "open the run with twofold.load(folder, model=...)"
    )
