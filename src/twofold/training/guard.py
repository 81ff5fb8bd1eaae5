"""Finding the first number that is not a number.

A run that has gone wrong stops, and says which tensor went first: a weight (then the step before
was too large), the images, the output of a layer, or a term of the loss. So does a run whose
optimizer has numbers in its memory that are not finite: its weights never move again. Weights that
stand still for another reason are noticed between validations.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from twofold.data.batches import Batch
from twofold.errors import NotFiniteError
from twofold.models.base import Model
from twofold.phases import Phase, Terms
from twofold.training.optimizers import PhaseOptimizer

__all__ = ["Movement", "all_finite", "explain_nonfinite", "first_nonfinite", "refuse_nonfinite"]


_SMALLER_STEPS = "Try a smaller lr, clip=1, or precision=fp32"
_OTHER_SETTINGS = (
    "No step was taken yet, so that lr has no part in it. Look at how weights start (init) and at "
    "what the terms are divided or multiplied by, such as sigma and beta, and try precision=fp32"
)


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


def refuse_nonfinite(model: Model, optimizers: Iterable[PhaseOptimizer], step: int) -> None:
    """Looks at weights and at what optimizers remember, and waits for the device once.

    Raises:
        NotFiniteError: Naming the first weight, or the optimizer, that is not finite.
    """
    remembered = {
        f"{key} in the optimizer of {one.phase.name}": value
        for one in optimizers
        for key, value in _memory(one.optimizer, model.device)
    }
    if all_finite([*model.state_dict().values(), *remembered.values()]):
        return
    if (weight := first_nonfinite(model)) is not None:
        raise NotFiniteError(
            f"the weight {weight} is not finite after step {step}; the last checkpoint is intact. "
            + _SMALLER_STEPS
        )
    where = next((name for name, value in remembered.items() if not all_finite([value])), "")
    raise NotFiniteError(
        f"{where} is not finite after step {step}, so that its weights would never move again: "
        "their gradient was too large to be squared. The last checkpoint is intact. Try smaller "
        "weights of what is minimized, such as beta, r1, l1 and weight_decay"
    )


def _memory(optimizer: torch.optim.Optimizer, device: torch.device) -> Iterator[tuple[str, Tensor]]:
    """What an optimizer remembers on the device, by the names of torch and a number."""
    for number, entries in enumerate(optimizer.state.values()):
        for key, value in entries.items():
            if isinstance(value, Tensor) and value.device == device:
                yield f"{key} {number}", value


class Movement:
    """Notices phases whose weights stand still.

    Example:
        >>> from twofold.models import VAE
        >>> from twofold.training.optimizers import phase_optimizers
        >>> from twofold.training.settings import TrainingSettings
        >>> vae = VAE("fc-8", "fc-8", latent_dim=2, image_shape=(1, 4, 4))
        >>> optimizers = phase_optimizers(vae, TrainingSettings(epochs=1))
        >>> movement = Movement()
        >>> movement.still(optimizers, epoch=0.0), movement.still(optimizers, epoch=1.0)
        ([], ['vae'])
    """

    def __init__(self) -> None:
        self._epoch = 0.0
        self._sums: dict[str, Tensor] = {}

    @torch.no_grad()
    def still(self, optimizers: Iterable[PhaseOptimizer], epoch: float) -> list[str]:
        """The phases that took part since it was last asked and whose weights have not moved."""
        found, before, then = [], self._sums, self._epoch
        self._sums, self._epoch = {}, epoch
        for one in optimizers:
            name = one.phase.name
            weights = [p.cpu().double() for p in one.phase.parameters]  # Apple's GPU has no doubles
            sums = torch.stack([weight.sum() for weight in weights])
            least = 1e-12 * torch.stack([weight.abs().sum() for weight in weights]).sum()
            took_part = one.takes_part(then) and one.takes_part(epoch)
            if took_part and name in before and bool(((sums - before[name]).abs() <= least).all()):
                found.append(name)
            self._sums[name] = sums
        return found


def explain_nonfinite(
    model: Model, phase: Phase, terms: Terms, batch: Batch, step: int
) -> NotFiniteError:
    """The error for a loss that is not finite, naming what went first and what may help."""
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
    return NotFiniteError(
        f"the loss of phase {phase.name} is not finite at step {step} ({shown}): {where}; "
        f"the last checkpoint is intact. {_SMALLER_STEPS if step else _OTHER_SETTINGS}"
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
