"""Settings into torch optimizers, and the learning rate as a function of the step."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from twofold.errors import UsageError
from twofold.models.base import Model
from twofold.phases import Phase
from twofold.training.settings import OPTIONS, OptimizerSettings, TrainingSettings

__all__ = [
    "PhaseOptimizer",
    "learning_rate",
    "make_optimizer",
    "phase_optimizers",
    "refuse_idle_phases",
    "stepping_together",
]


def make_optimizer(
    parameters: list[torch.nn.Parameter], settings: OptimizerSettings
) -> torch.optim.Optimizer:
    """The optimizer, fused where torch fuses it."""
    options: dict[str, Any] = {name: getattr(settings, name) for name in OPTIONS[settings.name]}
    on_cpu = all(parameter.device.type == "cpu" for parameter in parameters)
    how = {"rmsprop": {"foreach": True}, "adagrad": {"fused": on_cpu}}
    options |= how.get(settings.name, {"fused": True})
    make: Any = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": torch.optim.SGD,
        "adagrad": torch.optim.Adagrad,
        "rmsprop": torch.optim.RMSprop,
    }[settings.name]
    return make(parameters, lr=settings.lr, weight_decay=settings.weight_decay, **options)


def learning_rate(settings: OptimizerSettings, step: int, total_steps: int) -> float:
    """The rate at a step, a pure function: resuming needs no scheduler state.

    Example:
        >>> settings = OptimizerSettings(lr=1.0, schedule="cosine")
        >>> [round(learning_rate(settings, step, 4), 3) for step in range(5)]
        [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    progress = step / max(1, total_steps)
    factor = {
        "constant": 1.0,
        "linear": 1.0 - progress,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * progress)),
        "exponential": settings.decay ** (step // settings.decay_steps),
    }[settings.schedule]
    if settings.warmup:
        factor *= min(1.0, (step + 1) / settings.warmup)
    return settings.lr * factor


@dataclass(frozen=True)
class PhaseOptimizer:
    """A phase with the optimizer that minimizes it."""

    phase: Phase
    settings: OptimizerSettings
    optimizer: torch.optim.Optimizer

    def is_due(self, step: int, epoch: float = 0.0) -> bool:
        """Whether this phase takes a step at this batch, so many epochs into the run."""
        return self.takes_part(epoch) and (step + 1) % self.settings.every == 0

    def takes_part(self, epoch: float) -> bool:
        """Whether so many epochs into the run is after its start and before its end."""
        settings = self.settings
        return settings.start <= epoch and (settings.stop is None or epoch < settings.stop)

    def minimize(self, total: Tensor, step: int, total_steps: int) -> None:
        """One step of the optimizer; no parameter but the phase's own receives a gradient."""
        self.differentiate(total)
        self.take_step(step, total_steps)

    def differentiate(self, total: Tensor, part: int = 0, parts: int = 1) -> None:
        """The gradient of a phase's total, into the phase's own parameters alone.

        Arguments:
            total: What the phase minimizes, shape ().
            part: Which of the batches that the gradient is averaged over, counted from 0.
            parts: How many these are.
        """
        if part == 0:
            self.optimizer.zero_grad(set_to_none=True)
        if parts > 1:
            total = total / parts
        total.backward(inputs=self.phase.parameters, retain_graph=self.phase.keeps_graph)
        if self.settings.l1 and part == parts - 1:
            followed = [p for p in self.phase.parameters if p.grad is not None]
            signs = torch._foreach_sign([p.detach() for p in followed])
            gradients = [p.grad for p in followed if p.grad is not None]
            torch._foreach_add_(gradients, signs, alpha=self.settings.l1)

    def take_step(self, step: int, total_steps: int) -> None:
        """One step along the gradient that is there."""
        if self.settings.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.phase.parameters, self.settings.clip)
        if self.settings.schedule != "constant" or self.settings.warmup:
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.settings, step, total_steps)
        self.optimizer.step()
        if self.phase.after_step is not None:
            self.phase.after_step()

    def gradient_norm(self) -> Tensor:
        """The norm of the last gradient, shape ()."""
        gradients = [p.grad for p in self.phase.parameters if p.grad is not None]
        if not gradients:
            return torch.zeros(())
        return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))


