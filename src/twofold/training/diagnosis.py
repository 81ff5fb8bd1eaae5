"""Plain words for the numbers that show early that a run is going wrong."""

from collections.abc import Mapping
from typing import Any

__all__ = ["warnings_of"]


def warnings_of(diagnosis: Mapping[str, Any]) -> list[str]:
    """What a person should know, from `Model.diagnose`.

    Example:
        >>> warnings_of({"active_units": 0, "kl_per_dim": [0.0]})[0][:31]
        'posterior collapse: none of the'
    """
    found = []
    if diagnosis.get("active_units") == 0:
        found.append(
            "posterior collapse: none of the latent units is active; "
            "try a longer run, or kl_warmup or free_bits where the model has them"
        )
    for phase in diagnosis.get("still", ()):
        found.append(
            f"the weights of {phase} have not moved since the validation before; its gradient is "
            "zero, or its lr too small to change them"
        )
    diversity = diagnosis.get("diversity")
    if diversity is not None and diversity < 0.25:
        found.append(
            "mode collapse: samples of one class differ less than a quarter as much as real images"
        )
    real, fake = diagnosis.get("accuracy_real"), diagnosis.get("accuracy_fake")
    if real is not None and fake is not None and min(real, fake) > 0.99:
        found.append(
            "the discriminator recognizes every image; the generator may be learning nothing "
            "(try a smaller discriminator lr, r1=1, or label_smoothing=0.1)"
        )
    return found
