"""What a run goes on from, beside its step and its clock: tensors by name, and numbers beside them.

`model/…` the weights, `optimizer/PHASE/…` what each optimizer remembers, `random/DEVICE` the states
of the generators, `sums/PHASE/TERM` the means that the log has not seen yet.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from twofold.training.checkpoint import (
    Checkpoint,
    load_optimizer,
    module_tensors,
    optimizer_state,
    under,
)
from twofold.training.optimizers import PhaseOptimizer
from twofold.training.randomness import Randomness
from twofold.training.running import Sums

__all__ = ["pack", "unpack"]


def pack(
    model: torch.nn.Module,
    optimizers: Sequence[PhaseOptimizer],
    randomness: Randomness,
    sums: Sums,
) -> Checkpoint:
    """Tensors by name, and the plain numbers of optimizers and sums."""
    tensors, numbers = module_tensors(model, "model/"), {}
    for one in optimizers:
        name = one.phase.name
        state, numbers[name] = optimizer_state(one.optimizer, f"optimizer/{name}/")
        tensors |= state
    tensors |= {f"random/{name}": value for name, value in randomness.state().items()}
    for phase, values in sums.totals.items():
        tensors |= {f"sums/{phase}/{name}": value for name, value in values.items()}
    return tensors, {"optimizers": numbers, "counts": sums.counts}


def unpack(
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    optimizers: Sequence[PhaseOptimizer],
    randomness: Randomness,
    device: torch.device,
) -> Sums:
    """Puts everything but the model's weights back, and gives the sums.

    Raises:
        KeyError, IndexError, TypeError, ValueError: If the checkpoint is of another experiment.
    """
    for one in optimizers:
        name = one.phase.name
        load_optimizer(one.optimizer, tensors, facts["optimizers"][name], f"optimizer/{name}/")
    randomness.continue_from(under(tensors, "random/"))
    sums = Sums(counts=dict(facts["counts"]))
    for name, value in under(tensors, "sums/").items():
        phase, term = name.split("/")
        if value.dim() or not value.is_floating_point():
            raise ValueError(f"the sum {name} is {value.dtype} of shape {tuple(value.shape)}")
        sums.totals.setdefault(phase, {})[term] = value.clone().to(device)
    phases = {one.phase.name for one in optimizers}
    if sums.totals.keys() != sums.counts.keys() or not sums.totals.keys() <= phases:
        raise ValueError(f"sums of {sorted(sums.totals)}, counts of {sorted(sums.counts)}")
    return sums