def phase_optimizers(model: Model, settings: TrainingSettings) -> list[PhaseOptimizer]:
    """Every phase of a model with its optimizer, in order.

    Raises:
        UsageError: If a phase has parameters that are not the model's, or none, or, where all step
            at once, those of another; or if settings name a phase that the model has not.
    """
    phases, names = model.phases, {id(p): name for name, p in model.named_parameters()}
    if not phases:
        raise UsageError(f"this {model.title} declares no phases, so there is nothing to train")
    repeated = {p.name for p in phases if sum(q.name == p.name for q in phases) > 1}
    if repeated:
        raise UsageError(
            f"this {model.title} has several phases of the name {repeated.pop()!r}; each needs its "
            "own, for its optimizer and the log"
        )
    for phase in phases:
        foreign = sum(id(parameter) not in names for parameter in phase.parameters)
        if foreign:
            raise UsageError(
                f"the phase {phase.name!r} of this {model.title} names {foreign} parameters that "
                "are not the model's own, so no checkpoint would hold them; make their module an "
                "attribute of the model"
            )
        if not any(parameter.requires_grad for parameter in phase.parameters):
            raise UsageError(
                f"the phase {phase.name!r} of this {model.title} has no parameters to train"
            )
    known = {name for phase in phases for name in (phase.name, phase.part_of) if name}
    for name in settings.optimizers:
        if name not in known:
            raise UsageError(
                f"training.optimizers names the phase {name!r}, but this {model.title} has "
                f"{' and '.join(phase.name for phase in phases)}"
            )
    if settings.simultaneous:
        _refuse_shared(model.title, phases)
    chosen = [settings.optimizer_of(phase.name, phase.part_of) for phase in phases]
    return [
        PhaseOptimizer(phase, one, make_optimizer(phase.parameters, one))
        for phase, one in zip(phases, chosen, strict=True)
    ]


def _refuse_shared(title: str, phases: list[Phase]) -> None:
    """Refuses phases that would write over each other's gradients before either steps."""
    if len(phases) == 1:
        raise UsageError(
            f"simultaneous=true has no effect on this {title}, which has one phase; leave it out"
        )
    for first, second in combinations(phases, 2):
        if {id(p) for p in first.parameters} & {id(p) for p in second.parameters}:
            raise UsageError(
                f"the phases {first.name} and {second.name} of this {title} train the same network "
                "in turn, which simultaneous=true cannot; leave it out"
            )


def refuse_idle_phases(optimizers: Sequence[PhaseOptimizer], epochs: float) -> None:
    """A phase that starts after the end would leave its networks as they were drawn.

    Raises:
        UsageError: Naming the phase, and where it says when it starts.
    """
    for one in optimizers:
        if one.settings.start >= epochs:
            name = one.phase.name
            raise UsageError(
                f"{name} starts at epoch {one.settings.start:g}, but the run ends at epoch "
                f"{epochs:g}; use more epochs, or a smaller training.optimizers.{name}.start"
            )


def stepping_together(
    due: Sequence[PhaseOptimizer], simultaneous: bool
) -> Iterator[list[PhaseOptimizer]]:
    """Phases in the order of their steps, those together whose gradients are taken at one point.

    Weights that a later phase differentiates through stay until it has done so; autograd would not
    notice, because fused optimizers leave the version of a tensor as it was.
    """
    group: list[PhaseOptimizer] = []
    for one in due:
        group.append(one)
        if not (simultaneous or one.phase.keeps_graph):
            yield group
            group = []
    if group:
        yield group
