"""Finding the first number that is not a number.

A run that has gone wrong stops, and says which tensor went first: a weight (then the step before
was too large), the images, the output of a layer, or a term of the loss.
"""

import torch
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.errors import RunError
from twofold.models.base import Model
from twofold.phases import Phase, Terms

__all__ = ["all_finite", "explain_nonfinite", "first_nonfinite"]


def all_finite(tensors: list[Tensor]) -> bool:
    """Whether every number is finite; reads the device once."""
    floating = [tensor for tensor in tensors if tensor.is_floating_point()]
    norms = torch._foreach_norm(floating, float("inf")) if floating else []
    return not norms or bool(torch.isfinite(torch.stack([n.float() for n in norms])).all())


def first_nonfinite(module: nn.Module) -> str | None:
    """The first parameter or buffer that is not finite, by name."""
    for name, value in module.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return name
    return None


def explain_nonfinite(
    model: Model, phase: Phase, terms: Terms, batch: Batch, step: int
) -> RunError:
    """The error for a loss that is not finite, naming what went first."""
    values = {name: value.item() for name, value in terms.terms.items()}
    bad = next((name for name, v in values.items() if not torch.isfinite(torch.tensor(v))), "total")
    if (weight := first_nonfinite(model)) is not None:
        where = f"the weight {weight} was no longer finite after the step before"
    elif not bool(torch.isfinite(batch.x).all()):
        where = "the images of the batch are not finite"
    elif (layer := _first_layer(model, phase, batch)) is not None:
        where = f"the first non-finite output is that of {layer}"
    else:
        where = f"the networks' outputs are finite; the term {bad} is not"
    shown = ", ".join(f"{name}={value:g}" for name, value in values.items())
    return RunError(
        f"the loss of phase {phase.name} is not finite at step {step} ({shown}): {where}; "
        "the last checkpoint is intact. Try a smaller lr, clip=1, or precision=fp32"
    )


def _first_layer(model: Model, phase: Phase, batch: Batch) -> str | None:
    found: list[str] = []

    def hook_for(name: str):  # noqa: ANN202
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
                found.append(name)

        return hook

    handles = [
        module.register_forward_hook(hook_for(name))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        phase.loss(batch.afresh(batch.x.detach()))
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None
